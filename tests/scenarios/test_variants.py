"""Each fault in every variant of the remote services: it is named right, or the answer is unknown; never another name."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from monitor.core.model import Fault, Seconds, Verdict
from monitor.sandbox import FAULTS, SWITCHES, Variant
from tests.daemon.world import world
from tests.sampling import sample
from tests.scenarios.belief import LOSSES, TABLE
from tests.scenarios.house import MINUTE, house
from tests.scenarios.pairwise import covering_array

WAYS = [name for name in TABLE if name in FAULTS]
WORDS = [
    (name, str(value)) for name, switch in SWITCHES.items() for value in switch.values if str(value) != switch.default
]
ROWS = covering_array()
ROTATIONS = 4
"""How many faults each row is tried with, so that each fault meets several rows."""

EACH_WITH_EACH = list(product(WAYS, WORDS))
IN_TURN = [
    (ROWS[number % len(ROWS)], WAYS[(number * 7 + number // len(ROWS)) % len(WAYS)])
    for number in range(ROTATIONS * len(ROWS))
]


def right_names(name: str) -> set[str]:
    """What may be said of it: where the hops cannot be told apart, that traces are missing; where nothing can be seen, that."""
    named = set(FAULTS[name].named)
    if named & LOSSES:
        named.add(Fault.TRACE_MISSING)
    return {str(fault) for fault in named | {Fault.BLIND}}


def on_the_way(name: str) -> set[str]:
    """What may be said besides: what is lost, or never whole, is late before that is known.

    Where spans are indexed late, the first traces are late, and missing, before Traceloop has refused two spans of our own.
    """
    named = set(FAULTS[name].named)
    besides = {Fault.TRACE_LATE} if named & {Fault.TRACE_INCOMPLETE, Fault.INGEST_FAILING, *LOSSES} else set()
    if Fault.INGEST_FAILING in named:
        besides.add(Fault.TRACE_MISSING)
    return {str(fault) for fault in besides}


def cannot_be_compared(described: Mapping[str, Any]) -> bool:
    """Whether the configuration passes because what is wrong with it is not shown, and that is said."""
    return "not comparable" in described["checks"]["config"]["summary"]


def delay_of(name: str, words: Mapping[str, str]) -> Seconds | None:
    """What is indexed late already is not exported so late that it would be missing."""
    lag = Variant().vary(words).index_seconds
    return 240.0 - lag if name == "trace_late" else None


@pytest.mark.parametrize(
    ("name", "word"),
    sample(EACH_WITH_EACH, every=211),
    ids=[f"{name}-{switch}-{value}" for name, (switch, value) in EACH_WITH_EACH],
)
async def test_one_look_at_a_fault_in_any_variant(tmp_path: Path, name: str, word: tuple[str, str]) -> None:
    """`check` fails with its name, or says what it cannot tell."""
    words = dict([word])
    async with world(tmp_path, Variant().vary(words), content=FAULTS[name].needs_content) as it:
        await it.sandbox.break_(name, delay_of(name, words))
        described = await it.look()
        said = {described["fault"], *described["also"]} - {None}
        assert said <= right_names(name) | on_the_way(name)
        match described["verdict"]:
            case Verdict.FAIL:
                assert described["fault"] in right_names(name)
            case Verdict.UNKNOWN:
                assert described["summary"]
                assert {check["verdict"] for check in described["checks"].values()} - {"pass"}
            case _:
                assert cannot_be_compared(described), "broken, and it passes"


@pytest.mark.parametrize(
    ("words", "name"),
    sample(IN_TURN, every=30 * ROTATIONS),
    ids=[f"{number}-{name}" for number, (_, name) in enumerate(IN_TURN)],
)
async def test_a_fault_in_any_two_variants_at_once(words: dict[str, str], name: str) -> None:
    """Whatever the daemon reports in a quarter of an hour is the right name, or nothing."""
    async with house(Variant().vary(words), content=FAULTS[name].needs_content) as home:
        await home.advance(8 * MINUTE)
        assert home.story == []
        await home.break_(name, seconds=delay_of(name, words))
        await home.advance(15 * MINUTE)
        notified = {fault for _, fault in home.story}
        if home.incident is not None:
            notified |= {str(fault) for fault in home.incident.diagnosis.also}
        assert notified <= right_names(name) | on_the_way(name)


@pytest.mark.parametrize("words", sample(ROWS, every=8), ids=range(len(ROWS)))
async def test_one_look_at_health_in_any_two_variants_at_once(tmp_path: Path, words: dict[str, str]) -> None:
    """`check` passes, or says what it cannot tell; it never fails."""
    async with world(tmp_path, Variant().vary(words)) as it:
        described = await it.look()
        assert described["fault"] in {None, Fault.BLIND}
        if described["verdict"] != Verdict.PASS:
            assert described["verdict"] == Verdict.UNKNOWN
            unseen = [check for check, look in described["checks"].items() if look["verdict"] == "unknown"]
            assert unseen
            assert all(described["checks"][check]["summary"] for check in unseen)


def test_every_fault_meets_every_word_and_every_row_meets_some_faults() -> None:
    """Nothing is left out."""
    assert {TABLE[name].fault for name in WAYS} == set(Fault) - {Fault.CHECK_FAILED, Fault.VOLUME_LOSS}
    assert len(EACH_WITH_EACH) == len(WAYS) * len(WORDS)
    assert {name for _, name in IN_TURN} == set(WAYS)
    assert len({(tuple(words.items()), name) for words, name in IN_TURN}) == len(IN_TURN)
