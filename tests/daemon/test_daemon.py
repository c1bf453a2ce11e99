"""The daemon itself: what it restores, whom it notifies, what it shows."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.core.events import Checked, Event, RemoteAnswered
from monitor.core.model import CheckName, TargetName
from monitor.core.state import TargetState
from monitor.daemon.compose import Deps
from monitor.daemon.daemon import Daemon
from monitor.daemon.service import _trim_memory
from monitor.redaction import MASK
from tests.daemon.home import DEMO, Home, home
from tests.fakes.store import MemoryStore
from tests.notifiers.notices import an_incident
from tests.sampling import sample
from tests.virtual_schedule import VirtualSchedule

GONE = TargetName("gone")
C = CheckName


async def _again(it: Home) -> Daemon:
    """Another daemon on what the first one wrote down, as after a crash."""
    await it.schedule.stop(0.0)
    await it.daemon._dispatcher._cancel()
    schedule = VirtualSchedule(it.clock, it.events.append)
    deps = Deps(clock=it.clock, http=it.http, redactor=it.redactor)
    it.daemon = Daemon(it.settings(), deps, store=it.store, schedule=schedule, notifiers=it.notifiers)
    it.daemon.listen(it.events.append)
    await it.daemon.start()
    return it.daemon


async def test_an_incident_outlives_a_crash() -> None:
    """Nobody is notified again, nothing is edited for the restart, and its resolve finds its thread."""
    async with home(targets={"demo": {"checks": {"arrival": {"enabled": False}}}}) as it:
        await it.clock.advance(30)
        await it.sandbox.break_("exporter_disabled")
        await it.clock.advance(70)
        # Edited once: the test span, sent before, has been read back, and the path shows that Traceloop is healthy.
        before = ["opened demo", "edited demo"]
        assert it.notified == before
        await _again(it)
        await it.clock.advance(70)
        assert it.notified == before
        await it.sandbox.fix()
        await it.clock.advance(60)
        assert it.notified == [*before, "resolved demo"]
        notified = it.notifier.notices[-1].notified
        assert notified is not None
        assert notified.receipt == {"number": "1"}


async def test_a_trace_that_was_awaited_is_judged_after_a_crash() -> None:
    """Recorded before it was sent, looked for by the next process."""
    async with home() as it:
        await it.clock.run_until(lambda: it.state().canaries and it.state().canaries[-1].pending, limit=60)
        awaited = it.state().canaries[-1].id
        await _again(it)
        await it.clock.advance(30)
        known = {canary.id: canary for canary in it.state().canaries}
        assert known[awaited].outcome is not None


async def test_a_target_that_was_removed_while_it_was_down_is_reported() -> None:
    """Its open incident is closed, and notifiers are notified at the next start."""
    async with home() as it:
        await it.clock.advance(5)
        notified = an_incident(id="gone-1", target=GONE)
        await it.store.save(TargetState(target=GONE, incidents=(notified,)))
        await _again(it)
        await it.clock.advance(5)
        assert it.notified == ["resolved gone"]
        assert it.notifier.notices[-1].incident.closed_because == "no longer monitored"
        assert set(it.daemon.report()["targets"]) == {"demo"}


async def test_a_listener_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """It is reported once; checks, notifications and other listeners go on."""

    def fails(event: Event) -> None:
        raise KeyError(type(event).__name__)

    async with home() as it:
        it.daemon.listen(fails)
        received: list[Event] = []
        it.daemon.listen(received.append)
        await it.clock.advance(60)
        assert len([event for event in received if isinstance(event, Checked)]) > 5
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 1
    assert said[0].startswith("a listener failed on ")


async def test_the_report_lists_the_open_incidents() -> None:
    """The object of `check`, live, plus incidents; the newest first."""
    async with home() as it:
        await it.clock.advance(30)
        assert it.daemon.report()["incidents"] == []
        await it.sandbox.break_("exporter_disabled")
        await it.clock.advance(70)
        report = it.daemon.report()
        assert (report["verdict"], report["targets"]["demo"]["fault"]) == ("fail", "exporter_disabled")
        assert [incident["fault"] for incident in report["incidents"]] == ["exporter_disabled"]
        assert it.daemon.incidents(open_only=False) == report["incidents"]


async def test_two_canaries_are_never_under_way_at_once() -> None:
    """Whoever asks, and however often."""
    async with home() as it:
        await it.clock.advance(30)
        it.sandbox.world.latency = 20.0
        for _ in range(30):
            it.daemon.run_now(DEMO)
            await it.clock.advance(7)
            under_way = [canary for canary in it.state().canaries if canary.answered_at is None]
            assert len(under_way) <= 1


async def test_the_first_pass_after_a_pause_sends_a_canary_at_once() -> None:
    """However recently the last one was sent."""
    async with home() as it:
        await it.clock.advance(5)
        assert len(it.state().canaries) == 1
        await it.sandbox.break_("gateway_unreachable")
        await it.clock.run_until(lambda: it.state().incident, limit=30)
        await it.sandbox.fix()
        await it.clock.advance(6)
        assert it.clock.now() - it.state().canaries[0].sent_at < 50
        assert len(it.state().canaries) == 2


async def test_a_secret_is_known_before_the_first_request_that_carries_it(tmp_path: Path) -> None:
    """A token that has been rotated is never shown, not even in what goes wrong with that very request."""
    file, token = tmp_path / "token", "rotated-once-0001"
    file.write_text("what-it-was-before")
    async with home(targets={"demo": {"control_plane": {"token": None, "token_file": str(file)}}}) as it:
        await it.clock.advance(31)
        shown: list[str] = []

        def overhear(event: Event) -> None:
            if isinstance(event, RemoteAnswered):
                shown.append(it.redactor.redact(token))

        it.daemon.listen(overhear)
        file.write_text(token)
        it.schedule.soon("demo:config")
        await it.clock.settle()
        assert set(shown) == {MASK}


async def test_giving_back_memory_changes_nothing() -> None:
    """Wherever it is run."""
    await _trim_memory()
    assert asyncio.get_running_loop().is_running()


async def test_a_clock_that_is_set_back_does_not_keep_canaries_from_being_sent() -> None:
    """One that was sent in the future says nothing of when the next is due: at most three of its cadences are lost."""
    async with home() as it:
        await it.clock.advance(30)
        sent = len(it.state().canaries)
        it.clock.jump(-7200)
        await it.clock.advance(3 * 300 + 60)
        assert len(it.state().canaries) > sent


@pytest.mark.parametrize("jump", sample([-7200, -90, 90, 7200], every=3))
async def test_a_wall_clock_that_is_set_neither_loses_looks_nor_has_all_of_them_at_once(jump: float) -> None:
    """Each check goes on at its own pace: as many looks as without the jump, and none in the first seconds after it.

    One canary more may be sent after a step back: what is dated ahead is dated now, so that one waits anew for its trace.
    """
    left_alone, after = await _looks_of_ten_minutes(0.0), await _looks_of_ten_minutes(jump)
    more = after.pop(C.CANARY)[1] - left_alone.pop(C.CANARY)[1]
    assert after == left_alone
    assert more == 0 if jump > 0 else 0 <= more <= 1


async def _looks_of_ten_minutes(jump: float) -> dict[str, list[int]]:
    """How often each check looked: within four seconds of the jump, and within ten minutes."""
    async with home() as it:
        await it.clock.advance(100)
        it.clock.jump(jump)
        counts: dict[str, list[int]] = {}
        for seconds in (4, 596):
            await it.clock.advance(seconds)
            for check in (C.CONFIG, C.GATEWAY, C.CANARY):
                seen = [event for event in it.events if isinstance(event, Checked) and event.check is check]
                counts.setdefault(check, []).append(len(seen))
        return counts


async def test_a_damaged_state_file_is_reported_once() -> None:
    """As a warning that is over, to the first target; the next process finds nothing to report."""

    class Damaged(MemoryStore):
        loss = "the state file was damaged"

    it = Home()
    it.store = Damaged(it.clock)
    await it.open()
    try:
        await it.clock.advance(30)
        assert it.notified == ["resolved demo"]
        (notice,) = it.notifier.notices
        assert notice.incident.diagnosis.summary == "The monitor lost part of its state. The state file was damaged."
        assert not notice.mention
        Damaged.loss = None  # type: ignore[assignment]
        await _again(it)
        await it.clock.advance(30)
        assert it.notified == ["resolved demo"]
    finally:
        await it.close()


@pytest.mark.parametrize("while_it_runs", sample([True, False], every=2))
async def test_a_clock_that_was_ahead_costs_no_canaries(while_it_runs: bool) -> None:
    """It is put right by 400 days, while the daemon runs or while it does not: looks, canaries and their judging go on."""
    async with home(targets={"demo": {"checks": {"canary": {"max_per_day": 300}}}}) as it:
        it.clock.jump(400 * 86400)
        await it.clock.advance(1000)
        target_store = it.daemon.target_store(DEMO)
        assert target_store is not None
        target_store._state = replace(target_store.state, budget=replace(target_store.state.budget, sent=290))
        await target_store.commit()
        it.clock.jump(-400 * 86400)
        if not while_it_runs:
            await _again(it)
        await it.clock.advance(700)
        await it.clock.advance(900)
        now, sent = it.clock.now(), [canary.sent_at for canary in it.state().canaries]
        assert max(sent) > now - 301
        assert it.state().budget.day == now // 86400
        judged = [canary.judged_at for canary in it.state().canaries if canary.judged_at is not None]
        assert max(judged) > now - 301
        assert it.state().confirmed == {}
        assert it.notified == []


@pytest.mark.parametrize("step", [-0.5, 3600.0])
async def test_a_clock_that_drifts_or_jumps_ahead_is_not_set_back(
    step: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing that is remembered is touched."""
    async with home() as it:
        await it.clock.advance(60)
        it.clock.jump(step)
        await it.clock.advance(60)
        assert "set back" not in caplog.text
