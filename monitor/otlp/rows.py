"""From a row of a read API to the facts that are judged: no prompt, completion or credential gets past here.

All attribute values come back as strings; `gen_ai.*` may have been renamed to `llm.*`; prompts and completions stand in
attributes on one route and in fields of their own on the other.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from monitor.core.canary import NONCE_ENTRY
from monitor.core.model import Seconds, TraceId
from monitor.core.secret import SecretKind, describe_secret
from monitor.core.text import count_text
from monitor.core.trace import Route, SpanFact
from monitor.otlp.content import Held, Planted, Proof, held_in
from monitor.ports import Garbled, TooManyRows
from monitor.redaction import LONGEST_FIELD, MASK, Redactor, clamp

# The attributes by which our own spans are asked for, where a window holds more spans than can be read. The warehouse takes an
# unknown query parameter as a filter on an attribute: https://www.traceloop.com/docs/api-reference/warehouse/get_spans.

MARKER = "gateway_trace_monitor.control"
"""Of a control span: its value is the span's own trace id."""

CANARY_METADATA = "tfy.request.metadata"
"""Of a canary: the metadata of its request, as one text (https://www.truefoundry.com/docs/ai-gateway/request-headers)."""

CANARY_NONCE = f"{CANARY_METADATA}.{NONCE_ENTRY}"
"""Of a canary, where metadata come as one attribute for each entry: the entry that holds its nonce alone."""

SPAN_TYPE = "tfy.span_type"
"""What kind of span it is, by TrueFoundry's gateway."""

ROOT_TYPES = ("ChatCompletion", "Completion", "Embedding", "Rerank")
"""Of the root span of a request to a model: https://www.truefoundry.com/docs/ai-gateway/fetch-request-logs-span-attributes."""

LOOK_BYTES = 8 * 1024 * 1024
"""So much is read in one look at most, all its pages together."""

_ID = re.compile(r"[0-9a-f]{1,64}")
_EVENTS = ("events", "span_events")  # an older convention puts content there, as attributes of events
_CONTENT_FIELDS = ("input", "output", "prompts", "completions")
_CONTENT = re.compile(
    r"tfy\.(input|output|input_short_hand|resolved_input)"
    r"|(gen_ai|llm)\.(prompts?|completions?)(?!\.\d+\.(role|finish_reason)$)(\..*)?"
    r"|(gen_ai|llm)\.(input|output)\.messages"
    r"|gen_ai\.(system_instructions|content\.(prompt|completion))"
    r"|traceloop\.entity\.(input|output)"
    r"|(input|output)\.value"
)
# The canary's own metadata carries the nonce by design: `tfy.request.metadata`, LiteLLM's `metadata.requester_metadata`.
_METADATA = re.compile(r"(^|[._-])metadata([._-]|\Z)", re.IGNORECASE)
_CREDENTIAL_NAME = re.compile(
    r"(^|[._-])(authorization|api[_-]?key|private[_-]?key|secret|password|(set-)?cookie"
    r"|(access|auth|id|refresh|session|bearer|api)[_-]?token)$",
    re.IGNORECASE,
)
# Under such a name only what can be a key is one: not a word, a number, or the hash of a key that LiteLLM gives instead.
_CAN_BE_A_KEY = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])(?![0-9a-f]{64}$)[\x21-\x7e]{8,}")
_FAR = 10**14  # milliseconds: the year 5138
_EMPTY = ("", "null", "{}", "[]", '""')
_MODEL = ("gen_ai.response.model", "llm.response.model", "gen_ai.request.model", "llm.request.model", "tfy.model.name")
_USAGE = {
    kind: (
        *(f"{prefix}.usage.{name}_tokens" for prefix in ("gen_ai", "llm") for name in (kind, older_name)),
        f"tfy.model.metric.{kind}_tokens",
    )
    for kind, older_name in (("input", "prompt"), ("output", "completion"))
}


def identify(row: object, store: str) -> tuple[TraceId, str]:
    """The ids of a row of a store. Raises Garbled: a row without them is of a shape that nothing can be concluded from."""
    if not isinstance(row, Mapping):
        raise Garbled(f"a row of {store}'s answer is not an object")
    ids = [str(row.get(name) or "").lower() for name in ("trace_id", "span_id")]
    if not all(map(_ID.fullmatch, ids)):
        raise Garbled(f"a row of {store}'s answer has no usable trace_id and span_id")
    return TraceId(ids[0]), ids[1]


def mentions(row: object, nonce: str) -> bool:
    """Whether a nonce stands anywhere in a row."""
    return nonce in json.dumps(row, ensure_ascii=False)


def names_nonce(row: Mapping[str, Any], nonce: str) -> bool:
    """Whether a nonce stands in the metadata of a row: other traces may quote ours, an evaluator's for one."""
    return any(nonce in text for name, text in _mapping(row.get("span_attributes")).items() if _METADATA.search(name))


def read_row(
    row: object, store: str, *, nonce: str | None, redactor: Redactor, texts: Sequence[str] = (), decoy: str = ""
) -> SpanFact:
    """The facts of one span; `texts` is what was asked and answered, `decoy` what was planted. Raises Garbled where it has no ids.

    A row is as Traceloop's documented read shows it: `trace_id`, `span_id`, `parent_span_id`, `span_name`, `timestamp`
    (milliseconds), `span_attributes`, `events`; and what the store keeps besides, such as `environment` and `resource_attributes`.

    Garbled also for a parent of another form: whether such a one is missing cannot be told.
    """
    if not isinstance(row, Mapping):
        raise Garbled(f"a row of {store}'s answer is not an object")
    trace_id, span_id = identify(row, store)
    parent = row.get("parent_span_id") or ""
    if not isinstance(parent, str) or (parent and not _ID.fullmatch(parent.lower())):
        raise Garbled(f"a row of {store}'s answer has a parent_span_id of an unknown form")

    def shown(text: str) -> str:  # foreign, like everything in a row
        return clamp(redactor.redact(text), 100)

    def word(value: object) -> str | None:
        return shown(value) if isinstance(value, str) and value else None

    attributes = _mapping(row.get("span_attributes"))
    resource = _mapping(row.get("resource_attributes")) if "resource_attributes" in row else None
    events = [event for name in _EVENTS for event in _list(row.get(name)) if isinstance(event, Mapping)]
    of_events = [pair for event in events for pair in _mapping(event.get("attributes")).items()]
    everywhere = [*attributes.items(), *(resource or {}).items(), *of_events]
    proof = Proof(nonce, texts, mine=NONCE_ENTRY)
    content = {
        shown(name)
        for name, value in (*everywhere, *_fields(row))
        if not _METADATA.search(name) and proof.is_in(name, value)
    }
    planted = Planted(decoy)
    decoys = {shown(name) for name, value in (*everywhere, *_fields(row)) if planted.is_in(value)}
    # What is named like content: fields of a row of their own, and attributes.
    named = [(name, row.get(name)) for name in _CONTENT_FIELDS]
    named += [(name, value) for name, value in (*attributes.items(), *of_events) if _CONTENT.fullmatch(name)]
    called = [attributes.get(name, "") for name in _MODEL]  # the model goes by these, with and without its provider
    models = {each for name in called for each in (name, name.rpartition("/")[2])}
    held = [(shown(name), held_in(value, models)) for name, value in named]
    credentials = {name for name, value in everywhere if _is_credential(name, planted.without(value), redactor)}
    stamp = row.get("timestamp")  # in milliseconds: when the span began, by the clock of whoever made it
    shown_resource = None
    if resource is not None:
        shown_resource = {
            name: MASK if name in credentials else clamp(redactor.redact(value), LONGEST_FIELD)
            for name, value in resource.items()
        }
    counts = {kind: _count(_first(attributes, names)) for kind, names in _USAGE.items()}
    return SpanFact(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent.lower(),
        name=clamp(redactor.redact(str(row.get("span_name") or "")), 200),
        environment=word(row.get("environment")),
        # Top-level in the documented route; the quick one does not show it.
        service_name=word(row.get("service_name")) or word((resource or {}).get("service.name")),
        resource=shown_resource,
        content=tuple(sorted(content)),
        unproven=tuple(sorted({name for name, what in held if what is Held.SOMETHING} - content)),
        redacted=any(what is Held.REDACTED for _, what in held),
        credentials=tuple(sorted(map(shown, credentials))),
        decoys=tuple(sorted(decoys)),
        model=word(_first(attributes, _MODEL)),
        started_at=stamp / 1000 if type(stamp) is int and 0 < stamp < _FAR else None,
        usage={kind: count for kind, count in counts.items() if count is not None},
    )


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SpanReader:
    """Reads rows with what is known of the canary whose trace is looked for.

    `texts_of` a nonce is what its canary asked and was answered, `decoy_of` it what was planted.
    """

    redactor: Redactor
    _: KW_ONLY
    texts_of: Callable[[str], Sequence[str]] = lambda _: ()
    decoy_of: Callable[[str], str] = lambda _: ""

    def fact(self, row: object, store: str, nonce: str | None) -> SpanFact:
        """The facts of one span. Raises Garbled as `read_row` does."""
        texts = self.texts_of(nonce) if nonce is not None else ()
        decoy = self.decoy_of(nonce) if nonce is not None else ""
        return read_row(row, store, nonce=nonce, redactor=self.redactor, texts=texts, decoy=decoy)


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far one read has come, all its pages together. `total`: rows of the window, where that is said.

    `promised`: the query that is being read has given a page, and there is more of it: only then a lack of time is one of too
    many rows. A query that has not been answered yet is one that hangs.
    """

    nonce: str | None
    ends: Seconds
    bytes: int = 0
    rows: int = 0
    total: int | None = None
    promised: bool = False
    named_in_metadata: TraceId | None = None  # the trace in whose metadata the nonce was seen

    def left(self, now: Seconds) -> tuple[Seconds, int]:
        """The seconds and the bytes that the next page may take. Raises TooManyRows where nothing is left."""
        if self.bytes >= LOOK_BYTES or (self.promised and self.ends <= now):
            raise self.crowded()
        return self.ends - now, LOOK_BYTES - self.bytes

    def crowded(self) -> TooManyRows:
        """There is more than one look may read."""
        limit = "the size limit of one look" if self.bytes >= LOOK_BYTES else "the time limit of one look"
        rows = count_text(self.rows, "row") if self.total is None else f"{self.rows} of {count_text(self.total, 'row')}"
        return TooManyRows(
            f"too many spans to read: {rows} read ({self.bytes / 2**20:.1f} MiB, {limit})",
            evidence={"rows_seen": self.rows, "rows": self.total, "bytes_read": self.bytes},
        )


def distinct(spans: Sequence[SpanFact]) -> tuple[SpanFact, ...]:
    """One of each: retries and page borders show a span twice."""
    return tuple({span.span_id: span for span in spans}.values())


def _fields(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields of a row besides its attributes; and those fields of events that are not attributes."""
    for name, value in row.items():
        if name in _EVENTS and isinstance(value, list):
            plain = [
                {inner: each for inner, each in event.items() if inner != "attributes"}
                if isinstance(event, Mapping) and isinstance(event.get("attributes"), Mapping)
                else event
                for event in value
            ]
            yield name, _as_text(plain)
        elif name not in ("span_attributes", "resource_attributes"):
            yield name, _as_text(value)


def _is_credential(name: str, value: str, redactor: Redactor) -> bool:
    """Whether a value is a credential. One that was masked on its way, or a reference to one, is none."""
    if value in _EMPTY:
        return False
    if not _CREDENTIAL_NAME.search(name):
        return redactor.finds_credential(value)
    bare = value.strip('[]" ')  # header values come as lists
    literal = describe_secret(bare, expected=None, key=b"").kind is SecretKind.LITERAL
    return literal and (_CAN_BE_A_KEY.fullmatch(bare) is not None or redactor.finds_credential(value))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, str]:
    return {str(name): _as_text(each) for name, each in value.items()} if isinstance(value, Mapping) else {}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _first(attributes: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((attributes[name] for name in names if attributes.get(name)), None)


def _count(text: str | None) -> int | None:
    try:
        return int(float(text[:100])) if text is not None else None
    except (ValueError, OverflowError):
        return None


# --- for `doctor`: what a read shows besides the facts, and nothing of the values


PREFIXES = ("gen_ai.", "llm.", "tfy.")
"""How the attributes of a gateway's spans may be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadShape:
    """One read: by which route, for which trace (None: all of a window), which it showed, and how their attributes are named.

    `prefixes` are those of `gen_ai.`, `llm.`, `tfy.` that occur; `metadata` is how the request's metadata come (text, object,
    flat); `understood`: there were rows, or it said that there are none.
    """

    route: Route
    understood: bool
    asked: TraceId | None = None
    traces: frozenset[TraceId] = frozenset()
    prefixes: frozenset[str] = frozenset()
    metadata: str | None = None


def shape_of(
    route: Route,
    asked: str | None,
    shown: Iterable[tuple[object, object]] | None,
    ours: frozenset[TraceId],
    *,
    filtered: bool,
) -> ReadShape:
    """The shape of a read that has `shown` rows of these traces with these attributes; None where it cannot be told whether any.

    `filtered`: whether it is honoured is not known, so that its silence says nothing. Of the traces only `ours` are looked at.
    """
    mine = [(TraceId(trace), given) for trace, given in shown or () if isinstance(trace, str) and trace in ours]
    attributes = [given for _, given in mine if isinstance(given, Mapping)]
    names = {str(name) for each in attributes for name in each}
    return ReadShape(
        route=route,
        understood=shown is not None and not (filtered and not mine),
        asked=TraceId(asked) if asked else None,
        traces=frozenset(trace for trace, _ in mine),
        prefixes=frozenset(prefix for prefix in PREFIXES if any(name.startswith(prefix) for name in names)),
        metadata=next((form for each in attributes if (form := describe_metadata(each))), None),
    )


def describe_metadata(attributes: Mapping[str, Any]) -> str | None:
    """How the metadata of a canary's request come among a span's attributes: object, text, flat; None where they do not."""
    value = attributes.get(CANARY_METADATA)
    if isinstance(value, Mapping):
        return "object"
    if value is not None:
        return "text"
    return "flat" if any(str(name).startswith(f"{CANARY_METADATA}.") for name in attributes) else None
