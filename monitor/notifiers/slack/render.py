"""Slack's messages: a notice in, a payload out. Pure.

A root shows the present state of its incident, a reply what has just happened. Both answer in five seconds: how bad, where, what is
wrong, what that means and since when, which hop, what to do, and why the monitor thinks so. The first line holds the target and the
fault's slug. `text` says it all by itself, because notifications show and screen readers read nothing else
(https://docs.slack.dev/reference/methods/chat.postMessage#text-blocks-attachments).

https://docs.slack.dev/messaging/formatting-message-text: only `&`, `<` and `>` have a meaning that cannot be had otherwise;
mentions and links are written with the last two. In a text object `verbatim` keeps Slack from finding links and names in plain
text (https://docs.slack.dev/reference/block-kit/composition-objects/text-object); the `text` of a message has no such switch.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from monitor.core.incident import Notice, Place
from monitor.core.model import Component, Instant
from monitor.notifiers import wording
from monitor.notifiers.slack import actions
from monitor.notifiers.wording import Style, is_a_moment, utc
from monitor.redaction import clamp

LONGEST_MENTION = 200
"""Characters; a mention is never cut, so a longer one is refused where it is configured."""

# Slack takes 3000 characters in a section and about 13,200 in all blocks together (https://github.com/slackapi/bolt-js/issues/2509).
# All of these together stay below.
_HEAD, _WHY, _FACTS, _AFTER, _STEP, _LINKS, _LABELS = 2400, 2400, 1500, 1500, 700, 1100, 800
_TEXT, _SHORT = 3000, 1000
_MOST_TRACES = 5
_LONGEST_URL = 500

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"}  # a backtick would begin or end code
_CODE = re.compile(r"(?<![\w`])`(?! )[^`\n]{1,200}(?<! )`(?![\w`])")
_CALLS = re.compile(r"@(?=(?:here|channel|everyone|group)\b)", re.IGNORECASE)
_SCHEME = re.compile(r"(?<=[A-Za-z0-9]):(?=//|[^\s:/]+@)")
_WORD_JOINER = "\u2060"  # takes no room; a call or a link that holds one is plain text
_BEYOND_BMP = 0xFFFF

Block = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a message needs besides its notice. `mention` alone goes out as it is: the operator has configured it."""

    redact: Callable[[str], str]
    external_url: str | None = None
    mention: str | None = None
    commands: bool = False  # whether an admin token is configured, without which none of them works
    pressable: bool = False  # whether presses of buttons reach this program
    consoles: Mapping[Place, str] = field(
        default_factory=dict
    )  # where to look at a hop: a URL of TrueFoundry's, of the trace backend's

    def __post_init__(self) -> None:
        if self.mention is not None and width(self.mention) > LONGEST_MENTION:
            raise ValueError(f"a mention of more than {LONGEST_MENTION} characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is posted; `short` is what is left of it when Slack refuses the blocks."""

    text: str
    short: str
    blocks: list[Block] = field(default_factory=list)


def root(notice: Notice, frame: Frame) -> Message:
    """The present state of an incident, to edit its root; an edit calls nobody, so it mentions nobody."""
    return _message(notice, frame, wording.headline, mention="")


def post(notice: Notice, frame: Frame) -> Message:
    """What has just happened, with everything that is known: a fresh root, or all there is where nothing can be edited."""
    return _message(notice, frame, wording.news, mention=_mention(notice, frame))


def reply(notice: Notice, frame: Frame) -> Message:
    """What has just happened to an incident, for its thread; the channel sees it too when it is broadcast."""
    return _message(notice, frame, wording.news, mention=_mention(notice, frame), brief=True)


def note(text: str, frame: Frame) -> Message:
    """A sentence that belongs to no incident: a test."""
    shown = plain(frame.redact).foreign(text, _SHORT)
    return Message(text=shown, short=shown, blocks=[_section(markup(frame.redact).foreign(text, _SHORT))])


def _mention(notice: Notice, frame: Frame) -> str:
    return frame.mention if notice.mention and frame.mention else ""


def _message(
    notice: Notice, frame: Frame, first: Callable[[Notice, Style], str], *, mention: str, brief: bool = False
) -> Message:
    style = markup(frame.redact)
    head, step, *others = [fit(lines, limit) for lines, limit in _paragraphs(notice, style, first, brief=brief)]
    commands = wording.commands(notice, frame.external_url) if frame.commands else []
    if commands:
        others.append("\n".join(("```", *commands, "```")))
    buttons = [*_buttons(notice, frame), *(actions.buttons(notice) if frame.pressable and not brief else [])]
    said = [line for lines, _ in _paragraphs(notice, plain(frame.redact), first, brief=brief) for line in lines]
    return Message(
        text=_with_mention(fit([*said, *commands], _TEXT), mention),
        short=_with_mention(fit(said[:3], _SHORT), mention),
        blocks=[
            _section(_with_mention(head, mention)),
            *([_section(step)] if step else []),
            *([{"type": "actions", "elements": buttons}] if buttons else []),
            *(_section(text) for text in others if text),
            {"type": "context", "elements": [_text(text) for text in _foot(notice, frame, style) if text]},
        ],
    )


def _paragraphs(
    notice: Notice, style: Style, first: Callable[[Notice, Style], str], *, brief: bool
) -> list[tuple[list[str], int]]:
    """What is said in lines, and how wide each paragraph may be; `brief`: of a resolve only the reason and the losses.

    First what is wrong and what that means, then the path with the broken hop, then what to do, and only then why.
    """
    head = [
        first(notice, style),
        wording.meaning(notice, style),
        wording.path(notice),
        wording.together(notice, style),
        *wording.states(notice, style),
    ]
    losses = wording.losses(notice, style)
    if brief and not notice.incident.open:
        return [(head, _HEAD), (losses, _AFTER)]
    # Of what is over, a reader who was not notified before is shown how it went.
    after = [*losses, *(wording.timeline(notice, style) if notice.notified is None else [])], _AFTER
    step = [style.bold("Next step"), wording.advice(notice, style)], _STEP
    title = "Why" if notice.incident.open else "What was seen"
    why = [f"• {line}" for line in wording.because(notice, style)]
    ids = wording.traces(notice, style)[:_MOST_TRACES] if notice.incident.open else []  # then its losses are listed
    facts = [*([f"Traces: {', '.join(ids)}"] if ids else []), *wording.others(notice, style)]
    return [
        (head, _HEAD),
        step if notice.incident.open else after,
        ([style.bold(title), *why] if why else [], _WHY),
        (facts, _FACTS),
    ]


def _foot(notice: Notice, frame: Frame, style: Style) -> tuple[str, ...]:
    base, fault = (frame.external_url or "").rstrip("/"), notice.incident.diagnosis.fault
    links = [link(f"{base}/runbooks/{fault}", "Runbook"), link(f"{base}/", "Status page")]
    labels = (f"{style.foreign(name, 40)}: {style.foreign(value, 80)}" for name, value in notice.labels.items())
    return (
        fit([" · ".join(shown for shown in links if shown is not None)], _LINKS),
        fit(labels, _LABELS),
        f"Incident {style.code(style.foreign(notice.incident.id, 100))}",
    )


_CONSOLES: Mapping[Component, tuple[Place, ...]] = {
    Component.GATEWAY: (Place.TRUEFOUNDRY,),
    Component.CONFIG: (Place.TRUEFOUNDRY, Place.TRACELOOP, Place.PHOENIX),
    Component.TRACELOOP: (Place.TRACELOOP,),
    Component.PHOENIX: (Place.PHOENIX,),
    Component.EXPORT: (Place.TRACELOOP, Place.PHOENIX, Place.TRUEFOUNDRY),
}
"""Where the next step of a fault is taken."""


def _buttons(notice: Notice, frame: Frame) -> list[Block]:
    """Links that open the place of the next step: https://docs.slack.dev/reference/block-kit/block-elements/button-element."""
    if not notice.incident.open or notice.incident.diagnosis.waiting is not None:
        return []
    places = _CONSOLES.get(notice.incident.diagnosis.component, ())
    return [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": f"Open {place.label}"},
            "url": frame.consoles[place],
            "action_id": f"open-{place}",
        }
        for place in places
        if place in frame.consoles and width(frame.consoles[place]) <= _LONGEST_URL
    ]


def _with_mention(text: str, mention: str) -> str:
    """The mention comes last, so that a notification begins with what broke."""
    return f"{text}\n{mention}" if mention else text


def _section(text: str) -> Block:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


# --- Slack's markup --------------------------------------------------------------------------------------------------


def width(text: str) -> int:
    """How long a text is for Slack. It does not say how it counts, so an emoji counts as two, as in JavaScript."""
    return len(text) + sum(ord(character) > _BEYOND_BMP for character in text)


def escape(text: str, limit: int, *, unlink: bool = False, code: str | None = None) -> str:
    """One line of foreign text without any power over the message, at most `limit` wide when escaped.

    `unlink` also breaks what Slack would make a link of in plain text. `code` is what becomes of the backticks around a few plain
    characters, as this program writes them and can do no harm; any others would begin or end code where they like.
    """
    line = clamp(" ".join(text.split()), limit)
    if code == "":  # first: without them, what they stood between may be a call
        line = _CODE.sub(lambda found: found.group()[1:-1], line)
    line = _CALLS.sub(f"@{_WORD_JOINER}", line)
    if unlink:
        line = _SCHEME.sub(f":{_WORD_JOINER}", line)
    pieces = [_ESCAPES.get(character, character) for character in line]
    if code:
        for found in _CODE.finditer(line):
            pieces[found.start()] = pieces[found.end() - 1] = code
    if sum(map(width, pieces)) <= limit:
        return "".join(pieces)
    kept, room = [], limit - 1
    for piece in pieces:
        room -= width(piece)
        if room < 0:
            break
        kept.append(piece)
    if code and kept.count(code) % 2:
        kept[len(kept) - 1 - kept[::-1].index(code)] = _ESCAPES[code]
    return "".join(kept).rstrip() + "…"


def local_time(instant: Instant) -> str:
    """A moment in the reader's own time zone, with UTC for clients that cannot.

    https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    """
    if not is_a_moment(instant):
        return utc(instant)
    return f"<!date^{int(instant)}^{{date_short_pretty}} {{time}}|{utc(instant)}>"


def link(url: str, label: str) -> str | None:
    """A link of our own making; None where the URL is none, or would not fit."""
    if not url.startswith(("https://", "http://")):
        return None
    safe = quote(url, safe=":/?#[]@!$'()*+,;=%~-._").replace("&", "&amp;")
    return f"<{safe}|{label}>" if width(safe) <= _LONGEST_URL else None


def fit(lines: Iterable[str], limit: int) -> str:
    """As many whole lines as there is room for, and how many are left out; a line is never cut, so no markup is."""
    wanted = [line for line in lines if line]
    for kept in range(len(wanted), 0, -1):
        left_out = len(wanted) - kept
        shown = [*wanted[:kept], f"… and {left_out} more"] if left_out else wanted
        text = "\n".join(shown)
        if width(text) <= limit:
            return text
    return ""


def markup(redact: Callable[[str], str]) -> Style:
    """For text objects that are `verbatim`."""
    return Style(
        foreign=lambda text, limit: escape(redact(text), limit),
        mixed=lambda text, limit: escape(redact(text), limit, code="`"),
        when=local_time,
        code=lambda text: f"`{text}`",
        bold=lambda text: f"*{text}*",
    )


def plain(redact: Callable[[str], str]) -> Style:
    """For the `text` of a message, which notifications show and screen readers read: no markup, and no link that is not ours."""
    return Style(
        foreign=lambda text, limit: escape(redact(text), limit, unlink=True),
        mixed=lambda text, limit: escape(redact(text), limit, unlink=True, code=""),
        when=utc,
        code=str,
        bold=str,
    )
