"""What every store does, on both of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.core.budget import Budget
from monitor.core.canary import Outcome
from monitor.core.drift import ConfigSeen, ExportConfig
from monitor.core.events import Checked, Event, FaultChanged, Reloaded, RemoteAnswered, RunSkipped, TraceJudged
from monitor.core.model import Charge, CheckName, Fault, Service, Severity, TargetName, Verdict
from monitor.core.silence import Silence
from monitor.core.state import State, TargetState
from monitor.store import Store
from monitor.store.memory import MemoryStore
from monitor.store.sqlite import SqliteStore
from tests.fakes.clock import START, FakeClock

PROD, STAGING = TargetName("prod"), TargetName("staging")
MONTH = 30 * 86_400.0


def a_look(at: float, verdict: Verdict = Verdict.PASS, *, target: TargetName = PROD, summary: str = "well") -> Checked:
    """A look of the gateway check."""
    return Checked(target=target, check=CheckName.GATEWAY, at=at, took=0.1, verdict=verdict, summary=summary)


def a_fault(at: float, *, target: TargetName = PROD) -> FaultChanged:
    """A confirmed fault."""
    return FaultChanged(target=target, at=at, fault=Fault.CONFIG_DRIFT, confirmed=True, summary="one field differs")


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
        """A removed target's state goes once it has been told; forgetting an unknown one is no error."""
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
        """What happened, in its order."""
        events: list[Event] = [
            a_look(START),
            a_fault(START + 1),
            TraceJudged(target=PROD, at=START + 2, trace_id="ab" * 16, outcome=Outcome.LATE, arrival_seconds=200.0),
            Reloaded(at=START + 3, successful=False, detail="line 3"),
        ]
        for event in events:
            store.record(event)
        assert [kept.event for kept in await store.history()] == events

    async def test_the_history_can_be_narrowed(self, store: Store) -> None:
        """By target, by kind, by time, by number; of too many the newest are given."""
        for second in range(5):
            store.record(a_fault(START + second))
            store.record(a_fault(START + second, target=STAGING))
        store.record(Reloaded(at=START + 9, successful=True))
        assert {
            kept.event.target for kept in await store.history(target=STAGING) if isinstance(kept.event, FaultChanged)
        } == {STAGING}
        assert [kept.at for kept in await store.history(kinds=[Reloaded])] == [START + 9]
        assert [kept.at for kept in await store.history(target=PROD, since=START + 3)] == [START + 3, START + 4]
        assert [kept.at for kept in await store.history(target=PROD, limit=2)] == [START + 3, START + 4]

    async def test_events_without_a_time_are_no_history(self, store: Store) -> None:
        """A request is counted by the metrics; a month of them would be no history but a traffic log."""
        store.record(RemoteAnswered(target=PROD, service=Service.GATEWAY, outcome="ok"))
        store.record(RunSkipped(name="config:prod", reason="overlap"))
        assert await store.history() == ()

    async def test_looks_that_say_the_same_are_folded(self, store: Store) -> None:
        """Three quiet looks are one entry with the time of the last; the other target's and the failing one are others."""
        store.record(a_look(START))
        store.record(a_look(START + 15, summary="well, in 31 ms"))
        store.record(a_look(START + 20, target=STAGING))
        store.record(a_look(START + 30))
        store.record(a_look(START + 45, Verdict.FAIL))
        store.record(a_look(START + 60))
        history = await store.history(target=PROD)
        assert [(kept.at, kept.until, kept.times) for kept in history] == [
            (START, START + 30, 3),
            (START + 45, START + 45, 1),
            (START + 60, START + 60, 1),
        ]

    async def test_looks_that_weigh_differently_are_not_folded(self, store: Store) -> None:
        """Another severity, conclusive evidence, another configuration; and no control spans, whose moments are evidence."""
        drift = Charge(fault=Fault.CONFIG_DRIFT, summary="drift")
        critical = replace(drift, severity=Severity.CRITICAL)
        seen = ConfigSeen(config=ExportConfig(fields={}))
        look = replace(a_look(START, Verdict.FAIL), fault=drift.fault, charges=(drift,))
        looks = [
            look,
            replace(look, at=START + 1, charges=(critical,)),
            replace(look, at=START + 2, charges=(replace(critical, conclusive=True),)),
            replace(look, at=START + 3, charges=(replace(critical, conclusive=True),), config=seen),
            replace(look, at=START + 4, charges=(replace(critical, conclusive=True),)),
        ]
        for each in looks:
            store.record(each)
        assert [kept.times for kept in await store.history()] == [1, 1, 1, 2]
        for at, verdict in enumerate((Verdict.PASS, Verdict.PASS, Verdict.UNKNOWN, Verdict.UNKNOWN)):
            store.record(replace(a_look(START + at, verdict, target=STAGING), check=CheckName.CONTROL))
        assert [kept.times for kept in await store.history(target=STAGING)] == [1, 1, 2]

    async def test_an_entry_spans_an_hour_at_most(self, store: Store) -> None:
        """So the age of an entry is known well enough to forget it, and a gap of the monitor itself stays visible."""
        for minute in range(121):
            store.record(a_look(START + 60 * minute))
        history = await store.history()
        assert [kept.times for kept in history] == [60, 60, 1]

    async def test_a_clock_that_jumps_back_folds_nothing(self, store: Store) -> None:
        """An entry never ends before it begins."""
        store.record(a_look(START))
        store.record(a_look(START - 86_400))
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
        store.record(a_fault(START))
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
        for second in range(10_005):
            store.record(a_fault(START + second))
        history = await store.history(limit=20_000)
        assert (len(history), history[0].at) == (10_000, START + 5)
        store.record(a_look(START))
        store.record(replace(a_look(START), at=START + 1))
        assert (await store.history(kinds=[Checked]))[-1].times == 2


class TestSqliteStore(StoreContract):
    """The one on disk."""

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        """On a fresh file."""
        store = SqliteStore(tmp_path / "state.db", clock=FakeClock(), keep_history=MONTH)
        await store.open()
        yield store
        await store.close()
