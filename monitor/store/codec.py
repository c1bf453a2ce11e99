"""Frozen values to JSON and back.

What a newer version added is ignored where it does not matter, and where it does, only the smallest record around it is lost
(one incident, one canary), never a whole target. Among evidence a float that is not finite may become null: JSON has none.
"""

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from monitor.core.inputs import Input
from monitor.core.model import TARGET_NAME
from monitor.core.silence import Silence
from monitor.core.state import TargetState

_log = logging.getLogger(__name__)

T = TypeVar("T")

KINDS: Mapping[str, type[Input]] = {kind.STORED_AS: kind for kind in get_args(Input)}
OF_EVENTS = frozenset(
    {
        "canary_returned", "checked", "fault_changed", "incident_acknowledged", "incident_changed", "key_judged",
        "notice_handled", "reloaded", "remote_answered", "run_skipped", "trace_judged",
    }
)  # fmt: skip
"""What the history of earlier versions is made of: they recorded what had happened, not what had been observed."""


RENAMED: Mapping[str, str] = {
    "blindness": "unknown_reason",
    "charge": "suspicion",
    "gap": "transient_loss",
    "hold": "backoff",
    "hop": "pipeline_counters",
    "hop_looked_at": "counters_read_at",
    "mend": "recovery",
    "passages": "timeline",
    "perhaps": "possibly",
    "switches": "gateway_policies",
    "switches_looked_at": "gateway_policies_read_at",
    "told": "notified",
    "trends": "check_states",
}
"""Fields of the state under which earlier versions kept what has another name now."""

_VERSION = 2
"""Of a target's document. One without it may use the names of an earlier version; in one with it they may be any key of a mapping."""


class Unreadable(ValueError):
    """A document that this version can make nothing of."""


def encode_target(state: TargetState) -> str:
    """The state of one target as JSON."""
    return _encode(state, version=_VERSION)


def decode_target(document: str) -> TargetState:
    """The state of one target. Raises Unreadable if not even parts of it can be read."""
    raw = _parse_target(document)
    try:
        return _adapter(TargetState).validate_python(raw)
    except ValidationError as error:
        _leave_out(raw, error)
    return _validate(TargetState, raw)


def is_sound_target(name: str, document: str) -> bool:
    """Whether a document can be read in full, and is the one of that target."""
    return _is_sound(document, lambda: _validate(TargetState, _parse_target(document)).target == name)


def is_sound_silence(identifier: str, document: str) -> bool:
    """The same of a silence."""
    return _is_sound(document, lambda: decode_silence(document).id == identifier)


def encode_silence(silence: Silence) -> str:
    """A silence as JSON."""
    return _encode(silence)


def decode_silence(document: str) -> Silence:
    """A silence. Raises Unreadable."""
    return _decode(Silence, document)


def encode_input(given: Input) -> str:
    """An input as JSON, without its kind."""
    return _encode(given)


def decode_input(kind: str, document: str) -> Input:
    """An input. Raises Unreadable, also of a kind that this version does not know."""
    if kind not in KINDS:
        raise Unreadable("no input of this version has that name")
    return _decode(KINDS[kind], document)


_ADAPTERS: dict[type[object], TypeAdapter[Any]] = {}
"""Built at first use: together they take a tenth of a second."""


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _encode(value: object, **more: int) -> str:
    # A MappingProxyType is not a dict to pydantic; everything else in the state it knows.
    plain = _adapter(type(value)).dump_python(value, mode="json", exclude_defaults=True, warnings=False, fallback=dict)
    return json.dumps(plain | more, separators=(",", ":"))


def _decode(kind: type[T], document: str) -> T:
    return _validate(kind, _parse(document))


def shown_target(name: object) -> str:
    """The name of a target, if it can be one: what is damaged may be anything."""
    return name if isinstance(name, str) and re.fullmatch(TARGET_NAME, name) else "a target"


def _is_sound(document: str, is_the_one: Callable[[], bool]) -> bool:
    try:
        return document.isascii() and is_the_one()  # we write nothing but ASCII
    except Unreadable:
        return False


def _validate(kind: type[T], raw: dict[str, Any]) -> T:
    try:
        return _adapter(kind).validate_python(raw)
    except ValidationError as error:
        places = {f"{problem['loc'][0]}: {problem['type']}": None for problem in _problems(error) if problem["loc"]}
        raise Unreadable("; ".join(places)) from None  # pydantic's own text quotes the values, and the keys of mappings


def _problems(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False, include_context=False)


def _parse(document: str) -> dict[str, Any]:
    try:
        raw = json.loads(document, parse_float=_finite)
        if "\\ud" in document:  # half a character is not a text: it could be shown nowhere
            raw = json.loads(json.dumps(raw, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise Unreadable("not a JSON object")
    return raw


def _parse_target(document: str) -> dict[str, Any]:
    """Also one of an earlier version, as this one would have written it."""
    raw = _parse(document)
    return _with_results(_under_present_names(raw)) if raw.pop("version", None) is None else raw


def _under_present_names(raw: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(raw, list):
        return [_under_present_names(item) for item in raw]
    if isinstance(raw, dict):
        return {RENAMED.get(key, key): _under_present_names(item) for key, item in raw.items()}
    return raw


def _with_results(target: dict[str, Any]) -> dict[str, Any]:
    """Earlier versions kept of the newest look what its result says, beside its moment, and of its suspicions the first fault."""
    check_states = target.get("check_states")
    for check_state in check_states.values() if isinstance(check_states, dict) else ():
        last = check_state.get("last") if isinstance(check_state, dict) else None
        if isinstance(last, dict) and "result" not in last:
            look = {name: last.pop(name) for name in ("at", "took") if name in last}
            if (fault := last.pop("fault", None)) is not None:
                last["suspicions"] = [{"fault": fault, "summary": last.get("summary")}]
            check_state["last"] = {**look, "result": last}
    return target


def _finite(digits: str) -> float | None:
    """A number; None if it is too large to be one."""
    number = float(digits)
    return number if math.isfinite(number) else None


def _leave_out(raw: dict[str, Any], error: ValidationError) -> None:
    """Take the records that are in the way out of a target's document: an item of a collection, else the whole field."""
    items: dict[str, set[int | str]] = {}
    for problem in _problems(error):
        field, *inside = problem["loc"]
        _log.warning(
            "the state of %s: %s cannot be read and is dropped: %s",
            shown_target(raw.get("target")),
            field,
            problem["type"],
        )
        if inside and field in _collections():
            items.setdefault(str(field), set()).add(inside[0])
        else:
            raw.pop(str(field), None)
    for field, places in items.items():
        collection = raw.get(field)
        if isinstance(collection, list):
            raw[field] = [item for place, item in enumerate(collection) if place not in places]
        elif isinstance(collection, dict):
            raw[field] = {key: item for key, item in collection.items() if key not in places}


@cache
def _collections() -> frozenset[str]:
    """The fields of a target's state that hold many records."""
    hints = get_type_hints(TargetState)
    return frozenset(name for name, hint in hints.items() if get_args(hint) and get_origin(hint) in {tuple, Mapping})
