"""Where public knowledge of the remote services ends, the sandbox can behave in every way they might.

Each field of a `Variant` is one open question; its default is the answer that the public record makes most likely. A healthy
sandbox is healthy in every variant: a program that judges it must come to the same verdict in all of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_type_hints

from monitor.core.model import Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way in which the remote services may behave; every combination is possible."""

    header_values: Annotated[Literal["literal", "masked", "reference", "absent"], "header values in the manifest"] = (
        "literal"
    )
    """`reference`: tfy-secret://tenant:group:key. `absent`: the manifest is shown without its headers."""
    off: Annotated[Literal["absent", "null", "404", "200-null"], "how a missing exporter is shown"] = "absent"
    trace_route: Annotated[Literal["open", "401", "404"], "Traceloop's per-trace route"] = "open"
    trace_scope: Annotated[Literal["environment", "project"], "whose traces that route shows"] = "environment"
    feedback: Annotated[
        Literal["base64", "base64-unpadded", "base64url", "base64url-unpadded", "nested", "absent"],
        "x-tfy-feedback-target-id",
    ] = "base64"
    """`nested`: under the key `target`."""
    traceparent: Annotated[Literal["ignored", "honoured"], "the caller's traceparent"] = "ignored"
    metadata: Annotated[Literal["string", "map", "flat"], "tfy.request.metadata on exported spans"] = "string"
    """`flat`: an attribute for each key, tfy.request.metadata.team."""
    own_store: Annotated[Literal["prompt", "lagging", "forbidden", "hidden"], "TrueFoundry's own trace store"] = (
        "prompt"
    )
    """`lagging`: nothing, then the root alone, then everything. `hidden`: 200 and no rows, a data access rule."""
    ingest_answer: Annotated[Literal["empty", "protobuf", "json"], "what the ingest answers"] = "empty"
    json_ingest: Annotated[Literal["refused", "accepted"], "OTLP in JSON"] = "refused"
    index_lag: Annotated[Literal["0s", "2s", "60s", "160s"], "from accepted to visible"] = "2s"
    """The longest still leaves a trace in time within three minutes."""
    warehouse: Annotated[Literal["together", "behind"], "the warehouse beside the per-trace route"] = "together"
    """`behind`: ten seconds later."""
    filters: Annotated[
        Literal["attributes", "trace-id", "ignored", "silent", "refused"], "filters of the documented read"
    ] = "attributes"
    """`attributes`: exact attributes, and conditions on attributes and the documented columns. `trace-id`: the same, and both
    know the column trace_id. `ignored`: nothing narrows a window, not even span_name. `silent`: nothing matches, whatever is
    asked for, and `refused`: 400; in both, span_name and workflow work."""
    naming: Annotated[Literal["llm", "gen_ai", "tfy"], "the model's attributes"] = "llm"
    """`tfy`: the gateway writes no gen_ai.* attributes at all."""
    error_bodies: Annotated[Literal["envelope", "openai", "text", "empty"], "bodies of 401 and 429"] = "envelope"
    refusals: Annotated[Literal["traced", "named-only", "untraced"], "traces of refused requests"] = "traced"
    """`named-only`: the answer names a trace that nobody ever sees."""
    logging_off: Annotated[Literal["bodies", "traces"], "requests that are not logged"] = "bodies"
    """`bodies`: a trace without content. `traces`: no trace at all."""
    other_settings: Annotated[
        Literal["envelope", "list", "forbidden"], "logging, global and data routing configurations"
    ] = "envelope"
    """`envelope`: one, of several logging configurations the rules. `list`: of logging configurations a list. `forbidden`: 403,
    although the exporter's is shown."""
    span_metrics: Annotated[Literal["ai_gateway", "llm_gateway", "absent"], "the gateway's own metrics"] = "ai_gateway"
    """Renamed in version 0.136, and shown by self-hosted gateways only."""

    @property
    def index_seconds(self) -> Seconds:
        """`index_lag` as a number."""
        return float(self.index_lag.removesuffix("s"))

    def vary(self, words: Mapping[str, str]) -> "Variant":
        """Change some switches, given as words. Raises ValueError with what is allowed."""
        for name, word in words.items():
            if name not in SWITCHES:
                raise ValueError(f"no switch {name!r}{_meant(name, SWITCHES)}; there are {', '.join(SWITCHES)}")
            allowed = SWITCHES[name].values
            if word not in allowed:
                close = _meant(word, allowed)
                raise ValueError(f"{name} cannot be {word!r}{close}; it is one of {', '.join(allowed)}")
        changes: Any = words
        return replace(self, **changes)

    def words(self) -> dict[str, str]:
        """Every switch and its value."""
        return {name: getattr(self, name) for name in SWITCHES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch, for those who list or combine them."""

    about: str
    values: tuple[str, ...]
    default: str


def _switches() -> dict[str, Switch]:
    hints = get_type_hints(Variant, include_extras=True)
    found = {}
    for each in fields(Variant):
        values, about = get_args(hints[each.name])
        found[each.name] = Switch(about=about, values=get_args(values), default=str(each.default))
    return found


SWITCHES: Mapping[str, Switch] = _switches()


def parse_variant(text: str) -> Variant:
    """Read `header_values=masked,off=404`; an empty text is the default. Raises ValueError with what is allowed."""
    words: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, word = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is not of the form switch=value")
        words[name.strip().replace("-", "_")] = word.strip()
    return Variant().vary(words)


def _meant(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
