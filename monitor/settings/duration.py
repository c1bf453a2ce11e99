"""Lengths of time as operators write them: `30s`, `5m`, `1h30m`, `30d`, or a number of seconds."""

import math
import re

from pydantic_core import PydanticCustomError

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|[dhms])\s*")
_LONGEST = 3650 * 86400.0

ALLOWED = "allowed: 30s, 5m, 1h30m, 30d, or seconds"
PATTERN = r"^[0-9.]+(ms|[dhms])?([0-9.]+(ms|[dhms]))*$"
"""For the JSON Schema; the parser is stricter."""


def parse_duration(given: object) -> float:
    """Seconds. Raises PydanticCustomError."""
    seconds = _seconds(given)
    if seconds is None or not math.isfinite(seconds):
        raise PydanticCustomError("duration", f"is not a duration; {ALLOWED}")
    if seconds > _LONGEST:
        raise PydanticCustomError("duration", "is longer than ten years; shorter is allowed")
    return seconds


def _seconds(given: object) -> float | None:
    if not isinstance(given, str):
        return None
    text = given.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text)
    units = [unit for _, unit in parts]
    if not parts or _PART.sub("", text) or len(set(units)) != len(units):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def format_duration(seconds: float) -> str:
    """The shortest exact way to write it: 90.0 is `1m30s`, 0.25 is `0.25s`."""
    whole, rest = divmod(seconds, 60)
    parts = []
    for unit, size in (("d", 1440), ("h", 60), ("m", 1)):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count:.0f}{unit}")
    if rest or not parts:
        parts.append(f"{round(rest, 6):.15g}s")
    return "".join(parts)
