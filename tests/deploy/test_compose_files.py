"""The Compose files: hardened, pinned, and made of the same parts as everything else that is deployed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli.sandbox import PORT_BASE
from monitor.sandbox import Sandbox
from monitor.settings import parse
from monitor.version import VERSION
from tests.fakes.clock import FakeClock

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose"
SECRETS = (
    "targets__prod__control_plane__token",
    "targets__prod__traceloop__api_key",
    "alerting__slack__bot_token",
    "server__admin_token",
)


def _load(path: str) -> Any:
    return yaml.safe_load((COMPOSE / path).read_text())


PRODUCTION: dict[str, dict[str, Any]] = _load("compose.yaml")["services"]
DEMO: dict[str, dict[str, Any]] = _load("compose.demo.yaml")["services"]
ALL = [*PRODUCTION.items(), *((name, service) for name, service in DEMO.items() if name not in PRODUCTION)]


@pytest.mark.parametrize(("name", "service"), ALL)
def test_a_service_may_do_little_and_is_pinned(name: str, service: dict[str, Any]) -> None:
    """A read-only root, no capabilities, no new privileges, an image by version."""
    assert service["read_only"] is True, name
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\$\{[A-Z]+_IMAGE:-[\w./-]+:v?\d+\.\d+\.\d+\}", service["image"])
    assert "privileged" not in service


@pytest.mark.parametrize("name", sorted(PRODUCTION))
def test_a_service_of_production_is_started_again_watched_and_published_on_loopback(name: str) -> None:
    """Each has a health check, and only what it keeps is in a volume; what has no password is published by a variable of its own."""
    service = PRODUCTION[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    asks_for_a_password = name in {"monitor", "grafana"}
    where = "${PUBLISH:-127.0.0.1}:" if asks_for_a_password else "${PUBLISH_UNPROTECTED:-127.0.0.1}:"
    assert all(port.startswith(where) for port in service["ports"])
    written = [each for each in service["volumes"] if not each.endswith(":ro")]
    assert len(written) == 1
    assert written[0].partition(":")[0] in _load("compose.yaml")["volumes"]


def test_the_monitors_container_has_limits() -> None:
    """Its memory is that of the chart."""
    chart = yaml.safe_load((DEPLOY / "helm" / "gateway-trace-monitor" / "values.yaml").read_text())
    memory = chart["resources"]["limits"]["memory"].removesuffix("i").lower()
    assert PRODUCTION["monitor"]["mem_limit"] == f"${{MONITOR_MEMORY:-{memory}}}"
    assert PRODUCTION["monitor"]["pids_limit"] == "${MONITOR_PIDS:-200}"


@pytest.mark.parametrize(("name", "port"), [("prometheus", 9090), ("alertmanager", 9093)])
def test_links_in_alerts_can_be_opened(name: str, port: int) -> None:
    """They begin with an address outside of the containers' network."""
    address = f"${{{name.upper()}_URL:-http://localhost:{port}}}"
    assert f"--web.external-url={address}" in PRODUCTION[name]["command"]


def test_the_image_is_of_this_version() -> None:
    """A tag of another version would start another program."""
    images = {service["image"] for _, service in ALL if "MONITOR_IMAGE" in service["image"]}
    assert images == {f"${{MONITOR_IMAGE:-gateway-trace-monitor:{VERSION}}}"}


def test_the_example_of_the_environment_says_what_holds_without_it() -> None:
    """Every variable of the Compose files, with its default."""
    files = "".join((COMPOSE / name).read_text() for name in ("compose.yaml", "compose.demo.yaml"))
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", files))
    example = (COMPOSE / ".env.example").read_text()
    assert dict(re.findall(r"^(\w+)=(.*)$", example, flags=re.MULTILINE)) == defaults


def test_prometheus_scrapes_as_the_example_does_and_has_the_shipped_rules() -> None:
    """The same job, at the service's name."""
    shipped = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yml").read_text())
    ours = _load("prometheus.yml")
    (job,), (theirs,) = ours["scrape_configs"], shipped["scrape_configs"]
    assert job | {"static_configs": []} == theirs | {"static_configs": []}
    assert job["static_configs"] == [{"targets": ["monitor:9797"]}]
    assert ours["global"] == shipped["global"]
    (rules,) = ours["rule_files"]
    assert f"../prometheus/rules.yml:{rules}:ro" in PRODUCTION["prometheus"]["volumes"]


def test_the_demo_routes_as_production_does() -> None:
    """Only nobody is called."""
    shipped = yaml.safe_load((DEPLOY / "prometheus" / "alertmanager.yml").read_text())
    demo = _load("demo/alertmanager.yml")
    assert demo["route"] == shipped["route"]
    assert [set(receiver) for receiver in demo["receivers"]] == [{"name"}] * len(shipped["receivers"])
    assert [each["name"] for each in demo["receivers"]] == [each["name"] for each in shipped["receivers"]]


def test_grafana_finds_the_data_source_and_the_dashboard() -> None:
    """By the names and paths under which the Compose file mounts them."""
    (source,) = _load("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    (provider,) = _load("grafana/provisioning/dashboards/trace-monitor.yaml")["providers"]
    (job,) = _load("prometheus.yml")["scrape_configs"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    assert source["jsonData"]["timeInterval"] == job["scrape_interval"]
    directory = provider["options"]["path"]
    assert f"../grafana:{directory}:ro" in PRODUCTION["grafana"]["volumes"]
    home = PRODUCTION["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{directory}/dashboard.json"
    assert (DEPLOY / "grafana" / "dashboard.json").exists()


def test_the_configuration_to_fill_in_is_valid_beside_its_secrets(tmp_path: Path) -> None:
    """With the files that it names in the directory of secrets, and what keeps Git away from them."""
    text = (COMPOSE / "config" / "trace-monitor.yaml").read_text()
    for name in SECRETS:
        assert name in text
        (tmp_path / name).write_text("not-a-real-one\n")
    (tmp_path / ".gitignore").write_text((COMPOSE / "secrets" / "monitor" / ".gitignore").read_text())
    told = text.replace("  # alertmanager:\n  #   urls", "  alertmanager:\n    urls")
    assert told != text
    for each in (text, told):
        loaded = parse(each, {"TRACE_MONITOR_SECRETS_DIR": str(tmp_path)}, tmp_path)
        assert set(loaded.settings.targets) == {"prod"}
        assert not loaded.warnings


def test_the_demos_configuration_is_that_of_the_sandbox() -> None:
    """What the sandbox says of itself, at the name and the ports that it has there, checked more often; and it is valid."""
    ours = _load("demo/config/trace-monitor.yaml")
    parse(json.dumps(ours), {}, Path("/nowhere"))
    said = json.dumps(Sandbox(clock=FakeClock()).configuration())
    for place, host in enumerate(("control-plane", "gateway", "traceloop", "slack")):
        said = said.replace(f"https://{host}", f"http://sandbox:{PORT_BASE + place}")
    theirs = json.loads(said)
    theirs["targets"]["demo"]["checks"] = ours["targets"]["demo"]["checks"]
    theirs["alerting"]["alertmanager"] = {"urls": ["http://alertmanager:9093"]}
    assert ours == theirs | {"http": {"allow_http": True}}
    assert DEMO["sandbox"]["command"][:3] == ["sandbox", "--host", "sandbox"]
    assert DEMO["sandbox"]["ports"] == [f"${{PUBLISH_UNPROTECTED:-127.0.0.1}}:{PORT_BASE + 4}:{PORT_BASE + 4}"]


def test_the_variant_for_the_hosts_network_knows_every_service_and_every_name() -> None:
    """A service that was forgotten would look for a bridge network."""
    services = _load("compose.host.yaml")["services"]
    assert set(services) == {name for name, _ in ALL}
    asked = {"monitor", "prometheus", "alertmanager", "grafana", "sandbox"}
    for service in services.values():
        assert {each.partition(":")[0] for each in service["extra_hosts"]} == asked


def test_no_secret_lies_in_the_repository() -> None:
    """The directories are there, so that they can be mounted, and Git ignores what is put into them."""
    for name in ("monitor", "grafana", "alertmanager"):
        ignored = (COMPOSE / "secrets" / name / ".gitignore").read_text().splitlines()
        assert ignored[1:] == ["*", "!.gitignore"]
