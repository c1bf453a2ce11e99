"""Moments and lengths of time for people, short enough for a table."""

from datetime import UTC, datetime

from monitor.core.model import Instant, Seconds
from monitor.web.html import Html, tag

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def length(seconds: Seconds) -> str:
    """`45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`: two units at most."""
    rest = max(0, round(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        if rest >= size:
            parts.append(f"{rest // size} {unit}")
            rest %= size
    if not parts or (len(parts) == 1 and parts[0].endswith("min") and rest and seconds < 600):  # noqa: PLR2004
        parts.append(f"{rest} s")
    return " ".join(parts[:2])


def ago(at: Instant, now: Instant) -> Html:
    """`12 min ago`, with the moment itself for whoever points at it."""
    text = f"{length(now - at)} ago" if now >= at else f"in {length(at - now)}"
    return tag("time", text, datetime=iso(at), title=clock_time(at))


def since(at: Instant, now: Instant) -> Html:
    """`14:02 UTC (12 min)`; with the date if that is not today's."""
    return tag("time", f"{clock_time(at, now)} ({length(now - at)})", datetime=iso(at))


def clock_time(at: Instant, now: Instant | None = None) -> str:
    """`14:02 UTC` of the day of `now`, else with the date."""
    moment = datetime.fromtimestamp(at, UTC)
    today = now is not None and datetime.fromtimestamp(now, UTC).date() == moment.date()
    return moment.strftime("%H:%M UTC" if today else "%Y-%m-%d %H:%M UTC")


def iso(at: Instant) -> str:
    """For machines."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
