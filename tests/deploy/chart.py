"""The Helm chart rendered by a real helm, and what must hold of every object that it makes."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.daemon.service import GRACE
from monitor.settings import Loaded, parse
from tools.chart_values import CHART

ROOT = Path(__file__).parents[2]
RELEASE, NAMESPACE = "trace-monitor", "monitoring"
MOUNTED = "/etc/trace-monitor/secrets"

Object = dict[str, Any]
"""A Kubernetes object, or a part of one."""


class Refused(Exception):
    """Helm renders nothing; its text is what helm says."""


@dataclass(frozen=True)
class Helm:
    """One helm. `home`: a directory of its own, so that nobody's plugins and settings count."""

    binary: str
    home: Path
    rendered: dict[str, "Rendered"] = field(default_factory=dict)

    def run(self, *arguments: str | Path) -> str:
        """What it prints. Raises Refused."""
        homes = {f"HELM_{each}_HOME": str(self.home / each.lower()) for each in ("CACHE", "CONFIG", "DATA")}
        # Without a cluster: nothing may be asked of the one that a developer happens to use.
        environ = {**os.environ, **homes, "KUBECONFIG": os.devnull}
        done = subprocess.run([self.binary, *arguments], capture_output=True, text=True, env=environ, check=False)
        if done.returncode:
            raise Refused(done.stdout + done.stderr)
        return done.stdout

    def template(self, values: Mapping[str, Any], *, chart: Path = CHART, release: str = RELEASE) -> "Rendered":
        """The chart's objects with these values. Raises Refused."""
        key = json.dumps([str(chart), release, values])
        if key not in self.rendered:
            text = self.run("template", release, chart, "--namespace", NAMESPACE, "--values", self._written(values))
            self.rendered[key] = Rendered([each for each in yaml.safe_load_all(text) if each], text)
        return self.rendered[key]

    def notes(self, values: Mapping[str, Any]) -> str:
        """What `helm install` says at its end. Helm 4 needs no cluster for it."""
        said = self.run(
            "install", RELEASE, CHART, "--dry-run=client", "--namespace", NAMESPACE, "--values", self._written(values)
        )
        return said.partition("\nNOTES:\n")[2]

    def _written(self, values: Mapping[str, Any]) -> Path:
        self.home.mkdir(parents=True, exist_ok=True)
        file = self.home / "values.yaml"
        file.write_text(json.dumps(values))
        return file


@dataclass(frozen=True)
class Rendered:
    """What came out."""

    objects: list[Object]
    text: str

    def all(self, kind: str) -> list[Object]:
        """Every object of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str) -> Object:
        """The only one of a kind; of the ConfigMaps the monitor's."""
        (found,) = [each for each in self.all(kind) if not each["metadata"]["name"].endswith("-dashboards")]
        return found

    @property
    def monitor(self) -> Object:
        """The pod of the deployment, with its labels."""
        template: Object = self.one("Deployment")["spec"]["template"]
        return template

    @property
    def pods(self) -> list[Object]:
        """Every pod: the monitor's and that of `helm test`."""
        return [self.monitor, *self.all("Pod")]

    def configuration(self, secrets: Path | None = None) -> Loaded:
        """The configuration as the monitor in the pod reads it; without `secrets` none is needed. Raises ConfigError."""
        environ = {
            each["name"]: each.get("value", "placeholder") for each in _container(self.monitor, "monitor")["env"]
        }
        environ.pop("TRACE_MONITOR_SECRETS_DIR", None)
        if secrets is not None:
            environ["TRACE_MONITOR_SECRETS_DIR"] = str(secrets)
        text = self.one("ConfigMap")["data"]["trace-monitor.yaml"]
        return parse(text, environ, ROOT, open_files=secrets is not None)


def installed(tool: str) -> str:
    """The path of a tool of deploy/kubernetes/tools.sh, or skip the test with the reason it gives."""
    done = subprocess.run([ROOT / "deploy/kubernetes/tools.sh", tool], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two sets of values, as helm merges them."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


# --- what must hold of everything that is rendered -------------------------------------------------------------------

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def _container(pod: Object, name: str) -> Object:
    (found,) = [each for each in containers(pod) if each["name"] == name]
    return found


def containers(pod: Object) -> Iterator[Object]:
    """Of a pod, those that run before it among them."""
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def keep_restricted(pod: Object) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    spec = pod["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["securityContext"].get("runAsUser", 1) != 0
    for volume in spec["volumes"]:
        assert len(volume.keys() & _VOLUMES) == 1, volume
    for container in containers(pod):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not {"privileged", "procMount", "runAsUser", "runAsNonRoot", "seccompProfile"} & context.keys()
        assert not any("hostPort" in port for port in container.get("ports", []))


def keep_promises(rendered: Rendered) -> None:
    """Of every object, with whatever values."""
    for pod in rendered.pods:
        keep_restricted(pod)
        _keep_apart(pod)
    for account in rendered.all("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    for each in rendered.objects:
        assert each["metadata"]["namespace"] == NAMESPACE
        assert len(each["metadata"]["name"]) <= 63
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"]
    _keep_one_monitor(rendered.one("Deployment"))
    _keep_selectors(rendered)
    _keep_ports(rendered)
    _keep_references(rendered)


def _keep_apart(pod: Object) -> None:
    """No token, no variables of other Services, nothing writable but /tmp and /data, no mount that does not follow a rotation."""
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["enableServiceLinks"] is False
    for container in containers(pod):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        mounts = container["volumeMounts"]
        assert not any("subPath" in mount or "subPathExpr" in mount for mount in mounts)
        assert {mount["mountPath"] for mount in mounts if not mount.get("readOnly")} <= {"/tmp", "/data"}  # noqa: S108
        assert "/tmp" in {mount["mountPath"] for mount in mounts}  # noqa: S108
        assert {mount["name"] for mount in mounts} <= {volume["name"] for volume in pod["spec"]["volumes"]}


def _keep_one_monitor(deployment: Object) -> None:
    spec = deployment["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > GRACE
    (container,) = spec["template"]["spec"]["containers"]
    paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def _keep_selectors(rendered: Rendered) -> None:
    """Each selects the monitor; only the network policy selects the pod of `helm test` too, which serves nothing."""
    monitor = rendered.monitor["metadata"]["labels"]
    tests = [pod["metadata"]["labels"] for pod in rendered.all("Pod")]
    selectors = [
        each["spec"]["selector"]["matchLabels"] for each in [*rendered.all("Deployment"), *rendered.all("PodMonitor")]
    ]
    selectors.append(rendered.one("Service")["spec"]["selector"])
    for selector in selectors:
        assert selector.items() <= monitor.items()
        assert not any(selector.items() <= labels.items() for labels in tests)
    for policy in rendered.all("NetworkPolicy"):
        selector = policy["spec"]["podSelector"]["matchLabels"]
        assert all(selector.items() <= labels.items() for labels in (monitor, *tests))
    for scrape in rendered.all("ServiceMonitor"):
        assert (
            scrape["spec"]["selector"]["matchLabels"].items() <= rendered.one("Service")["metadata"]["labels"].items()
        )


def _keep_ports(rendered: Rendered) -> None:
    """Where the monitor listens is where everybody asks."""
    (port,) = _container(rendered.monitor, "monitor")["ports"]
    server = rendered.configuration().settings.server
    assert port["containerPort"] == server.port
    assert server.host in {"0.0.0.0", "::"}
    (service,) = rendered.one("Service")["spec"]["ports"]
    assert service["name"] == service["targetPort"] == port["name"]
    for route in rendered.all("HTTPRoute"):
        assert route["spec"]["rules"][0]["backendRefs"][0]["port"] == service["port"]
    container = _container(rendered.monitor, "monitor")
    written = yaml.safe_load(rendered.one("ConfigMap")["data"]["trace-monitor.yaml"])
    scheme = "HTTPS" if "tls_cert" in written.get("server", {}) else "HTTP"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == port["name"]
        assert container[probe]["httpGet"]["scheme"] == scheme


def _keep_references(rendered: Rendered) -> None:
    """What a pod mounts of this chart is made by it."""
    made = {(each["kind"], each["metadata"]["name"]) for each in rendered.objects}
    made |= {("Secret", each["spec"]["target"]["name"]) for each in rendered.all("ExternalSecret")}
    service = rendered.one("Service")["metadata"]["name"]
    for pod in rendered.pods:
        if pod["spec"]["serviceAccountName"] == service:
            assert ("ServiceAccount", service) in made
        for volume in pod["spec"]["volumes"]:
            if volume["name"] == "config":
                assert ("ConfigMap", volume["configMap"]["name"]) in made
            if volume.get("secret", {}).get("secretName") == service:
                assert ("Secret", service) in made
            if volume.get("persistentVolumeClaim", {}).get("claimName") == service:
                assert ("PersistentVolumeClaim", service) in made
    for route in rendered.all("Ingress"):
        backend = route["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        assert backend == {"name": service, "port": {"name": "http"}}
