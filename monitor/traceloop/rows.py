"""From a row of the read API to the facts that are judged: no prompt, completion or credential gets past here.

All attribute values come back as strings; `gen_ai.*` may have been renamed to `llm.*`; prompts and completions stand in
attributes on one route and in fields of their own on the other.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitor.core.canary import NONCE_ENTRY
from monitor.core.model import Instant, TraceId
from monitor.core.secret import SecretKind, describe_secret
from monitor.core.trace import SpanFact
from monitor.ports import Garbled
from monitor.redaction import LONGEST_FIELD, MASK, Redactor, clamp
from monitor.traceloop.content import Held, Proof, held_in

_ID = re.compile(r"[0-9a-f]{1,64}")
_EVENTS = ("events", "span_events")  # an older convention puts content there, as attributes of events
_CONTENT_FIELDS = ("input", "output", "prompts", "completions")
_CONTENT = re.compile(
    r"tfy\.(input|output|input_short_hand|resolved_input)"
    r"|(gen_ai|llm)\.(prompts?|completions?)(\..*)?"
    r"|(gen_ai|llm)\.(input|output)\.messages"
    r"|gen_ai\.(system_instructions|content\.(prompt|completion))"
    r"|traceloop\.entity\.(input|output)"
    r"|(input|output)\.value"
)
_DESCRIBES = re.compile(r"(gen_ai|llm)\.(prompts?|completions?)\.\d+\.(role|finish_reason)")
# The canary's own metadata carries the nonce by design: `tfy.request.metadata`, LiteLLM's `metadata.requester_metadata`.
_METADATA = re.compile(r"(.*[._-])?(requester_)?metadata([._-].*)?", re.IGNORECASE)
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
    "input": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.input_tokens",
        "llm.usage.prompt_tokens",
        "tfy.model.metric.input_tokens",
    ),
    "output": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.output_tokens",
        "llm.usage.completion_tokens",
        "tfy.model.metric.output_tokens",
    ),
}


def identify(row: object) -> tuple[TraceId, str]:
    """The ids of a span's row. Raises Garbled: a row without them is of a shape that nothing can be concluded from."""
    if not isinstance(row, Mapping):
        raise Garbled("a row of Traceloop's answer is no object")
    ids = [str(row.get(name) or "").lower() for name in ("trace_id", "span_id")]
    if not all(map(_ID.fullmatch, ids)):
        raise Garbled("a row of Traceloop's answer has no usable trace_id and span_id")
    return TraceId(ids[0]), ids[1]


def read_row(row: Mapping[str, Any], *, nonce: str | None, redactor: Redactor, texts: Sequence[str] = ()) -> SpanFact:
    """The facts of one span; `texts` is what was asked and answered. Raises Garbled where it has no ids."""
    trace_id, span_id = identify(row)
    attributes = _mapping(row.get("span_attributes"))
    resource = _mapping(row.get("resource_attributes")) if "resource_attributes" in row else None
    proof = Proof(nonce, texts, mine=NONCE_ENTRY)
    named = [(clamp(name, 100), held_in(value, _models(attributes))) for name, value in _named_content(row, attributes)]
    content = {
        clamp(name, 100)
        for name, value in _values(row, attributes, resource or {})
        if not _METADATA.fullmatch(name) and proof.is_in(name, value)
    }
    credentials = frozenset(_credentials((*attributes.items(), *_of_events(row)), resource or {}, redactor))
    return SpanFact(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=_parent(row),
        name=clamp(str(row.get("span_name") or ""), 200),
        environment=_text(row.get("environment")),
        service_name=_service_name(row, resource),
        resource=None
        if resource is None
        else {
            name: MASK if name in credentials else clamp(redactor.redact(value), LONGEST_FIELD)
            for name, value in resource.items()
        },
        content=tuple(sorted(content)),
        unproven=tuple(sorted({name for name, held in named if held is Held.SOMETHING} - content)),
        redacted=any(held is Held.REDACTED for _, held in named),
        credentials=tuple(sorted(clamp(name, 100) for name in credentials)),
        model=_first(attributes, _MODEL),
        started_at=_started_at(row),
        usage={
            kind: count for kind, names in _USAGE.items() if (count := _count(_first(attributes, names))) is not None
        },
    )


def _parent(row: Mapping[str, Any]) -> str:
    """Empty for a root. Raises Garbled: whether a parent of another form is missing cannot be told."""
    parent = row.get("parent_span_id") or ""
    if not isinstance(parent, str) or (parent and not _ID.fullmatch(parent.lower())):
        raise Garbled("a row of Traceloop's answer has a parent_span_id of no known form")
    return parent.lower()


def mentions(row: object, nonce: str) -> bool:
    """Whether a nonce stands anywhere in a row."""
    return nonce in json.dumps(row, ensure_ascii=False)


def names_nonce(row: Mapping[str, Any], nonce: str) -> bool:
    """Whether a nonce stands in the metadata of a row: other traces may quote ours, an evaluator's for one."""
    return any(
        nonce in text for name, text in _mapping(row.get("span_attributes")).items() if _METADATA.fullmatch(name)
    )


def _mapping(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): _as_text(each) for name, each in value.items()}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(value: object) -> str | None:
    return clamp(value, 100) if isinstance(value, str) and value else None


def _service_name(row: Mapping[str, Any], resource: Mapping[str, str] | None) -> str | None:
    """Top-level in the documented route; the quick one does not tell."""
    named = _text(row.get("service_name"))
    return named if named is not None else _text((resource or {}).get("service.name"))


def _named_content(row: Mapping[str, Any], attributes: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    """What is named like content: attributes, and fields of a row of their own."""
    for field in _CONTENT_FIELDS:
        yield field, row.get(field)
    for name, value in (*attributes.items(), *_of_events(row)):
        if _CONTENT.fullmatch(name) and not _DESCRIBES.fullmatch(name):
            yield name, value


def _models(attributes: Mapping[str, str]) -> frozenset[str]:
    """The names of the model, with and without its provider."""
    named = [attributes[name] for name in _MODEL if attributes.get(name)]
    return frozenset(word for name in named for word in (name, name.rpartition("/")[2]))


def _values(
    row: Mapping[str, Any], attributes: Mapping[str, str], resource: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Every value of a row, by the name of its attribute, or else of its field."""
    yield from (*attributes.items(), *resource.items(), *_of_events(row))
    for field, value in row.items():
        if field in _EVENTS and isinstance(value, list):
            yield field, _as_text([_without_attributes(event) for event in value])
        elif field not in ("span_attributes", "resource_attributes"):
            yield field, _as_text(value)


def _without_attributes(event: object) -> object:
    if not isinstance(event, Mapping) or not isinstance(event.get("attributes"), Mapping):
        return event
    return {name: value for name, value in event.items() if name != "attributes"}


def _of_events(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The attributes of a span's events, by their names."""
    for field in _EVENTS:
        events = row.get(field)
        for event in events if isinstance(events, list) else ():
            if isinstance(event, Mapping):
                yield from _mapping(event.get("attributes")).items()


def _credentials(
    attributes: tuple[tuple[str, str], ...], resource: Mapping[str, str], redactor: Redactor
) -> Iterator[str]:
    """Names of what holds a credential. One that was masked on its way, or a reference to one, is none."""
    for name, value in (*attributes, *resource.items()):
        if value in _EMPTY:
            continue
        if _CREDENTIAL_NAME.search(name):
            bare = value.strip('[]" ')  # header values come as lists
            literal = describe_secret(bare, expected=None, key=b"").kind is SecretKind.LITERAL
            is_one = literal and (_CAN_BE_A_KEY.fullmatch(bare) is not None or redactor.finds_credential(value))
        else:
            is_one = redactor.finds_credential(value)
        if is_one:
            yield name


def _started_at(row: Mapping[str, Any]) -> Instant | None:
    """A row's timestamp in milliseconds: when the span began, by the clock of whoever made it."""
    stamp = row.get("timestamp")
    return stamp / 1000 if isinstance(stamp, int) and not isinstance(stamp, bool) and 0 < stamp < _FAR else None


def _first(attributes: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    found = next((attributes[name] for name in names if attributes.get(name)), None)
    return clamp(found, 100) if found is not None else None


def _count(text: str | None) -> int | None:
    try:
        return int(float(text)) if text is not None else None
    except (ValueError, OverflowError):
        return None
