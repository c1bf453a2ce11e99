"""Where public knowledge of the remote services ends, the sandbox can speak in every way they might.

Each switch of a `Dialect` stands for one open question; its default is the answer that the public record makes most likely.
A healthy sandbox is healthy in every dialect: a program that judges it must come to the same verdict in all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import cast

from monitor.core.model import Seconds


class HeaderValues(StrEnum):
    """How the control plane shows the values of the exporter's headers."""

    LITERAL = "literal"
    MASKED = "masked"
    REFERENCE = "reference"  # tfy-secret://tenant:group:key
    ABSENT = "absent"  # the manifest is shown without its headers


class Off(StrEnum):
    """How the control plane shows that there is no traces exporter, or no configuration at all."""

    ABSENT = "absent"
    NULL = "null"
    NOT_FOUND = "404"
    NULL_BODY = "200-null"


class TraceRoute(StrEnum):
    """What Traceloop's undocumented per-trace route says to an ordinary key."""

    OPEN = "open"
    UNAUTHORIZED = "401"
    NOT_FOUND = "404"


class TraceScope(StrEnum):
    """Which traces the per-trace route shows: its address names no environment."""

    ENVIRONMENT = "environment"
    PROJECT = "project"


class Feedback(StrEnum):
    """How `x-tfy-feedback-target-id` is encoded, if it is there at all."""

    BASE64 = "base64"
    BASE64_UNPADDED = "base64-unpadded"
    BASE64URL = "base64url"
    BASE64URL_UNPADDED = "base64url-unpadded"
    NESTED = "nested"  # under the key `target`
    ABSENT = "absent"


class Traceparent(StrEnum):
    """Whether the gateway continues the caller's trace."""

    IGNORED = "ignored"
    HONOURED = "honoured"


class Metadata(StrEnum):
    """The form of `tfy.request.metadata` on an exported span."""

    STRING = "string"
    MAP = "map"
    FLAT = "flat"  # an attribute for each key: tfy.request.metadata.team


class OwnStore(StrEnum):
    """When TrueFoundry's own store shows a span to the account that caused it."""

    PROMPT = "prompt"
    LAGGING = "lagging"  # nothing, then the root alone, then everything
    FORBIDDEN = "forbidden"  # 403
    HIDDEN = "hidden"  # 200 and no rows: a data access rule


class IngestAnswer(StrEnum):
    """The body of a successful `POST /v1/traces`."""

    EMPTY = "empty"
    PROTOBUF = "protobuf"
    JSON = "json"


class JsonIngest(StrEnum):
    """Whether Traceloop takes OTLP in JSON."""

    REFUSED = "refused"
    ACCEPTED = "accepted"


class IndexLag(StrEnum):
    """How long an accepted span stays invisible; the longest still leaves a trace in time within three minutes."""

    NONE = "0s"
    SHORT = "2s"
    LONG = "60s"
    LONGEST = "160s"

    @property
    def seconds(self) -> Seconds:
        """The lag as a number."""
        return float(self.value.removesuffix("s"))


class Warehouse(StrEnum):
    """Whether the documented warehouse shows a span as soon as the per-trace route does."""

    TOGETHER = "together"
    BEHIND = "behind"  # ten seconds later


class WarehouseFilters(StrEnum):
    """What the documented warehouse makes of parameters that its documentation does not name, and of `filters`."""

    ATTRIBUTES = "attributes"  # exact attributes, and conditions on attributes and the documented columns
    TRACE_ID = "trace-id"  # the same, and both know the column trace_id
    IGNORED = "ignored"  # nothing narrows a window, not even span_name
    SILENT = "silent"  # nothing has them, whatever they ask for; span_name and workflow work
    REFUSED = "refused"  # 400; span_name and workflow work


class Naming(StrEnum):
    """The names of the model's attributes as Traceloop returns them."""

    LLM = "llm"
    GEN_AI = "gen_ai"
    TFY_ONLY = "tfy"  # the gateway writes no gen_ai.* attributes at all


class ErrorBodies(StrEnum):
    """The body of the gateway's answers of which no record exists: 401, 429 and budget."""

    ENVELOPE = "envelope"
    OPENAI = "openai"
    TEXT = "text"
    EMPTY = "empty"


class Refusals(StrEnum):
    """Whether a request that the gateway refused leaves a trace."""

    TRACED = "traced"
    NAMED_ONLY = "named-only"  # the answer names a trace that nobody ever sees
    UNTRACED = "untraced"


class LoggingOff(StrEnum):
    """What is left of a request that is not logged."""

    BODIES = "bodies"  # a trace without content
    TRACES = "traces"  # no trace at all


class OtherSettings(StrEnum):
    """How the control plane shows the gateway's other configurations; of logging there may be several."""

    ENVELOPE = "envelope"  # one; of several logging configurations the rules
    LIST = "list"  # of logging configurations a list
    FORBIDDEN = "forbidden"  # 403, although the exporter's is shown


class SpanMetrics(StrEnum):
    """The gateway's own metrics of its spans: renamed in version 0.136, and shown by self-hosted gateways only."""

    AI_GATEWAY = "ai_gateway"
    LLM_GATEWAY = "llm_gateway"
    ABSENT = "absent"


def _about(text: str) -> Mapping[str, str]:
    return {"about": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way in which the remote services may behave; every combination is possible."""

    header_values: HeaderValues = field(default=HeaderValues.LITERAL, metadata=_about("header values in the manifest"))
    off: Off = field(default=Off.ABSENT, metadata=_about("how a missing exporter is shown"))
    trace_route: TraceRoute = field(default=TraceRoute.OPEN, metadata=_about("Traceloop's per-trace route"))
    trace_scope: TraceScope = field(default=TraceScope.ENVIRONMENT, metadata=_about("whose traces that route shows"))
    feedback: Feedback = field(default=Feedback.BASE64, metadata=_about("x-tfy-feedback-target-id"))
    traceparent: Traceparent = field(default=Traceparent.IGNORED, metadata=_about("the caller's traceparent"))
    metadata: Metadata = field(default=Metadata.STRING, metadata=_about("tfy.request.metadata on exported spans"))
    own_store: OwnStore = field(default=OwnStore.PROMPT, metadata=_about("TrueFoundry's own trace store"))
    ingest_answer: IngestAnswer = field(default=IngestAnswer.EMPTY, metadata=_about("what the ingest answers"))
    json_ingest: JsonIngest = field(default=JsonIngest.REFUSED, metadata=_about("OTLP in JSON"))
    index_lag: IndexLag = field(default=IndexLag.SHORT, metadata=_about("from accepted to visible"))
    warehouse: Warehouse = field(
        default=Warehouse.TOGETHER, metadata=_about("the warehouse beside the per-trace route")
    )
    filters: WarehouseFilters = field(
        default=WarehouseFilters.ATTRIBUTES, metadata=_about("filters of the documented read")
    )
    naming: Naming = field(default=Naming.LLM, metadata=_about("the model's attributes"))
    error_bodies: ErrorBodies = field(default=ErrorBodies.ENVELOPE, metadata=_about("bodies of 401 and 429"))
    refusals: Refusals = field(default=Refusals.TRACED, metadata=_about("traces of refused requests"))
    logging_off: LoggingOff = field(default=LoggingOff.BODIES, metadata=_about("requests that are not logged"))
    other_settings: OtherSettings = field(
        default=OtherSettings.ENVELOPE, metadata=_about("logging, global and data routing configurations")
    )
    span_metrics: SpanMetrics = field(default=SpanMetrics.AI_GATEWAY, metadata=_about("the gateway's own metrics"))

    def vary(self, words: Mapping[str, str]) -> "Dialect":
        """Change some switches, given as words. Raises ValueError with what is allowed."""
        return replace(self, **{name: _read(name, word) for name, word in words.items()})  # type: ignore[arg-type]

    def words(self) -> dict[str, str]:
        """Every switch and its value."""
        return {name: str(getattr(self, name)) for name in SWITCHES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch, for those who list or combine them."""

    about: str
    values: type[StrEnum]
    default: str


SWITCHES: Mapping[str, Switch] = {
    each.name: Switch(about=each.metadata["about"], values=cast("type[StrEnum]", each.type), default=str(each.default))
    for each in fields(Dialect)
}
"""Every switch of a dialect by name."""


def parse_dialect(text: str) -> Dialect:
    """Read `header_values=masked,off=404`; an empty text is the default. Raises ValueError with what is allowed."""
    words: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, word = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is not of the form switch=value")
        words[name.strip().replace("-", "_")] = word.strip()
    return Dialect().vary(words)


def _read(name: str, word: str) -> StrEnum:
    switch = SWITCHES.get(name)
    if switch is None:
        raise ValueError(f"no switch {name!r}{_meant(name, SWITCHES)}; there are {', '.join(SWITCHES)}")
    try:
        return switch.values(word)
    except ValueError:
        allowed = [str(value) for value in switch.values]
        raise ValueError(
            f"{name} cannot be {word!r}{_meant(word, allowed)}; it is one of {', '.join(allowed)}"
        ) from None


def _meant(word: str, known: Mapping[str, object] | list[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
