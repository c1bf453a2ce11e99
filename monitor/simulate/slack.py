"""Slack as a list of messages: what a notice posts and edits there, as its reader reads it, and what may be wrong with it."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from monitor.core.incident import Notice, Reason
from monitor.core.model import Instant, Seconds
from monitor.notifiers.slack import render
from monitor.sandbox import FAULTS

_WORD_JOINER = "\u2060"


class ShownIn(StrEnum):
    """Where a text stands."""

    ROOT = "root"  # a message of its own
    THREAD = "thread"  # an answer to one
    EDIT = "edit"  # what an earlier message says now


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A text as Slack's reader reads it. `thread`: the message that it answers; `before`: what it said until it was edited."""

    place: ShownIn
    channel: str
    ts: str
    text: str
    thread: str | None = None
    broadcast: bool = False
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why an attempt fails. `unknown`: nobody learns whether it was posted; `posted`: it was, all the same."""

    unknown: bool = False
    posted: bool = False
    permanent: bool = False  # only a person can put it right
    retry_after: Seconds | None = None


_NO_ANSWER = Trouble(unknown=True)
_ANSWER_LOST = Trouble(unknown=True, posted=True)
_PERMANENT = Trouble(permanent=True)

TROUBLES: Mapping[str, Trouble | None] = MappingProxyType(
    {
        "unreachable": Trouble(),
        "silent": _NO_ANSWER,
        "slow": _ANSWER_LOST,
        "reset": _NO_ANSWER,
        "failing": _NO_ANSWER,
        "throttled": Trouble(retry_after=30.0),
        "page": _NO_ANSWER,
        "answer_lost": _ANSWER_LOST,
        "invalid_auth": _PERMANENT,
        "channel_not_found": _PERMANENT,
        "paced": None,
        "refuses_blocks": None,  # the text goes out without them
        "edit_closed": None,  # a fresh message takes over
        "forgets": None,
    }
)
"""What may be wrong with Slack, by the sandbox's names without `slack_`; None: it takes messages all the same."""


class Slack:
    """One workspace. `troubles` are those of `TROUBLES` that it has now."""

    def __init__(self, external_url: str | None) -> None:
        self.troubles: list[str] = []
        self._external_url = external_url
        self._texts: dict[str, str] = {}

    def trouble(self) -> tuple[Trouble, str] | None:
        """Why an attempt fails now, and the same in words."""
        found = ((TROUBLES[name], FAULTS[f"slack_{name}"].about) for name in self.troubles)
        return next(((trouble, about) for trouble, about in found if trouble is not None), None)

    def deliver(
        self, notice: Notice, channel: str | None, mention: str, now: Instant
    ) -> tuple[tuple[Shown, ...], Mapping[str, str]]:
        """Bring a channel up to date as `notifiers.slack` does: what is new there, and the receipt.

        `channel` None: a webhook posts, which can neither edit nor answer in a thread.
        """
        frame = render.Frame(redact=str, external_url=self._external_url, mention=mention or None)
        if channel is None:
            edited = notice.reason is Reason.EDITED
            return (() if edited else (self._post(render.post(notice, frame), "", now),)), {}
        receipt = notice.notified.receipt if notice.notified is not None else {}
        if not receipt or {"edit_closed", "forgets"} & set(self.troubles):
            if notice.reason is Reason.EDITED and (notice.silenced_until is not None or not notice.incident.open):
                return (), receipt
            root = self._post(render.post(notice, frame), channel, now)
            return (root,), {"ts": root.ts}
        shown = [self._edit(receipt["ts"], render.root(notice, frame), channel)]
        if notice.reason is not Reason.EDITED:
            answer = self._post(render.reply(notice, frame), channel, now, receipt["ts"], broadcast=notice.broadcast)
            end = {} if notice.incident.open else {"end": answer.ts}
            return (*shown, answer), {"ts": receipt["ts"], **end}
        if "end" in receipt and not notice.incident.open:
            shown.append(self._edit(receipt["end"], render.reply(notice, frame), channel))
        return tuple(shown), receipt

    def _post(
        self, message: render.Message, channel: str, now: Instant, thread: str | None = None, *, broadcast: bool = False
    ) -> Shown:
        ts = f"{now:.0f}.{len(self._texts):06d}"
        text = self._texts[ts] = _as_read(message.text)
        place = ShownIn.ROOT if thread is None else ShownIn.THREAD
        return Shown(place=place, channel=channel, ts=ts, text=text, thread=thread, broadcast=broadcast)

    def _edit(self, ts: str, message: render.Message, channel: str) -> Shown:
        before, self._texts[ts] = self._texts.get(ts, ""), _as_read(message.text)
        return Shown(place=ShownIn.EDIT, channel=channel, ts=ts, text=self._texts[ts], before=before)


def _as_read(text: str) -> str:
    return html.unescape(text).replace(_WORD_JOINER, "")
