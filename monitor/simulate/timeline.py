"""A timeline as it is written, read strictly: what nobody knows, and what makes no sense, is refused with its line."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath
from typing import TypeVar

from monitor.core.model import CheckName, Fault, Instant, Seconds, TargetName
from monitor.settings.document import Items, Layer, Node, Origin, Text, Tree, read_document
from monitor.settings.load import read_file
from monitor.settings.problem import ConfigError, KeyPath, Problem, unknown_name
from monitor.settings.target import target_name
from monitor.settings.values import format_duration, parse_duration
from monitor.simulate.slack import TROUBLES
from monitor.simulate.world import FATES, OUTAGES, parse_finding, pick

START: Instant = 1_800_000_000.0
"""2027-01-15 08:00 UTC: when a timeline begins unless it says so, so that it reads the same each time."""

WARM_UP: Seconds = 900.0
"""How long everything has been well before a timeline begins: every check has passed, every route is proven."""

AFTERWARDS: Seconds = 1800.0
LONGEST: Seconds = 7 * 86_400.0
MOST_STEPS = 1000
MOST_TARGETS = 10
MOST_ALL_TOLD: Seconds = 14 * 86_400.0
_DOWN: Seconds = 10.0

_CHECKS = tuple(map(str, (CheckName.CONFIG, CheckName.GATEWAY, CheckName.CANARY, CheckName.CONTROL)))
_SPANS = ("outage", "slack", "silence", *_CHECKS, "arrival")
_MOMENTS = ("restart", "ack", "reload", "remove")
_VERBS = (*_SPANS, *_MOMENTS)
_BESIDES = {"delay": ("outage",), "down": ("restart",), "looks": _CHECKS}
_KEYS_OF_ENTRY = ("at", "from", "to", "for", "repeat", "target", *_VERBS, *_BESIDES)
_KEYS = ("start", "warm_up", "until", "targets", "settings", "timeline")
_TRIED = ("alerting", "defaults", "silences", "targets")
_TRIED_OF_A_TARGET = ("alerting", "checks", "labels")
ENDINGS = {
    "stopped": "the daemon is stopped",
    "killed": "the daemon is killed",
    "killed_after_sending": "the daemon is to be killed after its next message, before that is written down",
}

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens, or (`ends`) that ends. `target` is a pattern, `words` says it to people, `place` is its line.

    `what` goes with the verb: the name of an outage, what a check finds, who acknowledges. `seconds` is how long the daemon is
    down, how long a silence lasts, or by how much traces are late.
    """

    at: Seconds
    verb: str
    what: str = ""
    ends: bool = False
    words: str = ""
    target: str = "*"
    place: str = ""
    seconds: Seconds | None = None
    looks: int | None = None
    fault: Fault | None = None  # of a silence
    comment: str = ""
    author: str = ""
    settings: Node | None = None  # of a reload


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A whole story; offsets are seconds from its start. `targets` empty: those of the configuration, or one called `prod`."""

    start: Instant
    warm_up: Seconds
    until: Seconds
    targets: tuple[TargetName, ...]
    settings: Node | None
    steps: tuple[Step, ...]


def read_timeline(file: FilePath, name: str) -> Timeline:
    """The timeline in a file, which stands as `name` in complaints. Raises ConfigError."""
    return parse_timeline(read_file(file), name)


def parse_timeline(text: str, name: str) -> Timeline:
    """The timeline in a text. Raises ConfigError with everything that is wrong with it."""
    tree = read_document(text, lambda line: Origin(layer=Layer.FILE, place=f"{name}:{line}"))
    problems: list[Problem] = []
    empty = Tree(entries={}, origin=Origin(layer=Layer.FILE, place=f"{name}:1"))
    timeline = _read(_Keys(tree if tree is not None else empty, (), problems, _KEYS))
    if problems:
        raise ConfigError(problems)
    return timeline


class _Keys:
    """A mapping that somebody wrote, read key by key; whatever is wrong is collected in `problems`, with its line."""

    def __init__(self, given: Node, path: KeyPath, problems: list[Problem], known: Iterable[str]) -> None:
        self.given, self.path, self.problems = given, path, problems
        self.entries = given.entries if isinstance(given, Tree) else {}
        names = tuple(known)
        foreign = [key for key in self.entries if key not in names]
        if not isinstance(given, Tree):
            self.refuse("a mapping belongs here")
        for key in foreign:
            self.refuse(unknown_name(key, names), key)
        self.sound = isinstance(given, Tree) and not foreign

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def refuse(self, what: str, key: str | None = None) -> None:
        """Say what is wrong with a key, or with all of it."""
        origin = self.entries[key].origin if key in self.entries else self.given.origin
        path = self.path if key is None else (*self.path, key)
        self.problems.append(Problem(place=origin.place, path=path, what=what))

    def read(self, key: str, convert: Callable[[str], T]) -> T | None:
        """The value of a key; None if it is not there, or makes no sense, which is said."""
        given = self.entries.get(key)
        if given is None:
            return None
        if not isinstance(given, Text) or given.null:
            self.refuse("a single value belongs here", key)
            return None
        try:
            return convert(given.text.strip())
        except ValueError as error:
            self.refuse(str(error), key)
            return None

    def items(self, key: str) -> tuple[Node, ...]:
        """The items of a list; a single value counts as a list of one, and nothing as an empty list."""
        given = self.entries.get(key)
        if given is None or (isinstance(given, Text) and given.null):
            return ()
        return given.items if isinstance(given, Items) else (given,)

    def below(self, key: str, known: Iterable[str], place: int | None = None, given: Node | None = None) -> "_Keys":
        """A mapping inside: that of a key, or the one at a place in its list."""
        path = (*self.path, key) if place is None else (*self.path, key, place)
        return _Keys(given if given is not None else self.entries[key], path, self.problems, known)


# --- the whole -------------------------------------------------------------------------------------------------------


def _read(top: _Keys) -> Timeline:  # noqa: C901 - key by key
    start = top.read("start", _instant) or START
    warm_up = top.read("warm_up", parse_duration) if "warm_up" in top else WARM_UP
    targets: list[TargetName] = []
    for given in top.items("targets"):
        try:
            targets.append(TargetName(target_name(given.text if isinstance(given, Text) else "")))
        except ValueError as error:
            top.refuse(str(error), "targets")
    if len(targets) > MOST_TARGETS:
        top.refuse(f"are {len(targets)} targets; allowed: {MOST_TARGETS}", "targets")
    if "settings" in top:
        _check_settings(top, "settings")
    if "timeline" not in top and top.sound:
        top.refuse("`timeline` is missing: the list of what happens")
    steps: list[Step] = []
    for place, given in enumerate(top.items("timeline")):
        steps += _read_entry(top.below("timeline", _KEYS_OF_ENTRY, place, given), lambda text: _offset(text, start))
        if len(steps) > MOST_STEPS:
            top.refuse(f"lets more than {MOST_STEPS} things happen, which nobody would read", "timeline")
            break
    last = max((step.at for step in steps), default=0.0)
    until = top.read("until", lambda text: _offset(text, start)) if "until" in top else last + AFTERWARDS
    until = last if until is None else until
    if until < last:
        top.refuse("ends before the last thing happens", "until")
    if max(until, last) > LONGEST:
        top.refuse("a timeline may last 7 days at most", "until" if "until" in top else "timeline")
    elif ((warm_up or 0.0) + until) * max(1, len(targets)) > MOST_ALL_TOLD:
        top.refuse("lasts too long for so many targets; allowed: 14 days, those of all targets added up")
    return Timeline(
        start=start,
        warm_up=warm_up or 0.0,
        until=until,
        targets=tuple(dict.fromkeys(targets)),
        settings=top.entries.get("settings"),
        steps=tuple(sorted(steps, key=lambda step: step.at)),
    )


def _check_settings(within: _Keys, key: str) -> None:
    """Only what is judged and told by may be tried; the world around it is the simulation's own."""
    tried = within.below(key, _TRIED)
    if "defaults" in tried:
        tried.below("defaults", _TRIED_OF_A_TARGET)
    targets = tried.entries.get("targets")
    for name, target in targets.entries.items() if isinstance(targets, Tree) else ():
        _Keys(target, (*tried.path, "targets", name), tried.problems, _TRIED_OF_A_TARGET)


def _instant(text: str) -> Instant:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _LATEST
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not datetime(1971, 1, 1, tzinfo=UTC) < moment < _LATEST:
        raise ValueError("is not a moment; allowed: 2027-01-15T08:00:00Z, or with an offset such as +01:00")
    return moment.timestamp()


def _offset(text: str, start: Instant) -> Seconds:
    """A length of time since the start, or a time of day (UTC): the next one after it."""
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        try:
            return parse_duration(text.removeprefix("+"))
        except ValueError:
            raise ValueError("is not a moment; allowed: 14m, 1h30m, or a time of day (UTC) such as 08:14") from None
    began = datetime.fromtimestamp(start, UTC)
    hour, minute, second = (int(part or 0) for part in clock.groups())
    moment = began.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return (moment if moment >= began else moment + timedelta(days=1)).timestamp() - start


# --- one entry -------------------------------------------------------------------------------------------------------


def _read_entry(entry: _Keys, moment: Callable[[str], Seconds]) -> list[Step]:
    """What an entry lets happen, its repetitions included; nothing of it where something is wrong, which is said."""
    if "reload" in entry:
        _check_settings(entry, "reload")
    verbs = [verb for verb in _VERBS if verb in entry]
    if len(verbs) != 1:
        found = f"{' and '.join(verbs)} stand in one entry" if verbs else "nothing happens in this entry"
        if verbs or entry.sound:
            entry.refuse(f"{found}; exactly one is needed of: {', '.join(_VERBS)}")
        return []
    (verb,) = verbs
    before = len(entry.problems)
    for key, allowed in _BESIDES.items():
        if key in entry and verb not in allowed:
            entry.refuse(f"does not go with `{verb}`; allowed beside: {', '.join(allowed)}", key)
    if verb in ("slack", "restart", "reload", "remove") and "target" in entry:
        entry.refuse(f"does not go with `{verb}`", "target")
    begin, end = _read_when(entry, verb, moment)
    step = _read_what(entry, verb)
    target = entry.read("remove" if verb == "remove" else "target", _pattern) or "*"
    if len(entry.problems) > before:
        return []
    step = replace(step, at=begin, target=target, place=entry.given.origin.place)
    if verb == "silence" and end is not None:
        by = f"{step.author} silences" if step.author else "somebody silences"
        words = f"{by} {step.fault or 'everything'} for {format_duration(end - begin)}"
        return _repeat(entry, [replace(step, seconds=end - begin, words=words)], end - begin)
    steps = [step]
    if end is not None:
        over = {"outage": f"{step.what} ends", "slack": f"Slack: {step.what} ends", "arrival": "arrival: arrived"}
        steps.append(replace(step, at=end, ends=True, words=over.get(verb, f"{verb}: pass")))
    return _repeat(entry, steps, None if end is None else end - begin)


def _read_when(entry: _Keys, verb: str, moment: Callable[[str], Seconds]) -> tuple[Seconds, Seconds | None]:
    """When it begins and ends; what is wrong is said, one thing at a time."""
    spans = [key for key in ("from", "to", "for") if key in entry]
    if verb in _MOMENTS and spans:
        entry.refuse(f"`{verb}` happens in a moment; give `at` alone", spans[0])
        return 0.0, None
    if ("at" in entry) == ("from" in entry):
        entry.refuse("when? exactly one of `at` and `from` is needed")
        return 0.0, None
    if "to" in entry and "for" in entry:
        entry.refuse("is given beside `to`; one of the two is allowed", "for")
        return 0.0, None
    begin = entry.read("at" if "at" in entry else "from", moment) or 0.0
    length = entry.read("for", parse_duration)
    end = begin + length if length is not None else entry.read("to", moment)
    if end is not None and end <= begin:
        entry.refuse("ends before it begins", "to" if "to" in entry else "for")
    elif verb == "silence" and end is None:
        entry.refuse("a silence needs an end: give `to` or `for`", "silence")
    return begin, end


def _repeat(entry: _Keys, steps: list[Step], length: Seconds | None) -> list[Step]:
    if "repeat" not in entry:
        return steps
    again = entry.below("repeat", ("every", "times"))
    every, times = again.read("every", parse_duration), again.read("times", _count)
    if not every or times is None:
        again.refuse("needs `every` (how much later each begins) and `times` (how often in all)")
        return []
    if length is not None and every < length:
        again.refuse("begins again before it has ended", "every")
        return []
    return [replace(step, at=step.at + number * every) for number in range(times) for step in steps]


def _read_what(entry: _Keys, verb: str) -> Step:
    """What happens, in words; its moment is not known here."""
    step = Step(at=0.0, verb=verb)
    match verb:
        case "outage":
            what = entry.read(verb, lambda word: pick(word, OUTAGES, "something that can break")) or ""
            delay = entry.read("delay", parse_duration)
            return replace(step, what=what, seconds=delay, words=f"{what} begins")
        case "slack":
            what = entry.read(verb, lambda word: pick(word, tuple(TROUBLES), "a trouble of Slack")) or ""
            return replace(step, what=what, words=f"Slack: {what} begins")
        case "arrival":
            what = entry.read(verb, lambda word: pick(word, tuple(FATES), "what may become of a trace")) or ""
            return replace(step, what=what, words=f"arrival: {what}")
        case "silence":
            inner = entry.below("silence", ("fault", "comment", "author"))
            fault = inner.read("fault", lambda word: Fault(pick(word, tuple(map(str, Fault)), "a fault")))
            comment, author = inner.read("comment", _simple) or "", inner.read("author", _simple) or ""
            return replace(step, fault=fault, comment=comment, author=author)
        case "restart":
            what = entry.read(verb, lambda word: pick(word, tuple(ENDINGS), "a way to end")) or "killed"
            down = entry.read("down", parse_duration) if "down" in entry else _DOWN
            words = f"{ENDINGS[what]}, and started again {format_duration(down or 0.0)} later"
            return replace(step, what=what, seconds=down, words=words)
        case "ack":
            what = entry.read(verb, _simple) or ""
            return replace(step, what=what, words=f"{what} acknowledges what is open")
        case "reload":
            return replace(step, settings=entry.entries[verb], words="other settings are loaded")
        case "remove":
            return replace(step, words="taken out of the configuration")
    what = entry.read(verb, lambda words: parse_finding(CheckName(verb), words)[0]) or ""
    looks = entry.read("looks", _count)
    often = f", {looks} look{'s' if looks > 1 else ''} long" if looks is not None else ""
    return replace(step, what=what, looks=looks, words=f"{verb}: {what}{often}")


def _simple(text: str) -> str:
    if re.fullmatch(r"[^\x00-\x1f\x7f]{1,80}", text) is None:
        raise ValueError("is not a text of one line; allowed: up to 80 characters")
    return text


def _pattern(text: str) -> str:
    if re.fullmatch(r"[a-z0-9*?\[\]!-]{1,80}", text) is None:
        raise ValueError("is not the name of a target; allowed: a name, or a pattern such as prod-*")
    return text


def _count(text: str) -> int:
    if re.fullmatch(r"[1-9][0-9]{0,3}", text) is None:
        raise ValueError("is not a number of times; allowed: 1 to 9999")
    return int(text)
