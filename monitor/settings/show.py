"""The effective settings, each with where it comes from. The output is YAML; secrets are masked, their files are not."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, time
from enum import Enum
from typing import Any

from pydantic import BaseModel

from monitor.core.model import Severity, TargetName
from monitor.settings.document import Layer
from monitor.settings.load import Loaded
from monitor.settings.model import Settings
from monitor.settings.problem import KeyPath
from monitor.settings.secret import MASK, SHORTEST_MASKED, SecretSource, all_secrets
from monitor.settings.tree import TWIN, Kind, Setting, whole
from monitor.settings.values import format_duration

_COLUMN = 64
_PLAIN = re.compile(r"[A-Za-z/.*][A-Za-z0-9_./*@+-]*(:[A-Za-z0-9_./*@+-]+)*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"})


def show(loaded: Loaded) -> str:
    """Everything, defaults and derived values among them."""
    lines = []
    for depth, body, source in _rows(loaded, loaded.settings, whole(), ()):
        line = f"{'  ' * depth}{body}"
        lines.append(f"{line:<{_COLUMN}} # {source}" if source else line)
    text = "\n".join(lines) + "\n"
    # Secrets that also stand where none belongs are masked there too.
    for value in sorted({secret.get() for secret in all_secrets(loaded.settings)}, key=len, reverse=True):
        if len(value) >= SHORTEST_MASKED:
            text = text.replace(value, MASK)
    return text


def _rows(loaded: Loaded, value: Any, setting: Setting, path: KeyPath) -> Iterator[tuple[int, str, str]]:  # noqa: ANN401
    """The rows of one setting and of what is below it: depth, text, and where it comes from (empty for a mapping)."""
    depth = len(path) - 1
    name = str(path[-1]) if path else ""
    match setting.kind:
        case Kind.SECTION if isinstance(value, BaseModel):
            if path:
                yield depth, f"{_scalar(name)}:", ""
            for key, each in _fields(value):
                yield from _rows(loaded, each, setting.keys[key], (*path, key))
        case Kind.MAPPING if value:
            yield depth, f"{_scalar(name)}:", ""
            for key, each in value.items():
                yield from _rows(loaded, each, setting.each, (*path, str(key)))
        case Kind.LIST if value and setting.each.kind is Kind.SECTION:
            yield depth, f"{_scalar(name)}:", _source(loaded, setting, path)
            for each in value:
                yield depth, f"- {json.dumps(_item(each), ensure_ascii=False)}", ""
        case Kind.SECRET if isinstance(value, SecretSource) and value.file is not None:
            file = _scalar(str(value.file))
            body = f"{_scalar(name)}: {{file: {file}}}" if setting.takes_file else f"{name}{TWIN}: {file}"
            yield depth, body, _source(loaded, setting, path)
        case _:
            yield depth, f"{_scalar(name)}: {_flow(value, setting)}", _source(loaded, setting, path)


def _fields(section: BaseModel) -> Iterator[tuple[str, Any]]:
    for name, field in type(section).model_fields.items():
        yield field.alias or name, getattr(section, name)


def _source(loaded: Loaded, setting: Setting, path: KeyPath) -> str:
    """Where the value of a path comes from, in words."""
    if forced := _why_off(path, loaded.settings):
        return forced
    # The name of a label may differ from what was given, so then the place of its mapping is told.
    where = loaded.places.where(path) or (loaded.places.where(path[:-1]) if path[-2:-1] == ("labels",) else None)
    if where is None or (where.null and setting.derived):
        return f"derived: {setting.derived}" if setting.derived else "built-in"
    place = where.origin.place
    if where.origin.layer is Layer.SECRETS:
        place = f"secrets directory, {place}"
    return f"defaults, {place}" if where.path[0] == "defaults" else place


def _why_off(path: KeyPath, settings: Settings) -> str | None:
    """Why a check is off although nobody said so."""
    match path:
        case ("targets", str(name), "checks", "config" | "origin", "enabled"):
            return "there is no control_plane" if settings.targets[TargetName(name)].control_plane is None else None
        case ("targets", str(name), "checks", "arrival", "enabled"):
            return None if settings.targets[TargetName(name)].checks.canary.enabled else "there is no canary"
        case _:
            return None


def _flow(value: Any, setting: Setting) -> str:  # noqa: ANN401 - whatever a setting may be
    """A value in one line."""
    match value:
        case SecretSource():
            return f'"{MASK}"'
        case Mapping():
            return json.dumps(dict(value), ensure_ascii=False)
        case tuple():
            return f"[{', '.join(_flow(each, setting.each) for each in value)}]"
        case Severity():
            return value.word
        case float() if setting.type is float:
            return format_duration(value)
        case str():
            return _scalar(re.sub(r"(?<=://)[^/@]*(?=@)", MASK, value))
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def _scalar(text: str) -> str:
    """A text as YAML wants it: in quotes unless it cannot be mistaken for anything else."""
    plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _item(value: Any) -> Any:  # noqa: ANN401 - JSON
    """An item of a list of mappings, as JSON has it; what is null is left out."""
    match value:
        case BaseModel():
            return {key: _item(each) for key, each in _fields(value) if each is not None}
        case tuple():
            return list(value)
        case time():
            return value.isoformat("minutes")
        case datetime():
            return value.isoformat()
        case _:
            return str(value)


def as_tree(
    part: object, *, secret: Callable[[SecretSource], str], text: Callable[[str], str], key: Callable[[str], str]
) -> Any:  # noqa: ANN401 - JSON
    """A part of the settings as mappings, lists and plain values: each secret, text and key of a mapping as it is made of it.

    What is null is left out, so that the tree can be read as a configuration again.
    """

    def plain(value: object) -> Any:  # noqa: ANN401 - JSON
        match value:
            case SecretSource():
                return secret(value)
            case BaseModel():
                return {name: plain(each) for name, each in _fields(value) if each is not None}
            case Mapping():
                return {key(str(name)): plain(each) for name, each in value.items()}
            case tuple():
                return [plain(each) for each in value]
            case Severity():
                return value.word
            case Enum():
                return value.value
            case str():
                return text(value)
            case _:
                return value

    return plain(part)
