"""The dashboard for Grafana speaks only of what the monitor exports, in queries that Prometheus understands."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from monitor.telemetry.metrics import METRICS, PREFIX

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCUMENT = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DOCUMENT["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
CHOSEN = {variable["name"] for variable in DOCUMENT["templating"]["list"]}
BUILT_IN = {"__rate_interval": "1m", "__range": "6h", "__interval": "15s"}
SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def _exported() -> set[str]:
    """The name of every series that the monitor, its process, the shipped rules and a scrape make."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    return {
        "up",
        *(PREFIX + name + suffix for name, row in METRICS.items() for suffix in SUFFIXES[row.kind]),
        *(sample.name for family in registry.collect() for sample in family.samples),
        *(rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule),
    }


def _selectors(expression: str) -> set[str]:
    return set(re.findall(r"([a-zA-Z_:][\w:]*)\{", expression))


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_every_query_can_be_parsed_and_names_series_that_there_are(title: str, expression: str) -> None:
    """Filled in as Grafana does it; each selector is narrowed to the chosen monitors, or to the chosen target."""
    variables = set(re.findall(r"\$(?:\{)?([a-zA-Z_]\w*)", expression))
    assert variables <= CHOSEN | BUILT_IN.keys(), title
    filled = re.sub(r"\$([a-zA-Z_]\w*)", lambda match: BUILT_IN.get(match[1], "x"), expression)
    promql_parser.parse(filled)
    assert _selectors(expression)
    assert _selectors(expression) <= _exported(), title
    assert expression.count('{job=~"$job"') == expression.count("{")


def test_the_share_of_real_requests_has_a_panel() -> None:
    """What `checks.volume` counts is charted for the chosen target."""
    (query,) = [expression for _, expression in QUERIES if f"{PREFIX}volume_ratio" in expression]
    assert 'target="$target"' in query


def test_no_text_names_one_trace_backend() -> None:
    """A target's traces may go to Traceloop or to Phoenix; the dashboard is the same for both."""
    assert not re.search("traceloop|phoenix", json.dumps(DOCUMENT), re.IGNORECASE)


def test_the_variables_ask_for_series_that_there_are() -> None:
    """Else no target could be chosen."""
    asked = [variable["query"]["query"] for variable in DOCUMENT["templating"]["list"] if variable["type"] == "query"]
    named = {name for query in asked for name in re.findall(rf"{PREFIX}\w+", query)}
    assert named
    assert named <= _exported()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    """Title, description, and the data source that the reader has chosen."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    sources = {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])}
    assert sources == {"${datasource}"}


def test_panels_fill_the_width_and_none_lies_on_another() -> None:
    """Twenty-four columns in every line, ids that differ."""
    assert max(Counter(panel["id"] for panel in DOCUMENT["panels"]).values()) == 1
    places = [panel["gridPos"] for panel in DOCUMENT["panels"]]
    widths: Counter[int] = Counter()
    for place in places:
        widths[place["y"]] += place["w"]
    assert set(widths.values()) == {24}
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


@pytest.mark.parametrize(
    ("kind", "metric"),
    [
        ("table", "target_severity"),
        ("table", "fault_active"),
        ("state-timeline", "check_verdict"),
        ("state-timeline", "fault_active"),
        ("heatmap", "trace_arrival_seconds_bucket"),
        ("timeseries", "trace_arrival_seconds_bucket"),
        ("timeseries", "traces_total"),
        ("timeseries", "canary_phase_seconds"),
        ("timeseries", "config_differences"),
        ("timeseries", "canary_budget_remaining_ratio"),
        ("timeseries", "notices_total"),
        ("bargauge", "certificate_expiry_timestamp_seconds"),
        ("bargauge", "token_expiry_timestamp_seconds"),
    ],
)
def test_what_people_look_for_is_there(kind: str, metric: str) -> None:
    """That it has data is seen by `make e2e`, with a real Prometheus."""
    drawn = {(panel["type"], name) for panel in PANELS for one in panel["targets"] for name in _selectors(one["expr"])}
    assert (kind, PREFIX + metric) in drawn


def test_it_leads_on_to_the_page() -> None:
    """To the monitor's, this target's, and the silences."""
    paths = {link["url"].removeprefix("${monitor_url:raw}") for link in DOCUMENT["links"]}
    assert paths == {"/", "/targets/${target}", "/silences"}
