"""A metrics page whose state a test sets, and how its samples are read."""

from dataclasses import replace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families as parse_text

from monitor.core.events import (
    Event,
    NoticeHandled,
)
from monitor.core.incident import Diagnosis, Incident, Notified, Reason
from monitor.core.model import (
    CheckName,
    CheckResult,
    Component,
    Fault,
    Scalar,
    Severity,
    TargetName,
    Verdict,
)
from monitor.core.state import Cadence, CheckState, LastLook, State, TargetState
from monitor.settings.target import CanaryCheck
from monitor.telemetry.gauges import Expected, Monitored, View
from monitor.telemetry.metrics import Metrics
from tests.core.build import policy
from tests.fakes.clock import START, FakeClock

PROD, STAGING = TargetName("prod"), TargetName("staging")
EVERYTHING = frozenset(CheckName)
URL = "https://acme.dev/monitor"
CADENCE = Cadence(every=60, every_while_failing=15, deadline=15)
POLICY = policy(
    cadences=dict.fromkeys(CheckName, CADENCE), limits=CanaryCheck(max_per_day=100, max_tokens_per_day=1000)
)


def a_target(**fields: Any) -> TargetState:
    """The state of prod."""
    return TargetState(target=PROD, **fields)


def a_result(verdict: Verdict, at: float = START, **evidence: Scalar) -> LastLook:
    """The newest result of a check."""
    return LastLook(at=at, took=0.5, result=CheckResult(verdict=verdict, summary="", evidence=evidence))


def an_incident(*, closed_at: float | None = None, **notified: Notified) -> Incident:
    """A critical one at prod."""
    diagnosis = Diagnosis(
        fault=Fault.EXPORTER_DISABLED, severity=Severity.CRITICAL, component=Component.CONFIG, summary="it is off"
    )
    return Incident(id="i", target=PROD, opened_at=START, diagnosis=diagnosis, closed_at=closed_at, notified=notified)


class Scraped:
    """A metrics page whose state the test sets."""

    def __init__(self, expected: Expected | None = None) -> None:
        self.clock = FakeClock()
        self.view = View(state=State(), policies={PROD: POLICY})
        self.metrics = Metrics(clock=self.clock, version="1.2.3", view=lambda: self.view)
        labels = {"team": "ml-platform"}
        self.metrics.expect(
            expected
            or Expected(
                targets={PROD: Monitored(checks=EVERYTHING, labels=labels)}, notifiers=("slack",), external_url=URL
            )
        )

    def set(self, *targets: TargetState, **state: Any) -> None:
        """What is remembered from now on."""
        self.view = replace(self.view, state=State(targets={target.target: target for target in targets}, **state))

    def listen(self, *events: Event) -> None:
        """Something happened."""
        for event in events:
            self.metrics.listen(event)

    def render(self, accept: str = "") -> tuple[str, str]:
        """The page and its content type."""
        body, content_type = self.metrics.render(accept, self.view)
        return body.decode(), content_type

    def text(self) -> str:
        """The page."""
        return self.render()[0]

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of that name: label values (target left out, in the order of their names) to value."""
        return {
            tuple(value for label, value in sorted(sample.labels.items()) if label != "target"): sample.value
            for family in parse_text(self.text())
            for sample in family.samples
            if sample.name == f"trace_monitor_{name}"
        }

    def value(self, name: str, *labels: str) -> float | None:
        """One of them."""
        return self.samples(name).get(labels)


def filled() -> Scraped:
    """A page on which everything has happened once."""
    page = Scraped()
    page.set(
        a_target(
            certificates={"gateway": START + 86_400},
            check_states={CheckName.CONFIG: CheckState(last=a_result(Verdict.PASS, differences=0), last_pass_at=START)},
        )
    )
    expiries = {PROD: {"gateway": START + 86_400}}
    page.view = replace(page.view, token_expiries=expiries, refused={"slack": ("C0GONE",)})
    page.view = replace(page.view, heartbeat_failing=False, heartbeat_delivered_at=START)
    page.listen(a_notice("sent"))
    return page


def a_notice(outcome: str, notifier: str = "slack") -> NoticeHandled:
    """An attempt to notify."""
    return NoticeHandled(notifier=notifier, target=PROD, at=START + 5, reason=Reason.OPENED, outcome=outcome)


def families(page: Scraped) -> dict[str, Any]:
    """The families of our own, by the name they are documented under."""
    found = {}
    for family in parse_text(page.text()):
        name = family.name.removeprefix("trace_monitor_")
        if name != family.name:
            found[name + ("_total" if family.type == "counter" else "")] = family
    return found
