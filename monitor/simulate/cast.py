"""Who plays: one sandbox for each target, and the settings that make the real daemon watch them by the operator's thresholds."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor.core.model import TargetName
from monitor.http import InProcess
from monitor.http.inprocess import ASGIApp
from monitor.ports import Clock
from monitor.sandbox import Sandbox
from monitor.settings import Loaded, Settings, Target, parse
from monitor.settings.alerting import Slack
from monitor.settings.given import Given
from monitor.settings.secret import UrlSource

MENTION = "<!subteam^S0ONCALL>"
"""Who is called where the configuration calls nobody."""

Compose = Callable[[Sequence[Given]], Loaded]
"""The operator's configuration under settings that outrank it, the strongest first. Raises ConfigError."""


class Cast:
    """The sandboxes by target, below one Slack: the first target's."""

    def __init__(self, names: Sequence[TargetName], clock: Clock, *, content: bool = False) -> None:
        """`content`: whether the healthy exporters send request and response content."""
        self.sandboxes: Mapping[TargetName, Sandbox] = {
            name: Sandbox(clock=clock, domain=name, content=content) for name in names
        }
        self.slack = next(iter(self.sandboxes.values()))

    async def start(self) -> None:
        """Make everybody reachable."""
        for sandbox in self.sandboxes.values():
            await sandbox.start()

    async def stop(self) -> None:
        """Nobody answers any more."""
        for sandbox in self.sandboxes.values():
            await sandbox.stop()

    def network(self, behind: Callable[[ASGIApp], ASGIApp]) -> InProcess:
        """The only network there is; every service of it stands behind something."""
        return InProcess(
            {
                f"{host}.{name}": behind(app)
                for name, sandbox in self.sandboxes.items()
                for host, app in sandbox.apps.items()
            }
        )

    def settings(self, compose: Compose | None, over: Sequence[Given]) -> Settings:
        """The operator's thresholds, or the built-in ones, in a world of sandboxes. Raises ConfigError."""
        facts = json.dumps(self._facts())
        world = parse(facts, {}, Path.cwd(), name="simulation").settings
        mine = parse(facts, {}, Path.cwd(), over=over, name="simulation") if compose is None else compose(over)
        settings = _transplant(mine.settings, world, self.slack)
        channels = {settings.alerting.slack.channel, *(target.alerting.channel for target in settings.targets.values())}
        self.slack.world.slack.channels.update({channel: channel for channel in channels if channel})
        return settings

    def _facts(self) -> dict[str, Any]:
        alerting: Any = self.slack.configuration()["alerting"]
        alerting["slack"]["mention"] = MENTION
        return {"targets": {name: _facts_of(each) for name, each in self.sandboxes.items()}, "alerting": alerting}


def _facts_of(sandbox: Sandbox) -> Any:  # noqa: ANN401 - a part of a configuration
    targets: Any = sandbox.configuration()["targets"]
    return targets["demo"]


def _transplant(mine: Settings, world: Settings, slack: Sandbox) -> Settings:
    """The operator's targets, each watching its sandbox; told by Slack, the way they are told by Slack, and by nothing else."""
    alerting = mine.alerting.model_copy(
        update={
            "slack": _slack_of(mine.alerting.slack, world.alerting.slack, slack),
            "alertmanager": world.alerting.alertmanager,
            "webhook": world.alerting.webhook,
        }
    )
    targets = {
        name: _target_of(target, world.targets[name]) for name, target in mine.targets.items() if name in world.targets
    }
    return mine.model_copy(update={"alerting": alerting, "targets": targets})


def _slack_of(mine: Slack, world: Slack, sandbox: Sandbox) -> Slack:
    by_hook = mine.webhook_url is not None
    return world.model_copy(
        update={
            "bot_token": None if by_hook else world.bot_token,
            "webhook_url": UrlSource(sandbox.slack_webhook_url) if by_hook else None,
            "channel": mine.channel or world.channel,
            "mention": MENTION if mine.mention is None else mine.mention,
        }
    )


def _target_of(mine: Target, world: Target) -> Target:
    """`mention` None: nobody has said who is called for it."""
    alerting = mine.alerting
    return mine.model_copy(
        update={
            "control_plane": world.control_plane if mine.control_plane is not None else None,
            "gateway": world.gateway,
            "traceloop": world.traceloop,
            "expected": world.expected,
            "alerting": alerting.model_copy(
                update={
                    "channel": alerting.channel or world.alerting.channel,
                    "mention": MENTION if alerting.mention is None else alerting.mention,
                }
            ),
        }
    )
