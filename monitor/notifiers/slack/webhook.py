"""Slack by an incoming webhook: it can only post, so each notice is one message that says everything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from monitor.core.incident import Notice, Reason
from monitor.core.model import TargetName
from monitor.http import Http
from monitor.notifiers.slack import render
from monitor.notifiers.slack.answers import BLOCKS_REFUSED, Refusal
from monitor.notifiers.slack.client import HookClient
from monitor.notifiers.slack.pace import Pace
from monitor.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackWebhook:
    """Implements `monitor.ports.Notifier`. `url` is asked before every call, because webhooks rotate; it is a secret.

    `mentions` are the targets that call somebody else.
    """

    http: Http
    clock: Clock
    url: Callable[[], str] = field(repr=False)
    redact: Callable[[str], str] = field(repr=False)
    mention: str | None = None
    mentions: Mapping[TargetName, str | None] = field(default_factory=dict)
    external_url: str | None = None
    pace: Pace
    name: str = "slack"

    def __post_init__(self) -> None:
        """Raises ValueError for a mention that no message has room for."""
        for each in (self.mention, *self.mentions.values()):
            self._frame(each)

    async def tell(self, notice: Notice) -> Mapping[str, str]:
        """Post one message; what is only worth an edit is not posted. Raises Undeliverable."""
        if notice.reason is not Reason.EDITED:
            mention = self.mentions.get(notice.incident.target, self.mention)
            await self._post(render.post(notice, self._frame(mention)))
        return {}

    async def test(self, text: str) -> None:
        """Post. Raises Undeliverable."""
        await self._post(render.note(text, self._frame(None)))

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _frame(self, mention: str | None) -> render.Frame:
        return render.Frame(redact=self.redact, external_url=self.external_url, mention=mention)

    async def _post(self, message: render.Message) -> None:
        await self.pace.turn("webhook")
        client = HookClient(http=self.http, clock=self.clock, url=self.url())
        try:
            await client.post(text=message.text, blocks=message.blocks)
        except Refusal as refusal:
            if refusal.code not in BLOCKS_REFUSED:
                raise
            await client.post(text=message.short, blocks=None)
