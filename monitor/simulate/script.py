"""A timeline as it is written, read strictly: what nobody knows, and what makes no sense, is refused with its line."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath

from monitor.core.model import Instant, Seconds, TargetName
from monitor.settings.document import Layer, Node, Origin, Text, Tree, read_document
from monitor.settings.load import read_file
from monitor.settings.problem import ConfigError, KeyPath, Problem
from monitor.settings.target import target_name
from monitor.settings.values import parse_duration
from monitor.simulate import entries
from monitor.simulate.sheet import Sheet
from monitor.simulate.timeline import AFTERWARDS, WARM_UP, Step, Timeline

START: Instant = 1_800_000_000.0
"""2027-01-15 08:00 UTC: when a timeline begins unless it says so, so that it reads the same each time it is told."""

LONGEST: Seconds = 7 * 86_400.0
MOST_STEPS = 1000
MOST_TARGETS = 10
MOST_ALL_TOLD: Seconds = 14 * 86_400.0

_KEYS = ("start", "warm_up", "until", "targets", "settings", "timeline")
_TRIED = ("alerting", "defaults", "silences", "targets")
_TRIED_OF_A_TARGET = ("alerting", "checks", "labels")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def read_timeline(file: FilePath, name: str) -> Timeline:
    """The timeline in a file, which stands as `name` in complaints. Raises ConfigError."""
    return parse_timeline(read_file(file), name)


def parse_timeline(text: str, name: str) -> Timeline:
    """The timeline in a text. Raises ConfigError with everything that is wrong with it."""
    top = Origin(layer=Layer.FILE, place=f"{name}:1")
    tree = read_document(text, lambda line: Origin(layer=Layer.FILE, place=f"{name}:{line}"))
    script = _Script(tree if tree is not None else Tree(entries={}, origin=top))
    timeline = script.read()
    if timeline is None:
        raise ConfigError(script.problems)
    return timeline


@dataclass(slots=True)
class _Script:
    """One document."""

    tree: Node
    problems: list[Problem] = field(default_factory=list)

    def read(self) -> Timeline | None:
        """The timeline; None where there are problems."""
        sheet = Sheet(self.tree, (), self.problems, _KEYS)
        start = sheet.read("start", _instant) if sheet.has("start") else START
        start = START if start is None else start
        warm_up = sheet.seconds("warm_up") if sheet.has("warm_up") else WARM_UP
        targets = self._read_targets(sheet)
        self._check_settings(sheet.entries.get("settings"), ("settings",))
        steps = self._read_steps(sheet, start)
        until = self._read_end(sheet, start, steps)
        if warm_up is not None and not self.problems:
            self._refuse_what_takes_too_long(sheet, (warm_up + until) * max(1, len(targets)))
        if warm_up is None or self.problems:
            return None
        return Timeline(
            start=start,
            warm_up=warm_up,
            until=until,
            targets=targets,
            settings=sheet.entries.get("settings"),
            steps=tuple(sorted(steps, key=lambda step: step.at)),
        )

    def _read_targets(self, sheet: Sheet) -> tuple[TargetName, ...]:
        names: list[TargetName] = []
        for given in sheet.items("targets"):
            try:
                names.append(TargetName(target_name(given.text if isinstance(given, Text) else "")))
            except ValueError as error:
                sheet.refuse(str(error), "targets")
        if len(names) > MOST_TARGETS:
            sheet.refuse(f"are {len(names)} targets; allowed: {MOST_TARGETS}", "targets")
        return tuple(dict.fromkeys(names))

    def _check_settings(self, given: Node | None, path: KeyPath) -> None:
        """Only what is judged and told by may be tried; the world around it is the simulation's own."""
        if given is None:
            return
        sheet = Sheet(given, path, self.problems, _TRIED)
        sheet.below("defaults", _TRIED_OF_A_TARGET)
        targets = sheet.entries.get("targets")
        for name, target in targets.entries.items() if isinstance(targets, Tree) else ():
            Sheet(target, (*path, "targets", name), self.problems, _TRIED_OF_A_TARGET)

    def _read_steps(self, sheet: Sheet, start: Instant) -> list[Step]:
        def moment(text: str) -> Seconds:
            return _offset(text, start)

        steps: list[Step] = []
        if not sheet.has("timeline") and sheet.sound:
            sheet.refuse("`timeline` is missing: the list of what happens")
        for place, given in enumerate(sheet.items("timeline")):
            entry = sheet.item("timeline", place, given, entries.KEYS)
            self._check_settings(entry.entries.get("reload"), (*entry.path, "reload"))
            steps += entries.read_entry(entry, moment)
            if len(steps) > MOST_STEPS:
                sheet.refuse(f"lets more than {MOST_STEPS} things happen, which nobody would read", "timeline")
                break
        return steps

    def _read_end(self, sheet: Sheet, start: Instant, steps: list[Step]) -> Seconds:
        last = max((step.at for step in steps), default=0.0)
        until = sheet.read("until", lambda text: _offset(text, start)) if sheet.has("until") else last + AFTERWARDS
        until = last if until is None else until
        if until < last:
            sheet.refuse("ends before the last thing happens", "until")
        if max(until, last) > LONGEST:
            sheet.refuse("a timeline may last 7 days at most", "until" if sheet.has("until") else "timeline")
        return until

    def _refuse_what_takes_too_long(self, sheet: Sheet, all_told: Seconds) -> None:
        if all_told > MOST_ALL_TOLD:
            sheet.refuse("lasts too long for so many targets; allowed: 14 days, those of all targets added up")


def _instant(text: str) -> Instant:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or not datetime(1971, 1, 1, tzinfo=UTC) < _aware(moment) < _LATEST:
        raise ValueError("is not a moment; allowed: 2027-01-15T08:00:00Z, or with an offset such as +01:00")
    return _aware(moment).timestamp()


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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
