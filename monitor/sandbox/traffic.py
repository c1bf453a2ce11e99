"""Other people's traces beside ours: how many there are, when they began, and what they are called.

Nothing is stored. Request number k begins k/rate seconds after the epoch, its spans begin one millisecond after the other, and
every id is made of these two numbers; hours of hundreds of requests a second take no more memory than none. It comes from
gateways and services that are not ours, so no fault of ours touches it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from typing import Generic, NamedTuple, TypeVar

MOST_REQUESTS = 2_000
MOST_SPANS = 20
FEWEST_BYTES, MOST_BYTES = 1_000, 1_000_000
ALLOWED = (
    f"requests a second (0 to {MOST_REQUESTS}), or with spans a request (1 to {MOST_SPANS}) and bytes a span"
    f" ({FEWEST_BYTES} to {MOST_BYTES}): 20 or 20x3x8000"
)

_WORDS = re.compile(r"(\d+(?:\.\d+)?)(?:x(\d+))?(?:x(\d+))?")


class Position(NamedTuple):
    """Which span: the number of its request, and its position among that request's spans."""

    request: int
    position: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """How busy others are. `span_bytes`: what a span takes in an answer, about. None by default. Raises ValueError."""

    requests_per_second: float = 0.0
    spans: int = 3
    span_bytes: int = 8_000

    def __post_init__(self) -> None:
        types = (type(self.requests_per_second), type(self.spans), type(self.span_bytes))  # they may come from JSON
        fits = (
            types in {(int, int, int), (float, int, int)}
            and 0 <= self.requests_per_second <= MOST_REQUESTS
            and 1 <= self.spans <= MOST_SPANS
            and FEWEST_BYTES <= self.span_bytes <= MOST_BYTES
        )
        if not fits:
            raise ValueError(f"traffic cannot be {str(self)[:60]!r}; it is {ALLOWED}")

    def __str__(self) -> str:
        return f"{self.requests_per_second}x{self.spans}x{self.span_bytes}"

    def as_json(self) -> dict[str, object]:
        """The form of the control API."""
        return asdict(self)

    def began(self, place: Position) -> int:
        """When a span began, in Unix milliseconds."""
        requests, seconds = _ratio(self.requests_per_second)
        return place.request * 1000 * seconds // requests + place.position

    def requests(self, since: int, until: int, position: int = 0) -> range:
        """The requests whose span at this position began between two Unix milliseconds, both included."""
        if not self.requests_per_second:
            return range(0)
        requests, seconds = _ratio(self.requests_per_second)
        first, last = (max(0, moment - position) * requests for moment in (since, until + 1))
        return range(-(-first // (1000 * seconds)), -(-last // (1000 * seconds)))

    def trace_id(self, root: Position) -> str:
        """The id of the trace that begins with this span; like the gateway's, a UUIDv7 that begins with the time."""
        digits = _digits("trace", root)
        return f"{self.began(root):012x}7{digits[:3]}8{digits[3:18]}"

    def span_id(self, place: Position) -> str:
        """The id of a span."""
        return _digits("span", place)[:16]

    def nonce(self, request: int) -> str:
        """What somebody else's canary has in its metadata."""
        return f"gtm-{_digits('nonce', Position(request, 0))[:16]}"


NO_TRAFFIC = Traffic()

NOT_IN_PHOENIX = (
    "other people's traffic is made for Traceloop only; in Phoenix there are the monitor's own traces alone"
)
"""Why a sandbox with Phoenix has none."""


def parse_traffic(text: str) -> Traffic:
    """Read `20` or `20x3x8000`: requests a second, spans a request, bytes a span. Raises ValueError with what is allowed."""
    words = _WORDS.fullmatch(text.strip())
    if words is None:
        raise ValueError(f"traffic cannot be {text[:60]!r}; it is {ALLOWED}")
    requests, spans, span_bytes = words.groups()
    return Traffic(float(requests), int(spans or NO_TRAFFIC.spans), int(span_bytes or NO_TRAFFIC.span_bytes))


def change_traffic(now: Traffic, body: Mapping[str, object]) -> Traffic:
    """Read the body of the control API; what it does not name stays. Raises ValueError with what is allowed."""
    if set(body) == {"traffic"}:
        return parse_traffic(str(body["traffic"]))
    if not body or not set(body) <= set(now.as_json()):
        raise ValueError(f"a body holds requests_per_second, spans and span_bytes, or traffic: {ALLOWED}")
    return replace(now, **body)  # type: ignore[arg-type]  # looked at when it is made


T = TypeVar("T")
Window = Callable[[int], tuple[int, int]]
"""For a position among the spans of a request: between which Unix milliseconds, both included, a span must have begun."""


class Stream(Generic[T]):
    """The spans of others that a search wants, counted and put in order without being made.

    Spans of one kind differ in their ids and times alone, so whether a search wants them is decided for one sample of each kind (the
    first such span there ever was). So a search by an id or a nonce finds none of theirs: the monitor looks for its own alone.
    """

    def __init__(
        self,
        traffic: Traffic,
        build: Callable[[Position], T],
        *,
        samples: Sequence[Position],
        turns: int,
        wanted: Sequence[Callable[[T], bool]],
    ) -> None:
        """`turns`: after how many requests the kinds come around again."""

        def is_wanted(place: Position) -> bool:
            span = build(place)
            return all(wants(span) for wants in wanted)

        self._traffic = traffic
        self._build = build
        self._turns = turns
        self._kinds = [sample for sample in samples if traffic.requests_per_second and is_wanted(sample)]

    def _requests(self, kind: Position, window: Window) -> range:
        every = self._traffic.requests(*window(kind.position), kind.position)
        return range(every.start + (kind.request - every.start) % self._turns, every.stop, self._turns)

    def count(self, window: Window) -> int:
        """How many there are."""
        return sum(len(self._requests(kind, window)) for kind in self._kinds)

    def walks(self, window: Window, *, descending: bool) -> list[Iterator[tuple[T, Position | None]]]:
        """For each kind its spans in the order of time, each made when its turn comes."""
        return [
            self._walk(kind.position, reversed(requests) if descending else iter(requests))
            for kind in self._kinds
            for requests in [self._requests(kind, window)]
        ]

    def _walk(self, position: int, requests: Iterator[int]) -> Iterator[tuple[T, Position | None]]:
        for request in requests:
            place = Position(request, position)
            yield self._build(place), place


@lru_cache
def _ratio(rate: float) -> tuple[int, int]:
    """So many requests in so many seconds, both whole: times must not depend on rounding."""
    return Fraction(str(rate)).as_integer_ratio()


def _digits(purpose: str, place: Position) -> str:
    """Twenty hex digits that look like chance and are the same in every process."""
    return blake2b(f"{purpose} {place.request} {place.position}".encode(), digest_size=10).hexdigest()
