"""Slack's messages: a notice in, a payload out. Pure.

A root shows the present state of its incident, a reply what has just happened. Both answer in five seconds: what broke, where,
how bad, since when, why we think so, what to do. The first line holds the target and the fault's slug. `text` says it all by
itself, because notifications show and screen readers read nothing else
(https://docs.slack.dev/reference/methods/chat.postMessage#text-blocks-attachments).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from monitor.core.incident import Notice
from monitor.notifiers import canaries, wording
from monitor.notifiers.slack import mrkdwn
from monitor.notifiers.wording import Style

LONGEST_MENTION = 200
"""Characters; a mention is never cut, so a longer one is refused where it is configured."""

# Slack takes 3000 characters in a section and about 13,200 in all blocks together (https://github.com/slackapi/bolt-js/issues/2509).
# All of these together stay below.
_HEAD, _WHY, _FACTS, _AFTER, _STEP, _LINKS, _LABELS = 2400, 2400, 1500, 1500, 700, 1100, 800
_TEXT, _SHORT = 3000, 1000
_MOST_TRACES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a message needs besides its notice. `mention` alone goes out as it is: the operator has configured it."""

    redact: Callable[[str], str]
    external_url: str | None = None
    mention: str | None = None

    def __post_init__(self) -> None:
        if self.mention is not None and mrkdwn.width(self.mention) > LONGEST_MENTION:
            raise ValueError(f"a mention of more than {LONGEST_MENTION} characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is posted; `short` is what is left of it when Slack refuses the blocks."""

    text: str
    short: str
    blocks: list[dict[str, Any]] = field(default_factory=list)


def root(notice: Notice, frame: Frame) -> Message:
    """The present state of an incident, to edit its root; an edit calls nobody, so it mentions nobody."""
    return _message(notice, frame, _everything(notice, wording.headline), mention="")


def post(notice: Notice, frame: Frame) -> Message:
    """What has just happened, with everything that is known: a fresh root, or all there is where nothing can be edited."""
    return _message(notice, frame, _everything(notice, wording.news), mention=_mention(notice, frame))


def reply(notice: Notice, frame: Frame) -> Message:
    """What has just happened to an incident, for its thread; the channel sees it too when it is broadcast."""
    return _message(notice, frame, _news(notice), mention=_mention(notice, frame))


def note(text: str, frame: Frame) -> Message:
    """A sentence that belongs to no incident: a test."""
    shown = mrkdwn.plain(frame.redact).foreign(text, _SHORT)
    return Message(text=shown, short=shown, blocks=[_section(mrkdwn.markup(frame.redact).foreign(text, _SHORT))])


# --- what is said ----------------------------------------------------------------------------------------------------

_Paragraph = tuple[Callable[[Style], list[str]], int]
"""Lines in a style, and how wide they may be together."""


def _everything(notice: Notice, first: Callable[[Notice, Style], str]) -> list[_Paragraph]:
    """What to do comes before why: the advice speaks of the evidence below it."""
    head: _Paragraph = (lambda style: _head(notice, style, first), _HEAD)
    why: _Paragraph = (lambda style: _why(notice, style), _WHY)
    facts: _Paragraph = (lambda style: _facts(notice, style), _FACTS)
    if notice.incident.open:
        return [head, (lambda style: _step(notice, style), _STEP), why, facts]
    return [head, (lambda style: _after(notice, style), _AFTER), why, facts]


def _news(notice: Notice) -> list[_Paragraph]:
    """Of a resolve, the reason and the losses; of all else also why and what to do."""
    if not notice.incident.open:
        return [
            (lambda style: _head(notice, style, wording.news), _HEAD),
            (lambda style: canaries.losses(notice, style), _AFTER),
        ]
    return _everything(notice, wording.news)


def _head(notice: Notice, style: Style, first: Callable[[Notice, Style], str]) -> list[str]:
    return [
        first(notice, style),
        style.bold(wording.sentence(notice, style)),
        wording.place_and_time(notice, style),
        *wording.states(notice, style),
    ]


def _why(notice: Notice, style: Style) -> list[str]:
    lines = [f"• {line}" for line in wording.because(notice, style)]
    title = "Why we think so" if notice.incident.open else "Why we thought so"
    return [style.bold(title), *lines] if lines else []


def _facts(notice: Notice, style: Style) -> list[str]:
    ids = wording.traces(notice, style)
    return [*([f"Traces: {', '.join(ids[:_MOST_TRACES])}"] if ids else []), *wording.others(notice, style)]


def _after(notice: Notice, style: Style) -> list[str]:
    """What became of the canaries, and for a reader who was told nothing before, how it went."""
    return [*canaries.losses(notice, style), *(wording.life(notice, style) if notice.told is None else [])]


def _step(notice: Notice, style: Style) -> list[str]:
    return [style.bold("Next step"), wording.advice(notice, style)]


# --- how it looks ----------------------------------------------------------------------------------------------------


def _mention(notice: Notice, frame: Frame) -> str:
    return frame.mention if notice.mention and frame.mention else ""


def _message(notice: Notice, frame: Frame, said: list[_Paragraph], *, mention: str) -> Message:
    style, plain = mrkdwn.markup(frame.redact), mrkdwn.plain(frame.redact)
    sections = [mrkdwn.fit(lines(style), limit) for lines, limit in said]
    sections[0] = _with_mention(sections[0], mention)
    commands = wording.commands(notice)
    if commands:
        sections.append("\n".join(("```", *commands, "```")))
    every = [line for lines, _ in said for line in lines(plain)]
    return Message(
        text=_with_mention(mrkdwn.fit([*every, *commands], _TEXT), mention),
        short=_with_mention(mrkdwn.fit(every[:3], _SHORT), mention),
        blocks=[*(_section(text) for text in sections if text), *_foot(notice, frame, style)],
    )


def _with_mention(text: str, mention: str) -> str:
    """The mention comes last, so that a notification begins with what broke."""
    return f"{text}\n{mention}" if mention else text


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _foot(notice: Notice, frame: Frame, style: Style) -> list[dict[str, Any]]:
    labels = (f"{style.foreign(name, 40)}: {style.foreign(value, 80)}" for name, value in notice.labels.items())
    said = (
        mrkdwn.fit([" · ".join(_links(notice, frame))], _LINKS),
        mrkdwn.fit(labels, _LABELS),
        f"Incident {style.code(style.foreign(notice.incident.id, 100))}",
    )
    return [{"type": "context", "elements": [_text(text) for text in said if text]}]


def _links(notice: Notice, frame: Frame) -> list[str]:
    if not frame.external_url:
        return []
    base = frame.external_url.rstrip("/")
    fault = notice.incident.diagnosis.fault
    return [
        shown
        for url, label in ((f"{base}/runbooks/{fault}", "Runbook"), (f"{base}/", "Status page"))
        if (shown := mrkdwn.link(url, label)) is not None
    ]
