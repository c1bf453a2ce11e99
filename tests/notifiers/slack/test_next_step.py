"""Where the next step of a message is taken: its buttons, and its commands."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.incident import Place
from monitor.core.model import Fault
from monitor.notifiers.slack.render import post, root
from tests.fakes.block_kit import validate_message
from tests.notifiers import notices
from tests.notifiers.notices import KINDS
from tests.notifiers.slack.limits import problems
from tests.notifiers.slack.rendered import FRAME, payload, shown

CONSOLES = {
    Place.TRUEFOUNDRY: "https://acme.truefoundry.cloud/llm-gateway",
    Place.TRACELOOP: "https://app.traceloop.com/traces",
}


def _buttons(notice: Any, **frame: Any) -> list[tuple[str, str]]:
    blocks = post(notice, replace(FRAME, consoles=CONSOLES, **frame)).blocks
    return [
        (one["text"]["text"], one["url"]) for block in blocks if block["type"] == "actions" for one in block["elements"]
    ]


@pytest.mark.parametrize(
    ("fault", "places"),
    [
        (Fault.EXPORTER_DISABLED, ["TrueFoundry", "Traceloop"]),
        (Fault.TRACE_NOT_CREATED, ["TrueFoundry"]),
        (Fault.KEY_REJECTED, ["Traceloop"]),
        (Fault.EXPORT_FAILING, ["Traceloop", "TrueFoundry"]),
        (Fault.PROVIDER_FAILING, []),
        (Fault.BLIND, []),
    ],
)
def test_buttons_open_the_place_where_the_next_step_is_taken(fault: Fault, places: list[str]) -> None:
    """Directly under it."""
    notice = notices.a_notice(incident=notices.an_incident(notices.a_diagnosis(fault)))
    assert [text for text, _ in _buttons(notice)] == [f"Open {place}" for place in places]
    kinds = [block["type"] for block in post(notice, replace(FRAME, consoles=CONSOLES)).blocks]
    assert kinds[:3] == (["section", "section", "actions"] if places else ["section", "section", "section"])


def test_there_are_no_buttons_where_nothing_is_to_be_done() -> None:
    """Resolved, or fixed and waiting; nor where the place is not known, or its URL would not fit."""
    assert _buttons(notices.opened())
    for kind in ("resolved", "waiting", "missed"):
        assert _buttons(KINDS[kind]()) == []
    assert not [block for block in post(notices.opened(), FRAME).blocks if block["type"] == "actions"]
    long = {Place.TRUEFOUNDRY: "https://acme.example/" + "x" * 500}
    assert not [b for b in post(notices.opened(), replace(FRAME, consoles=long)).blocks if b["type"] == "actions"]


def test_a_message_with_buttons_is_one_that_slack_takes() -> None:
    """Every kind, and at its longest."""
    for kind in KINDS.values():
        sent = payload(post(kind(), replace(FRAME, consoles=CONSOLES)))
        assert not problems(sent)
        assert validate_message(sent) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://monitor.acme.dev", " --url https://monitor.acme.dev"),
        ("https://monitor.acme.dev/", " --url https://monitor.acme.dev"),
        (None, ""),
        ("https://monitor.acme.dev/$(id)", ""),
    ],
)
def test_commands_carry_the_url_of_the_daemon_if_a_shell_reads_it_as_it_is(url: str | None, said: str) -> None:
    """A person copies them from anywhere."""
    text = shown(post(notices.opened(), replace(FRAME, external_url=url)))
    assert f"trace-monitor ack prod-20270115-080000{said}\n" in text


def test_commands_appear_only_where_they_can_work() -> None:
    """Without an admin token the daemon would answer 403."""
    assert "trace-monitor ack" not in shown(post(notices.opened(), replace(FRAME, commands=False)))


def test_of_what_is_over_the_evidence_is_past() -> None:
    """How it showed is no sentence about the present: it is listed as what was seen."""
    said = shown(root(notices.resolved(), FRAME))
    assert "The manifest is null." not in said.partition("*What was seen*")[0]
    assert "• The manifest is null." in said


def test_of_what_is_over_the_traces_are_listed_once() -> None:
    """As late or lost, and not as what was seen while it lasted."""
    assert "Traces: " in shown(root(notices.opened(), FRAME))
    assert "Traces: " not in shown(root(notices.resolved(), FRAME))
