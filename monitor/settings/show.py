"""The effective settings, each with where it comes from. The output is YAML; secrets are masked, their files are not."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, time
from typing import Any

from pydantic import BaseModel

from monitor.core.model import Severity
from monitor.settings.duration import format_duration
from monitor.settings.given import Layer
from monitor.settings.inventory import all_secrets
from monitor.settings.load import Loaded
from monitor.settings.model import Settings
from monitor.settings.problem import Path
from monitor.settings.provenance import Provenance
from monitor.settings.secret import MASK, SecretSource
from monitor.settings.shape import TWIN, Fields, Hidden, Many, Shape, Table, Value, settings_shape

_COLUMN = 64
_PLAIN = re.compile(r"[A-Za-z/.*][A-Za-z0-9_./*@+-]*(:[A-Za-z0-9_./*@+-]+)*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"})
_USERINFO = re.compile(r"(?<=://)[^/@]*(?=@)")
_SHORTEST_MASKED = 4

Row = tuple[int, str, str]
"""Depth, text, and where it comes from (empty for a mapping)."""


def show(loaded: Loaded) -> str:
    """Everything, defaults and derived values among them."""
    shape = settings_shape()
    without_defaults = Fields(model=shape.model, of={name: of for name, of in shape.of.items() if name != "defaults"})
    lines = []
    for depth, text, source in _rows(loaded.settings, without_defaults, (), loaded, -1):
        line = f"{'  ' * depth}{text}"
        lines.append(f"{line:<{_COLUMN}} # {source}" if source else line)
    return _masked("\n".join(lines) + "\n", loaded.settings)


def source_of(path: Path, shape: Shape, loaded: Loaded) -> str:
    """Where the value of a path comes from, in words."""
    if forced := _forced(path, loaded.settings):
        return forced
    # The name of a label may differ from what was given, so then the place of its mapping is told.
    named = path if loaded.provenance.where(path) or path[-2:-1] != ("labels",) else path[:-1]
    where = loaded.provenance.where(named)
    if where is not None and not (where.null and _rule(shape)):
        place = (
            f"secrets directory, {where.origin.place}" if where.origin.layer is Layer.SECRETS else where.origin.place
        )
        return f"defaults, {place}" if loaded.provenance.from_defaults(named) else place
    return f"derived: {rule}" if (rule := _rule(shape)) else "built-in"


def _rule(shape: Shape) -> str | None:
    return shape.derived if isinstance(shape, Value | Hidden) else None


def _forced(path: Path, settings: Settings) -> str | None:
    """Why a check is off although nobody said so."""
    match path:
        case ("targets", str(name), "checks", "config" | "origin", "enabled"):
            return "there is no control_plane" if _target(settings, name).control_plane is None else None
        case ("targets", str(name), "checks", "arrival", "enabled"):
            return "there is no canary" if not _target(settings, name).checks.canary.enabled else None
        case _:
            return None


def _target(settings: Settings, name: str) -> Any:  # noqa: ANN401
    return next(target for given, target in settings.targets.items() if given == name)


def _rows(value: Any, shape: Shape, path: Path, loaded: Loaded, depth: int) -> Iterator[Row]:  # noqa: ANN401
    """The rows of one setting: its key, and what is below it."""
    key = f"{_scalar(str(path[-1]))}: " if path else ""
    match shape:
        case Fields() if isinstance(value, BaseModel):
            if key:
                yield depth, key.rstrip(), ""
            for name, inner in shape.of.items():
                yield from _rows(_attribute(value, name), inner, (*path, name), loaded, depth + 1)
        case Table(value=inner) if value:
            yield depth, key.rstrip(), ""
            for name, child in value.items():
                yield from _rows(child, inner, (*path, str(name)), loaded, depth + 1)
        case Many(item=Fields() as inner) if value:
            yield depth, key.rstrip(), source_of(path, shape, loaded)
            for item in value:
                yield depth, f"- {json.dumps(_plain(item, inner), ensure_ascii=False)}", ""
        case Hidden() if isinstance(value, SecretSource):
            yield depth, _secret(str(path[-1]), value, shape), source_of(path, shape, loaded)
        case _:
            text = _flow(value, shape)
            yield depth, f"{key}{text}", source_of(path, shape, loaded)


def _attribute(model: BaseModel, name: str) -> Any:  # noqa: ANN401
    return getattr(model, name, None) if name in type(model).model_fields else getattr(model, f"{name}_")


def _secret(name: str, secret: SecretSource, shape: Hidden) -> str:
    if secret.file is None:
        return f'{_scalar(name)}: "{MASK}"'
    file = _scalar(str(secret.file))
    return f"{_scalar(name)}: {{file: {file}}}" if shape.inline else f"{name}{TWIN}: {file}"


def _flow(value: Any, shape: Shape) -> str:  # noqa: ANN401
    """A value in one line."""
    match value, shape:
        case None, _:
            return "null"
        case Mapping(), _:
            return json.dumps(dict(value), ensure_ascii=False)
        case tuple(), Many(item=item):
            return f"[{', '.join(_flow(each, item) for each in value)}]"
        case Severity(), _:
            return value.word
        case float(), Value(unit="seconds"):
            return format_duration(value)
        case str(), _:
            return _scalar(_USERINFO.sub(MASK, value))
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def _plain(value: Any, shape: Shape) -> Any:  # noqa: ANN401
    """An item of a list of mappings, as JSON has it; what is null is left out."""
    if isinstance(value, BaseModel) and isinstance(shape, Fields):
        parts = {name: _plain(_attribute(value, name), inner) for name, inner in shape.of.items()}
        return {name: part for name, part in parts.items() if part is not None}
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, bool | int | float) else _text(value)


def _text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, time):
        return value.isoformat("minutes")
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _scalar(text: str) -> str:
    """A text as YAML wants it: in quotes unless it cannot be mistaken for anything else."""
    plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _masked(text: str, settings: Settings) -> str:
    """Secrets that also stand where none belongs are masked there too."""
    values = {secret.get() for secret in all_secrets(settings)}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SHORTEST_MASKED:
            text = text.replace(value, MASK)
    return text


def sources(provenance: Provenance) -> dict[Layer, set[str]]:
    """The places that anything was read from, by layer; lines of a file count as one place."""
    found: dict[Layer, set[str]] = {layer: set() for layer in Layer}
    for places in provenance.layers:
        for where in (where for path, where in places.items() if path):
            place = where.origin.place
            found[where.origin.layer].add(place.rpartition(":")[0] if where.origin.layer is Layer.FILE else place)
    return found
