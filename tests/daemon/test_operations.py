"""What an operator may change while the daemon runs."""

import pytest

from monitor.core.incident import Reason
from monitor.core.model import CheckName, TargetName
from monitor.core.silence import Silence
from monitor.daemon.operations import LiveOperations
from monitor.ports import Undeliverable
from monitor.web.views import NotFound, Rejected
from tests.core.build import CADENCES
from tests.daemon.home import DEMO, Home, home
from tests.fakes.clock import START


def operations(it: Home) -> LiveOperations:
    """Over its daemon."""

    async def reload() -> None:
        it.notifier.lines.append("reloaded")

    return LiveOperations(it.daemon, clock=it.clock, reload=reload)


async def _broken(it: Home) -> str:
    """The exporter is off, and reported; the incident's id."""
    await it.clock.advance(30)
    await it.sandbox.break_("exporter_disabled")
    await it.clock.advance(70)
    incident = it.state().incident
    assert incident is not None
    return incident.id


async def test_an_acknowledged_incident_is_quiet_and_says_who_has_it() -> None:
    """No escalation, no reminder; the message shows the name, and it outlives the process."""
    async with home(alerting={"escalate_after": 60, "remind_every": [120]}) as it:
        incident_id = await _broken(it)
        await operations(it).acknowledge(incident_id, "ana")
        await it.clock.advance(180)
        assert [notice.reason for notice in it.notifier.notices] == [Reason.OPENED, Reason.EDITED]
        saved = (await it.store.load()).targets[DEMO].incident
        assert saved is not None
        assert saved.acked_by == "ana"


async def test_only_an_open_incident_can_be_acknowledged() -> None:
    """Of others there is nothing to take."""
    async with home() as it:
        with pytest.raises(NotFound, match="there is no open incident 'demo-1'"):
            await operations(it).acknowledge("demo-1", "ana")


async def test_a_silence_mutes_and_outlives_the_process() -> None:
    """What is opened under it is not reported; when it is expired by hand, it is reported as opened."""
    async with home() as it:
        await operations(it).add_silence(Silence(id="s1", target="demo", ends_at=START + 86_400))
        await _broken(it)
        assert it.notified == []
        assert [silence.id for silence in (await it.store.load()).silences] == ["s1"]
        await operations(it).expire_silence("s1")
        await it.clock.advance(1)
        assert it.notified == ["opened demo"]
        assert (await it.store.load()).silences == ()


async def test_a_silence_of_the_same_id_takes_the_place_of_the_other() -> None:
    """There are never two."""
    async with home() as it:
        do = operations(it)
        await do.add_silence(Silence(id="s1", ends_at=START + 10))
        await do.add_silence(Silence(id="s1", ends_at=START + 20))
        assert [silence.ends_at for silence in it.daemon.silences] == [START + 20]


async def test_a_window_of_the_configuration_cannot_be_ended_here() -> None:
    """It would come back with the next start."""
    async with home() as it:
        await it.apply(it.settings(), (Silence(id="configured-1", ends_at=START + 9_000),))
        with pytest.raises(Rejected, match="this silence is in the configuration"):
            await operations(it).expire_silence("configured-1")
        with pytest.raises(NotFound, match="there is no silence 's9'"):
            await operations(it).expire_silence("s9")


async def test_every_check_looks_at_once() -> None:
    """Those that are enabled, and they are named."""
    async with home(targets={"demo": {"checks": {"control": {"enabled": False}}}}) as it:
        await it.clock.advance(200)
        before = it.clock.now()
        checks = await operations(it).run_checks(DEMO)
        assert set(checks) == set(CADENCES) - {CheckName.CONTROL}
        await it.clock.advance(1)
        for check in (CheckName.CONFIG, CheckName.GATEWAY):
            last = it.state().check_state(check).last
            assert last is not None
            assert last.at >= before


async def test_a_target_that_is_not_there_cannot_look() -> None:
    """And those that are there are named."""
    async with home() as it:
        with pytest.raises(NotFound, match="there is no target 'prod'; there are: demo"):
            await operations(it).run_checks(TargetName("prod"))


async def test_a_reload_is_handed_on() -> None:
    """The process around the daemon knows how."""
    async with home() as it:
        await operations(it).reload()
        assert it.notifier.lines == ["reloaded"]


async def test_asking_for_a_look_delivers_what_was_refused_once_more() -> None:
    """Whoever has just invited the bot wants to see it come."""
    async with home() as it:
        it.notifier.failures.append(Undeliverable("Slack says not_in_channel", permanent=True))
        await _broken(it)
        assert it.notified == []
        await operations(it).run_checks(DEMO)
        await it.clock.advance(1)
        assert it.notified == ["opened demo"]
