"""Every field of every recorded answer dropped and replaced in turn: the judgement stays, is unknown, or is what stands there.

No daemon takes part here, so that it can be done for all of them; what the whole makes of it is in `test_daemon`.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.model import Fault
from tests.fakes.remote import Reply
from tests.fuzz.answers import Received, strict_json
from tests.fuzz.mutations import HOSTILE, KINDS, OTHER_TYPES, Mutation, Path, as_body, drop_at, paths_of, set_at
from tests.fuzz.routes import ROUTES
from tests.samples.judging import TRACE, judge
from tests.samples.record import Sample, samples
from tests.sampling import sample

F = Fault
SAMPLES = samples()
_ROUTES = {"trace": "quick"}
_LONGEST_INGEST = 64 * 1024
_UNKNOWN = re.compile(r"unknown: (unreachable|refused|garbled|crowded|blocked)")


def changed_in_every_field(body: bytes) -> Iterator[tuple[Path, Any, bytes]]:
    """Each field dropped, and replaced by each type and each hostile text: where, by what, and what comes of it."""
    try:
        document = strict_json(body)
    except ValueError:
        return
    for path in paths_of(document):
        yield path, "dropped", as_body(drop_at(document, path))
        for other in (*OTHER_TYPES, *HOSTILE):
            yield path, other, as_body(set_at(document, path, other))


def may_be_judged(kind: str, received: Received) -> set[str]:
    """Everything that the bytes themselves give a reason for."""
    faults = {str(fault) for fault in ROUTES[_ROUTES.get(kind, kind)].may_say(received)}
    match kind:
        case "config":
            nothing = {"exporter_disabled", "nothing: 404", "nothing: null", "nothing: empty"}
            as_set = {"as expected", "config_drift"}
            return (nothing if "exporter_disabled" in faults else set()) | (
                as_set if "config_drift" in faults else set()
            )
        case "session":
            return {"known"} if _has_tenant(received) else {"not known"}
        case "own_store" | "trace" | "warehouse":
            return _trees(kind, received, faults)
        case "ingest":
            unread = not faults or len(received.body) > _LONGEST_INGEST
            accepted = 200 <= received.status < 300 and unread  # and read back: that says what became of it
            return {"accepted"} if accepted else {"key refused"} if received.status == 401 else faults
        case "slack":
            return _accepted(received)
        case _:
            return faults or {"pass"}


def _document(received: Received) -> Any:
    try:
        return received.json()
    except ValueError:
        return None


def _has_tenant(received: Received) -> bool:
    said = _document(received)
    user = said.get("user") if isinstance(said, dict) else None
    tenant = user.get("tenantName") if isinstance(user, dict) else None
    return isinstance(tenant, str) and tenant != ""


def _trees(kind: str, received: Received, faults: set[str]) -> set[str]:
    """As many spans of the trace as there are rows of it; none only where the list itself says so."""
    said = _document(received)
    if kind == "trace" and received.status in (401, 403, 404):
        return {"closed"}
    names = {"own_store": ("data",), "trace": ("spans",), "warehouse": ("spans", "data")}[kind]
    rows: Any = said if isinstance(said, dict) else "none"
    for name in names:
        rows = rows.get(name, "none") if isinstance(rows, dict) else "none"
    if received.status != 200 or not (isinstance(rows, list) or (rows is None and kind == "trace")):
        return set()
    key = "traceId" if kind == "own_store" else "trace_id"
    mine = [row for row in rows or [] if isinstance(row, dict) and str(row.get(key)).replace("-", "").lower() == TRACE]
    if mine:
        counted = range(1, len(mine) + 1)
        ends = {"", ", well labelled"} | {f", {word}" for word in _labels(faults)}
        trees = {
            f"{shape}: {count} span{'s' * (count > 1)}" for shape in ("whole", "part", "there") for count in counted
        }
        return {f"{tree}{end}" for tree in trees for end in ends} | {"there: 1 spans"}
    return {"not there"} if all(_is_anothers(row, key) for row in rows or []) else set()


def _is_anothers(row: Any, key: str) -> bool:
    return isinstance(row, dict) and isinstance(row.get(key), str) and re.fullmatch("[0-9a-f]+", row[key]) is not None


def _labels(faults: set[str]) -> Iterator[str]:
    if "content_leaked" in faults:
        yield "leaked"
    if "trace_mislabelled" in faults:
        yield "mislabelled"


def _accepted(received: Received) -> set[str]:
    """Accepted only by `ok: true`, never only by `ok: false` with a documented word."""
    said = _document(received)
    ok = said.get("ok") if isinstance(said, dict) else None
    if ok is True and received.status == 200:
        return {"delivered"}
    if ok is False and isinstance(said.get("error"), str):
        return {"never", "later", "perhaps"}
    return {"later"} if received.status == 429 or 300 <= received.status < 500 else {"perhaps"}


async def wrongly_judged(sample: Sample, received: Received, what: object) -> str | None:
    """A complaint, if the judgement is none that the bytes give a reason for."""
    judged = await judge(sample.kind, Reply(received.body, status=received.status, headers=received.headers))
    if judged == sample.judged or _UNKNOWN.fullmatch(judged) or judged in may_be_judged(sample.kind, received):
        return None
    return f"{sample.name} with {str(what)[:80]}: {judged}, not {sample.judged}"


def as_received(sample: Sample) -> Received:
    """The recorded answer."""
    return Received(status=sample.reply.status, headers=sample.reply.headers, body=sample.reply.body)


@pytest.mark.parametrize("case", sample(SAMPLES, every=9), ids=lambda case: case.name)
async def test_no_field_makes_an_answer_accuse_wrongly(case: Sample) -> None:
    """Dropped, null, of another type, absurd or hostile: nothing raises, and nobody is accused for it."""
    received = as_received(case)
    wrong = [
        await wrongly_judged(case, replace(received, body=body), (path, other))
        for path, other, body in changed_in_every_field(received.body)
    ]
    assert [complaint for complaint in wrong if complaint] == []


@pytest.mark.parametrize("case", sample(SAMPLES, every=9), ids=lambda case: case.name)
async def test_no_bytes_make_an_answer_accuse_wrongly(case: Sample) -> None:
    """Every kind of change that can come over an answer, some times each."""
    received = as_received(case)
    mutations = [Mutation(kind=kind, seed=seed) for kind in KINDS for seed in range(6)]
    wrong = [await wrongly_judged(case, mutation.changer()(received), mutation) for mutation in mutations]
    assert [complaint for complaint in wrong if complaint] == []
