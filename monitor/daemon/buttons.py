"""Buttons in Slack at work: the connection that the settings want, and what a press does, by the operations of the API."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor.core.model import TargetName
from monitor.core.silence import Silence
from monitor.daemon.compose import Deps
from monitor.http import Network
from monitor.notifiers.slack.actions import SILENCE_FOR, Action, Press
from monitor.settings import Settings
from monitor.settings.model import Slack
from monitor.web.views import NotFound, Operations, Rejected

if TYPE_CHECKING:
    from monitor.notifiers.slack.buttons import Buttons

_log = logging.getLogger(__name__)

_ID_DIGITS = 8


class SlackPresses:
    """Listens where the settings want it; without an app token there is no connection, and nothing of it is imported."""

    def __init__(self, deps: Deps, network: Network, operations: Operations) -> None:
        self._deps = deps
        self._network = network
        self._operations = operations
        self._slack = Slack()
        self._targets: frozenset[TargetName] = frozenset()
        self._buttons: Buttons | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        """For the page: what keeps presses from arriving."""
        if self._task is not None and self._task.done():
            return "Slack's buttons do not work: listening for them crashed; the log says why"
        return self._buttons.problem if self._buttons is not None else None

    async def use(self, settings: Settings) -> None:
        """From now on by these settings."""
        self._targets = frozenset(settings.targets)
        if settings.alerting.slack == self._slack and self._task is not None:
            return
        await self.stop()
        self._slack = settings.alerting.slack
        self._buttons = self._make()
        if self._buttons is not None:
            self._task = asyncio.create_task(self._buttons.listen(), name="slack buttons")
            self._task.add_done_callback(_report)

    async def stop(self) -> None:
        """Listen no more."""
        task, self._task, self._buttons = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _make(self) -> "Buttons | None":
        slack = self._slack
        if not slack.pressable or slack.app_token is None or slack.bot_token is None:
            return None
        from monitor.notifiers.slack.buttons import Buttons  # noqa: PLC0415 - needs the extra [slack-socket]

        return Buttons(
            http=self._deps.http,
            clock=self._deps.clock,
            dial=self._network.dial,
            app_token=slack.app_token.get,
            bot_token=slack.bot_token.get,
            api_url=slack.api_url,
            users=frozenset(slack.buttons.users),
            groups=slack.buttons.groups,
            redact=self._deps.redactor.redact,
            perform=self.perform,
        )

    async def perform(self, press: Press) -> str:
        """Do it as the API would, in the name of the person who pressed."""
        try:
            return await self._perform(press)
        except (NotFound, Rejected) as error:
            return f"Not done: {error.detail}."

    async def _perform(self, press: Press) -> str:
        match press.action:
            case Action.ACKNOWLEDGE:
                await self._operations.acknowledge(press.incident_id, press.name)
                return (
                    f"Acknowledged by {press.name}: {press.fault} of {press.target}. No reminders until it gets worse."
                )
            case Action.SILENCE:
                if press.target not in self._targets:
                    raise NotFound(f"there is no target {press.target!r}")
                silence = self._silence(press)
                await self._operations.add_silence(silence)
                until = datetime.fromtimestamp(silence.ends_at or 0.0, UTC)
                return f"Silenced {press.fault} of {press.target} until {until:%H:%M} UTC."
            case Action.CHECK:
                checks = await self._operations.run_checks(press.target)
                return f"Checking {press.target} now: {', '.join(checks) or 'no check is enabled'}."

    def _silence(self, press: Press) -> Silence:
        now = self._deps.clock.now()
        return Silence(
            id=self._deps.clock.draw_hex(_ID_DIGITS),
            target=press.target,
            fault=press.fault,
            begins_at=now,
            ends_at=now + SILENCE_FOR,
            comment=f"for 1 h by {press.name}, with the button in Slack",
            author=press.name,
        )


def _report(task: asyncio.Task[None]) -> None:
    """Nobody awaits it: a bug of ours must not go unseen."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("listening for Slack's buttons crashed", exc_info=task.exception())
