"""From a row of a read API to the facts that are judged: no prompt, completion or credential gets past here.

All attribute values come back as strings; `gen_ai.*` may have been renamed to `llm.*`; prompts and completions stand in
attributes on one route and in fields of their own on the other.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any
from urllib.parse import quote, quote_plus

from monitor.core.canary import NONCE_ENTRY
from monitor.core.model import TraceId
from monitor.core.secret import SecretKind, describe_secret
from monitor.core.trace import SpanFact
from monitor.otlp.planted import Planted
from monitor.ports import Garbled
from monitor.redaction import LONGEST_FIELD, MASK, Redactor, base64_of, clamp

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
        raise Garbled(f"a row of {store}'s answer is no object")
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
        raise Garbled(f"a row of {store}'s answer is no object")
    trace_id, span_id = identify(row, store)
    parent = row.get("parent_span_id") or ""
    if not isinstance(parent, str) or (parent and not _ID.fullmatch(parent.lower())):
        raise Garbled(f"a row of {store}'s answer has a parent_span_id of no known form")

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


def describe_metadata(attributes: Mapping[str, Any]) -> str | None:
    """How the metadata of a canary's request come among a span's attributes: object, text, flat; None where they do not."""
    value = attributes.get(CANARY_METADATA)
    if isinstance(value, Mapping):
        return "object"
    if value is not None:
        return "text"
    return "flat" if any(str(name).startswith(f"{CANARY_METADATA}.") for name in attributes) else None


def _fields(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields of a row besides its attributes; of events what is no attribute either."""
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


# --- is what we asked, or what we were answered, in a value? ---------------------------------------------------------
#
# A name alone proves nothing: a store derives, masks and empties values. The canary's nonce and prompt are our own, its answer is
# known while the process lives. Each is looked for in whole and in parts, as it stands, inside JSON, percent-encoded, in
# hexadecimal and in base64.

_PART = 16  # any 31 characters in a row hold one such part, cut at every sixteenth
_MOST_PARTS = 16  # from the beginning of a text, and as many from its end
_LONGEST_VALUE = 100_000  # characters of a value, at either end
_DEEPEST = 8  # objects in objects
_ONE_WORD = re.compile(r"[!-~]+")  # such as a model's name: it may stand anywhere
_BLANKS = re.compile(r"\s+")
_DESCRIBES = re.compile(
    "role|(finish|stop)_reason|model|type|object|id|index|name|created|status|usage|refusal|annotations"
)
_ROLES = re.compile("system|developer|user|assistant|tool|function|model|ai|human", re.IGNORECASE)
_REDACTED = re.compile(
    r"\W*|x{3,}|[\W_]*(none|null|hidden|sensitive|secret|omitted|excluded|n/a)( value| content| data)?[\W_]*"
    r"|.{0,40}(redact|mask|filter|scrub|remov|obfuscat|suppress|withheld).{0,40}",
    re.IGNORECASE,
)


class Proof:
    """What proves that a value holds the content of one canary. `mine` is how its metadata, which carry the nonce, name it."""

    def __init__(self, nonce: str | None, texts: Sequence[str] = (), *, mine: str) -> None:
        parts = [part for text in texts for part in _parts(text)]
        if nonce:
            parts += {nonce, nonce[:_PART]}  # also cut off; its end alone is a number like others
        self._folded = frozenset(form.lower() for part in parts for form in _readable(part))
        self._encoded = frozenset(form for part in parts for form in base64_of(part) if len(form) >= _PART // 2)
        between = r"(?:[\W_]|%[0-9a-f]{2}|\\u[0-9a-f]{4}){1,16}"
        self._mine = re.compile(f"{mine}{between}{re.escape(nonce[:_PART])}[0-9a-f]*", re.IGNORECASE) if nonce else None

    def is_in(self, name: str, value: str) -> bool:
        """Whether a value holds it, besides the entry of the metadata that the nonce stands in by design."""
        if len(value) > 2 * _LONGEST_VALUE:
            value = f"{value[:_LONGEST_VALUE]} {value[-_LONGEST_VALUE:]}"
        text = f"{name}={value}"
        if self._mine is not None:
            text = self._mine.sub("", text)
        folded = _BLANKS.sub(" ", text.lower())
        return any(form in folded for form in self._folded) or any(form in text for form in self._encoded)


def _parts(text: str) -> Iterator[str]:
    """The parts of a text that stand for it. None of a text as short as "pong"."""
    plain = _BLANKS.sub(" ", text.encode(errors="ignore").decode()).strip()
    if len(plain) < _PART:
        return
    starts = [*range(0, len(plain) - _PART + 1, _PART), len(plain) - _PART]
    if len(starts) > 2 * _MOST_PARTS:
        starts = starts[:_MOST_PARTS] + starts[-_MOST_PARTS:]
    for start in starts:
        part = plain[start : start + _PART]
        if not _ONE_WORD.fullmatch(part) and len({letter for letter in part if letter.isalnum()}) >= _PART // 3:
            yield part


def _readable(part: str) -> Iterator[str]:
    """What is the same in capitals and small letters."""
    once = json.dumps(part)[1:-1]
    yield from (part, once, json.dumps(once)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])
    yield from (quote(part), quote(part, safe=""), quote_plus(part), part.encode().hex())


class Held(Enum):
    """What the value of an attribute that is named like content holds."""

    NOTHING = auto()  # empty, or only what describes content: a role, a model, why it ended
    REDACTED = auto()  # a mark that stands for content
    SOMETHING = auto()  # what it is, is not known


def held_in(value: object, models: Collection[str]) -> Held:
    """Judge a value; `models` are the names by which the trace's model goes."""
    texts = [text for text in _texts(value, 0) if not _ROLES.fullmatch(text) and text not in models]
    if not texts:
        return Held.NOTHING
    return Held.REDACTED if all(map(_REDACTED.fullmatch, texts)) else Held.SOMETHING


def _texts(value: object, depth: int) -> Iterator[str]:
    """The texts inside a value, also inside of JSON that stands in a text, those apart that only describe others."""
    if isinstance(value, str):
        inner = _json_in(value) if depth < _DEEPEST else value
        if not isinstance(inner, str):
            yield from _texts(inner, depth + 1)
        elif (text := inner.strip()) not in ("", "null"):
            yield text
    elif depth >= _DEEPEST:
        yield "what is nested deeper is not read"
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if not _DESCRIBES.fullmatch(str(name).rpartition(".")[2]):
                yield from _texts(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, depth + 1)


def _json_in(text: str) -> object:
    """What a text of JSON says; any other text as it is."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
