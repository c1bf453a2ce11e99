"""The Helm chart, rendered by Helm 4 and Helm 3 with many values, and what they refuse: `make chart-test`."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.version import VERSION
from tests.deploy.chart import ROOT, Helm, Refused, Rendered, containers, installed, keep_promises, merged
from tests.deploy.chart_cases import BY_ENVIRONMENT, CASES, KEYS, MINIMAL
from tools.chart_values import CHART

pytestmark = pytest.mark.e2e


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
    if not tool.exists():
        pytest.skip("no kubernetes-validate here: `make chart-test` installs it")
    command = [str(tool), "--kubernetes-version", version, "--strict", "--quiet", "--no-warn", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# --- what is refused -------------------------------------------------------------------------------------------------

UNCOUNTED = {
    "gateway": {"url": "https://gateway.example.com", "model": "openai-main/gpt-4o-mini"},
    "traceloop": {"environment": "prd"},
}

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
    "a password in the address of a proxy": (
        {"config": {"http": {"proxy": "http://monitor:pass@proxy.example.com:3128"}}},
        "config http proxy",
        ["holds a password", "http__proxy"],
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
        ["name of the secret store"],
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
    "two trace backends in one target": (
        {"config": {"targets": {"prod": {"phoenix": {"url": "https://phoenix.example.com"}}}}},
        "config targets prod",
        ["traceloop and phoenix", "remove one"],
    ),
    "a target without a trace backend": (
        {"config": {"targets": {"lab": {"gateway": {"model": "openai-main/gpt-4o-mini"}}}}},
        "config targets lab",
        ["traceloop.environment or phoenix.url"],
    ),
    "a volume that nothing counts": (
        {"config": {"targets": {"lab": UNCOUNTED}, "defaults": {"checks": {"volume": {"enabled": True}}}}},
        "config targets lab checks volume enabled",
        ["control_plane or gateway.metrics_url"],
    ),
    "a literal secret in the environment": (
        {"extraEnv": [{"name": "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY", "value": "tl_Secret_2"}]},
        "extraEnv",
        ["TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY", "valueFrom"],
    ),
    "a key of a Secret that is no secret setting": (
        {"existingSecret": "", "secret": {"values": KEYS | {"targets__prod__traceloop__api_kay": "x"}}},
        "secret values targets__prod__traceloop__api_kay",
        ["no setting that is a secret"],
    ),
    "a misspelt part of the resources": ({"resources": {"limit": {"memory": "1Gi"}}}, "resources", ["limit"]),
    "a resource that is a list": ({"resources": {"limits": {"memory": ["1Gi"]}}}, "resources limits memory", []),
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


@pytest.mark.parametrize(
    "values",
    [
        {"extraEnvFrom": [{"configMapRef": {"name": "more"}}], "config": {"targets": {"lab": {}}}},
        {"config": {"targets": {"lab": {}}, "defaults": {"phoenix": {"url": "https://phoenix.example.com"}}}},
        {
            "config": {"targets": {"my-lab": {}}},
            "extraEnv": [{"name": "TRACE_MONITOR_TARGETS__MY_LAB__TRACELOOP__ENVIRONMENT", "value": "dev"}],
        },
        {
            "config": {"targets": {"lab": merged(UNCOUNTED, {"checks": {"volume": {"enabled": True}}})}},
            "extraEnv": [
                {"name": "TRACE_MONITOR_TARGETS__LAB__GATEWAY__METRICS_URL", "value": "http://gateway.example.com"},
                {"name": "TRACE_MONITOR_TARGETS__LAB__GATEWAY__TOKEN", "value": "$(GATEWAY_TOKEN)"},
                {"name": "SERVER__READ_TOKEN", "value": "somebody else's"},
            ],
        },
        {"existingSecret": "", "secret": {"values": KEYS | {"tls.crt": "x"}}},
        {"resources": {"limits": None, "requests": {"cpu": 1, "memory": "128Mi"}}},
    ],
    ids=["seen-nowhere", "in-defaults", "by-environment", "counted-by-environment", "a-file", "no-limits"],
)
def test_what_is_given_elsewhere_is_not_refused(helm: Helm, values: Mapping[str, Any]) -> None:
    """A backend or a counter may stand in `defaults` or in the environment; a target's own backend wins over that of `defaults`."""
    assert helm.template(merged(MINIMAL, values)).one("Deployment")


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
