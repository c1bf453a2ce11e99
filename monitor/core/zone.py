"""Time zones by name. UTC is known everywhere, also where no time-zone database is installed."""

from collections.abc import Callable, Collection
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones


def zone_of(name: str) -> tzinfo:
    """The zone of a name that `zone_problem` has nothing against."""
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
