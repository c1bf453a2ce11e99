"""The Helm chart, rendered by Helm 4 and Helm 3 with many values: `make chart-test`."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.core.model import TargetName
from monitor.version import VERSION
from tests.deploy.chart import MOUNTED, ROOT, Helm, Refused, Rendered, containers, installed, keep_promises, merged
from tests.deploy.test_chart_files import EXAMPLES, PAGES
from tools.chart_values import CHART

pytestmark = pytest.mark.e2e

MINIMAL: dict[str, Any] = yaml.safe_load((CHART / "ci" / "minimal-values.yaml").read_text())
EVERYTHING: dict[str, Any] = yaml.safe_load((CHART / "ci" / "everything-values.yaml").read_text())
KEYS = {
    "targets__prod__control_plane__token": "tfy-Secret-1",
    "targets__prod__traceloop__api_key": "tl_Secret_2",
    "server__read_token": "read-Secret-3",
}
BY_ENVIRONMENT = [
    {"name": "TRACE_MONITOR_TARGETS__PROD__CONTROL_PLANE__URL", "value": "https://acme.truefoundry.cloud"},
    {"name": "TRACE_MONITOR_TARGETS__PROD__GATEWAY__MODEL", "value": "openai-main/gpt-4o-mini"},
    {"name": "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__ENVIRONMENT", "value": "prd"},
    {
        "name": "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY",
        "valueFrom": {"secretKeyRef": {"name": "mine", "key": "traceloop"}},
    },
]

WHOLE: dict[str, Mapping[str, Any]] = {
    "minimal": MINIMAL,
    "everything": EVERYTHING,
    "plain-manifests": yaml.safe_load((ROOT / "deploy" / "kubernetes" / "values.yaml").read_text()),
    "by-environment": {"extraEnv": BY_ENVIRONMENT},
    "secret-of-values": merged(MINIMAL, {"existingSecret": "", "secret": {"values": KEYS}}),
}
BESIDE_MINIMAL: dict[str, Mapping[str, Any]] = {
    "empty-dir": {"persistence": {"enabled": False}},
    "existing-claim": {"persistence": {"existingClaim": "mine"}},
    "pod-monitor": {"metrics": {"podMonitor": {"enabled": True}}},
    "service-monitor": {
        "metrics": {"serviceMonitor": {"enabled": True}, "readTokenKey": "server__read_token"},
        "service": {"port": 80},
    },
    "own-token-secret": {
        "metrics": {"podMonitor": {"enabled": True}, "readTokenSecret": "scrape", "readTokenKey": "token"}
    },
    "tls": {
        "config": {"server": {"tls_cert": "/etc/certificates/tls.crt", "tls_key": "/etc/certificates/tls.key"}},
        "extraVolumes": [{"name": "certificates", "secret": {"secretName": "tls"}}],
        "extraVolumeMounts": [{"name": "certificates", "mountPath": "/etc/certificates", "readOnly": True}],
        "metrics": {"serviceMonitor": {"enabled": True}, "tlsConfig": {"insecureSkipVerify": True}},
    },
    "ipv6": {"config": {"server": {"host": "::"}}},
    "ingress": {"ingress": {"enabled": True, "host": "monitor.example.com"}},
    "http-route": {
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["monitor.example.com"]}
    },
    "closed-network": {"networkPolicy": {"enabled": True}},
    "no-account": {"serviceAccount": {"create": False}},
    "named-account": {"serviceAccount": {"name": "mine"}},
    "no-validation-no-test": {"validateConfig": False, "test": {"enabled": False}},
    "openshift": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
    "named": {"fullnameOverride": "traces", "nameOverride": "watch"},
    "large-numbers": {"config": {"targets": {"prod": {"checks": {"canary": {"max_tokens_per_day": 20_000_000}}}}}},
    "part-of-another-chart": {"global": {"imageRegistry": "registry.example.com"}, "enabled": True},
}
CASES = WHOLE | {name: merged(MINIMAL, values) for name, values in BESIDE_MINIMAL.items()}


@pytest.fixture(scope="module", params=["helm", "helm3"])
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4, and Helm 3."""
    return Helm(installed(request.param), tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def helm4(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4 alone, for what does not depend on it."""
    return Helm(installed("helm"), tmp_path_factory.mktemp("helm4"))


def test_the_helms_are_different(tmp_path: Path) -> None:
    """Or the second run proves nothing."""
    assert [Helm(installed(name), tmp_path).run("version", "--short")[:2] for name in ("helm", "helm3")] == ["v4", "v3"]


@pytest.mark.parametrize(
    "values", [None, *sorted((CHART / "ci").glob("*.yaml"))], ids=lambda file: getattr(file, "stem", "none")
)
def test_lint_has_nothing_to_say(helm: Helm, values: Path | None) -> None:
    """Strictly, with no values and with those of the examples."""
    said = helm.run("lint", "--strict", CHART, *(["--values", str(values)] if values else []))
    assert "1 chart(s) linted, 0 chart(s) failed" in said
    assert "WARNING" not in said


@pytest.mark.parametrize("case", CASES)
def test_every_object_keeps_what_is_promised(helm: Helm, case: str) -> None:
    """Restricted, without a token, selected, reachable; and the monitor accepts its configuration as it stands in the ConfigMap."""
    rendered = helm.template(CASES[case])
    keep_promises(rendered)
    assert rendered.configuration().settings.targets.keys() == {"prod"}


def test_both_helms_render_the_same(helm: Helm, helm4: Helm) -> None:
    """Object for object."""
    for case, values in CASES.items():
        assert helm.template(values).objects == helm4.template(values).objects, case


@pytest.mark.parametrize("version", ["1.25.0", "1.37.0"])
def test_kubernetes_knows_every_field(helm4: Helm, version: str, tmp_path: Path) -> None:
    """The oldest version that Chart.yaml allows and the newest one."""
    for case, values in CASES.items():
        (tmp_path / f"{case}.yaml").write_text(helm4.template(values).text)
    files = [*tmp_path.glob("*.yaml"), *(ROOT / "deploy" / "kubernetes").glob("[nt]*.yaml")]
    done = _validate(version, files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(files) == len(CASES) + 2


def test_the_validation_can_fail(helm4: Helm, tmp_path: Path) -> None:
    """A field that Kubernetes does not know is found."""
    file = tmp_path / "wrong.yaml"
    file.write_text(helm4.template(MINIMAL).text.replace("enableServiceLinks", "enableServiceLink"))
    done = _validate("1.37.0", [file])
    assert done.returncode == 1
    assert "enableServiceLink" in done.stdout + done.stderr


def _validate(version: str, files: list[Path]) -> "subprocess.CompletedProcess[str]":
    tool = ROOT / ".venv-deploy" / "bin" / "kubernetes-validate"
    command = [str(tool), "--kubernetes-version", version, "--strict", "--quiet", "--no-warn", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# --- what is refused -------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Mapping[str, Any], str, list[str]]] = {
    "an unknown value": ({"replicaCount": 2}, "", ["replicaCount"]),
    "an unknown key of the configuration": (
        {"config": {"targets": {"prod": {"gateway": {"modle": "x"}}}}},
        "config targets prod gateway",
        ["modle"],
    ),
    "a wrong word in the configuration": (
        {"config": {"log": {"level": "loud"}}},
        "config log level",
        ["debug", "info"],
    ),
    "a wrong type in the configuration": ({"config": {"server": {"port": "http"}}}, "config server port", ["integer"]),
    "a wrong duration": (
        {"config": {"targets": {"prod": {"checks": {"canary": {"every": "soon"}}}}}},
        "config targets prod checks canary every",
        ["pattern"],
    ),
    "a wrong type of a value": ({"service": {"port": "http"}}, "service port", ["integer"]),
    "a grace shorter than the daemon's": (
        {"terminationGracePeriodSeconds": 10},
        "terminationGracePeriodSeconds",
        ["25"],
    ),
    "no configuration at all": ({"config": None}, "", ["config"]),
    "a secret in the configuration": (
        {"config": {"targets": {"prod": {"traceloop": {"api_key": "tl_Secret_2"}}}}},
        "config targets prod traceloop api_key",
        ["is a secret", "targets__prod__traceloop__api_key"],
    ),
    "a secret in a header": (
        {"config": {"defaults": {"expected": {"headers": {"X-Team": "secret"}}}}},
        "config defaults expected headers X-Team",
        ["defaults__expected__headers__X-Team"],
    ),
    "two sources of secrets": ({"secret": {"values": KEYS}}, "", ["existingSecret and secret.values", "choose one"]),
    "two ways to scrape": (
        {"metrics": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
        "metrics podMonitor enabled",
        ["scraped twice"],
    ),
    "an external secret of no store": (
        {"existingSecret": "", "externalSecret": {"enabled": True, "dataFrom": [{"extract": {"key": "all"}}]}},
        "externalSecret secretStoreRef name",
        ["which store"],
    ),
    "an external secret of nothing": (
        {"existingSecret": "", "externalSecret": {"enabled": True, "secretStoreRef": {"name": "vault"}}},
        "externalSecret",
        ["data or dataFrom"],
    ),
    "an ingress without a host": ({"ingress": {"enabled": True}}, "ingress host", []),
    "a route of no gateway": ({"httpRoute": {"enabled": True}}, "httpRoute parentRefs", []),
    "any free port": ({"config": {"server": {"port": 0}}}, "config server port", ["1 to 65535"]),
    "an address that no Service reaches": (
        {"config": {"server": {"host": "127.0.0.1"}}},
        "config server host",
        ["0.0.0.0"],
    ),
    "a state outside the volume": ({"config": {"state": {"path": "/tmp/x.db"}}}, "config state path", ["/data"]),  # noqa: S108
    "a token of no secret": (
        {"existingSecret": "", "extraEnv": BY_ENVIRONMENT, "metrics": {"readTokenKey": "token"}},
        "metrics readTokenSecret",
        [],
    ),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_is_wrong_is_refused_by_its_name(helm: Helm, wrong: str) -> None:
    """The message names the path and what is allowed, and shows no secret."""
    values, path, words = REFUSED[wrong]
    with pytest.raises(Refused) as refusal:
        helm.template(merged(MINIMAL, values))
    said = str(refusal.value)
    # Helm 4 writes a path of the schema with slashes, Helm 3 with dots.
    assert path.replace(" ", ".") in said or path.replace(" ", "/") in said
    assert [word for word in words if word not in said] == []
    assert not any(secret in said for secret in KEYS.values())


def test_no_target_is_refused(helm: Helm) -> None:
    """Nothing could be monitored; but a target may come from the environment or from the Secret alone."""
    with pytest.raises(Refused, match=r"config\.targets: no target is given"):
        helm.template({})
    helm.template({"extraEnvFrom": [{"secretRef": {"name": "all"}}]})
    helm.template({"existingSecret": "all"})


# --- configuration and secrets ---------------------------------------------------------------------------------------


def test_the_monitor_runs_with_the_rendered_configuration_and_secret(helm4: Helm, tmp_path: Path) -> None:
    """By its own command, with the directory laid out as Kubernetes does; the secrets are those of the rendered Secret."""
    values = merged(CASES["secret-of-values"], {"config": {**EVERYTHING["config"], "server": {"port": 8080}}})
    rendered = helm4.template(values)
    (tmp_path / "..data").mkdir()
    for key, text in rendered.one("Secret")["data"].items():
        (tmp_path / "..data" / key).write_bytes(base64.b64decode(text))
        (tmp_path / key).symlink_to(f"..data/{key}")
    settings = rendered.configuration(tmp_path).settings
    assert settings.targets[TargetName("prod")].checks.canary.max_tokens_per_day == 2_000_000
    file = tmp_path / "..config.yaml"
    file.write_text(rendered.one("ConfigMap")["data"]["trace-monitor.yaml"])
    (container,) = rendered.monitor["spec"]["initContainers"]
    environ = {each["name"]: each["value"] for each in container["env"]}
    assert environ["TRACE_MONITOR_SECRETS_DIR"] == MOUNTED
    environ |= {"TRACE_MONITOR_SECRETS_DIR": str(tmp_path), "TRACE_MONITOR_CONFIG": str(file)}
    command = [sys.executable, "-m", "monitor", *container["args"]]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environ, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the configuration is valid: 1 target (prod)\n")
    assert "(3 entries)" in done.stdout
    assert not any(secret in rendered.one("ConfigMap")["data"]["trace-monitor.yaml"] for secret in KEYS.values())


def test_only_what_needs_it_restarts_the_pod(helm4: Helm) -> None:
    """The log's level does, and the address of the page; a target or a channel does not, which the monitor loads at run time."""
    before = helm4.template(MINIMAL).monitor

    def after(config: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> Any:
        return helm4.template(merged(MINIMAL, {"config": config, **(values or {})})).monitor

    assert after({"alerting": {"slack": {"channel": "C0"}}, "targets": {"prod": {"labels": {"a": "b"}}}}) == before
    assert after({"log": {"level": "debug"}}) != before
    assert after({"http": {"proxy": "http://proxy.example.com:3128"}}) != before
    assert after({}, {"ingress": {"enabled": True, "host": "monitor.example.com"}}) != before  # `server.external_url`


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, None),
        ({"ingress": {"enabled": True, "host": "a.example.com"}}, "http://a.example.com"),
        ({"ingress": {"enabled": True, "host": "a.example.com", "tlsSecret": "tls"}}, "https://a.example.com"),
        (
            {"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["b.example.com"]}},
            "https://b.example.com",
        ),
        (
            {
                "ingress": {"enabled": True, "host": "a.example.com"},
                "config": {"server": {"external_url": "https://c.example.com"}},
            },
            "https://c.example.com",
        ),
    ],
    ids=["none", "ingress", "ingress-tls", "http-route", "given"],
)
def test_links_lead_to_where_people_reach_the_page(helm4: Helm, values: Mapping[str, Any], url: str | None) -> None:
    """`external_url` is the host of the Ingress or of the route, unless it is given."""
    rendered = helm4.template(merged(MINIMAL, values))
    assert rendered.configuration().settings.server.external_url == url
    assert "external_url" not in MINIMAL["config"].get("server", {})


def test_the_secret_is_where_it_is_said_to_be(helm: Helm) -> None:
    """The given one, the operator's, that of the values, or none; always the whole directory."""
    names = {
        "minimal": "trace-monitor-secrets",
        "everything": "trace-monitor",
        "secret-of-values": "trace-monitor",
        "by-environment": None,
    }
    for case, name in names.items():
        volumes = {each["name"]: each for each in helm.template(CASES[case]).monitor["spec"]["volumes"]}
        assert volumes.get("secrets", {}).get("secret", {}).get("secretName") == name, case
    assert helm.template(CASES["everything"]).one("ExternalSecret")["spec"]["data"][0]["secretKey"] in KEYS


# --- Prometheus, Grafana, network ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "kind", "endpoints"),
    [("pod-monitor", "PodMonitor", "podMetricsEndpoints"), ("service-monitor", "ServiceMonitor", "endpoints")],
)
def test_the_operator_scrapes_under_the_name_that_the_rules_know(
    helm: Helm, case: str, kind: str, endpoints: str
) -> None:
    """The job of the rules, for both ways; and the same series whichever pod it is, at an address that the cluster resolves."""
    rendered = helm.template(CASES[case])
    (endpoint,) = rendered.one(kind)["spec"][endpoints]
    port = rendered.one("Service")["spec"]["ports"][0]["port"]
    *named, dropped = endpoint["relabelings"]
    relabelled = {each["targetLabel"]: each["replacement"] for each in named}
    (job,) = yaml.safe_load((ROOT / "deploy" / "prometheus" / "scrape.yml").read_text())["scrape_configs"]
    assert relabelled == {"job": job["job_name"], "instance": f"trace-monitor.monitoring.svc:{port}"}
    assert dropped == {"action": "labeldrop", "regex": "pod"}
    assert endpoint["honorLabels"] is True
    assert (endpoint["port"], endpoint["path"], endpoint["scheme"]) == ("http", "/metrics", "http")


@pytest.mark.parametrize(
    ("case", "credentials"),
    [
        ("pod-monitor", None),
        ("service-monitor", {"name": "trace-monitor-secrets", "key": "server__read_token"}),
        ("own-token-secret", {"name": "scrape", "key": "token"}),
        ("everything", {"name": "trace-monitor", "key": "read-token"}),
    ],
)
def test_prometheus_sends_the_read_token(helm4: Helm, case: str, credentials: Mapping[str, str] | None) -> None:
    """Where there is one: as named, or found in the configuration."""
    rendered = helm4.template(CASES[case])
    (monitor,) = [*rendered.all("PodMonitor"), *rendered.all("ServiceMonitor")]
    (endpoint,) = monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"]
    sent = endpoint.get("authorization")
    assert sent == ({"type": "Bearer", "credentials": credentials} if credentials else None)


@pytest.mark.parametrize("key", ["values", "external"])
def test_the_chart_finds_the_read_token_that_it_knows_of(helm4: Helm, key: str) -> None:
    """In the Secret of its values, and among the entries of the external one."""
    external = {
        "enabled": True,
        "secretStoreRef": {"name": "vault"},
        "data": [{"secretKey": "server__read_token", "remoteRef": {"key": "x"}}],
    }
    secrets: Mapping[str, Any] = {"secret": {"values": KEYS}} if key == "values" else {"externalSecret": external}
    rendered = helm4.template(
        merged(MINIMAL, {"existingSecret": "", "metrics": {"podMonitor": {"enabled": True}}, **secrets})
    )
    (endpoint,) = rendered.one("PodMonitor")["spec"]["podMetricsEndpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "trace-monitor", "key": "server__read_token"}


def test_the_rules_are_the_very_rules(helm: Helm) -> None:
    """Prometheus' own braces among them."""
    rendered = helm.template(CASES["everything"])
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    assert rendered.one("PrometheusRule")["spec"] == rules
    assert "{{ $labels.target }}" in rendered.text


def test_each_dashboard_is_in_the_config_map_of_the_sidecar(helm: Helm, tmp_path: Path) -> None:
    """As it stands, with Grafana's own braces; without a dashboard there is no ConfigMap."""
    shutil.copytree(CHART, tmp_path / "chart")  # what is a link becomes a file
    directory = tmp_path / "chart" / "files" / "dashboards"
    (directory / "more.json").write_text('{"legendFormat": "{{target}}"}\n')
    dashboards = {f"gateway-trace-monitor-{path.name}": path.read_text() for path in directory.glob("*.json")}
    values = merged(MINIMAL, {"dashboard": {"enabled": True}})
    (found,) = _dashboards(helm.template(values, chart=tmp_path / "chart"))
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["data"] == dashboards
    assert "gateway-trace-monitor-more.json" in dashboards
    assert _dashboards(helm.template(MINIMAL, chart=tmp_path / "chart")) == []
    shutil.rmtree(directory)
    assert _dashboards(helm.template(merged(values, {"commonLabels": {"a": "b"}}), chart=tmp_path / "chart")) == []


def _dashboards(rendered: Rendered) -> list[dict[str, Any]]:
    return [each for each in rendered.all("ConfigMap") if "trace-monitor.yaml" not in each["data"]]


def test_the_network_policy_allows_what_is_needed(helm: Helm) -> None:
    """HTTPS and DNS and what is added; in to the port from those who are named, and from nobody else."""
    policy = helm.template(CASES["everything"]).one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    out = [(port["port"], port.get("protocol", "TCP")) for rule in policy["egress"] for port in rule["ports"]]
    assert out == [(53, "UDP"), (53, "TCP"), (443, "TCP"), (9093, "TCP")]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": "http", "protocol": "TCP"}]
    named = [each["namespaceSelector"]["matchLabels"] for each in rule["from"] if "namespaceSelector" in each]
    assert named == [{"kubernetes.io/metadata.name": name} for name in ("monitoring", "ingress-nginx")]
    assert len(rule["from"]) == 3
    assert helm.template(CASES["closed-network"]).one("NetworkPolicy")["spec"]["ingress"] == []


# --- the release -----------------------------------------------------------------------------------------------------


def test_the_test_asks_everything_once(helm: Helm) -> None:
    """`helm test` is a pod that runs `check` with the monitor's configuration and secrets, and without its state."""
    rendered = helm.template(CASES["everything"])
    pod = rendered.one("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["restartPolicy"] == "Never"
    (container,) = pod["spec"]["containers"]
    (monitor,) = rendered.monitor["spec"]["containers"]
    assert container["args"] == ["check", "--timeout", "8m"]
    assert (container["image"], container["env"]) == (monitor["image"], monitor["env"])
    assert [each for each in monitor["volumeMounts"] if each not in container["volumeMounts"]] == [
        {"name": "data", "mountPath": "/data"}
    ]


def test_every_list_and_label_reaches_the_pod(helm: Helm) -> None:
    """What platform teams add to each pod."""
    rendered = helm.template(CASES["everything"])
    given = EVERYTHING
    for pod in rendered.pods:
        assert {**given["commonLabels"], **given["podLabels"]}.items() <= pod["metadata"]["labels"].items()
        for value in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets"):
            assert pod["spec"][value] == given[value]
        assert given["extraVolumes"][0] in pod["spec"]["volumes"]
        container = pod["spec"]["containers"][0]
        assert given["extraEnv"][0] in container["env"]
        assert given["extraEnvFrom"] == container["envFrom"]
        assert given["extraVolumeMounts"][0] in container["volumeMounts"]
        assert container["image"] == "{repository}@{digest}".format_map(given["image"])
    assert given["podAnnotations"].items() <= rendered.monitor["metadata"]["annotations"].items()


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("trace-monitor", "trace-monitor"),
        ("gateway-trace-monitor-eu", "gateway-trace-monitor-eu"),
        ("eu", "eu-gateway-trace-monitor"),
        ("a" * 53, ("a" * 53 + "-gateway-trace-monitor")[:63].rstrip("-")),
    ],
)
def test_names_are_short_and_whole(helm4: Helm, release: str, name: str) -> None:
    """A release that is called like the chart is not called so twice; the longest name is cut."""
    rendered = helm4.template(merged(MINIMAL, {"dashboard": {"enabled": True}}), release=release)
    assert rendered.one("Deployment")["metadata"]["name"] == name
    assert [each for each in rendered.objects if len(each["metadata"]["name"]) > 63] == []


def test_the_claim_outlives_the_release_if_asked(helm4: Helm) -> None:
    """And only then."""
    keep = ("helm.sh/resource-policy", "keep")
    assert keep in helm4.template(CASES["everything"]).one("PersistentVolumeClaim")["metadata"]["annotations"].items()
    assert "annotations" not in helm4.template(MINIMAL).one("PersistentVolumeClaim")["metadata"]
    assert helm4.template(CASES["existing-claim"]).all("PersistentVolumeClaim") == []


def test_the_notes_say_what_is_missing(helm4: Helm) -> None:
    """No notifier, no links, a page that everybody sees, a state that is lost, secrets in plain text: each only where it is so."""
    warnings = {
        "nobody is notified": "minimal",
        "messages contain no links": "minimal",
        "everybody who reaches http://monitor.example.com sees the page": "ingress",
        "the state is lost with the pod": "empty-dir",
        "kept in plain text": "secret-of-values",
    }
    everything = helm4.notes(EVERYTHING)
    for text, case in warnings.items():
        assert text in helm4.notes(CASES[case])
        assert text not in everything
    assert "https://trace-monitor.example.com" in everything
    assert "helm test trace-monitor --namespace monitoring" in everything
    assert "port-forward service/trace-monitor 9797" in helm4.notes(MINIMAL)


def test_the_package_holds_the_rules_and_needs_nothing_beside_it(helm: Helm, tmp_path: Path) -> None:
    """What is a link in the repository is a file in the package, and it renders the same; what only tests need is left out."""
    helm.run("package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        inside = {member.name.removeprefix("gateway-trace-monitor/"): member for member in archive.getmembers()}
    dashboards = {f"files/dashboards/{path.name}" for path in (ROOT / "deploy" / "grafana").glob("*.json")}
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "README.md"} <= inside.keys()
    assert {name for name in inside if name.startswith("files/")} == {
        "files/rules.yml",
        "files/secret-settings.txt",
        *dashboards,
    }
    assert all(member.isfile() for member in inside.values())
    assert not any(name.startswith("ci/") for name in inside)
    assert helm.template(EVERYTHING, chart=package).objects == helm.template(EVERYTHING).objects


def test_it_can_be_a_part_of_another_chart(helm: Helm, tmp_path: Path) -> None:
    """With a condition and global values; its own are still checked."""
    helm.run("package", CHART, "--destination", tmp_path / "charts")
    dependency = {"name": "gateway-trace-monitor", "version": ">=0.1.0", "condition": "gateway-trace-monitor.enabled"}
    parent = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(json.dumps(parent))
    values = {"global": {"team": "ml"}, "gateway-trace-monitor": {**MINIMAL, "enabled": True}}
    rendered = helm.template(values, chart=tmp_path, release="platform")
    keep_promises(rendered)
    assert rendered.one("Deployment")["metadata"]["name"] == "platform-gateway-trace-monitor"
    off = merged(values, {"gateway-trace-monitor": {"enabled": False}})
    assert helm.template(off, chart=tmp_path, release="platform").objects == []
    with pytest.raises(Refused, match="replicaCount"):
        helm.template(
            merged(values, {"gateway-trace-monitor": {"replicaCount": 2}}), chart=tmp_path, release="platform"
        )


@pytest.mark.parametrize("values", EXAMPLES, ids=[page.name for page in PAGES])
def test_the_guides_values_are_accepted(helm: Helm, values: str) -> None:
    """What people copy from a page works."""
    keep_promises(helm.template(yaml.safe_load(values)))


# --- without Helm ----------------------------------------------------------------------------------------------------


def test_the_plain_manifests_are_current(helm4: Helm) -> None:
    """`make manifests` renders them anew."""
    script = ROOT / "deploy" / "kubernetes" / "render.sh"
    environ = os.environ | {"HELM": helm4.binary}
    written = subprocess.run([script], capture_output=True, text=True, env=environ, check=True).stdout
    assert (script.parent / "trace-monitor.yaml").read_text() == written


def test_the_plain_manifests_keep_the_same_promises() -> None:
    """As kubectl builds them."""
    built = subprocess.run(
        [installed("kubectl"), "kustomize", ROOT / "deploy" / "kubernetes"], capture_output=True, text=True, check=True
    ).stdout
    objects = list(yaml.safe_load_all(built))
    (namespace,) = [each for each in objects if each["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    rest = [each for each in objects if each["kind"] != "Namespace"]
    assert {each["metadata"]["namespace"] for each in rest} == {namespace["metadata"]["name"]}
    moved = [merged(each, {"metadata": {"namespace": "monitoring"}}) for each in rest]
    keep_promises(Rendered(moved, built))


def test_the_overlay_of_the_guide_works(tmp_path: Path) -> None:
    """The image is another one, and the configuration is the overlay's, which the monitor accepts."""
    guide = (ROOT / "deploy" / "kubernetes" / "README.md").read_text()
    for name, text in re.findall(r"```yaml\n# ([\w.]+)\n(.*?)```", guide, re.DOTALL):
        (tmp_path / name).write_text(text)
    (tmp_path / "gateway-trace-monitor").mkdir()
    shutil.copytree(ROOT / "deploy" / "kubernetes", tmp_path / "gateway-trace-monitor" / "deploy" / "kubernetes")
    built = subprocess.run(
        [installed("kubectl"), "kustomize", tmp_path], capture_output=True, text=True, check=True
    ).stdout
    rendered = Rendered([each for each in yaml.safe_load_all(built) if each["kind"] != "Namespace"], built)
    images = {container["image"] for container in containers(rendered.monitor)}
    assert images == {f"registry.example.com/gateway-trace-monitor:{VERSION}"}
    assert rendered.configuration().settings.targets.keys() == {"prod"}
