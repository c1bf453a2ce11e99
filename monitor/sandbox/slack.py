"""A Slack workspace: its channels and everything that was posted, edited and reacted to."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from monitor.core.model import Instant
from monitor.ports import Clock
from monitor.sandbox.credentials import ARCHIVED_CHANNEL, CHANNEL, CHANNEL_NAME, FOREIGN_CHANNEL, Credentials

Payload = Mapping[str, object]
CheckMessage = Callable[[Payload], list[str]]
"""Everything for which Slack would refuse a message, each as `<Slack's error>: <where>: <why>`."""

_MOST_MESSAGES = 5_000
_LONGEST_TEXT = 40_000
BOT_USER = "U0SANDBOX01"


class SlackError(Exception):
    """What Slack says instead of `ok`. `problems` are the details that come with `invalid_blocks`."""

    def __init__(self, code: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.problems = problems


def check_size(payload: Payload) -> list[str]:
    """The usual check: a message has something to show, and no text beyond Slack's limit. The tests bring one that knows blocks."""
    text = payload.get("text")
    if not text and not payload.get("blocks") and not payload.get("attachments"):
        return ["no_text: text: a message needs text, blocks or attachments"]
    if isinstance(text, str) and len(text) > _LONGEST_TEXT:
        return [f"msg_too_long: text: {len(text)} characters, at most {_LONGEST_TEXT}"]
    return []


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
        return asdict(self)

    def as_slack(self) -> dict[str, object]:
        """The form of an answer."""
        threaded = {"thread_ts": self.thread_ts} if self.thread_ts else {}
        shown = {"ts": self.ts, "text": self.text, "blocks": self.blocks, "attachments": self.attachments}
        return {"type": "message", "user": BOT_USER, **shown, **threaded}


class Workspace:
    """Channels and messages, and the rules of posting. Its methods raise SlackError."""

    def __init__(self, clock: Clock, credentials: Credentials, check: CheckMessage) -> None:
        self._clock = clock
        self._check = check
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

    def post(self, payload: Payload, *, webhook: bool = False) -> Message:
        """Post into a channel or a thread."""
        channel = CHANNEL if webhook else self._channel(payload.get("channel"))
        thread_ts = payload.get("thread_ts")
        if thread_ts is not None:
            root = self._find(channel, thread_ts)
            if root is None:
                raise SlackError("thread_not_found")
            if root.thread_ts is not None:
                raise SlackError("cannot_reply_to_message")
        self._refuse_unfit(payload)
        # Slack's timestamps: seconds with six digits, never the same twice
        self._last_ts = max(self._last_ts + 100, int(self._clock.now()) * 1_000_000)
        message = Message(
            channel=channel,
            ts=f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}",
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

    def update(self, payload: Payload) -> Message:
        """Edit a message of the bot's own. Blocks that are not named stay."""
        message = self._owned(payload, "ts")
        self._refuse_unfit(payload)
        message.versions.append(message.text)
        message.text = str(payload.get("text") or "")
        for name in ("blocks", "attachments"):
            if payload.get(name) is not None:
                setattr(message, name, _list(payload[name]))
        return message

    def react(self, payload: Payload) -> None:
        """Add a reaction."""
        message = self._owned(payload, "timestamp")
        name = str(payload.get("name") or "").strip(":")
        if not name:
            raise SlackError("invalid_name")
        if name in message.reactions:
            raise SlackError("already_reacted")
        message.reactions.append(name)

    def _find(self, channel: str, ts: object) -> Message | None:
        return next((each for each in self.messages if each.channel == channel and each.ts == ts), None)

    def _owned(self, payload: Payload, key: str) -> Message:
        channel = payload.get("channel")
        if channel not in self.channels:  # editing takes an id, never a name
            raise SlackError("channel_not_found")
        message = self._find(str(channel), payload.get(key))
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

    def _refuse_unfit(self, payload: Payload) -> None:
        problems = self._check(payload)
        if problems:
            code = problems[0].partition(":")[0]
            raise SlackError(code, tuple(problem.partition(": ")[2] for problem in problems))


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
