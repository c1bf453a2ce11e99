"""Moments and lengths of time in words."""

from datetime import UTC, datetime

from monitor.core.model import Instant, Seconds

_MINUTE = 60


def moment_text(moment: Instant) -> str:
    """Day, hours and minutes, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def rfc3339(moment: Instant) -> str:
    """As scripts and browsers read it, UTC: https://www.rfc-editor.org/rfc/rfc3339."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def changed_text(at: Instant | None, by: str | None) -> str | None:
    """Who changed something last, and when, as far as either is known."""
    who = f" by {by}" if by else ""
    when = f" at {moment_text(at)}" if at is not None else ""
    return f"last changed{who}{when}" if who or when else None


def length_text(seconds: Seconds) -> str:
    """A deadline as people configure it."""
    return f"{seconds / _MINUTE:g} min" if seconds >= _MINUTE and not seconds % _MINUTE else f"{seconds:g} s"
