"""The guard around every check, and the memory that checks report to."""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from monitor.core.events import Checked, Event, FaultChanged
from monitor.core.inputs import Observation
from monitor.core.model import CheckName, Fault, Seconds, UnknownReason, Verdict, passing
from monitor.core.state import TargetState
from monitor.ports import TargetStore
from monitor.runner import LiveTargetStore, look_aside, run_check
from tests.checks.bench import PROD, Diary, says
from tests.core.build import POLICY, policy
from tests.fakes.clock import START, FakeClock


@dataclass
class ACheck:
    """Implements `monitor.ports.Check` by a function."""

    do: Callable[[TargetStore], Awaitable[None]]
    name: CheckName = CheckName.CONFIG

    async def look(self, target_store: TargetStore) -> None:
        """Do it."""
        await self.do(target_store)


@dataclass
class ALook:
    """Implements `monitor.ports.SideLook` by a function."""

    do: Callable[[TargetStore], Awaitable[None]]
    serves: frozenset[CheckName] = frozenset()

    def is_due(self, *_: object) -> bool:
        """Always."""
        return True

    async def look(self, target_store: TargetStore) -> None:
        """Do it."""
        await self.do(target_store)


async def _passes(target_store: TargetStore) -> None:
    await target_store.apply(Observation(check=CheckName.CONFIG, at=START, took=0.1, result=passing("well")))


async def _crashes(_target_store: TargetStore) -> None:
    raise KeyError("tl_Secret_2")


async def _hangs(_target_store: TargetStore) -> None:
    await asyncio.Event().wait()


async def test_what_crashes_beside_the_checks_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Its evidence is missing, and nothing else: the other looks look, and nobody's verdict changes."""
    clock = FakeClock()
    diary = Diary(clock)
    await look_aside([ALook(_crashes), ALook(_passes)], diary, clock)
    assert says(diary.only(Observation).result) == ("pass", None)
    assert [record.getMessage() for record in caplog.records] == ["ALook crashed for prod"]
    assert caplog.records[0].exc_info is not None


# --- the guard -------------------------------------------------------------------------------------------------------


async def test_a_check_reports_for_itself() -> None:
    """The guard adds nothing to a look that ended."""
    clock = FakeClock()
    diary = Diary(clock)
    await run_check(ACheck(_passes), diary, clock)
    assert says(diary.only(Observation).result) == ("pass", None)


async def test_a_crash_is_unknown_and_the_log_has_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """The verdict names the kind of the error alone: its text may hold anything."""
    clock = FakeClock()
    diary = Diary(clock)
    await run_check(ACheck(_crashes), diary, clock)
    seen = diary.only(Observation)
    assert (seen.check, says(seen.result)) == (CheckName.CONFIG, ("unknown", UnknownReason.CRASHED))
    assert seen.result.summary == "the check `config` crashed: KeyError"
    record = caplog.records[0]
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "check config of prod crashed")
    assert record.exc_info is not None


@pytest.mark.parametrize(
    ("error", "lacking"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "file descriptors"),
        (MemoryError(), "memory"),
        (RuntimeError("can't start new thread"), "threads"),
    ],
)
async def test_a_resource_of_our_own_that_runs_out_is_no_crash(
    error: Exception, lacking: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named, and there is no traceback for each look."""

    async def lacks(_target_store: TargetStore) -> None:
        raise error

    clock = FakeClock()
    diary = Diary(clock)
    await run_check(ACheck(lacks), diary, clock)
    seen = diary.only(Observation)
    assert says(seen.result) == ("unknown", UnknownReason.SHORTAGE)
    assert seen.result.summary == f"the monitor is out of {lacking}: the check `config` did not run"
    assert caplog.records == []


async def test_one_of_several_that_crash_is_the_crash_of_all() -> None:
    """What a group of tasks raises is no exception to the rule."""

    async def in_a_group(_target_store: TargetStore) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_crashes(_target_store))

    clock = FakeClock()
    diary = Diary(clock)
    await run_check(ACheck(in_a_group), diary, clock)
    assert says(diary.only(Observation).result) == ("unknown", UnknownReason.CRASHED)


async def test_a_check_that_could_not_end_because_nothing_ran_is_no_bug() -> None:
    """The process was stopped for an hour: our own timer rang late."""

    class Stopped(FakeClock):
        def monotonic(self) -> float:
            return super().monotonic() + (3600 if self.now() > START else 0)

    clock = Stopped()
    diary = Diary(clock)
    task = asyncio.ensure_future(run_check(ACheck(_hangs), diary, clock))
    await clock.run_until(task.done)
    assert says(diary.only(Observation).result) == ("unknown", UnknownReason.STARVED)


async def test_a_check_that_does_not_end_is_ended() -> None:
    """Twenty-five seconds after its own deadline: time for the connectivity probe, a ping and the memory."""
    clock = FakeClock()
    diary = Diary(clock)
    task = asyncio.ensure_future(run_check(ACheck(_hangs), diary, clock))
    took = await clock.run_until(task.done)
    assert took == POLICY.cadences[CheckName.CONFIG].deadline + 25
    seen = diary.only(Observation)
    assert says(seen.result) == ("unknown", UnknownReason.TIMEOUT)
    assert seen.result.summary == "the check `config` did not end within 40 s"
    assert (seen.at, seen.took) == (START, 40.0)


async def test_a_bug_of_ours_is_reported_after_two_in_a_row_and_over_with_the_next_look() -> None:
    """`check_failed` is confirmed after `fail_after`, and never says that anything of the gateway's is broken."""
    clock = FakeClock()
    diary = Diary(clock)
    await run_check(ACheck(_crashes), diary, clock)
    assert diary.state.confirmed == {}
    await run_check(ACheck(_crashes), diary, clock)
    assert set(diary.state.confirmed) == {Fault.CHECK_FAILED}
    await run_check(ACheck(_passes), diary, clock)
    assert diary.state.confirmed == {}


async def test_being_stopped_is_no_failure() -> None:
    """A check that is cancelled at the end of the grace reports nothing: abandoned is not failed."""
    clock = FakeClock()
    diary = Diary(clock)
    task = asyncio.ensure_future(run_check(ACheck(_hangs), diary, clock))
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert diary.given == []


async def test_a_watch_without_a_cadence_has_a_limit_too() -> None:
    """Control spans are read back also where `arrival` is switched off."""
    clock = FakeClock()
    diary = Diary(clock, policy(without=(CheckName.ARRIVAL,)))
    task = asyncio.ensure_future(run_check(ACheck(_hangs, CheckName.ARRIVAL), diary, clock))
    assert await clock.run_until(task.done) == POLICY.arrival.missing_after + 25
    assert diary.state.check_states == {}


# --- the memory ------------------------------------------------------------------------------------------------------


def _looked(state: TargetState) -> int:
    return sum(check_state.last is not None for check_state in state.check_states.values())


class Bench:
    """A journal whose every effect is written down in order."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.order: list[str] = []
        self.events: list[Event] = []
        self.saving: Seconds = 0.0
        self.target_store = LiveTargetStore(
            TargetState(target=PROD),
            POLICY,
            clock=self.clock,
            save=self._save,
            publish=self._publish,
            changed=lambda state: self.order.append(f"changed: {_looked(state)}"),
        )

    async def _save(self, state: TargetState) -> None:
        await self.clock.sleep(self.saving)
        self.order.append(f"saved: {_looked(state)}")

    def _publish(self, event: Event) -> None:
        self.order.append(type(event).__name__)
        self.events.append(event)


def _look(check: CheckName = CheckName.CONFIG) -> Observation:
    return Observation(check=check, at=START, took=0.1, result=passing("well"))


async def test_the_state_changes_then_listeners_are_called_then_the_others() -> None:
    """What is published is already true, and whoever is woken finds it so."""
    bench = Bench()
    await bench.target_store.apply(_look())
    assert bench.order == ["Checked", "changed: 1"]
    assert bench.target_store.state.check_state(CheckName.CONFIG).last is not None


async def test_durable_returns_when_it_cannot_be_forgotten() -> None:
    """And says nothing sooner than the memory does."""
    bench = Bench()
    bench.saving = 5.0
    task = asyncio.ensure_future(bench.target_store.apply(_look(), durable=True))
    await bench.clock.advance(4.9)
    assert not task.done()
    await bench.clock.advance(0.1)
    assert task.done()
    assert bench.order == ["Checked", "changed: 1", "saved: 1"]


async def test_a_commit_keeps_what_is_known_then() -> None:
    """Not what was known when somebody asked for another one."""
    bench = Bench()
    await asyncio.gather(
        bench.target_store.apply(_look(), durable=True),
        bench.target_store.apply(_look(CheckName.GATEWAY), durable=True),
    )
    assert bench.order[-1] == "saved: 2"


async def test_reports_at_one_moment_are_all_kept() -> None:
    """Between reading and swapping nothing is awaited, so no lock is needed."""
    bench = Bench()
    checks = (CheckName.CONFIG, CheckName.GATEWAY, CheckName.CANARY, CheckName.CONTROL)
    await asyncio.gather(*(bench.target_store.apply(_look(check)) for check in checks))
    assert all(bench.target_store.state.check_state(check).last is not None for check in checks)


async def test_events_are_those_of_the_core() -> None:
    """A look, and what it changed."""
    bench = Bench()
    clock = bench.clock
    await run_check(ACheck(_crashes), bench.target_store, clock)
    await run_check(ACheck(_crashes), bench.target_store, clock)
    checked = [event.result.verdict for event in bench.events if isinstance(event, Checked)]
    changed = [(event.fault, event.confirmed) for event in bench.events if isinstance(event, FaultChanged)]
    assert checked == [Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert changed == [(Fault.CHECK_FAILED, True)]
