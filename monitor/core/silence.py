"""Silences mute notifications, never checks. They match the name of the incident; weekly ones know their time zone."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from monitor.core.incident import Incident
from monitor.core.model import Fault, Instant, TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly:
    """A window that comes back every week: weekdays (0 Monday), local start and end (past midnight if end <= start)."""

    days: frozenset[int]
    start: time
    end: time
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One silence: `target` is a glob, `fault` None means any; either from/to or weekly."""

    id: str
    target: str = "*"
    fault: Fault | None = None
    begins_at: Instant | None = None
    ends_at: Instant | None = None
    weekly: Weekly | None = None
    comment: str = ""
    author: str = ""


def silenced_until(silences: tuple[Silence, ...], target: TargetName, fault: Fault, now: Instant) -> Instant | None:
    """Until when an incident of this name is silenced; None if it is not."""
    ends = [
        end
        for silence in silences
        if _matches(silence, target, fault) and (end := active_until(silence, now)) is not None
    ]
    return max(ends, default=None)


def silenced_now(
    silences: tuple[Silence, ...], target: TargetName, incident: Incident | None, now: Instant
) -> Instant | None:
    """Until when the open incident of a target is silenced or, where none is open, one of any name would be; None if not."""
    names = Fault if incident is None else (incident.diagnosis.fault,)
    ends = (silenced_until(silences, target, fault, now) for fault in names)
    return max((end for end in ends if end is not None), default=None)


def silenced_throughout(
    silences: tuple[Silence, ...], target: TargetName, names: Collection[Fault], *, since: Instant, until: Instant
) -> Instant | None:
    """The end of one silence that lasted all the while and covers every name that was borne; None if there was none.

    What opened and was resolved inside one silence is history; what was ever outside of it may have been delivered already, even if
    the answer was lost, so that its resolve must be delivered.
    """
    ends = [
        end
        for silence in silences
        if all(_matches(silence, target, fault) for fault in names)
        and (end := active_until(silence, until)) is not None
        and end == active_until(silence, since)
    ]
    return max(ends, default=None)


def _matches(silence: Silence, target: TargetName, fault: Fault) -> bool:
    return fnmatchcase(target, silence.target) and silence.fault in (None, fault)


def active_until(silence: Silence, now: Instant) -> Instant | None:
    """Until when a silence mutes whatever it matches; None if it does not now."""
    if silence.weekly is not None:
        return _weekly_until(silence.weekly, now)
    begins = silence.begins_at if silence.begins_at is not None else float("-inf")
    ends = silence.ends_at if silence.ends_at is not None else float("inf")
    return ends if begins <= now < ends else None


def _weekly_until(weekly: Weekly, now: Instant) -> Instant | None:
    zone = zone_of(weekly.zone)
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):  # a window that began yesterday may last past midnight
        if day.weekday() not in weekly.days:
            continue
        last_day = day + timedelta(days=1) if weekly.end <= weekly.start else day
        start = datetime.combine(day, weekly.start, zone)
        end = datetime.combine(last_day, weekly.end, zone)
        if start.timestamp() <= now < end.timestamp():
            return end.timestamp()
    return None


def zone_of(name: str) -> tzinfo:
    """The time zone of a name that `zone_problem` has nothing against; UTC also without a time-zone database."""
    return UTC if name == "UTC" else ZoneInfo(name)


def zone_problem(name: str, known: Callable[[], Collection[str]] = available_timezones) -> str | None:
    """Why this is not the name of a time zone; `known` are those of the system."""
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if not known():
            return "cannot be looked up: this system has no time-zone database (tzdata); only UTC is known"
        return "is not a time zone; allowed: names such as Europe/Berlin or UTC"
    return None
