"""The trace backend of one target, by its section of the settings. A new one is one branch in `reading_of`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from monitor.core.backend import BackendTraits
from monitor.core.model import TraceId
from monitor.http import Exchange, Http
from monitor.otlp import ReadShape, SpanReader
from monitor.phoenix import PhoenixReader
from monitor.phoenix import describe_read as describe_phoenix
from monitor.ports import Clock, TraceBackend
from monitor.settings.target import Phoenix, Traceloop
from monitor.traceloop import TraceloopReader
from monitor.traceloop import describe_read as describe_traceloop


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How traces are read back: what the backend shows, by our own key, and by those of other environments."""

    traits: BackendTraits
    own: TraceBackend
    environment: str | None
    elsewhere: Mapping[str, TraceBackend]


def reading_of(backend: Traceloop | Phoenix, http: Http, spans: SpanReader, clock: Clock) -> Reading:
    """The readers of a backend."""
    match backend:
        case Traceloop():
            reader = partial(TraceloopReader, http, backend.url, spans=spans, clock=clock)
            others = {slug: reader(key=other.api_key.get) for slug, other in backend.other_environments.items()}
            own: TraceBackend = reader(key=backend.api_key.get)
            return Reading(traits=backend.traits, own=own, environment=backend.environment, elsewhere=others)
        case Phoenix():
            key = backend.api_key.get if backend.api_key is not None else None
            own = PhoenixReader(http, backend.url, backend.project, key, spans=spans, clock=clock)
            return Reading(traits=backend.traits, own=own, environment=None, elsewhere={})


def describe_read(exchange: Exchange, ours: frozenset[TraceId]) -> ReadShape | None:
    """The shape of an answer of whichever backend it is; None: it was no read."""
    return describe_traceloop(exchange, ours) or describe_phoenix(exchange, ours)
