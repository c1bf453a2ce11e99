"""What exchanges show besides, and what looks into TrueFoundry's own store add up to."""

import json
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.canary import Canary
from monitor.core.model import Service, TraceId
from monitor.core.trace import Route, SpanFact
from monitor.doctor.snapshot import Answered, Reply, StoreWatch, Traffic
from monitor.http import Answer, Exchange, Request
from monitor.otlp import MARKER
from monitor.ports import Refused
from tests.fakes.clock import START

OURS, CONTROL = TraceId("a" * 32), TraceId("c" * 32)
API = "https://api.traceloop.com"
QUICK, WINDOW = f"{API}/v2/projects/default/traces/{{}}/spans", f"{API}/v2/warehouse/spans?limit=200"
MARKED = f"{WINDOW}&{MARKER}={CONTROL}"
NONE: Any = {"spans": {"data": []}}


def read(url: str, body: Any, at: float, status: int = 200) -> Exchange:
    """A read of Traceloop's, answered `at` seconds."""
    raw = json.dumps(body).encode() if not isinstance(body, bytes) else body
    request = Request(method="GET", url=url)
    answer = Answer(status=status, body=raw)
    return Exchange(service=Service.TRACELOOP, request=request, began_at=START + at, took=0.0, answer=answer)


def shows(trace: str, *, listed: bool = False) -> Any:
    """An answer with one row of a trace."""
    rows = [{"trace_id": trace, "span_id": "1" * 16, "span_attributes": {}}]
    return {"spans": {"data": rows}} if listed else {"spans": rows}


def received(*exchanges: Exchange) -> Traffic:
    """What is known after these."""
    traffic = Traffic()
    for exchange in exchanges:
        traffic.note(exchange, frozenset({OURS, CONTROL}))
    return traffic


def test_when_a_route_first_showed_a_trace_is_kept() -> None:
    """And when it was last asked and did not."""
    found = received(
        read(QUICK.format(OURS), {"spans": None}, 1),
        read(QUICK.format(OURS), shows(OURS), 2),
        read(WINDOW, NONE, 3),
        read(WINDOW, shows(OURS, listed=True), 8),
        read(QUICK.format(OURS), shows(OURS), 9),
    )
    assert {at - START for at in (found.shown_at[Route.TRACE, OURS], found.hidden_at[Route.TRACE, OURS])} == {2, 1}
    assert (found.shown_at[Route.WAREHOUSE, OURS] - START, found.hidden_at[Route.WAREHOUSE, OURS] - START) == (8, 3)


def test_who_asks_for_another_trace_is_not_shown_this_one() -> None:
    """That hides nothing."""
    found = received(read(QUICK.format(CONTROL), {"spans": None}, 1), read(MARKED, NONE, 2))
    assert (Route.TRACE, OURS) not in found.hidden_at
    assert (Route.WAREHOUSE, OURS) not in found.hidden_at


@pytest.mark.parametrize("status", [200, 401, 500])
def test_an_answer_that_is_not_understood_hides_nothing(status: int) -> None:
    """Nor does it show anything."""
    assert received(read(WINDOW, b"<html>", 1, status), read(MARKED, b"<html>", 2, status)).hidden_at == {}


FILTERED = [WINDOW + "&filters=%5B%5D", WINDOW + "&span_name=x", WINDOW + "&tfy.request.metadata.probe_id=gtm-1"]


@pytest.mark.parametrize("url", FILTERED)
def test_what_a_filter_does_not_show_is_not_hidden(url: str) -> None:
    """Whether it is honoured is not known."""
    assert received(read(url, NONE, 1)).hidden_at == {}
    assert received(read(WINDOW, NONE, 1)).hidden_at.keys() == {(Route.WAREHOUSE, OURS), (Route.WAREHOUSE, CONTROL)}


# --- TrueFoundry's own store ------------------------------------------------------------------------------------------

CANARY = Canary(id="c", sent_at=START, sent_id=OURS, span_id="f" * 16, nonce="gtm-1", answered_at=START, trace_id=OURS)
ROOT = SpanFact(trace_id=OURS, span_id="1")
MODEL = SpanFact(trace_id=OURS, span_id="2", parent_id="1")


def showing(*spans: SpanFact) -> Reply[tuple[SpanFact, ...]]:
    """A look that shows these."""
    return Answered(spans)


def watched(*looks: tuple[float, Reply[tuple[SpanFact, ...]]]) -> tuple[float | None, float | None, int]:
    """When the first span was there, when the whole trace was, and how many spans there are."""
    watch = StoreWatch()
    for at, reply in looks:
        watch = watch.after(reply, CANARY, START + at)
    return watch.first_after, watch.whole_after, watch.spans


def test_a_root_alone_is_not_the_whole() -> None:
    """The store may show it before the rest; the whole is what no longer grows."""
    looks = [(5.0, showing()), (10.0, showing(ROOT)), (15.0, showing(ROOT, MODEL))]
    assert watched(*looks) == (10.0, None, 2)
    assert watched(*looks, (20.0, showing(ROOT, MODEL))) == (10.0, 20.0, 2)


def test_a_tree_without_its_root_is_never_whole() -> None:
    """However often it looks the same."""
    assert watched(*((at, showing(MODEL)) for at in (5.0, 10.0))) == (5.0, None, 1)


def test_a_refusal_is_kept_beside_what_was_seen() -> None:
    """It ends the watch."""
    first = StoreWatch().after(showing(ROOT), CANARY, START + 5)
    refused = Refused("no", status=403)
    assert first.after(refused, CANARY, START + 10) == replace(first, error=refused)
