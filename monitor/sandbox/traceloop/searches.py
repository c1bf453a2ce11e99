"""What somebody wants to see of Traceloop's rows, as far as every search says it alike: window, cursor, limit, order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.core.model import Instant
from monitor.sandbox.traceloop.row_filters import BadFilter, Wanted
from monitor.sandbox.traceloop.rows import Row

_USUAL_ROWS = 50
_MOST_ROWS = 1000

Parameters = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What somebody wants to see; `since` is None where no beginning was given."""

    environment: str
    parameters: Parameters
    wanted: Sequence[Wanted]
    since: int | None
    until: int

    def holds(self, row: Row, now: Instant) -> bool:
        """Whether a row is visible, and in this environment and time window."""
        within = (self.since or 0) <= row.timestamp / 1000 <= self.until
        return within and row.environment == self.environment and row.listed_at <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page begins: after, or before, a moment in milliseconds; 0 is the first page."""

    at: int
    descending: bool

    def follows(self, timestamp: int) -> bool:
        """Whether a row belongs to this page or a later one."""
        return self.at <= 0 or (timestamp < self.at if self.descending else timestamp > self.at)

    def bound(self, since: int, until: int) -> tuple[int, int]:
        """What is left of a window."""
        if self.at <= 0:
            return since, until
        return (since, min(until, self.at - 1)) if self.descending else (max(since, self.at + 1), until)


def read_search(environment: str, parameters: Parameters, wanted: Sequence[Wanted]) -> Search:
    """Read the window. Raises BadFilter."""
    given = parameters.get("from_timestamp_sec") not in (None, "")
    since = _number(parameters, "from_timestamp_sec", 0)
    return Search(
        environment=environment,
        parameters=parameters,
        wanted=wanted,
        since=since if given else None,
        until=_number(parameters, "to_timestamp_sec", 2**40),
    )


def read_cursor(parameters: Parameters, *, ignored: bool) -> Cursor:
    """Read where the page begins, unless that is to be ignored. Raises BadFilter."""
    descending = _descending(parameters)
    at = _number(parameters, "cursor", 0)
    return Cursor(at=0 if ignored else at, descending=descending)


def read_limit(parameters: Parameters) -> int:
    """Read how many rows a page may have. Raises BadFilter."""
    limit = _number(parameters, "limit", _USUAL_ROWS)
    if limit < 1:
        raise BadFilter("limit must be positive")
    return min(limit, _MOST_ROWS)


def _descending(parameters: Parameters) -> bool:
    order = parameters.get("sort_order", "ASC")
    if order not in {"ASC", "DESC"}:
        raise BadFilter("sort_order must be ASC or DESC")
    return order == "DESC"


def _number(parameters: Parameters, name: str, default: int) -> int:
    value = parameters.get(name)
    if value is None or value == "":
        return default
    try:
        return int(str(value))
    except ValueError:
        raise BadFilter(f"{name} must be an integer") from None
