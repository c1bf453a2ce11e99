"""Other people's requests in TrueFoundry's own store: those that went through the gateway."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from monitor.core.model import Instant
from monitor.sandbox.strangers import OPENING, STRANGERS, attributes_of, family_of, filled, samples, stranger_of
from monitor.sandbox.traffic import Reach, Spot, Stream
from monitor.sandbox.truefoundry.spans import GatewaySpan
from monitor.sandbox.world import NO_TRAFFIC, World

_AROUND_ATTRIBUTES = 650
"""What an answer says of a span besides its attributes, in bytes."""


class OwnCrowd:
    """The spans of traffic as the gateway made them; `seen`: whether whoever asks may see other people's."""

    def __init__(self, world: World, *, seen: bool) -> None:
        self._traffic = world.traffic if seen else NO_TRAFFIC
        self._now = world.now()
        self._lag = world.own_store_lag

    def matching(self, wanted: Sequence[Callable[[GatewaySpan], bool]], text: str) -> Stream[GatewaySpan]:
        """Those that a query wants; `text` is the query as it was written: it may hold ids."""
        return Stream(
            self._traffic,
            self.bare,
            samples=samples(self._traffic, of_gateway=True),
            turns=len(STRANGERS),
            wanted=wanted,
            named=self._traffic.named_in(text),
        )

    def reach(self, start: Instant, end: Instant) -> Reach:
        """A window, as far as the store shows it already."""

        def reach(place: int) -> tuple[int, int]:
            latest = min(end, self._now - self._lag(place))
            return math.ceil(round(start * 1000, 3)), math.floor(round(latest * 1000, 3))

        return reach

    def rank(self, spot: Spot) -> tuple[int, str]:
        """What spans are sorted by."""
        return self._traffic.began(spot) * 1_000_000, self._traffic.span_id(spot)

    def bare(self, spot: Spot) -> GatewaySpan:
        """A span that has no more content than its opening."""
        stranger, family = stranger_of(spot), family_of(self._traffic, spot)
        if stranger.asked_by is None:
            raise ValueError("the gateway has not made this span")
        shape = stranger.shape(spot.place)
        start = self._traffic.began(spot) * 1_000_000
        attributes = attributes_of(self._traffic, spot, family.trace_id)
        return GatewaySpan(
            trace_id=family.trace_id,
            span_id=family.span_id,
            parent_id=family.parent_id,
            name=shape.name,
            kind=shape.kind,
            start=start,
            end=start + shape.milliseconds * 1_000_000,
            ok=not stranger.error,
            error=stranger.error,
            attributes=attributes | dict.fromkeys(shape.content, OPENING),
            subject=stranger.asked_by,
            destination="default",
        )

    def whole(self, spot: Spot) -> GatewaySpan:
        """A span with as much content as was asked for; what is named `gen_ai.*` is not kept here."""
        span = self.bare(spot)
        kept = {key: value for key, value in span.attributes.items() if not key.startswith("gen_ai.")}
        names = [key for key in stranger_of(spot).shape(spot.place).content if key in kept]
        size = len(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()) + _AROUND_ATTRIBUTES
        return replace(span, attributes=span.attributes | filled(names, self._traffic.span_bytes - size, spot))  # type: ignore[operator]
