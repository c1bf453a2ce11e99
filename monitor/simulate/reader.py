"""What stands in Slack, and how it got there: every attempt to tell, with what the channel showed after it."""

import html
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from monitor.core.incident import Notice, Reason
from monitor.core.model import Fault, Instant, Severity, TargetName
from monitor.ports import Clock, Notifier, Undeliverable
from monitor.sandbox.slack import Message, Workspace

_WORD_JOINER = "\u2060"


class Place(StrEnum):
    """Where a text stands."""

    ROOT = "root"  # a message of its own
    THREAD = "thread"  # an answer to one
    EDIT = "edit"  # what an earlier message says now


class Outcome(StrEnum):
    """What became of an attempt; the `outcome` label of `notices_total`, and one for a daemon that died over it."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    BROKEN_OFF = "broken_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A text as Slack's reader reads it.

    `thread` is the message that it answers, `broadcast` shows the answer in the channel; `before` is what it said until it was
    edited.
    """

    place: Place
    channel: str
    ts: str
    text: str
    thread: str | None = None
    broadcast: bool = False
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One attempt to tell; attempts that went wrong in the same way are one, `attempts` of them, the last one at `until`."""

    at: Instant
    until: Instant
    notifier: str
    target: TargetName
    incident: str
    reason: Reason
    fault: Fault
    severity: Severity
    mention: bool
    broadcast: bool
    outcome: Outcome
    detail: str = ""
    attempts: int = 1
    shown: tuple[Shown, ...] = ()

    @property
    def posted(self) -> bool:
        """Whether a new text stands in Slack."""
        return any(each.place is not Place.EDIT for each in self.shown)

    @property
    def called(self) -> bool:
        """Whether somebody was called."""
        return self.mention and self.posted


class ChannelReader:
    """Reads what is new in a workspace since it read last."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._versions: dict[tuple[str, str], int] = {}

    def news(self) -> tuple[Shown, ...]:
        """What was posted or edited, in the order of posting."""
        found: list[Shown] = []
        for message in self._workspace.messages:
            key = (message.channel, message.ts)
            before, present = self._versions.get(key), len(message.versions)
            if before != present:
                found.append(_shown(message, edited=before is not None))
                self._versions[key] = present
        return tuple(found)


def _shown(message: Message, *, edited: bool) -> Shown:
    place = Place.EDIT if edited else Place.ROOT if message.thread_ts is None else Place.THREAD
    return Shown(
        place=place,
        channel=message.channel,
        ts=message.ts,
        text=_as_read(message.text),
        thread=message.thread_ts,
        broadcast=message.broadcast,
        before=_as_read(message.versions[-1]) if edited else "",
    )


def _as_read(text: str) -> str:
    return html.unescape(text).replace(_WORD_JOINER, "")


class Overheard:
    """Implements `monitor.ports.Notifier`: tells by another one, and says how it went. `told` may hold up what comes after."""

    def __init__(
        self,
        notifier: Notifier,
        reader: ChannelReader,
        clock: Clock,
        *,
        hear: Callable[[Telling], None],
        told: Callable[[], Awaitable[None]],
    ) -> None:
        self.name = notifier.name
        self._notifier = notifier
        self._reader = reader
        self._clock = clock
        self._hear = hear
        self._told = told

    async def tell(self, notice: Notice) -> Mapping[str, str]:
        """As the other one."""
        began = self._clock.now()
        outcome, detail = Outcome.BROKEN_OFF, ""
        try:
            receipt = await self._notifier.tell(notice)
            outcome = Outcome.SENT
        except Undeliverable as error:
            outcome, detail = Outcome.UNKNOWN if error.unknown else Outcome.FAILED, str(error)
            raise
        finally:
            self._hear(self._describe(notice, began, outcome, detail))
        await self._told()
        return receipt

    def _describe(self, notice: Notice, began: Instant, outcome: Outcome, detail: str) -> Telling:
        diagnosis = notice.incident.diagnosis
        return Telling(
            at=began,
            until=self._clock.now(),
            notifier=self.name,
            target=notice.incident.target,
            incident=notice.incident.id,
            reason=notice.reason,
            fault=diagnosis.fault,
            severity=diagnosis.severity,
            mention=notice.mention,
            broadcast=notice.broadcast,
            outcome=outcome,
            detail=detail,
            shown=self._reader.news(),
        )

    async def test(self, text: str) -> None:
        """As the other one."""
        await self._notifier.test(text)

    def close(self) -> None:
        """As the other one."""
        self._notifier.close()
