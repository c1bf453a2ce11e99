"""What was planted is found in whatever form, and is never taken for somebody's credential."""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from monitor.core.canary import DecoyKind, decoy_of
from monitor.core.model import TraceId
from monitor.core.trace import Labels, Route, SpanFact, TraceSeen, judge_labels
from monitor.otlp import read_row
from monitor.redaction import Redactor
from tests.fakes.clock import START

NONCE = "gtm-0123456789abcdef"
KINDS = [DecoyKind.EMAIL, DecoyKind.JWT, DecoyKind.CARD]
FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda decoy: f"as it stands: {decoy}!",
    "capitals": lambda decoy: decoy.upper() if "." not in decoy or "@" in decoy else decoy,
    "json": lambda decoy: f'{{"messages": [{{"content": "so {decoy}"}}]}}',
    "percent": lambda decoy: quote(decoy, safe=""),
    "percent, every letter": lambda decoy: "".join(f"%{byte:02X}" for byte in decoy.encode()),
    "hex": lambda decoy: f"xx {decoy.encode().hex()} xx",
    "base64": lambda decoy: b64encode(decoy.encode()).decode(),
    "base64 of more": lambda decoy: b64encode(f"Hello, {decoy}, and more".encode()).decode(),
    "base64 for URLs": lambda decoy: urlsafe_b64encode(f"Hi {decoy}.".encode()).decode(),
    "in a long text": lambda decoy: "x" * 500_000 + decoy,
}


def fact(value: str, decoy: str, name: str = "some.attribute", **more: Any) -> SpanFact:
    """The fact of a row with one attribute."""
    row = {"trace_id": "a" * 32, "span_id": "b" * 16, "span_attributes": {name: value}, **more}
    return read_row(row, "Traceloop", nonce=NONCE, redactor=Redactor(), decoy=decoy)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_found_in_any_form(kind: DecoyKind, form: str) -> None:
    """By the attribute's name, which is all that leaves the adapter."""
    decoy = decoy_of(kind, NONCE)
    assert fact(FORMS[form](decoy), decoy).decoys == ("some.attribute",)


def test_a_card_in_groups_is_found() -> None:
    """As people write it."""
    decoy = decoy_of(DecoyKind.CARD, NONCE)
    for between in (" ", "-"):
        grouped = between.join(decoy[place : place + 4] for place in range(0, 16, 4))
        assert fact(f"card {grouped}, thanks", decoy).decoys == ("some.attribute",)


def test_what_is_left_of_a_token_is_found() -> None:
    """A scanner may cut off its signature, and leave the claims."""
    decoy = decoy_of(DecoyKind.JWT, NONCE)
    header, claims, signature = decoy.split(".")
    assert fact(f"{header}.{claims}.****", decoy).decoys == ("some.attribute",)
    assert fact(f"****.{signature}", decoy).decoys == ("some.attribute",)
    assert fact(f"{header}.****", decoy).decoys == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_redacted_one_and_anothers_are_not_found(kind: DecoyKind) -> None:
    """Only this canary's own, and only as a whole."""
    decoy = decoy_of(kind, NONCE)
    for value in ("[REDACTED]", decoy[:4] + "****", decoy_of(kind, "gtm-another"), ""):
        assert fact(value, decoy).decoys == ()


def test_without_a_decoy_nothing_is_planted() -> None:
    """The default."""
    assert fact("pat@example.com", "").decoys == ()


def test_a_token_that_was_planted_is_no_credential() -> None:
    """Nobody has to revoke it; a real one beside it is one."""
    decoy = decoy_of(DecoyKind.JWT, NONCE)
    real = decoy_of(DecoyKind.JWT, "gtm-another")
    assert fact(decoy, decoy).credentials == ()
    assert fact(f"{decoy} {real}", decoy).credentials == ("some.attribute",)


@pytest.mark.parametrize("excluded", [None, True, False])
def test_it_is_a_leak_whatever_is_expected_of_content(excluded: bool | None) -> None:
    """Content may be wanted, and this part of it redacted."""
    span = SpanFact(trace_id=TraceId("a"), span_id="b", content=(), decoys=("tfy.input",))
    labels = Labels(service_name="tfy-llm-gateway", content=None if excluded is None else not excluded)
    judged = judge_labels(TraceSeen(route=Route.WAREHOUSE, at=START, spans=(span,)), labels)
    assert judged.leaked == ("tfy.input",)
    assert judged.decoy_alone
