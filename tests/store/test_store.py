"""What every store does, on both of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.core.config_memory import ConfigSeen
from monitor.core.drift import ExportConfig
from monitor.core.incident import Notified, Reason
from monitor.core.inputs import (
    Acknowledged,
    Input,
    KeyTried,
    LookFailed,
    NoticeDelivered,
    Observation,
    Ticked,
    TraceLooked,
)
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    Severity,
    Suspicion,
    TargetName,
    TraceId,
    UnknownReason,
    failing,
    passing,
    unknown,
)
from monitor.core.silence import Silence
from monitor.core.state import Budget, State, TargetState
from monitor.core.trace import Route, SpanFact, TraceSeen
from monitor.store import Store
from monitor.store.sqlite import SqliteStore
from tests.fakes.clock import START, FakeClock
from tests.fakes.store import MemoryStore

PROD, STAGING = TargetName("prod"), TargetName("staging")
MONTH = 30 * 86_400.0


WELL = passing("well")
DOWN = failing(Suspicion(fault=Fault.GATEWAY_UNREACHABLE, summary="no answer"))


def a_look(at: float, result: CheckResult = WELL, **more: Any) -> Observation:
    """The gateway check looked."""
    return Observation(check=CheckName.GATEWAY, at=at, took=0.1, result=result, **more)


def an_ack(at: float) -> Acknowledged:
    """Somebody took an incident: no two of these are one."""
    return Acknowledged(at=at, incident_id="i", by="ada")


def a_notice(at: float) -> NoticeDelivered:
    """A notifier was notified."""
    notified = Notified(reason=Reason.OPENED, fault=Fault.BLIND, severity=Severity.WARNING, at=at)
    return NoticeDelivered(at=at, incident_id="i", notifier="slack", notified=notified)


def record(store: Store, *given: Any, target: TargetName = PROD) -> None:
    """Each at its own moment."""
    for each in given:
        store.record(target, each, each.at)


class StoreContract:
    """The classes below hand in theirs as `store`, open."""

    async def test_a_fresh_store_remembers_nothing(self, store: Store) -> None:
        """The first start begins with an empty state."""
        assert await store.load() == State()

    async def test_what_was_saved_is_loaded(self, store: Store) -> None:
        """The newest state of each target, and the silences."""
        silence = Silence(id="s1", target="prod*", ends_at=START + 60, comment="upgrade", author="ada")
        await store.save(TargetState(target=PROD, budget=Budget(day=1, sent=1)))
        await store.save(TargetState(target=STAGING))
        await store.save(TargetState(target=PROD, budget=Budget(day=1, sent=2)))
        await store.save_silences((silence,))
        assert await store.load() == State(
            targets={
                PROD: TargetState(target=PROD, budget=Budget(day=1, sent=2)),
                STAGING: TargetState(target=STAGING),
            },
            silences=(silence,),
        )

    async def test_silences_replace_each_other_and_keep_their_order(self, store: Store) -> None:
        """An expired silence is gone."""
        first, second, third = (Silence(id=name) for name in "zya")
        await store.save_silences((first, second))
        await store.save_silences((second, first, third))
        assert (await store.load()).silences == (second, first, third)
        await store.save_silences(())
        assert (await store.load()).silences == ()

    async def test_a_forgotten_target_is_gone(self, store: Store) -> None:
        """A removed target's state goes once it has been reported; forgetting an unknown one is no error."""
        await store.save(TargetState(target=PROD))
        await store.save(TargetState(target=STAGING))
        await store.forget(PROD)
        await store.forget(TargetName("never-there"))
        assert list((await store.load()).targets) == [STAGING]

    async def test_many_saves_at_once_end_in_the_last(self, store: Store) -> None:
        """Saves take effect in the order in which they were asked for, however many wait."""
        states = [TargetState(target=PROD, budget=Budget(day=1, sent=number)) for number in range(200)]
        await asyncio.gather(*(store.save(state) for state in states))
        assert (await store.load()).targets[PROD] == states[-1]

    async def test_the_fingerprint_key_is_random_and_stays(self, store: Store) -> None:
        """256 bits, the same each time it is asked for."""
        key = store.fingerprint_key()
        assert len(key) == 32
        assert len(set(key)) > 8
        assert store.fingerprint_key() == key

    async def test_the_history_is_given_back_oldest_first(self, store: Store) -> None:
        """What was put in, whose it was, and when it was applied."""
        given: list[Input] = [a_look(START), an_ack(START + 1), KeyTried(at=START + 2, accepted=False)]
        record(store, *given)
        assert [(kept.target, kept.given, kept.at) for kept in await store.history()] == [
            (PROD, each, START + number) for number, each in enumerate(given)
        ]

    async def test_the_history_can_be_narrowed(self, store: Store) -> None:
        """By target, by time, by number; of too many the newest are given."""
        for second in range(5):
            record(store, an_ack(START + second))
            record(store, an_ack(START + second), target=STAGING)
        assert {kept.target for kept in await store.history(target=STAGING)} == {STAGING}
        assert [kept.at for kept in await store.history(target=PROD, since=START + 3)] == [START + 3, START + 4]
        assert [kept.at for kept in await store.history(target=PROD, limit=2)] == [START + 3, START + 4]

    async def test_what_notifiers_were_notified_of_can_be_asked_for(self, store: Store) -> None:
        """Of one target, between two moments, oldest first, and nothing else."""
        record(store, a_look(START), a_notice(START), an_ack(START + 1), a_notice(START + 2), a_notice(START + 3))
        record(store, a_notice(START + 2), target=STAGING)
        given = await store.notices(PROD, since=START + 1, until=START + 3)
        assert given == (a_notice(START + 2), a_notice(START + 3))
        assert await store.notices(STAGING, since=START, until=float("inf")) == (a_notice(START + 2),)
        assert await store.notices(STAGING, since=START + 3, until=float("inf")) == ()

    async def test_that_time_passed_is_no_history(self, store: Store) -> None:
        """It passes by itself when the others are applied again."""
        record(store, Ticked(at=START))
        assert await store.history() == ()

    async def test_looks_that_say_the_same_are_merged(self, store: Store) -> None:
        """Three quiet looks are one entry with the time of the last; the other target's and the failing one are others."""
        record(store, a_look(START), a_look(START + 15, passing("well, in 31 ms")))
        record(store, a_look(START + 20), target=STAGING)
        record(store, a_look(START + 30), a_look(START + 45, DOWN), a_look(START + 60))
        history = await store.history(target=PROD)
        assert [(kept.at, kept.until, kept.times) for kept in history] == [
            (START, START + 30, 3),
            (START + 45, START + 45, 1),
            (START + 60, START + 60, 1),
        ]

    async def test_looks_that_weigh_differently_are_not_merged(self, store: Store) -> None:
        """Another severity, conclusive evidence, another configuration, another certificate."""
        suspicion = Suspicion(fault=Fault.CONFIG_DRIFT, summary="drift")
        critical = replace(suspicion, severity=Severity.CRITICAL)
        conclusive = failing(replace(critical, conclusive=True))
        seen = ConfigSeen(config=ExportConfig(fields={}))
        record(
            store,
            a_look(START, failing(suspicion)),
            a_look(START + 1, failing(critical)),
            a_look(START + 2, conclusive),
            a_look(START + 3, conclusive, config=seen),
            a_look(START + 4, conclusive, config=seen),
            a_look(START + 5, conclusive, config=seen, certificate=("gateway", START)),
        )
        assert [kept.times for kept in await store.history()] == [1, 1, 1, 2, 1]

    async def test_looks_for_one_trace_are_merged_while_they_show_the_same(self, store: Store) -> None:
        """Nothing, then a span; also where another trace is looked for in between, and where a look fails."""

        def looked(canary: str, at: float, *spans: SpanFact) -> TraceLooked:
            seen = TraceSeen(route=Route.TRACE, at=at, spans=spans)
            return TraceLooked(at=at, took=0.1, canary_id=canary, seen=seen)

        span = SpanFact(trace_id=TraceId("ab" * 16), span_id="1", parent_id="")
        blind = unknown("no answer", UnknownReason.UNREACHABLE)
        failed = LookFailed(at=START + 5, took=1.0, check=CheckName.ARRIVAL, result=blind, canary_id="one")
        record(
            store, looked("one", START), looked("two", START + 1), looked("one", START + 2), looked("two", START + 3)
        )
        record(store, looked("one", START + 4, span), failed, replace(failed, at=START + 6))
        assert [(kept.at, kept.until) for kept in await store.history()] == [
            (START, START + 2),
            (START + 1, START + 3),
            (START + 4, START + 4),
            (START + 5, START + 6),
        ]

    async def test_an_entry_spans_an_hour_at_most(self, store: Store) -> None:
        """So the age of an entry is known well enough to forget it, and a gap of the monitor itself stays visible."""
        record(store, *(a_look(START + 60 * minute) for minute in range(121)))
        assert [kept.times for kept in await store.history()] == [60, 60, 1]

    async def test_a_clock_that_jumps_back_folds_nothing(self, store: Store) -> None:
        """An entry never ends before it begins."""
        record(store, a_look(START), a_look(START - 86_400))
        assert [kept.at for kept in await store.history()] == [START, START - 86_400]

    async def test_all_is_well(self, store: Store) -> None:
        """Nothing to complain about."""
        await store.save(TargetState(target=PROD))
        assert store.problem is None

    async def test_closing_twice_and_using_it_afterwards_hurts_nobody(self, store: Store) -> None:
        """The last check may end after the store has been closed."""
        await store.close()
        await store.close()
        await store.save(TargetState(target=PROD))
        await store.save_silences(())
        await store.forget(PROD)
        record(store, an_ack(START))
        await store.history()


class TestMemoryStore(StoreContract):
    """The one that forgets with the process."""

    @pytest.fixture
    async def store(self) -> Store:
        """Fresh."""
        store = MemoryStore(FakeClock())
        await store.open()
        return store

    async def test_the_history_has_an_end(self, store: Store) -> None:
        """Ten thousand entries and no more, and folding goes on across what was lost."""
        record(store, *(an_ack(START + second) for second in range(10_005)))
        history = await store.history(limit=20_000)
        assert (len(history), history[0].at) == (10_000, START + 5)
        record(store, a_look(START), a_look(START + 1))
        assert (await store.history())[-1].times == 2


class TestSqliteStore(StoreContract):
    """The one on disk."""

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        """On a fresh file."""
        store = SqliteStore(tmp_path / "state.db", clock=FakeClock(), keep_history=MONTH)
        await store.open()
        yield store
        await store.close()
