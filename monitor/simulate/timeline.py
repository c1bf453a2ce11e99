"""A timeline as it is written, read strictly: what nobody knows, and what makes no sense, is refused with its line."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from monitor.core.model import CheckName, Fault, Instant, Seconds, TargetName
from monitor.core.text import count_text
from monitor.settings.document import Items, Layer, Node, Origin, Text, Tree, read_document
from monitor.settings.load import read_file
from monitor.settings.problem import ConfigError, KeyPath, Problem, unknown_name
from monitor.settings.target import target_name
from monitor.settings.values import Duration, Interval, Section, format_duration, parse_duration, refusal
from monitor.simulate.effects import CHECKS, OUTAGES, TRACE_OUTCOMES, parse_finding, pick
from monitor.simulate.slack import TROUBLES

START: Instant = 1_800_000_000.0
"""2027-01-15 08:00 UTC: when a timeline begins unless it says so, so that it reads the same each time."""

AFTERWARDS: Seconds = 1800.0
LONGEST: Seconds = 7 * 86_400.0
MOST_STEPS = 1000
MOST_TARGETS = 10
LONGEST_IN_TOTAL: Seconds = 14 * 86_400.0

_SPANS = ("outage", "slack", "silence", *CHECKS, "arrival")
_MOMENTS = ("restart", "ack", "reload", "remove")
_VERBS = (*_SPANS, *_MOMENTS)
_BESIDES = {"delay": ("outage",), "down": ("restart",), "looks": CHECKS}
_WITHOUT_TARGET = ("slack", "restart", "reload", "remove")
ENDINGS = {
    "stopped": "the daemon is stopped",
    "killed": "the daemon is killed",
    "killed_after_sending": "the daemon is to be killed after its next message, before that is written down",
}
_WORDS = {
    "outage": ("{what} begins", "{what} ends"),
    "slack": ("Slack: {what} begins", "Slack: {what} ends"),
    "arrival": ("arrival: {what}", "arrival: arrived"),
    "ack": ("{what} acknowledges what is open", ""),
    "reload": ("other settings are loaded", ""),
    "remove": ("taken out of the configuration", ""),
}
"""What a step says to people when it begins and when it ends, where no more is to be said."""

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


# --- values ----------------------------------------------------------------------------------------------------------


def _instant(text: object) -> Instant:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        moment = _LATEST
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not datetime(1971, 1, 1, tzinfo=UTC) < moment < _LATEST:
        raise refusal("is not a moment; allowed: 2027-01-15T08:00:00Z, or with an offset such as +01:00")
    return moment.timestamp()


def _offset(text: str, start: Instant = START) -> Seconds:
    """A length of time since the start, or a time of day (UTC): the next one after it."""
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        try:
            return parse_duration(text.removeprefix("+"))
        except ValueError:
            raise refusal("is not a moment; allowed: 14m, 1h30m, or a time of day (UTC) such as 08:14") from None
    began = datetime.fromtimestamp(start, UTC)
    hour, minute, second = (int(part or 0) for part in clock.groups())
    moment = began.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return (moment if moment >= began else moment + timedelta(days=1)).timestamp() - start


def _names(given: tuple[str, ...]) -> tuple[str, ...]:
    if len(given) > MOST_TARGETS:
        raise refusal(f"are {len(given)} targets; allowed: {MOST_TARGETS}")
    return tuple(dict.fromkeys(map(target_name, given)))


def _as_list(given: Any) -> Any:  # noqa: ANN401 - anything that YAML can say
    return given if isinstance(given, list) else [] if given is None else [given]


def _valid(check: Callable[[str], object]) -> AfterValidator:
    """A text of which a check that raises has nothing to say."""

    def validate(text: str) -> str:
        check(text)
        return text

    return AfterValidator(validate)


def _one_of(known: Iterable[str], what: str) -> AfterValidator:
    words = tuple(known)
    return _valid(lambda word: pick(word, words, what))


def _finding(check: CheckName) -> AfterValidator:
    return _valid(lambda words: parse_finding(check, words))


Moment = Annotated[str, _valid(_offset)]
Count = Annotated[int, Field(ge=1, le=9999)]
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,80}$")]
Pattern = Annotated[str, Field(pattern=r"^[a-z0-9*?\[\]!-]{1,80}$")]


# --- what may be written ---------------------------------------------------------------------------------------------


class TriedOfATarget(Section):
    """The settings of a target that may be tried."""

    alerting: Any = None
    checks: Any = None
    labels: Any = None


class Tried(Section):
    """Only what judges and notifies may be tried; the world around it is the simulation's own."""

    alerting: Any = None
    defaults: TriedOfATarget = TriedOfATarget()
    silences: Any = None
    targets: Mapping[str, TriedOfATarget] = {}


class Repeat(Section):
    """How much later each begins, and how often in all."""

    every: Interval
    times: Count


class AddedSilence(Section):
    """A silence that somebody adds; `fault` empty: about every fault."""

    fault: Annotated[str, _one_of(map(str, Fault), "a fault")] = ""
    comment: Line = ""
    author: Line = ""


class Entry(Section):
    """An entry of a timeline: when, at which target, and one thing that happens."""

    at: Moment = ""
    begin: Moment = Field("", alias="from")
    to: Moment = ""
    length: Duration | None = Field(None, alias="for")
    repeat: Repeat | None = None
    target: Pattern = "*"
    outage: Annotated[str, _one_of(OUTAGES, "something that can break")] = ""
    slack: Annotated[str, _one_of(TROUBLES, "a trouble of Slack")] = ""
    silence: AddedSilence = AddedSilence()
    config: Annotated[str, _finding(CheckName.CONFIG)] = ""
    gateway: Annotated[str, _finding(CheckName.GATEWAY)] = ""
    canary: Annotated[str, _finding(CheckName.CANARY)] = ""
    control: Annotated[str, _finding(CheckName.CONTROL)] = ""
    arrival: Annotated[str, _one_of(TRACE_OUTCOMES, "what may become of a trace")] = ""
    restart: Annotated[str, _one_of(ENDINGS, "a way to end")] = ""
    ack: Line = ""
    reload: Tried = Tried()
    remove: Pattern = ""
    delay: Duration | None = None
    down: Duration = 10.0
    looks: Count | None = None

    @property
    def verb(self) -> str:
        """What kind of thing happens."""
        return next(verb for verb in _VERBS if verb in self.model_fields_set)

    @model_validator(mode="after")
    def _makes_sense(self) -> "Entry":
        given = {"from" if key == "begin" else "for" if key == "length" else key for key in self.model_fields_set}
        verbs = [verb for verb in _VERBS if verb in given]
        if len(verbs) != 1:
            found = f"{' and '.join(verbs)} are in one entry" if verbs else "nothing happens in this entry"
            raise refusal(f"{found}; exactly one is needed of: {', '.join(_VERBS)}")
        (verb,) = verbs
        for key, beside in _BESIDES.items():
            if key in given and verb not in beside:
                raise _wrong(key, f"does not go with `{verb}`; allowed beside: {', '.join(beside)}")
        if verb in _WITHOUT_TARGET and "target" in given:
            raise _wrong("target", f"does not go with `{verb}`")
        spans = [key for key in ("from", "to", "for") if key in given]
        if verb in _MOMENTS and spans:
            raise _wrong(spans[0], f"`{verb}` happens in a moment; give `at` alone")
        if ("at" in given) == ("from" in given):
            raise refusal("when? exactly one of `at` and `from` is needed")
        if "to" in given and "for" in given:
            raise _wrong("for", "is given beside `to`; one of the two is allowed")
        if verb == "silence" and not given & {"to", "for"}:
            raise _wrong("silence", "a silence needs an end: give `to` or `for`")
        return self


class Written(Section):
    """A timeline."""

    start: Annotated[float, BeforeValidator(_instant)] = START
    warm_up: Duration = (
        900.0  # how long everything has been healthy before: every check has passed, every route is proven
    )
    until: Moment = ""
    targets: Annotated[tuple[str, ...], BeforeValidator(_as_list), AfterValidator(_names)] = ()
    settings: Tried = Tried()
    timeline: Annotated[tuple[Entry, ...], BeforeValidator(_as_list)]


def _wrong(key: str, what: str) -> PydanticCustomError:
    """A complaint about one key of a mapping."""
    return PydanticCustomError("refused", "{what}", {"what": what, "key": key})


# --- what it means ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens, or (`ends`) that ends: of `entry`, at a moment; `words` says it to people, `place` is its line."""

    at: Seconds
    entry: Entry
    words: str
    place: str
    ends: bool = False
    length: Seconds = 0.0  # of a silence
    settings: Node | None = None  # of a reload

    @property
    def what(self) -> str:
        """What goes with the verb: the name of an outage, what a check finds, who acknowledges."""
        return str(getattr(self.entry, self.entry.verb))

    @property
    def target(self) -> str:
        """The pattern of the targets that it concerns."""
        return self.entry.remove or self.entry.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A whole timeline; offsets are seconds from its start. `targets` empty: those of the configuration, or one called `prod`."""

    start: Instant
    warm_up: Seconds
    until: Seconds
    targets: tuple[TargetName, ...]
    settings: Node | None
    steps: tuple[Step, ...]


def read_timeline(file: FilePath, name: str) -> Timeline:
    """The timeline in a file, which is called `name` in complaints. Raises ConfigError."""
    return parse_timeline(read_file(file), name)


def parse_timeline(text: str, name: str) -> Timeline:
    """The timeline in a text. Raises ConfigError with everything that is wrong with it."""
    origin = Origin(layer=Layer.FILE, place=f"{name}:1")
    tree = read_document(text, lambda line: replace(origin, place=f"{name}:{line}")) or Tree(entries={}, origin=origin)
    try:
        written = Written.model_validate(_plain(tree))
    except ValidationError as error:
        problems = [_problem(details, tree) for details in error.errors(include_url=False)]
        raise ConfigError(sorted(problems, key=lambda each: int(each.place.rpartition(":")[2]))) from None

    def refuse(what: str, *path: str | int) -> ConfigError:
        return ConfigError([Problem(place=_at(tree, path).origin.place, path=path, what=what)])

    steps: list[Step] = []
    for number, entry in enumerate(written.timeline):
        steps += _steps(entry, written.start, _at(tree, ("timeline", number)), number, refuse)
        if len(steps) > MOST_STEPS:
            raise refuse(f"lets more than {MOST_STEPS} things happen, which nobody would read", "timeline")
    last = max((step.at for step in steps), default=0.0)
    until = _offset(written.until, written.start) if written.until else last + AFTERWARDS
    if until < last:
        raise refuse("ends before the last thing happens", "until")
    if until > LONGEST:
        raise refuse("a timeline may last 7 days at most", "until" if written.until else "timeline")
    if (written.warm_up + until) * max(1, len(written.targets)) > LONGEST_IN_TOTAL:
        raise refuse("lasts too long for so many targets; allowed: 14 days, those of all targets added up")
    return Timeline(
        start=written.start,
        warm_up=written.warm_up,
        until=until,
        targets=tuple(map(TargetName, written.targets)),
        settings=_at(tree, ("settings",)) if "settings" in written.model_fields_set else None,
        steps=tuple(sorted(steps, key=lambda step: step.at)),
    )


def _steps(entry: Entry, start: Instant, node: Node, number: int, refuse: Callable[..., ConfigError]) -> list[Step]:
    """What an entry lets happen, its repetitions included."""
    begin = _offset(entry.at or entry.begin, start)
    end = begin + entry.length if entry.length is not None else _offset(entry.to, start) if entry.to else None
    if end is not None and end <= begin:
        raise refuse("ends before it begins", "timeline", number, "to" if entry.to else "for")
    if end is not None and entry.repeat is not None and entry.repeat.every < end - begin:
        raise refuse("begins again before it has ended", "timeline", number, "repeat", "every")
    words, over = _words(entry, 0.0 if end is None else end - begin)
    step = Step(at=begin, entry=entry, words=words, place=node.origin.place)
    steps = [step]
    if entry.verb == "reload":
        steps = [replace(step, settings=_at(node, ("reload",)))]
    elif entry.verb == "silence" and end is not None:
        steps = [replace(step, length=end - begin)]
    elif end is not None:
        steps = [step, replace(step, at=end, ends=True, words=over)]
    every, times = (entry.repeat.every, entry.repeat.times) if entry.repeat is not None else (0.0, 1)
    return [replace(step, at=step.at + again * every) for again in range(times) for step in steps]


def _words(entry: Entry, length: Seconds) -> tuple[str, str]:
    """What happens, and what happens at its end."""
    verb, what = entry.verb, getattr(entry, entry.verb)
    if verb == "silence":
        by = f"{entry.silence.author} silences" if entry.silence.author else "somebody silences"
        return f"{by} {entry.silence.fault or 'everything'} for {format_duration(length)}", ""
    if verb == "restart":
        return f"{ENDINGS[what]}, and started again {format_duration(entry.down)} later", ""
    if verb in _WORDS:
        begins, ends = _WORDS[verb]
        return begins.format(what=what), ends.format(what=what)
    often = f", for {count_text(entry.looks, 'run')}" if entry.looks is not None else ""
    return f"{verb}: {what}{often}", f"{verb}: pass"


# --- from the text to what is validated, and back to its lines --------------------------------------------------------


def _plain(node: Node) -> Any:  # noqa: ANN401 - anything that YAML can say
    if isinstance(node, Text):
        return None if node.null else node.text.strip()
    if isinstance(node, Items):
        return [_plain(each) for each in node.items]
    return {key: _plain(each) for key, each in node.entries.items()}


def _at(node: Node, path: KeyPath) -> Node:
    """What is at a path, or the last thing on the way to it; a single value counts as a list of one."""
    for part in path:
        if isinstance(node, Items) and isinstance(part, int):
            node = node.items[part]
        elif isinstance(node, Tree) and part in node.entries:
            node = node.entries[str(part)]
    return node


_WRITTEN: Mapping[str, type[Section]] = {
    "": Written,
    "timeline": Entry,
    "repeat": Repeat,
    "silence": AddedSilence,
    "settings": Tried,
    "reload": Tried,
}
_SENTENCES = {
    "string_type": "a single value belongs here",
    "model_type": "a mapping belongs here",
    "mapping_type": "a mapping belongs here",
    "missing": "is missing",
} | dict.fromkeys(
    ("int_type", "int_parsing", "greater_than_equal", "less_than_equal"), "is not a number of times; allowed: 1 to 9999"
)
_NO_TARGET = "is not the name of a target; allowed: a name, or a pattern such as prod-*"
_NO_LINE = "is not a text of one line; allowed: up to 80 characters"


def _problem(details: ErrorDetails, tree: Node) -> Problem:
    """A complaint of pydantic as a sentence, with its line."""
    kind, path, context = details["type"], details["loc"], details.get("ctx", {})
    what = _SENTENCES.get(kind, details["msg"])
    if kind == "extra_forbidden":
        within = next((part for part in reversed(path[:-1]) if isinstance(part, str)), "")
        fields = _WRITTEN.get(within, TriedOfATarget).model_fields
        what = unknown_name(str(path[-1]), [field.alias or name for name, field in fields.items()])
    elif kind == "string_pattern_mismatch":
        what = _NO_TARGET if path[-1] in ("target", "remove") else _NO_LINE
    path = (*path, context["key"]) if "key" in context else path
    return Problem(place=_at(tree, path).origin.place, path=path, what=what)
