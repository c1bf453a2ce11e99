"""What a press in Slack does, and when there is a connection for it."""

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.core.model import CheckName, Fault, TargetName
from monitor.daemon.buttons import SlackPresses
from monitor.daemon.compose import Deps
from monitor.daemon.operations import LiveOperations
from monitor.daemon.service import Service
from monitor.http import Network
from monitor.notifiers.slack.actions import Action, Press
from monitor.redaction import Redactor
from monitor.sandbox import serve
from monitor.sandbox.credentials import ON_CALL
from monitor.settings import parse
from tests.daemon.home import DEMO, Home, home
from tests.fakes.clock import START

BUTTONS = {"slack": {"app_token": "xapp-1", "buttons": {"users": ["U0123"]}}}


def presses(it: Home) -> SlackPresses:
    """Over its daemon."""

    async def reload() -> None:
        raise AssertionError

    deps = Deps(clock=it.clock, http=it.http, redactor=it.redactor)
    operations = LiveOperations(it.daemon, clock=it.clock, reload=reload)
    return SlackPresses(deps, Network(redactor=it.redactor, environ={}), operations)


def a_press(action: Action, *, incident_id: str = "", target: str = "demo") -> Press:
    """By ana, on the message of an incident."""
    return Press(
        action=action,
        incident_id=incident_id,
        target=TargetName(target),
        fault=Fault.EXPORTER_DISABLED,
        user="U0123",
        name="ana",
    )


async def _broken(it: Home) -> str:
    """The exporter is off; the incident's id."""
    await it.clock.advance(30)
    await it.sandbox.break_("exporter_disabled")
    await it.clock.advance(70)
    incident = it.state().incident
    assert incident is not None
    return incident.id


async def test_acknowledge_is_the_apis_by_the_persons_name() -> None:
    """The edited message shows who has it; of what is over there is nothing to take."""
    async with home() as it:
        does = presses(it)
        incident_id = await _broken(it)
        said = await does.perform(a_press(Action.ACKNOWLEDGE, incident_id=incident_id))
        assert said == "Acknowledged by ana: exporter_disabled of demo. No reminders until it gets worse."
        incident = it.state().incident
        assert incident is not None
        assert incident.acked_by == "ana"
        said = await does.perform(a_press(Action.ACKNOWLEDGE, incident_id="demo-over"))
        assert said == "Not done: there is no open incident 'demo-over'."


async def test_silence_is_of_that_target_and_fault_for_an_hour_and_names_the_person() -> None:
    """And of no other: what stands in a button is looked up, so no pattern can hide in it."""
    async with home() as it:
        does = presses(it)
        await does.use(it.settings())
        assert await does.perform(a_press(Action.SILENCE)) == "Silenced exporter_disabled of demo until 09:00 UTC."
        (silence,) = it.daemon.silences
        assert (silence.target, silence.fault, silence.author) == ("demo", Fault.EXPORTER_DISABLED, "ana")
        assert (silence.begins_at, silence.ends_at) == (START, START + 3600)
        assert silence.comment == "for 1 h by ana, with the button in Slack"
        assert (await it.store.load()).silences == (silence,)
        assert await does.perform(a_press(Action.SILENCE, target="*")) == "Not done: there is no target '*'."
        assert it.daemon.silences == (silence,)


async def test_check_now_has_every_enabled_check_look() -> None:
    """Of that target."""
    async with home() as it:
        await it.clock.advance(30)
        before = it.state().check_state(CheckName.CONFIG).last
        said = await presses(it).perform(a_press(Action.CHECK))
        await it.clock.advance(1)
        after = it.state().check_state(CheckName.CONFIG).last
        assert said.startswith("Checking demo now: config, gateway, canary")
        assert before is not None
        assert after is not None
        assert after.at > before.at
        refused = await presses(it).perform(a_press(Action.CHECK, target="gone"))
        assert refused == "Not done: there is no target 'gone'; there are: demo."


async def test_what_cannot_be_done_yet_is_answered() -> None:
    """Before what was remembered has been read, nothing is changed."""
    async with home() as it:
        it.daemon.ready = False
        said = await presses(it).perform(a_press(Action.CHECK))
        assert said.startswith("Not done: not started yet")


def _listener(does: SlackPresses) -> asyncio.Task[None] | None:
    return does._task


async def test_a_connection_is_kept_as_long_as_the_settings_of_slack_stay() -> None:
    """A reload that changes something else leaves it alone; without an app token there is none."""
    async with home() as it:
        does = presses(it)
        await does.use(it.settings())
        assert _listener(does) is None
        await does.use(it.settings(alerting=BUTTONS))
        first = _listener(does)
        assert first is not None
        await does.use(it.settings(alerting={**BUTTONS, "fail_after": 3}))
        assert _listener(does) is first
        await does.use(it.settings(alerting={"slack": {"app_token": "xapp-2", "buttons": {"users": ["U0123"]}}}))
        assert _listener(does) is not first
        assert first.cancelled()
        await does.use(it.settings(alerting={"slack": {"app_token": "xapp-2"}}))
        assert (_listener(does), does.problem) == (None, None)
        await does.stop()


async def test_a_connection_that_is_down_for_a_minute_is_a_trouble_and_no_incident() -> None:
    """The monitor goes on to notify; only the buttons do not work."""
    async with home(alerting=BUTTONS) as it:
        does = presses(it)
        await does.use(it.settings())
        seen = [does.problem]
        for seconds in (59, 3):
            await it.clock.advance(seconds)
            seen.append(does.problem)
        assert seen[:2] == [None, None]
        assert (seen[2] or "").startswith("Slack's buttons do not work: Slack says invalid_auth of the app token")
        assert it.state(DEMO).incident is None
        await does.stop()
        assert does.problem is None


@pytest.mark.timeout(60)
async def test_the_whole_way_from_a_press_in_slack_to_the_edited_message() -> None:
    """The real process on real sockets: broken, reported with buttons, pressed, edited; then it stops within its grace."""
    async with serve(time_factor=0.05) as sandbox:
        with tempfile.TemporaryDirectory() as directory:
            configuration: dict[str, Any] = json.loads(json.dumps(sandbox.configuration()))
            configuration["targets"]["demo"]["checks"] = {"config": {"every": 1, "every_while_failing": 1}}
            configuration["alerting"]["slack"].update(sandbox.buttons())
            configuration |= {"server": {"port": 0}, "state": {"path": f"{directory}/state.db"}}
            loaded = parse(json.dumps(configuration), {}, Path(directory), name="test")
            service = Service(loaded, config=None, environ={}, cwd=Path(directory), redactor=Redactor())
            slack = sandbox.world.slack

            async def story() -> None:
                await _until(lambda: slack.socket_mode.sockets)
                assert not [each for each in service._problems() if "buttons" in each]
                await sandbox.break_("exporter_disabled")
                await _until(lambda: slack.roots)
                host = sandbox.slack_api_url.split("/")[2]
                await slack.socket_mode.press(slack.roots[0], "acknowledge", host=host, user=ON_CALL, name="ana")
                await _until(lambda: "acknowledged by ana" in slack.roots[0].text)
                assert '"action_id": "check-now"' in json.dumps(slack.roots[0].blocks)
                assert '"action_id": "acknowledge"' not in json.dumps(slack.roots[0].blocks)
                await _until(lambda: slack.socket_mode.answers)

            running = asyncio.create_task(service.run())
            try:
                await asyncio.wait_for(story(), 30)
            finally:
                service.stop()
                began = asyncio.get_running_loop().time()
                await asyncio.wait([running])
            assert asyncio.get_running_loop().time() - began < 10
            await running
            assert slack.socket_mode.sockets == []


async def _until(reached: Callable[[], object]) -> None:
    while not reached():  # noqa: ASYNC110 - what happens at the other end of a socket sets no event here
        await asyncio.sleep(0.02)
