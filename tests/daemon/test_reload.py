"""Another configuration while the daemon runs: what stays, what goes, what begins."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor.core.incident import Reason
from monitor.core.inputs import Acknowledged
from monitor.core.model import CheckName, TargetName
from monitor.core.silence import Silence
from monitor.daemon.compose import Parts
from monitor.daemon.service import Service
from monitor.ports import Undeliverable
from monitor.redaction import Redactor
from monitor.settings import load
from monitor.web.views import Rejected
from tests.core.build import CADENCES
from tests.daemon.home import DEMO, Home, home
from tests.fakes.clock import START
from tests.fakes.limits import no_descriptors
from tests.fakes.store import MemoryStore

OTHER = TargetName("other")
C = CheckName


async def _broken(it: Home) -> None:
    """The exporter is switched off, and that has been reported."""
    await it.clock.advance(30)
    await it.sandbox.break_("exporter_disabled")
    await it.clock.advance(70)
    assert it.notified == ["opened demo"]


async def test_the_same_configuration_again_changes_nothing() -> None:
    """Nobody is notified of an open incident once more, and no canary is sent for it."""
    async with home() as it:
        await _broken(it)
        before = it.state()
        await it.apply(it.settings())
        await it.clock.advance(5)
        assert it.notified == ["opened demo"]
        assert it.state().incidents == before.incidents
        assert it.state().canaries[-1] == before.canaries[-1]


async def test_a_target_that_is_gone_is_reported_as_no_longer_monitored() -> None:
    """Its open incident ends, as no longer monitored, and nothing of it is looked at any more."""
    async with home() as it:
        it.more = {"targets": {"other": it.target()}}
        await it.apply(it.settings())
        await _broken_both(it)
        only_other = it.settings(without="demo")
        await it.apply(only_other)
        await it.clock.advance(1)
        assert it.notified[-1] == "resolved demo"
        assert it.notifier.notices[-1].incident.closed_because == "no longer monitored"
        looked = it.state().check_state(C.CONFIG).last
        await it.clock.advance(120)
        assert it.state().check_state(C.CONFIG).last == looked
        assert set(it.daemon.report()["targets"]) == {"other"}


async def _broken_both(it: Home) -> None:
    await it.clock.advance(30)
    await it.sandbox.break_("exporter_disabled")
    await it.clock.advance(70)
    assert sorted(it.notified) == ["opened demo", "opened other"]


async def test_a_target_that_is_gone_is_forgotten_after_a_day() -> None:
    """By the store too; its resolve has been reported long before."""
    async with home() as it:
        it.more = {"targets": {"other": it.target()}}
        await it.apply(it.settings())
        await it.apply(it.settings(without="demo"))
        assert set((await it.store.load()).targets) >= {DEMO}
        it.clock.jump(24 * 3600)
        await it.clock.advance(60)
        assert set((await it.store.load()).targets) == {OTHER}
        assert it.daemon.target_store(DEMO) is None


async def test_a_target_that_is_gone_is_remembered_until_its_end_has_been_reported() -> None:
    """Somebody believes its incident open: however long the notifier is down, no resolve is lost."""
    async with home() as it:
        it.more = {"targets": {"other": it.target()}}
        await it.apply(it.settings())
        await _broken_both(it)
        it.notifier.failures.append(Undeliverable("down", retry_after=120.0))
        await it.apply(it.settings(without="demo"))
        it.clock.jump(25 * 3600)
        await it.clock.advance(60)
        assert set((await it.store.load()).targets) == {OTHER, DEMO}
        await it.clock.advance(120)
        assert "resolved demo" in it.notified
        assert set((await it.store.load()).targets) == {OTHER}


async def test_a_target_that_is_new_begins_at_once() -> None:
    """Every check looks within seconds."""
    async with home() as it:
        await it.clock.advance(60)
        await it.apply(it.settings(targets={"other": it.target()}))
        await it.clock.advance(15)
        check_states = it.state(OTHER).check_states
        assert {check for check, check_state in check_states.items() if check_state.last is not None} == set(CADENCES)
        assert set(it.daemon.report()["targets"]) == {"demo", "other"}


async def test_what_was_remembered_of_a_changed_target_stays() -> None:
    """Its incident, its canaries, who has it; only the thresholds are others."""
    async with home() as it:
        await _broken(it)
        incident = it.state().incident
        assert incident is not None
        target_store = it.daemon.target_store(DEMO)
        assert target_store is not None
        await target_store.apply(Acknowledged(at=it.clock.now(), incident_id=incident.id, by="ana"))
        await it.clock.advance(1)
        await it.apply(it.settings(alerting={"fail_after": 3}))
        await it.clock.advance(60)
        after = it.state().incident
        assert after is not None
        assert (after.id, after.acked_by) == (incident.id, "ana")
        assert it.daemon.policies[DEMO].alerting.fail_after == 3
        assert [notice.reason for notice in it.notifier.notices] == [Reason.OPENED, Reason.EDITED]


async def test_a_check_that_is_switched_off_believes_nothing_any_more() -> None:
    """The incident that it held open ends."""
    async with home() as it:
        await _broken(it)
        await it.apply(it.settings(targets={"demo": {"checks": {"config": {"enabled": False}}}}))
        await it.clock.advance(60)
        assert C.CONFIG not in it.state().check_states


async def test_a_canary_under_way_is_not_lost_by_a_reload() -> None:
    """What the gateway answers to it is remembered, and no second one is sent beside it."""
    async with home() as it:
        await it.clock.advance(30)
        it.sandbox.world.latency = 20.0
        await it.clock.run_until(lambda: it.state().canaries[-1].answered_at is None, limit=400)
        sent = it.state().canaries[-1]
        await it.apply(it.settings(alerting={"fail_after": 3}))
        await it.clock.advance(19)
        assert it.state().canaries[-1].id == sent.id
        await it.clock.advance(2)
        known = {canary.id: canary for canary in it.state().canaries}
        assert known[sent.id].answered_at is not None
        assert known[sent.id].accepted


async def test_the_checks_of_before_do_not_overwrite_what_is_remembered() -> None:
    """What is written down after a reload is what is known after it."""
    async with home() as it:
        await it.clock.advance(30)
        it.sandbox.world.latency = 20.0
        await it.clock.run_until(lambda: it.state().canaries[-1].answered_at is None, limit=400)
        await it.apply(it.settings(alerting={"fail_after": 3}))
        await it.clock.advance(60)
        assert isinstance(it.store, MemoryStore)
        saved = (await it.store.load()).targets[DEMO]
        assert [canary.id for canary in saved.canaries] == [canary.id for canary in it.state().canaries]


async def test_the_windows_of_the_new_configuration_are_in_force() -> None:
    """Beside those that were added at run time, which stay."""
    window = Silence(id="configured-1", begins_at=START, ends_at=START + 9_000)
    added = Silence(id="a1", target="x", ends_at=START + 9_000)
    async with home() as it:
        await it.daemon.set_silences((added,))
        await it.apply(it.settings(), (window,))
        assert [silence.id for silence in it.daemon.silences] == ["configured-1", "a1"]
        await it.apply(it.settings())
        assert [silence.id for silence in it.daemon.silences] == ["a1"]


async def test_a_new_key_is_kept_out_of_everything_at_once() -> None:
    """The redactor knows the secrets of the new configuration, and still those of the old."""
    async with home() as it:
        await it.apply(it.settings(targets={"demo": {"traceloop": {"api_key": "tl_another_key_0001"}}}))
        shown = it.redactor.redact(f"tl_another_key_0001 and {it.sandbox.world.credentials.key}")
        assert shown == "•••• and ••••"


async def test_what_cannot_be_built_changes_nothing() -> None:
    """One of two targets cannot be assembled: the other goes on as before, by the settings of before, and so do the notifiers."""
    async with home() as it:
        built = it.daemon._assemble

        def assemble(name: TargetName, *rest: Any, **more: Any) -> Parts:
            if name == OTHER:
                raise ValueError("a bug")
            return built(name, *rest, **more)

        it.daemon._assemble = assemble
        await it.clock.advance(30)
        before = it.daemon.settings, dict(it.daemon._watches), it.daemon.silences, set(it.daemon.notifiers)
        window = Silence(id="configured-1", begins_at=START, ends_at=START + 9_000)
        changed = it.settings(alerting={"fail_after": 3}, targets={"other": it.target()})
        with pytest.raises(ValueError, match="a bug"):
            await it.daemon.apply(changed, (), (window,))
        after = it.daemon.settings, dict(it.daemon._watches), it.daemon.silences, set(it.daemon.notifiers)
        assert after == before
        await it.clock.advance(120)
        last = it.state().check_state(C.CONFIG).last
        assert last is not None
        assert it.clock.now() - last.at < 70


class TestTheService:
    """As the process reloads: by the API, a signal, a changed file."""

    async def test_reloads_that_come_at_once_are_done_one_after_the_other(self, tmp_path: Path) -> None:
        """Whoever asked: one worker for each notifier is left, and one watch for each target."""
        async with serving(tmp_path) as (service, _):
            await asyncio.gather(*(service._reloader.reload() for _ in range(3)))
            names = sorted(task.get_name() for task in asyncio.all_tasks())
            assert [name for name in names if name.startswith("notify ")] == ["notify alertmanager", "notify webhook"]

    async def test_a_signal_during_a_reload_is_not_lost(self, tmp_path: Path) -> None:
        """What was written after the reload had read the file is read by another."""
        async with serving(tmp_path) as (service, file):
            await service._reloader.lock.acquire()
            for fail_after in (3, 4):
                file.write_text(json.dumps(configuration(tmp_path, fail_after=fail_after)))
                os.kill(os.getpid(), signal.SIGHUP)
                await asyncio.sleep(0.1)
            service._reloader.lock.release()
            await _until(lambda: service.daemon.settings.alerting.fail_after == 4)

    async def test_a_file_that_changes_while_the_program_starts_is_read_again(self, tmp_path: Path) -> None:
        """What the start has read is what later looks are compared with."""
        async with serving(tmp_path, changed_to=configuration(tmp_path, fail_after=5)) as (service, _):
            await service._reloader.reload_if_changed()
            assert service.daemon.settings.alerting.fail_after == 5

    async def test_that_nothing_can_be_opened_is_no_change_of_the_file(self, tmp_path: Path) -> None:
        """Else a shortage of descriptors would be a refused configuration."""
        async with serving(tmp_path) as (service, _):
            with no_descriptors():
                await service._reloader.reload_if_changed()
            assert not [trouble for trouble in service._problems() if "restart" in trouble]

    async def test_a_refused_configuration_is_on_the_page_until_a_good_one_is_loaded(self, tmp_path: Path) -> None:
        """A restart would fail; it is tried again by itself, for what is wrong may lie outside the file."""
        async with serving(tmp_path) as (service, file):
            good = file.read_text()
            file.write_text(json.dumps(configuration(tmp_path, fail_after="many")))
            with pytest.raises(Rejected):
                await service._reloader.reload()
            assert "alerting.fail_after" in service._problems()[0]
            assert "a restart would fail" in service._problems()[0]
            file.write_text(good)
            service._reloader._tried_at -= 60
            service._reloader._digest = service._reloader._digest_files()
            await service._reloader.reload_if_changed()
            assert not [trouble for trouble in service._problems() if "restart" in trouble]


def configuration(directory: Path, **alerting: Any) -> dict[str, Any]:
    """Of a program that nothing answers, with two notifiers."""
    nobody = "http://127.0.0.1:9"
    target = {
        "control_plane": {"url": nobody, "token": "token-0f9e8d7c6b5a"},
        "gateway": {"model": "mock/model"},
        "traceloop": {"url": nobody, "api_key": "tl_0f9e8d7c6b5a4938", "environment": "prd"},
    }
    ways = {"webhook": {"url": f"{nobody}/hook"}, "alertmanager": {"urls": [nobody]}}
    return {
        "targets": {"demo": target},
        "alerting": {**ways, **alerting},
        "server": {"port": 0},
        "state": {"path": str(directory / "state.db")},
    }


@asynccontextmanager
async def serving(directory: Path, *, changed_to: dict[str, Any] | None = None) -> AsyncIterator[tuple[Service, Path]]:
    """The whole program on the real clock, and its file; `changed_to` is what the file is while it starts."""
    file = directory / "config.yaml"
    file.write_text(json.dumps(configuration(directory)))
    loaded = load(str(file), {}, directory)
    service = Service(loaded, config=str(file), environ={}, cwd=directory, redactor=Redactor())
    if changed_to is not None:
        file.write_text(json.dumps(changed_to))
    started = asyncio.Event()
    life = asyncio.create_task(service.run(lambda _url: started.set()))
    try:
        await asyncio.wait_for(started.wait(), 20)
        yield service, file
    finally:
        service.stop()
        await life


async def _until(reached: Callable[[], bool]) -> None:
    for _ in range(200):
        if reached():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not come true")
