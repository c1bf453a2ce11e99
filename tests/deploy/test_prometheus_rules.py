"""The rules speak only of what the monitor exports, each of them is tried both ways, and every link of an alert answers."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.core.model import Fault
from monitor.core.state import CERTIFICATE_SOON, DAY, TOKEN_SOON, State
from monitor.notifiers.alertmanager import ALERT_NAME
from monitor.telemetry.gauges import View
from monitor.telemetry.metrics import Metrics
from monitor.web.texts import runbooks
from tests.fakes.clock import FakeClock
from tests.web.site import Site

DIRECTORY = Path(__file__).parents[2] / "deploy" / "prometheus"
TESTS = sorted((DIRECTORY / "tests").glob("*.yml"))
README = (DIRECTORY / "README.md").read_text()
DEAR = ("arrival", "checks")
"""They go through days of samples: `make rules-test` and `make test-all` do."""


def _load(path: str | Path) -> Any:
    return yaml.safe_load((DIRECTORY / path).read_text())


ALL: list[dict[str, Any]] = [rule for group in _load("rules.yml")["groups"] for rule in group["rules"]]
RULES = [rule for rule in ALL if "alert" in rule]
ALERTS = sorted({rule["alert"] for rule in RULES})
RECORDED = sorted(rule["record"] for rule in ALL if "record" in rule)
CASES = [case for path in TESTS for case in _load(path)["tests"]]

# Where people reach the page, else where Prometheus does; the monitor that is gone, by what was known a day ago.
OF_INSTANCE = (
    '{{ with printf "last_over_time(trace_monitor_external_url_info{job=%q,instance=%q}[5m])" $labels.job $labels.instance | query }}'
    '{{ . | first | label "url" }}{{ else }}http://{{ $labels.instance }}{{ end }}'
)
OTHERS = {"TraceMonitorDown", "GatewayTraceArrivalBelowObjective"}


def _expectations(alert: str) -> list[list[dict[str, Any]]]:
    tried = (one for case in CASES for one in case.get("alert_rule_test", ()) if one["alertname"] == alert)
    return [one["exp_alerts"] for one in tried]


def _rendered() -> Iterator[tuple[str, str]]:
    """Every link that promtool has seen an alert have: the alert, and the path below the page's root."""
    for alert in ALERTS:
        for expected in (one for alerts in _expectations(alert) for one in alerts):
            for name in ("runbook_url", "dashboard_url"):
                url = expected["exp_annotations"][name]
                if url:
                    path = re.sub(r"^(https://acme\.dev/monitor|http://(?:[mn]|monitor\.ops\.svc):9797)/", "/", url)
                    yield alert, re.sub(r"^/targets/\w+$", "/targets/prod", path)


@pytest.mark.parametrize(
    ("alert", "soon"), [("GatewayCertificateExpiring", CERTIFICATE_SOON), ("GatewayTokenExpiring", TOKEN_SOON)]
)
def test_what_expires_soon_does_so_in_an_alert_on_the_page_and_for_doctor_alike(alert: str, soon: float) -> None:
    """One threshold for each kind."""
    (expression,) = {rule["expr"] for rule in RULES if rule["alert"] == alert}
    assert expression.endswith(f" - time() < {soon / DAY:.0f} * 86400")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    """Severity, summary, description, and links that lead to the page by the URL that it exports."""
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert all(notes.values())
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    for link in (notes["runbook_url"], notes["dashboard_url"]):
        assert link.startswith(OF_INSTANCE + "/") or rule["alert"] in OTHERS
        assert "trace_monitor_external_url_info" in link


def test_every_link_that_an_alert_is_rendered_with_answers() -> None:
    """Each alert has both, as promtool has seen them: a runbook, and the page or the target's."""
    for alert in ALERTS:
        paths = {path for name, path in _rendered() if name == alert}
        assert any(path.startswith("/runbooks/") for path in paths), alert
        assert paths & {"/", "/targets/prod"}, alert


@pytest.mark.parametrize("path", sorted({path for _, path in _rendered()}))
async def test_a_link_answers(path: str) -> None:
    """On the real pages."""
    assert (await Site().get(path)).status_code == 200


@pytest.mark.parametrize("fault", list(Fault))
async def test_the_link_of_an_active_fault_answers_whichever_it_is(fault: Fault) -> None:
    """The rule puts the value of the label into the path."""
    (link,) = {rule["annotations"]["runbook_url"] for rule in RULES if rule["alert"] == "GatewayTraceFaultActive"}
    assert link.endswith('runbooks/{{ . | first | label "fault" }}{{ end }}')
    assert (await Site().get(f"/runbooks/{fault.value}")).status_code == 200


def test_there_is_no_runbook_of_an_alert_that_there_is_not() -> None:
    """Those of faults do for the three alerts that say what an incident says."""
    written = runbooks().keys() - {fault.value for fault in Fault}
    assert written == set(ALERTS) - {"GatewayTraceFaultActive", "TraceMonitorBlind", "TraceMonitorCheckFailed"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_the_readme_lists_every_alert_with_its_severity_and_a_runbook_that_exists(rule: dict[str, Any]) -> None:
    """And its runbook has the same severity at its head."""
    row = re.search(rf"^\| `{rule['alert']}` \| (.+?) \| .+ \| .*\]\((.+?)\).* \|$", README, re.MULTILINE)
    assert row is not None
    assert rule["labels"]["severity"] in row[1]
    assert (DIRECTORY / row[2]).exists()
    if rule["alert"] in runbooks():
        assert f"Severity: {rule['labels']['severity']}." in runbooks()[rule["alert"]].read_text()


def test_the_links_within_the_readme_lead_somewhere() -> None:
    """Files that exist, and headings of its own."""
    headings = re.findall(r"^#+ (.+)$", README, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
    for href in re.findall(r"\]\(([^)]+)\)", README):
        assert href.startswith("https://") or href.removeprefix("#") in anchors or (DIRECTORY / href).exists(), href


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_tried_both_ways(alert: str) -> None:
    """`promtool test rules` sees each alert fire once and keep quiet once."""
    expectations = _expectations(alert)
    assert any(expectations), f"{alert} never fires in tests/"
    assert not all(expectations), f"{alert} is never expected to be quiet in tests/"


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.thorough) if path.stem in DEAR else path for path in TESTS],
    ids=lambda path: path.stem,
)
def test_the_rules_do_what_is_expected_of_them(path: Path) -> None:
    """As `make rules-test` does, where Prometheus is installed: the second or two are worth more than an alert that never fires."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here")
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("recorded", RECORDED)
def test_a_recording_rule_is_tried_both_ways(recorded: str) -> None:
    """`promtool test rules` sees a value, and none where there is nothing to tell."""
    tried = [one for case in CASES for one in case.get("promql_expr_test", ()) if recorded in one["expr"]]
    assert any(one["exp_samples"] for one in tried), f"{recorded} never has a value in tests/"
    assert not all(one["exp_samples"] for one in tried), f"{recorded} always has a value in tests/"
    assert f"`{recorded}`" in README


async def test_the_rules_speak_of_metrics_that_there_are() -> None:
    """A misspelt metric never fires: every one that a rule names is on the metrics page, or recorded."""
    metrics = Metrics(clock=FakeClock(), version="0", view=lambda: View(state=State()))
    page, _ = await metrics.scrape("")
    exported = set(re.findall(r"^# TYPE (trace_monitor_\w+)", page.decode(), flags=re.MULTILINE))
    text = str(ALL)
    recorded = set(re.findall(r"\btarget:trace_monitor_\w+:\w+", text))
    named = set(re.findall(r"(?<![:\w])trace_monitor_\w+", text))
    assert named
    assert {name.removesuffix("_bucket") for name in named} <= exported
    assert recorded == set(RECORDED)


def test_the_rules_count_on_the_job_that_the_scrape_configuration_makes() -> None:
    """Under another name a vanished monitor would be noticed later, and one of several not at all."""
    jobs = {job["job_name"] for job in _load("scrape.yml")["scrape_configs"]}
    named = {name for rule in RULES for name in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert named == jobs


def test_the_routes_speak_of_alerts_that_there_are() -> None:
    """A misspelt one would notify twice; the monitor's own alert is none of the rules, and the explanation shows the same route."""
    routes = _load("alertmanager.yml")["route"]["routes"]
    (nowhere,) = (route for route in routes if route["receiver"] == "nobody")
    (matcher,) = nowhere["matchers"]
    silent = set(re.findall(r"\w+", matcher.partition("=~")[2]))
    assert silent == {"GatewayTraceFaultActive", "TraceMonitorBlind", "TraceMonitorCheckFailed"}
    assert silent <= set(ALERTS)
    assert ALERT_NAME not in ALERTS
    assert matcher in README
    assert ALERT_NAME in README
