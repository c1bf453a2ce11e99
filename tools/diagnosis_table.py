"""Write `docs/diagnosis.md`: the table of faults and the triage as they stand in the code. `make docs`."""

from collections.abc import Iterator, Mapping

from monitor.core.backend import TRACELOOP
from monitor.core.faults import FAULTS, FaultRow
from monitor.core.path import TRIAGE

_PREFACE = """\
# The diagnosis

Written by `make docs` from `monitor/core/faults.py` and `monitor/core/path.py`: change it there.

One incident per target is open while any fault is confirmed. It is named after the most severe fault that no other explains.
Ties go to the most upstream fault (table order). `blind` names the incident only if nothing else is confirmed. What it explains is
listed as a consequence, what it does not is "also wrong". The severities can be overridden (`alerting.severity`, `max_severity`).
`fail_after` and `pass_after` are 2 unless configured.

Where a target's backend is [Phoenix](phoenix.md), its name and the component `phoenix` stand for Traceloop's, and its documented
read is `/v1/projects/{project}/spans`. What it cannot tell (`wrong_environment`, `trace_mislabelled`) is not judged."""

_TRIAGE = """\
## Which hop lost a trace

A missing trace is looked up in TrueFoundry's own store, and a test span (of the check `control`) is sent straight to Traceloop and
read back. The answer of TrueFoundry's own store counts only if it has shown a span of the monitor's within the last day, that of the
test span only if it was sent after the lost canary."""

_ANSWERS: Mapping[bool | None, str] = {True: "yes", False: "no", None: "not known"}


_ROWS = tuple(TRACELOOP.fill(row) for row in FAULTS.values())


def write() -> str:
    """The whole document."""
    parts = [_PREFACE, _overview(), _TRIAGE, _triage(), "## The faults", *map(_section, _ROWS)]
    return "\n\n".join(parts) + "\n"


def _overview() -> str:
    rows = (
        f"| [`{rule.fault}`](#{rule.fault}) | {rule.component} | {rule.severity_text} | {rule.title} |"
        for rule in _ROWS
    )
    return "\n".join(("| fault | component | severity | means |", "|---|---|---|---|", *rows))


def _triage() -> str:
    rows = (
        f"| {_ANSWERS[own]} | {_ANSWERS[shown]} | {TRACELOOP.name_in(place.where)} | [`{place.fault}`](#{place.fault}) |"
        for (own, shown), place in TRIAGE.items()
    )
    return "\n".join(
        (
            "| TrueFoundry's own store has it | Traceloop shows the test span | where it broke | named |",
            "|---|---|---|---|",
            *rows,
        )
    )


def _section(rule: FaultRow) -> str:
    return "\n".join((f"### `{rule.fault}`", "", f"{rule.title}.", "", *_points(rule)))


def _points(rule: FaultRow) -> Iterator[str]:
    yield f"- **Component, severity**: {rule.component}, {rule.severity_text}."
    yield f"- **When**: {rule.when}"
    yield f"- **Settles**: {rule.settles}"
    yield f"- **The message says**: {rule.because}"
    yield f"- **Explains**: {_explains(rule)}"
    yield f"- **Next step**: {rule.advice}"
    yield f"- **Runbook**: [{rule.fault}](../monitor/runbooks/{rule.fault}.md)"


def _explains(rule: FaultRow) -> str:
    explained = ", ".join(f"[`{fault}`](#{fault})" for fault in FAULTS if fault in rule.explains)
    only = f", while {rule.critical_if}" if rule.critical_if and explained else ""
    why = "that no trace could be made" if rule.prevents_traces else ""
    return "; ".join(part for part in (explained + only, why) if part) + "." if explained or why else "nothing."
