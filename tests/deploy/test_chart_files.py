"""What stands in the Helm chart and beside it agrees with the program, without Helm. With it: test_chart.py and others."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.daemon.reload import _NEEDS_RESTART
from monitor.daemon.service import GRACE
from monitor.settings import parse
from monitor.settings.schema import Kind, Setting, whole
from monitor.telemetry.metrics import METRICS
from monitor.version import VERSION
from tools import chart_readme, chart_schema
from tools.chart_values import CHART, Value, read_values

ROOT = Path(__file__).parents[2]
TEMPLATES = {path.name: path.read_text() for path in sorted((CHART / "templates").rglob("*")) if path.is_file()}
PLAIN = ROOT / "deploy" / "kubernetes"
VALUES = [*sorted((CHART / "ci").glob("*.yaml")), PLAIN / "values.yaml"]


PAGES = [ROOT / "docs" / "install.md", CHART / "README.md"]
EXAMPLES = [
    example
    for page in PAGES
    for example in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
    if "existingSecret:" in example
]
"""The values that each page shows, one example a page."""


def _flat(values: tuple[Value, ...]) -> Iterator[Value]:
    for value in values:
        yield value
        yield from _flat(value.below)


DEFAULTS = {value.path: value.default for value in _flat(read_values())}


def _leaves(values: tuple[Value, ...]) -> Iterator[Value]:
    """Each value that is a whole for whoever sets it: what is below it is explained with it."""
    for value in values:
        if value.described_below:
            yield from _leaves(value.below)
        else:
            yield value


def _is_part(path: str, paths: set[str]) -> bool:
    return any(path == other or path.startswith(f"{other}.") for other in paths)


@pytest.mark.parametrize(
    ("file", "written"),
    [
        (chart_schema.SCHEMA, chart_schema.write),
        (chart_schema.SECRETS, chart_schema.write_secrets),
        (chart_readme.README, chart_readme.write),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_a_generated_file_of_the_chart_is_current(file: Path, written: Any) -> None:
    """`make chart` writes it anew."""
    assert file.read_text() == written()


@pytest.mark.parametrize("page", [*PAGES, PLAIN / "README.md"], ids=lambda page: page.parent.name)
@pytest.mark.parametrize("given", ["one\ntwo\nthree\n", "one\ntwo\n", "one\n\nthree\n"])
def test_the_secret_is_created_only_if_each_of_its_files_was_written(page: Path, given: str, tmp_path: Path) -> None:
    """Else the files stay, and the monitor is not started without one; what only bash reads is marked so."""
    blocks = re.findall(r"^ *```(\w+)\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
    (at,) = (at for at, (_, text) in enumerate(blocks) if "read -rs" in text)
    (language, asks), (_, creates) = blocks[at : at + 2]
    assert language == "bash"
    script = f"""
        openssl() {{ echo 0123; }}
        kubectl() {{ echo "$@" >> called; }}
        {asks}
        {creates}
    """
    subprocess.run(["bash", "-c", script], cwd=tmp_path, input=given, text=True, check=False, capture_output=True)
    created = "create secret" in (tmp_path / "called").read_text()
    assert created is (given.count("e\n") + given.count("o\n") == 3)
    assert (tmp_path / "secrets").exists() is not created


def test_the_configuration_is_checked_by_the_programs_own_schema() -> None:
    """As it stands, with all its definitions: what Helm accepts there and what the program does are the same."""
    program = json.loads((ROOT / "monitor" / "settings" / "schema.json").read_text())
    chart = json.loads(chart_schema.SCHEMA.read_text())
    assert chart["$schema"] == program.pop("$schema")
    assert chart["$defs"] == program.pop("$defs")
    assert chart["properties"]["config"] == program


def test_the_chart_knows_every_secret_of_the_program() -> None:
    """And nothing else: these are what it refuses in `config`."""

    def secrets(setting: Setting, path: tuple[str, ...]) -> Iterator[str]:
        if setting.kind is Kind.SECRET:
            yield ".".join(path)
        elif setting.kind is Kind.MAPPING:
            yield from secrets(setting.each, (*path, "*"))
        for key, below in setting.keys.items():
            yield from secrets(below, (*path, key))

    listed = chart_schema.SECRETS.read_text().splitlines()
    assert set(listed) == set(secrets(whole(), ()))


def test_the_chart_is_of_the_programs_version() -> None:
    """The default tag of the image is `appVersion`."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == VERSION


def test_every_value_is_explained_and_used() -> None:
    """A value without a comment, or one that no template reads, helps nobody; and no template reads one that there is not."""
    text = "\n".join(TEMPLATES.values())
    used = set(re.findall(r"\.Values\.([\w.]+)", text))
    used |= {f"image.{part}" for part in re.findall(r"\$image\.(\w+)", text)}  # a shorter name in one helper
    explained = [value for value in _leaves(read_values()) if value.text]
    assert [value.path for value in _leaves(read_values())] == [value.path for value in explained]
    assert [value.path for value in explained if not _is_part(value.path, used)] == []
    assert [
        path for path in used if not (path in DEFAULTS or _is_part(path, {value.path for value in explained}))
    ] == []


def test_what_restarts_the_pod_is_what_takes_effect_after_a_restart() -> None:
    """The daemon itself loads every other change of its configuration."""
    (sections,) = re.findall(r'pick \$config((?: "\w+")+) ', TEMPLATES["deployment.yaml"])
    assert tuple(re.findall(r"\w+", sections)) == _NEEDS_RESTART


def test_kubernetes_waits_longer_than_the_daemon_needs() -> None:
    """Also with the shortest time that the schema allows."""
    least = json.loads(chart_schema.SCHEMA.read_text())["properties"]["terminationGracePeriodSeconds"]["minimum"]
    assert GRACE < least < DEFAULTS["terminationGracePeriodSeconds"]


def test_the_chart_runs_the_image_as_it_is_made() -> None:
    """The same user, port, directory and name as the Dockerfile's."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert (
        f"USER {DEFAULTS['podSecurityContext.runAsUser']}:{DEFAULTS['podSecurityContext.runAsGroup']}\n" in dockerfile
    )
    assert DEFAULTS["podSecurityContext.fsGroup"] == DEFAULTS["podSecurityContext.runAsGroup"]
    assert f"EXPOSE {DEFAULTS['service.port']}\n" in dockerfile
    for name, value in re.findall(r"(TRACE_MONITOR_\w+)=(\S+)", dockerfile):
        assert f"- name: {name}\n" in TEMPLATES["_helpers.tpl"]
        assert f'"{value}"' in TEMPLATES["_helpers.tpl"]
    assert f"IMAGE:-{DEFAULTS['image.repository']}:" in (ROOT / "deploy" / "image" / "build.sh").read_text()


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        ("deployment.yaml", "  replicas: 1\n  strategy:\n    type: Recreate\n"),
        ("_helpers.tpl", "automountServiceAccountToken: false\nenableServiceLinks: false\n"),
        ("serviceaccount.yaml", "automountServiceAccountToken: false\n"),
        ("_helpers.tpl", "honorLabels: true\n"),
        ("_helpers.tpl", "  - targetLabel: job\n    replacement: trace-monitor\n"),
        ("validate.yaml", '{{- include "gateway-trace-monitor.refuseSecret" '),
        ("validate.yaml", '{{- if contains "@" (default "" $http.proxy) }}\n{{- fail '),
    ],
)
def test_what_holds_whatever_the_values_is_no_value(file: str, lines: str) -> None:
    """One monitor, no token, the job that the rules name, no secret in a ConfigMap; with Helm, what is rendered is looked at."""
    assert lines in TEMPLATES[file]


def test_no_directory_is_mounted_so_that_it_never_follows_a_rotation() -> None:
    """Kubernetes does not update what is mounted by `subPath`."""
    assert [
        name for name, text in TEMPLATES.items() if re.search(r"^\s*-?\s*subPath(Expr)?:", text, re.MULTILINE)
    ] == []


def test_the_defaults_are_those_of_the_level_restricted() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and nothing writable but what is mounted."""
    pod, container = DEFAULTS["podSecurityContext"], DEFAULTS["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_operating_guide_names_the_resources_of_the_chart() -> None:
    """Two answers to one question help nobody."""
    asked, most = DEFAULTS["resources"]["requests"], DEFAULTS["resources"]["limits"]
    sizes = [asked["cpu"], *(each["memory"].replace("Mi", " MiB") for each in (asked, most))]
    guide = (ROOT / "docs" / "operating.md").read_text()
    assert "Request {} CPU and {}, limit {}, up to 50 targets: the chart's defaults.".format(*sizes) in guide


@pytest.mark.parametrize(
    ("inside", "source"),
    [
        ("files/rules.yml", "deploy/prometheus/rules.yml"),
        ("files/dashboards", "deploy/grafana"),
    ],
)
def test_the_chart_holds_no_second_copy(inside: str, source: str) -> None:
    """Rules and dashboards are links to the one place where they are kept; `helm package` puts their content in."""
    assert (CHART / inside).is_symlink()
    assert (CHART / inside).resolve() == (ROOT / source).resolve(strict=True)


def test_the_scraped_labels_may_win_over_prometheus_own() -> None:
    """`honorLabels` is needed for the labels that the operator sets, too, and right while none says where it was scraped."""
    labels = {label for row in METRICS.values() for label in row.labels}
    assert {"service", "endpoint"} <= labels
    assert labels.isdisjoint({"job", "instance", "namespace", "pod", "container"})


@pytest.mark.parametrize("file", VALUES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_program_accepts_the_configuration_of_an_example(file: Path) -> None:
    """As `trace-monitor config validate --no-secrets` says."""
    config = yaml.safe_load(file.read_text())["config"]
    assert parse(json.dumps(config), {}, ROOT, open_files=False).settings.targets


@pytest.mark.parametrize("example", EXAMPLES, ids=[page.name for page in PAGES])
def test_the_program_accepts_the_configuration_of_a_guide(example: str) -> None:
    """And the chart has the values beside it; the guides show the same."""
    values = yaml.safe_load(example)
    assert parse(json.dumps(values["config"]), {}, ROOT, open_files=False).settings.targets
    assert values.keys() <= DEFAULTS.keys()
    assert values == yaml.safe_load(EXAMPLES[0])


@pytest.mark.parametrize(
    "page",
    [*PAGES, PLAIN / "README.md", ROOT / "deploy" / "compose" / "README.md"],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_guide_has_a_file_for_each_secret_of_its_example(page: Path) -> None:
    """By the names that the program reads, the admin token among them; and no command shows a secret to other processes."""
    text = page.read_text()
    named = set(re.findall(r"\b(?:targets__prod|alerting|server)__\w+", text))
    known = chart_schema.SECRETS.read_text().splitlines()
    assert {re.sub("^targets.prod", "targets.*", name.replace("__", ".")) for name in named} <= set(known)
    assert {"targets__prod__control_plane__token", "alerting__slack__bot_token", "server__admin_token"} <= named
    assert "--from-literal" not in text


def test_the_plain_manifests_hold_the_configuration_they_are_rendered_from() -> None:
    """Without Helm: whoever changes values.yaml and forgets `make manifests` is told here; the rest by `make chart-test`."""
    objects = [each for each in yaml.safe_load_all((PLAIN / "trace-monitor.yaml").read_text()) if each]
    (text,) = (each["data"]["trace-monitor.yaml"] for each in objects if each["kind"] == "ConfigMap")
    assert yaml.safe_load(text) == yaml.safe_load((PLAIN / "values.yaml").read_text())["config"]
    (pod,) = (each["spec"]["template"]["spec"] for each in objects if each["kind"] == "Deployment")
    assert {each["image"] for each in (*pod["containers"], *pod["initContainers"])} == {
        f"gateway-trace-monitor:{VERSION}"
    }
    assert not any("Helm" in str(each) or "helm.sh" in str(each["metadata"]) for each in objects)
