"""The chart and the plain manifests on a real Kubernetes API server, in namespaces that enforce PodSecurity `restricted`."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.kubernetes.cluster import CHART, ROOT, Cluster, RefusedError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

RELEASE = "trace-monitor"
Object = dict[str, Any]

# Which values of the chart's, and what else; what helm then makes, and what it leaves behind.
USUAL = {
    f"{kind}/{RELEASE}"
    for kind in ("configmap", "deployment.apps", "persistentvolumeclaim", "service", "serviceaccount")
}
MADE: dict[str, tuple[str, Object, set[str], set[str]]] = {
    "minimal": ("minimal", {}, USUAL, set()),
    "everything": (
        "everything",
        {},
        USUAL
        | {
            f"externalsecret.external-secrets.io/{RELEASE}",
            f"httproute.gateway.networking.k8s.io/{RELEASE}",
            f"ingress.networking.k8s.io/{RELEASE}",
            f"networkpolicy.networking.k8s.io/{RELEASE}",
            f"podmonitor.monitoring.coreos.com/{RELEASE}",
            f"prometheusrule.monitoring.coreos.com/{RELEASE}",
        },
        {f"persistentvolumeclaim/{RELEASE}"},
    ),
    "ServiceMonitor, emptyDir, a Secret of its own, the default account": (
        "minimal",
        {
            "existingSecret": "",
            "metrics": {"serviceMonitor": {"enabled": True}, "tlsConfig": {"insecureSkipVerify": True}},
            "persistence": {"enabled": False},
            "secret": {"values": {"targets__prod__traceloop__api_key": "key", "server__read_token": "token"}},
            "serviceAccount": {"create": False},
        },
        {
            f"configmap/{RELEASE}",
            f"deployment.apps/{RELEASE}",
            f"secret/{RELEASE}",
            f"service/{RELEASE}",
            f"servicemonitor.monitoring.coreos.com/{RELEASE}",
        },
        set(),
    ),
}


def _install(cluster: Cluster, namespace: str, values: str, more: Object | None = None) -> None:
    chosen = CHART / "ci" / f"{values}-values.yaml"
    cluster.helm("install", RELEASE, str(CHART), "--namespace", namespace, "--values", str(chosen), values=more or {})


def _configuration(cluster: Cluster, namespace: str) -> Object:
    text = cluster.get(namespace, "configmap", RELEASE)["data"]["trace-monitor.yaml"]
    loaded: Object = yaml.safe_load(text)
    return loaded


@pytest.mark.parametrize("case", MADE)
def test_a_release_is_installed_changed_rolled_back_and_removed(cluster: Cluster, namespace: str, case: str) -> None:
    """The objects are there, the configuration follows without a new pod, and nothing is left but what is to be retained."""
    _try_release(cluster, namespace, *MADE[case])


def test_helm_3_does_the_same(cluster: Cluster, namespace: str) -> None:
    """It has every object of the chart installed, changed, rolled back and removed as well."""
    _try_release(cluster.with_helm3(), namespace, *MADE["everything"])


def _try_release(
    cluster: Cluster, namespace: str, values: str, more: Object, made: set[str], retained: set[str]
) -> None:
    before = cluster.objects(namespace)
    _install(cluster, namespace, values, more)
    dashboards = {f"configmap/{RELEASE}-dashboards"}
    history = {f"secret/sh.helm.release.v1.{RELEASE}.v1"}
    assert cluster.objects(namespace) - before - history - dashboards == made
    first, pod = _configuration(cluster, namespace), cluster.pod(namespace, RELEASE)

    change = ["--namespace", namespace, "--reuse-values", "--set", "config.targets.prod.traceloop.environment=staging"]
    cluster.helm("upgrade", RELEASE, str(CHART), *change)
    changed = _configuration(cluster, namespace)
    assert changed["targets"]["prod"]["traceloop"] == {"environment": "staging"}
    assert cluster.pod(namespace, RELEASE) == pod

    cluster.helm("upgrade", RELEASE, str(CHART), *change, "--set", "config.log.level=warning")
    assert cluster.pod(namespace, RELEASE) != pod

    cluster.helm("rollback", RELEASE, "1", "--namespace", namespace)
    assert _configuration(cluster, namespace) == first
    assert cluster.pod(namespace, RELEASE) == pod

    cluster.helm("uninstall", RELEASE, "--namespace", namespace)
    assert cluster.objects(namespace) - before == retained


@pytest.mark.parametrize("values", ["minimal", "everything"])
def test_the_pods_are_admitted_under_restricted(cluster: Cluster, namespace: str, values: str) -> None:
    """The pod of the deployment, and that of `helm test`; neither is given a token for the API."""
    _install(cluster, namespace, values, {"persistence": {"retain": False}})
    hooks = yaml.safe_load_all(cluster.helm("get", "hooks", RELEASE, "--namespace", namespace))
    (test,) = [hook for hook in hooks if hook]
    for pod in (cluster.pod(namespace, RELEASE), test):
        volumes = cluster.admit(pod)["spec"]["volumes"]
        assert [volume["name"] for volume in volumes] == [volume["name"] for volume in pod["spec"]["volumes"]]


def test_a_pod_that_asks_for_a_token_is_given_one(cluster: Cluster, namespace: str) -> None:
    """The server does hand them out, so that what the test above says means something."""
    _install(cluster, namespace, "minimal")
    pod = cluster.pod(namespace, RELEASE)
    pod["spec"]["automountServiceAccountToken"] = True
    assert cluster.admit(pod)["spec"]["volumes"][-1]["name"].startswith("kube-api-access-")


def _root(pod: Object) -> None:
    pod["spec"]["securityContext"]["runAsUser"] = 0


def _perhaps_root(pod: Object) -> None:
    del pod["spec"]["securityContext"]["runAsNonRoot"]


def _any_system_call(pod: Object) -> None:
    del pod["spec"]["securityContext"]["seccompProfile"]


def _escalation(pod: Object) -> None:
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True


def _capabilities(pod: Object) -> None:
    pod["spec"]["initContainers"][0]["securityContext"]["capabilities"] = {}


def _the_nodes_files(pod: Object) -> None:
    pod["spec"]["volumes"].append({"name": "node", "hostPath": {"path": "/"}})


@pytest.mark.parametrize(
    ("weaken", "named"),
    [
        (_root, "runAsUser=0"),
        (_perhaps_root, "runAsNonRoot != true"),
        (_any_system_call, "seccompProfile"),
        (_escalation, "allowPrivilegeEscalation != false"),
        (_capabilities, "unrestricted capabilities"),
        (_the_nodes_files, "restricted volume types"),
    ],
)
def test_a_weaker_pod_is_refused(
    cluster: Cluster, namespace: str, weaken: Callable[[Object], None], named: str
) -> None:
    """The server really judges: with any part of the security context missing it refuses the pod."""
    _install(cluster, namespace, "minimal")
    pod = cluster.pod(namespace, RELEASE)
    weaken(pod)
    with pytest.raises(RefusedError, match=named):
        cluster.admit(pod)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"metrics": {"metricRelabelings": [{"action": "forget"}]}}, "PodMonitor"),
        ({"httpRoute": {"hostnames": ["no host"]}}, "HTTPRoute"),
        ({"networkPolicy": {"extraEgress": [{"ports": [{"port": 99999}]}]}}, "NetworkPolicy"),
        ({"externalSecret": {"data": [{"secretKey": "a", "remoteRef": {}}]}}, "ExternalSecret"),
    ],
)
def test_what_a_schema_forbids_is_refused(cluster: Cluster, namespace: str, values: Object, named: str) -> None:
    """The schemas of Kubernetes and of the operators are in force: values that break one do not come through."""
    with pytest.raises(RefusedError, match=f"{named}.* is invalid"):
        _install(cluster, namespace, "everything", values)


def test_the_plain_manifests_are_applied(cluster: Cluster) -> None:
    """Twice, without a warning of the server's; their pod is admitted in the namespace that they make."""
    for _ in range(2):
        cluster.kubectl(
            "apply", "--server-side", "--warnings-as-errors", "--validate=strict",
            "--kustomize", str(ROOT / "deploy" / "kubernetes"),
        )  # fmt: skip
    assert cluster.objects(RELEASE) == USUAL | {f"networkpolicy.networking.k8s.io/{RELEASE}"}
    labels = cluster.get(RELEASE, "namespace", RELEASE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    cluster.admit(cluster.pod(RELEASE, RELEASE))
