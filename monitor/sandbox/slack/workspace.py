"""A Slack workspace: its channels and everything that was posted, edited and reacted to."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.core.model import Instant
from monitor.ports import Clock
from monitor.sandbox.credentials import (
    ARCHIVED_CHANNEL,
    CHANNEL,
    CHANNEL_NAME,
    FOREIGN_CHANNEL,
    Credentials,
)
from monitor.sandbox.slack.block_kit import validate_message

_MOST_MESSAGES = 5_000
BOT_USER = "U0SANDBOX01"


class SlackError(Exception):
    """What Slack says instead of `ok`. `problems` are the details that come with `invalid_blocks`."""

    def __init__(self, code: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.problems = problems


@dataclass(slots=True, kw_only=True)
class Message:
    """One message as it reads now; `versions` are the texts it had before it was edited."""

    channel: str
    ts: str
    at: Instant
    text: str
    blocks: list[object] = field(default_factory=list)
    attachments: list[object] = field(default_factory=list)
    thread_ts: str | None = None
    broadcast: bool = False
    webhook: bool = False
    versions: list[str] = field(default_factory=list)
    reactions: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Everything, for the control API."""
        return {
            "channel": self.channel,
            "ts": self.ts,
            "at": self.at,
            "text": self.text,
            "blocks": self.blocks,
            "attachments": self.attachments,
            "thread_ts": self.thread_ts,
            "broadcast": self.broadcast,
            "webhook": self.webhook,
            "versions": self.versions,
            "reactions": self.reactions,
        }

    def as_slack(self) -> dict[str, object]:
        """The form of an answer."""
        threaded = {"thread_ts": self.thread_ts} if self.thread_ts else {}
        return {
            "type": "message",
            "user": BOT_USER,
            "ts": self.ts,
            "text": self.text,
            "blocks": self.blocks,
            "attachments": self.attachments,
            **threaded,
        }


class Workspace:
    """Channels and messages, and the rules of posting. Its methods raise SlackError."""

    def __init__(self, clock: Clock, credentials: Credentials) -> None:
        self._clock = clock
        self.bot_tokens = {credentials.bot_token}
        self.webhook_path = credentials.webhook_path
        self.channels: dict[str, str] = {
            CHANNEL: CHANNEL_NAME,
            ARCHIVED_CHANNEL: "old-alerts",
            FOREIGN_CHANNEL: "finance",
        }
        self.messages: deque[Message] = deque(maxlen=_MOST_MESSAGES)
        self._last_ts = 0

    @property
    def roots(self) -> list[Message]:
        """The messages that stand in a channel by themselves."""
        return [message for message in self.messages if message.thread_ts is None]

    def thread(self, root: Message) -> list[Message]:
        """The replies to a message, in order."""
        return [message for message in self.messages if message.thread_ts == root.ts]

    def forget(self) -> None:
        """Forget every message."""
        self.messages.clear()

    def post(self, payload: Mapping[str, object], *, webhook: bool = False) -> Message:
        """Post into a channel or a thread."""
        channel = CHANNEL if webhook else self._channel(payload.get("channel"))
        thread_ts = payload.get("thread_ts")
        if thread_ts is not None:
            root = self.find(channel, thread_ts)
            if root is None:
                raise SlackError("thread_not_found")
            if root.thread_ts is not None:
                raise SlackError("cannot_reply_to_message")
        refuse_unfit(payload)
        message = Message(
            channel=channel,
            ts=self._next_ts(),
            at=self._clock.now(),
            text=str(payload.get("text") or ""),
            blocks=_list(payload.get("blocks")),
            attachments=_list(payload.get("attachments")),
            thread_ts=str(thread_ts) if thread_ts is not None else None,
            broadcast=payload.get("reply_broadcast") in {True, "true", "1"},
            webhook=webhook,
        )
        self.messages.append(message)
        return message

    def update(self, payload: Mapping[str, object]) -> Message:
        """Edit a message of the bot's own. Blocks that are not named stay."""
        message = self._owned(payload, "ts")
        refuse_unfit(payload)
        message.versions.append(message.text)
        message.text = str(payload.get("text") or "")
        for name in ("blocks", "attachments"):
            if payload.get(name) is not None:
                setattr(message, name, _list(payload[name]))
        return message

    def react(self, payload: Mapping[str, object]) -> None:
        """Add a reaction."""
        message = self._owned(payload, "timestamp")
        name = str(payload.get("name") or "").strip(":")
        if not name:
            raise SlackError("invalid_name")
        if name in message.reactions:
            raise SlackError("already_reacted")
        message.reactions.append(name)

    def find(self, channel: str, ts: object) -> Message | None:
        """A message by channel and timestamp."""
        return next((each for each in self.messages if each.channel == channel and each.ts == ts), None)

    def _owned(self, payload: Mapping[str, object], key: str) -> Message:
        channel = payload.get("channel")
        if channel not in self.channels:  # editing takes an id, never a name
            raise SlackError("channel_not_found")
        message = self.find(str(channel), payload.get(key))
        if message is None:
            raise SlackError("message_not_found")
        if message.webhook:
            raise SlackError("cant_update_message")
        return message

    def _channel(self, named: object) -> str:
        name = str(named or "").removeprefix("#")
        channel = next((known for known, title in self.channels.items() if name in {known, title}), None)
        if channel is None:
            raise SlackError("channel_not_found")
        if channel == ARCHIVED_CHANNEL:
            raise SlackError("is_archived")
        if channel == FOREIGN_CHANNEL:
            raise SlackError("not_in_channel")
        return channel

    def _next_ts(self) -> str:
        """A timestamp as Slack makes them: seconds with six digits, never the same twice."""
        self._last_ts = max(self._last_ts + 100, int(self._clock.now()) * 1_000_000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"


def refuse_unfit(payload: Mapping[str, object]) -> None:
    """Raise SlackError for a message that breaks Slack's limits."""
    problems = validate_message(payload)
    if problems:
        code = problems[0].partition(":")[0]
        raise SlackError(code, tuple(problem.partition(": ")[2] for problem in problems))


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
