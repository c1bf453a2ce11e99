"""Moments as the services write them."""

from datetime import UTC, datetime

from monitor.core.model import Instant


def iso(moment: Instant) -> str:
    """ISO 8601 in UTC with milliseconds and Z."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_of_ns(nanoseconds: int) -> str:
    """The same of Unix nanoseconds."""
    return iso(nanoseconds / 1e9)
