"""Other people's spans as Traceloop keeps them: rows beside ours, made when somebody looks at them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from monitor.sandbox.credentials import ENVIRONMENT, EXPORTED_ATTRIBUTE
from monitor.sandbox.dialect import Naming
from monitor.sandbox.strangers import (
    OPENING,
    STRANGERS,
    Stranger,
    attributes_of,
    family_of,
    filled,
    samples,
    stranger_of,
)
from monitor.sandbox.traceloop.row_filters import Wanted
from monitor.sandbox.traceloop.rows import Row, renamed
from monitor.sandbox.traffic import Spot, Stream
from monitor.sandbox.truefoundry.spans import METADATA, Attribute, metadata_as
from monitor.sandbox.world import World

_NEIGHBOURS = 3
_KINDS = {"Internal": "SPAN_KIND_INTERNAL", "Client": "SPAN_KIND_CLIENT", "Server": "SPAN_KIND_SERVER"}


class Crowd:
    """The rows of traffic; all stand in the environment of the exporter's key."""

    def __init__(self, world: World) -> None:
        self._traffic = world.traffic
        self._dialect = world.dialect
        self._lags = world.index_lags()

    def matching(self, wanted: Sequence[Wanted], text: str) -> Stream[Row]:
        """Those that a search wants; `text` is the search as it was written: it may hold ids."""
        return Stream(
            self._traffic,
            self.bare,
            samples=samples(self._traffic),
            turns=len(STRANGERS),
            wanted=wanted,
            named=self._traffic.named_in(text),
        )

    def trace(self, trace_id: str) -> list[Row]:
        """The rows of one trace; empty where it is none of theirs."""
        spots = sorted(self._traffic.named_in(trace_id))
        return [self.whole(spot) for spot in spots if family_of(self._traffic, spot).trace_id == trace_id]

    def latest(self, now: float) -> int:
        """Which rows the warehouse shows already: those that began until this Unix millisecond."""
        return int((now - self._lags[1]) * 1000)

    def rank(self, spot: Spot, sort_by: str, usual: int | str) -> int | str:
        """What a row is sorted by: `usual` is what all of its kind are sorted by, but for what no two have in common."""
        match sort_by:
            case "timestamp":
                return self._traffic.began(spot)
            case "trace_id":
                return family_of(self._traffic, spot).trace_id
            case _:
                return usual

    def bare(self, spot: Spot) -> Row:
        """A row that has no more content than its opening."""
        stranger, family, began = stranger_of(spot), family_of(self._traffic, spot), self._traffic.began(spot)
        shape = stranger.shape(spot.place)
        sent = attributes_of(self._traffic, spot, family.trace_id) | dict.fromkeys(self._content(spot), OPENING)
        visible, listed = self._lags
        return Row(
            environment=ENVIRONMENT,
            trace_id=family.trace_id,
            span_id=family.span_id,
            parent_id=family.parent_id,
            trace_state="",
            name=shape.name,
            kind=_KINDS[shape.kind],
            service_name=stranger.service,
            resource={"service.name": stranger.service, EXPORTED_ATTRIBUTE[0]: "production", **stranger.resource},
            scope=stranger.scope,
            attributes={
                self._named(key): as_text(value)
                for key, value in self._exported(sent).items()
                if not self._dropped(stranger, key)
            },
            events=(),
            timestamp=began,
            duration=shape.milliseconds,
            status="STATUS_CODE_ERROR" if stranger.error else "STATUS_CODE_OK",
            status_message=stranger.error,
            visible_at=began / 1000 + visible,
            listed_at=began / 1000 + listed,
        )

    def whole(self, spot: Spot) -> Row:
        """A row with as much content as was asked for."""
        row = self.bare(spot)
        kept = [key for key in self._content(spot) if not self._dropped(stranger_of(spot), key)]
        size = len(json.dumps(row.of_list(), ensure_ascii=False, separators=(",", ":")).encode())
        content = filled([self._named(key) for key in kept], self._traffic.span_bytes - size, spot)
        return replace(row, attributes={**row.attributes, **content})

    def stirred(self, page: Sequence[Row]) -> list[Row]:
        """The page as it might come: neighbours within a few milliseconds stand the wrong way round here and there."""
        rows = list(page)
        if not self._traffic.requests_per_second:
            return rows
        place = 1
        while place < len(rows):
            one, other = rows[place - 1], rows[place]
            near = abs(one.timestamp - other.timestamp) <= _NEIGHBOURS
            if near and int(one.span_id[-1:] or "0", 16) % 2:
                rows[place - 1], rows[place] = other, one
                place += 1
            place += 1
        return rows

    def _content(self, spot: Spot) -> Sequence[str]:
        return stranger_of(spot).shape(spot.place).content

    def _exported(self, sent: Mapping[str, Attribute]) -> dict[str, Attribute]:
        tags = sent.get(METADATA)
        if not isinstance(tags, Mapping):
            return dict(sent)
        return {key: value for key, value in sent.items() if key != METADATA} | metadata_as(
            self._dialect.metadata, tags
        )

    def _named(self, key: str) -> str:
        return renamed(key) if self._dialect.naming is Naming.LLM else key

    def _dropped(self, stranger: Stranger, key: str) -> bool:
        """Where our gateway writes no `gen_ai.*`, applications of other people still do."""
        of_gateway = stranger.asked_by is not None
        return of_gateway and self._dialect.naming is Naming.TFY_ONLY and key.startswith("gen_ai.")


def as_text(value: Attribute) -> str:
    """An attribute's value as Traceloop returns it."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return f"{value:f}"
        case _:
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
