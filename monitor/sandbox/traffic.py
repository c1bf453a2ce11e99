"""Other people's traces beside ours: how many there are, when they began, and what they are called.

Nothing is stored. Request number k begins k/rate seconds after the epoch, its spans begin one millisecond after the other, and
every id is made of these two numbers; hours of hundreds of requests a second take no more memory than none. It comes from
gateways and services that are not ours, so no fault of ours touches it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

MOST_REQUESTS = 2_000
MOST_SPANS = 20
FEWEST_BYTES, MOST_BYTES = 1_000, 1_000_000
ALLOWED = (
    f"requests a second (0 to {MOST_REQUESTS}), or with spans a request (1 to {MOST_SPANS}) and bytes a span"
    f" ({FEWEST_BYTES} to {MOST_BYTES}): 20 or 20x3x8000"
)

_WORDS = re.compile(r"(\d+(?:\.\d+)?)(?:x(\d+))?(?:x(\d+))?")
_IDS = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{16})(?![0-9a-f])")
_TRACE_DIGITS = 32
_POSITIONS = 32
"""More than the most spans: a request and a position in it make one number."""
_LATEST = 1 << 50
_TRACE, _REST, _SPAN, _NONCE = (
    0x9E37_79B9_7F4A_7C15,
    0x6A09_E667_F3BC_C909,
    0xBB67_AE85_84CA_A73B,
    0x3C6E_F372_FE94_F82B,
)


class Position(NamedTuple):
    """Which span: the number of its request, and its position among that request's spans."""

    request: int
    position: int

    @property
    def number(self) -> int:
        """Both as one."""
        return self.request * _POSITIONS + self.position


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
        head, tail = (_mixed(root.number ^ salt) for salt in (_TRACE, _REST))
        return f"{self.began(root):012x}7{head & 0xFFF:03x}{8 + (head >> 12) % 4:x}{tail >> 4:015x}"

    def span_id(self, place: Position) -> str:
        """The id of a span."""
        return f"{_mixed(place.number ^ _SPAN):016x}"

    def nonce(self, request: int) -> str:
        """What somebody else's canary has in its metadata."""
        return f"gtm-{_mixed(request ^ _NONCE):016x}"

    def named_in(self, text: str) -> set[Position]:
        """The spans whose trace id, span id or nonce stands somewhere in a text, and those beside them."""
        requests: set[int] = set()
        for found in set(_IDS.findall(text)):
            if len(found) == _TRACE_DIGITS:
                began = int(found[:12], 16)
                requests.update(
                    request
                    for position in range(self.spans)
                    for request in self.requests(began, began, position)
                    if self.trace_id(Position(request, position)) == found
                )
            else:
                number = _unmixed(int(found, 16))
                requests.update((number ^ _NONCE, (number ^ _SPAN) // _POSITIONS))
        return {
            Position(request, position) for request in requests if request < _LATEST for position in range(self.spans)
        }


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
    first such span there ever was). Only those that are `named` in the search are looked at one by one: part of an id finds
    nobody.
    """

    def __init__(
        self,
        traffic: Traffic,
        build: Callable[[Position], T],
        *,
        samples: Sequence[Position],
        turns: int,
        wanted: Sequence[Callable[[T], bool]],
        named: Iterable[Position] = (),
    ) -> None:
        """`turns`: after how many requests the kinds come around again."""

        def is_wanted(place: Position) -> bool:
            span = build(place)
            return all(wants(span) for wants in wanted)

        known = set(samples) if traffic.requests_per_second else set[Position]()
        self._traffic = traffic
        self._build = build
        self._turns = turns
        self._kinds = [sample for sample in samples if sample in known and is_wanted(sample)]
        candidates = [place for place in named if self._kind(place) in known]
        self._exceptions = {place for place in candidates if is_wanted(place) != (self._kind(place) in self._kinds)}

    def _kind(self, place: Position) -> Position:
        return Position(place.request % self._turns, place.position)

    def _requests(self, kind: Position, window: Window) -> range:
        every = self._traffic.requests(*window(kind.position), kind.position)
        return range(every.start + (kind.request - every.start) % self._turns, every.stop, self._turns)

    def _is_within(self, place: Position, window: Window) -> bool:
        since, until = window(place.position)
        return since <= self._traffic.began(place) <= until

    def count(self, window: Window) -> int:
        """How many there are."""
        usual = sum(len(self._requests(kind, window)) for kind in self._kinds)
        exceptions = [self._kind(place) in self._kinds for place in self._exceptions if self._is_within(place, window)]
        return usual + exceptions.count(False) - exceptions.count(True)

    def walks(self, window: Window, *, descending: bool) -> list[Iterator[tuple[T, Position | None]]]:
        """For each kind its spans in the order of time, each made when its turn comes."""
        usual = [
            self._walk(kind.position, reversed(requests) if descending else iter(requests))
            for kind in self._kinds
            for requests in [self._requests(kind, window)]
        ]
        others = [
            iter([(self._build(place), place)])
            for place in sorted(self._exceptions)
            if self._kind(place) not in self._kinds and self._is_within(place, window)
        ]
        return [*usual, *others]

    def _walk(self, position: int, requests: Iterator[int]) -> Iterator[tuple[T, Position | None]]:
        for request in requests:
            place = Position(request, position)
            if place not in self._exceptions:
                yield self._build(place), place


@lru_cache
def _ratio(rate: float) -> tuple[int, int]:
    """So many requests in so many seconds, both whole: times must not depend on rounding."""
    return Fraction(str(rate)).as_integer_ratio()


# What looks like chance and can be traced back, so that a search by an id need not try every span there is:
# https://prng.di.unimi.it/splitmix64.c.
_BITS = (1 << 64) - 1
_FACTORS = (0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB)
_INVERSES = tuple(pow(factor, -1, 1 << 64) for factor in _FACTORS)


def _mixed(number: int) -> int:
    number = (number ^ number >> 30) * _FACTORS[0] & _BITS
    number = (number ^ number >> 27) * _FACTORS[1] & _BITS
    return number ^ number >> 31


def _unmixed(number: int) -> int:
    number = (number ^ number >> 31 ^ number >> 62) * _INVERSES[1] & _BITS
    number = (number ^ number >> 27 ^ number >> 54) * _INVERSES[0] & _BITS
    return number ^ number >> 30 ^ number >> 60
