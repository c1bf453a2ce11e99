"""`check` and `status` for people."""

import io
from typing import Any

import pytest

from monitor.cli.table import render, use_colour

LOOK: dict[str, Any] = {
    "verdict": "pass",
    "fault": None,
    "summary": "as expected",
    "evidence": {},
    "duration_seconds": 0.1234,
}
WELL: dict[str, Any] = {
    "verdict": "pass",
    "fault": None,
    "severity": None,
    "component": None,
    "also": [],
    "because": [],
    "advice": "",
    "summary": "the traces arrive",
    "checks": {"config": LOOK, "arrival": {**LOOK, "summary": "the trace arrived after 4.2 s"}},
    "trace_id": "ab" * 16,
    "arrival_seconds": 4.2,
}
BROKEN: dict[str, Any] = {
    **WELL,
    "verdict": "fail",
    "fault": "config_drift",
    "severity": "critical",
    "component": "config",
    "also": ["provider_failing"],
    "because": ["encoding: expected proto, found json", "endpoint: expected a, found b", "last changed by ana"],
    "advice": "Set the fields below back.",
    "summary": "The configuration is not as expected: encoding: expected proto, found json",
    "checks": {
        "config": {
            **LOOK,
            "verdict": "fail",
            "fault": "config_drift",
            "summary": "encoding: expected proto, found json",
        },
        "arrival": {**LOOK, "verdict": "unknown", "summary": "has not run yet", "duration_seconds": None},
    },
    "trace_id": None,
}


def shown(colour: bool = False, **targets: dict[str, Any]) -> str:
    """The table of some targets."""
    return render({"verdict": "x", "targets": targets}, colour=colour)


def test_a_line_per_check_then_the_verdict() -> None:
    """And the trace by which it was proven."""
    assert shown(prod=WELL) == (
        "prod  PASS\n"
        "  config   pass       123 ms  as expected\n"
        "  arrival  pass       123 ms  the trace arrived after 4.2 s\n"
        "\n"
        "  the traces arrive\n"
        f"  trace: {'ab' * 16}\n"
    )


def test_what_is_broken_is_explained() -> None:
    """The name, how bad, why, what else, what to do; the reason that the summary gives is not printed twice."""
    assert shown(prod=BROKEN) == (
        "prod  FAIL  config_drift (critical)\n"
        "  config   fail       123 ms  encoding: expected proto, found json\n"
        "  arrival  unknown            has not run yet\n"
        "\n"
        "  The configuration is not as expected: encoding: expected proto, found json\n"
        "    - endpoint: expected a, found b\n"
        "    - last changed by ana\n"
        "  also wrong: provider_failing\n"
        "  next step: Set the fields below back.\n"
    )


def test_targets_stand_apart() -> None:
    """By an empty line."""
    assert "\n\nother  FAIL" in shown(prod=WELL, other=BROKEN)


def test_colour_is_only_added() -> None:
    """Take it away, and the same table is left: nothing is shown by colour alone."""
    coloured = shown(colour=True, prod=BROKEN)
    assert "\x1b[31mFAIL\x1b[0m" in coloured
    assert "\x1b[33munknown\x1b[0m" in coloured
    for code in ("\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == shown(prod=BROKEN)


class _Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not where NO_COLOR asks for none, with whatever value (https://no-color.org)."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert use_colour(_Stream(terminal=True))
    assert not use_colour(_Stream(terminal=False))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not use_colour(_Stream(terminal=True))


def test_what_a_healthy_canary_does_not_prove_is_said() -> None:
    """Before the trace by which the rest is proven; an older daemon says nothing of it."""
    assert "nobody is mentioned" not in shown(prod={**WELL, "mentions_wait_for": []})
    said = shown(prod={**WELL, "mentions_wait_for": ["config", "volume"]})
    assert "\n  nobody is mentioned until every check has passed once; not yet: config, volume\n" in said
    table = shown(prod={**WELL, "caveats": ["logging is off for model in [x] (rule `quiet`)"]})
    assert "  not proven: logging is off for model in [x] (rule `quiet`)\n  trace: " in table
    assert "not proven" not in shown(prod=WELL)
