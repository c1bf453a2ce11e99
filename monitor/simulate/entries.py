"""One entry of a timeline, read strictly: when, at which target, and the one thing that happens."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from monitor.core.model import CheckName, Fault, Seconds
from monitor.settings.values import format_duration, parse_duration
from monitor.simulate.sheet import Sheet
from monitor.simulate.timeline import (
    Acknowledge,
    Break,
    Deed,
    Doom,
    Ending,
    Hush,
    Mend,
    Reload,
    Remove,
    Restart,
    Say,
    Step,
)
from monitor.simulate.words import ARRIVED, FATES, OUTAGES, finding_of, pick, slack_fault

_DOWN: Seconds = 10.0
_CHECKS = tuple(map(str, (CheckName.CONFIG, CheckName.GATEWAY, CheckName.CANARY, CheckName.CONTROL)))
_SPANS = ("outage", "slack", "silence", *_CHECKS, "arrival")
_MOMENTS = ("restart", "ack", "reload", "remove")
_VERBS = (*_SPANS, *_MOMENTS)
_WHEN = ("at", "from", "to", "for", "repeat")
_BESIDES: Mapping[str, tuple[str, ...]] = {
    "outage": ("delay",),
    "restart": ("down",),
    **dict.fromkeys(_CHECKS, ("looks",)),
}
_NO_TARGET = ("slack", "restart", "reload", "remove")
KEYS = (*_WHEN, "target", *_VERBS, "delay", "down", "looks")

_SIMPLE = re.compile(r"[^\x00-\x1f\x7f]{1,80}")
_PATTERN = re.compile(r"[a-z0-9*?\[\]!-]{1,80}")

Moment = Callable[[str], Seconds]
"""From the words of a moment to its offset. Raises ValueError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    begin: Seconds
    end: Seconds | None


def read_entry(sheet: Sheet, moment: Moment) -> list[Step]:
    """What an entry lets happen, its repetitions included; nothing of it where something is wrong, which is said."""
    verbs = [verb for verb in _VERBS if sheet.has(verb)]
    if not verbs and not sheet.sound:
        return []
    if len(verbs) != 1:
        found = f"{' and '.join(verbs)} stand in one entry" if verbs else "nothing happens in this entry"
        sheet.refuse(f"{found}; exactly one is needed of: {', '.join(_VERBS)}")
        return []
    (verb,) = verbs
    _refuse_what_does_not_belong(sheet, verb)
    span = _read_span(sheet, verb, moment)
    target = _read_target(sheet, verb)
    done = _read_deed(sheet, verb, span) if span is not None else None
    if span is None or done is None or target is None:
        return []
    first, last = done
    place = sheet.given.origin.place
    steps = [replace(first, at=span.begin, target=target, place=place)]
    if last is not None and span.end is not None:
        steps.append(replace(last, at=span.end, target=target, place=place))
    return _repeat(sheet, steps, span)


def _read_target(sheet: Sheet, verb: str) -> str | None:
    key = "remove" if verb == "remove" else "target"
    return sheet.read(key, _pattern) if sheet.has(key) else "*"


def _refuse_what_does_not_belong(sheet: Sheet, verb: str) -> None:
    allowed = _BESIDES.get(verb, ())
    for key in ("delay", "down", "looks"):
        if sheet.has(key) and key not in allowed:
            belongs = [known for known, besides in _BESIDES.items() if key in besides]
            sheet.refuse(f"does not go with `{verb}`; allowed beside: {', '.join(belongs)}", key)
    if verb in _NO_TARGET and sheet.has("target"):
        sheet.refuse(f"does not go with `{verb}`", "target")


# --- when ------------------------------------------------------------------------------------------------------------


def _read_span(sheet: Sheet, verb: str, moment: Moment) -> _Span | None:
    if verb in _MOMENTS:
        for key in ("from", "to", "for"):
            if sheet.has(key):
                sheet.refuse(f"`{verb}` happens in a moment; give `at` alone", key)
                return None
    if sheet.has("at") == sheet.has("from"):
        sheet.refuse("when? exactly one of `at` and `from` is needed")
        return None
    if sheet.has("to") and sheet.has("for"):
        sheet.refuse("is given beside `to`; one of the two is allowed", "for")
        return None
    begin = sheet.read("at" if sheet.has("at") else "from", moment)
    length = sheet.seconds("for")
    end = sheet.read("to", moment) if length is None else None if begin is None else begin + length
    if begin is None or (end is None and (sheet.has("to") or sheet.has("for"))):
        return None
    if end is not None and end <= begin:
        sheet.refuse("ends before it begins", "to" if sheet.has("to") else "for")
        return None
    if verb == "silence" and end is None:
        sheet.refuse("a silence needs an end: give `to` or `for`", "silence")
        return None
    return _Span(begin=begin, end=end)


def _repeat(sheet: Sheet, steps: list[Step], span: _Span) -> list[Step]:
    again = sheet.below("repeat", ("every", "times"))
    if again is None:
        return steps
    every, times = again.read("every", parse_duration), again.read("times", _count)
    if not every or times is None:
        again.refuse("needs `every` (how much later each begins) and `times` (how often in all)")
        return []
    if span.end is not None and every < span.end - span.begin:
        again.refuse("begins again before it has ended", "every")
        return []
    return [replace(step, at=step.at + number * every) for number in range(times) for step in steps]


# --- what ------------------------------------------------------------------------------------------------------------

_Done = tuple[Step, Step | None]
"""What happens at the beginning, and at the end of a span."""


def _read_deed(sheet: Sheet, verb: str, span: _Span | None) -> _Done | None:
    match verb:
        case "outage":
            name = sheet.read(verb, lambda word: pick(word, OUTAGES, "something that can break"))
            delay = sheet.seconds("delay")
            return None if name is None else _broken(name, name, delay)
        case "slack":
            name = sheet.read(verb, slack_fault)
            return None if name is None else _broken(name, f"Slack: {name.removeprefix('slack_')}", None)
        case "arrival":
            return _read_fate(sheet)
        case "silence":
            return _read_silence(sheet, span)
        case "restart":
            return _read_restart(sheet)
        case "ack":
            by = sheet.read(verb, _simple)
            return None if by is None else (_step(Acknowledge(by=by), f"{by} acknowledges what is open"), None)
        case "reload":
            return _step(Reload(settings=sheet.entries[verb]), "other settings are loaded"), None
        case "remove":
            return _step(Remove(), "taken out of the configuration"), None
        case _:
            return _read_finding(sheet, CheckName(verb))


def _step(deed: Deed, words: str) -> Step:
    return Step(at=0.0, deed=deed, words=words)


def _broken(fault: str, words: str, seconds: Seconds | None) -> _Done:
    return _step(Break(fault=fault, seconds=seconds), f"{words} begins"), _step(Mend(fault=fault), f"{words} ends")


def _read_fate(sheet: Sheet) -> _Done | None:
    fate = sheet.read("arrival", lambda given: pick(given, (ARRIVED, *FATES), "what may become of a trace"))
    if fate is None:
        return None
    return _step(Doom(fate=fate), f"arrival: {fate}"), _step(Doom(fate=ARRIVED), f"arrival: {ARRIVED}")


def _read_finding(sheet: Sheet, check: CheckName) -> _Done | None:
    words: list[str] = []

    def find(given: str) -> Say:
        words.append(given)
        return Say(check=check, finding=finding_of(check, given))

    said = sheet.read(check, find)
    looks = sheet.read("looks", _count)
    if said is None or (sheet.has("looks") and looks is None):
        return None
    often = f", {looks} look{'s' if looks > 1 else ''} long" if looks is not None else ""
    first = _step(replace(said, looks=looks), f"{check}: {words[0]}{often}")
    return first, _step(Say(check=check, finding=None), f"{check}: pass")


def _read_silence(sheet: Sheet, span: _Span | None) -> _Done | None:
    inner = sheet.below("silence", ("fault", "comment", "author"))
    if inner is None or span is None or span.end is None:
        return None
    fault = inner.read("fault", lambda word: Fault(pick(word, tuple(map(str, Fault)), "a fault")))
    if inner.has("fault") and fault is None:
        return None
    comment, author = inner.read("comment", _simple) or "", inner.read("author", _simple) or ""
    seconds = span.end - span.begin
    by = f"{author} silences" if author else "somebody silences"
    words = f"{by} {fault or 'everything'} for {format_duration(seconds)}"
    hush = Hush(fault=fault, seconds=seconds, comment=comment, author=author)
    return _step(hush, words), None


def _read_restart(sheet: Sheet) -> _Done | None:
    ending = sheet.read("restart", lambda word: Ending(pick(word, tuple(map(str, Ending)), "a way to end")))
    down = sheet.seconds("down") if sheet.has("down") else _DOWN
    if ending is None or down is None:
        return None
    how = {
        Ending.STOPPED: "the daemon is stopped",
        Ending.KILLED: "the daemon is killed",
        Ending.KILLED_AFTER_SENDING: "the daemon is to be killed after its next message, before that is written down",
    }
    words = f"{how[ending]}, and started again {format_duration(down)} later"
    return _step(Restart(ending=ending, down=down), words), None


def _simple(text: str) -> str:
    if _SIMPLE.fullmatch(text) is None:
        raise ValueError("is not a text of one line; allowed: up to 80 characters")
    return text


def _pattern(text: str) -> str:
    if _PATTERN.fullmatch(text) is None:
        raise ValueError("is not the name of a target; allowed: a name, or a pattern such as prod-*")
    return text


def _count(text: str) -> int:
    if re.fullmatch(r"[1-9][0-9]{0,3}", text) is None:
        raise ValueError("is not a number of times; allowed: 1 to 9999")
    return int(text)
