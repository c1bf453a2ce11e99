"""A dashboard as Grafana reads it: its variables filled in, its queries sent to Prometheus, its colours chosen."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.harness import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
SCRAPED_EVERY = 1
_UNITS = {"s": 1, "m": 60, "h": 3600}


def load(path: Path = DASHBOARD) -> dict[str, Any]:
    """The document."""
    document: dict[str, Any] = json.loads(path.read_text())
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One query of a panel."""

    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.panel['title']} {self.target['refId']}"

    @property
    def field(self) -> str:
        """What overrides know the query's values as: a series by its legend, a table's column by its new name."""
        for transformation in self.panel.get("transformations", ()):
            renamed = transformation["options"].get("renameByName", {})
            if (column := renamed.get(f"Value #{self.target['refId']}")) is not None:
                return str(column)
        return str(self.target.get("legendFormat", ""))

    def color_of(self, value: float) -> str:
        """The colour in which the panel shows a value: that of a mapping, else that of the threshold below it."""
        config = self.panel["fieldConfig"]
        options = dict(config["defaults"])
        for override in config["overrides"]:
            if override["matcher"]["options"] == self.field:
                options |= {each["id"]: each["value"] for each in override["properties"]}
        for mapping in options.get("mappings", ()):
            if mapping["type"] == "value" and f"{value:g}" in mapping["options"]:
                return str(mapping["options"][f"{value:g}"]["color"])
        steps = options.get("thresholds", {"steps": []})["steps"]
        below = [step["color"] for step in steps if step["value"] is None or step["value"] <= value]
        return str(below[-1]) if below else "text"


def queries(document: Mapping[str, Any]) -> list[Asked]:
    """Every query of every panel."""
    return [Asked(panel=panel, target=target) for panel in document["panels"] for target in panel.get("targets") or ()]


@dataclass(slots=True, kw_only=True)
class Grafana:
    """Asks one Prometheus about a period that began at `since`."""

    prometheus: str
    since: float
    values: dict[str, str] = field(default_factory=dict)

    def choose(self, variable: Mapping[str, Any]) -> None:
        """Fill a variable in as the dashboard does when it is opened: the first value, or all of them."""
        query = self.substitute(variable["query"]["query"])
        if found := re.fullmatch(r"label_values\((.+), (\w+)\)", query):
            options = list(self._get(f"label/{found[2]}/values", {"match[]": found[1]}))
        elif found := re.fullmatch(r"query_result\((.+)\)", query):
            rows = self.result(found[1])
            texts = ["{" + ",".join(f'{name}="{value}"' for name, value in row["metric"].items()) + "}" for row in rows]
            shown = re.compile(variable["regex"].strip("/"))
            options = [match[1] for text in texts if (match := shown.search(text))]
        else:
            raise AssertionError(f"{query}: not known")
        assert options, f"${variable['name']} has no value: {query}"
        escaped = [re.sub(r"([.*+?^${}()|\[\]\\/])", r"\\\\\1", each) for each in options]
        one = escaped[0] if len(options) == 1 else f"({'|'.join(escaped)})"
        self.values[variable["name"]] = one if variable["includeAll"] else options[0]

    def substitute(self, text: str, *, interval: float = SCRAPED_EVERY) -> str:
        """A query with everything filled in (https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/)."""
        built_in = {
            "__interval": f"{interval:g}s",
            "__rate_interval": f"{max(interval + SCRAPED_EVERY, 4 * SCRAPED_EVERY):g}s",
            "__range": f"{int(time.time() - self.since)}s",
        }
        known = {**self.values, **built_in}

        def value(match: re.Match[str]) -> str:
            return known[match[1] or match[2]]

        return re.sub(r"\$(?:\{(\w+)(?::raw)?\}|([A-Za-z_]\w*))", value, text)

    def ask(self, asked: Asked) -> list[tuple[dict[str, str], list[float]]]:
        """The series of a query, with their values that are numbers. Raises AssertionError where Prometheus refuses it."""
        asks_every = _seconds(asked.panel.get("interval") or f"{SCRAPED_EVERY}s")
        expression = self.substitute(asked.target["expr"], interval=asks_every)
        if asked.target.get("instant"):
            rows = self.result(expression)
            found = [(row["metric"], [row["value"]]) for row in rows]
        else:
            now = time.time()
            times = {"start": f"{now - asks_every * int((now - self.since) / asks_every)}", "end": f"{now}"}
            rows = self._get("query_range", {"query": expression, "step": f"{asks_every:g}", **times})["result"]
            found = [(row["metric"], row["values"]) for row in rows]
        return [(labels, [float(value) for _, value in values if value != "NaN"]) for labels, values in found]

    def result(self, expression: str) -> list[dict[str, Any]]:
        """What an expression is now."""
        rows: list[dict[str, Any]] = self._get("query", {"query": expression})["result"]
        return rows

    def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        url = f"{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None


def links(document: Mapping[str, Any]) -> Iterator[str]:
    """Every link to the monitor's pages."""
    urls = {link["url"] for link in document["links"]} | set(_urls(document["panels"]))
    yield from sorted(url for url in urls if url.startswith("${monitor_url"))


def _urls(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "url")
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _urls(each)


def _seconds(text: str) -> float:
    return float(text[:-1]) * _UNITS[text[-1]]
