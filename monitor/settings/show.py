"""The effective settings, each with where it comes from. The output is YAML; secrets are masked, their files are not."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, time
from typing import Any

from monitor.core.model import Severity, TargetName
from monitor.settings.document import Layer
from monitor.settings.layer import derivation
from monitor.settings.load import Loaded
from monitor.settings.model import Settings
from monitor.settings.problem import KeyPath
from monitor.settings.schema import TWIN, Kind, Setting, all_secrets, walk
from monitor.settings.secret import SHORTEST_MASKED, STARS, SecretSource
from monitor.settings.target import BACKENDS
from monitor.settings.values import Mark, format_duration

_COLUMN = 64
_PLAIN = re.compile(r"[A-Za-z/.*][A-Za-z0-9_./*@+-]*(:[A-Za-z0-9_./*@+-]+)*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"})


def show(loaded: Loaded) -> str:
    """Everything, defaults and derived values among them."""
    text = ""
    for path, setting, value in walk(loaded.settings):
        if path and not any(isinstance(part, int) for part in path) and not _is_other_backend(path, value):
            text += "".join(f"{'  ' * (len(path) - 1)}{row}\n" for row in _rows(loaded, path, setting, value))
    # Secrets that also stand where none belongs are masked there too.
    for secret in sorted({secret.get() for secret in all_secrets(loaded.settings)}, key=len, reverse=True):
        if len(secret) >= SHORTEST_MASKED:
            text = text.replace(secret, STARS)
    return text


def _is_other_backend(path: KeyPath, value: Any) -> bool:  # noqa: ANN401
    """Whether this is the trace backend that a target does not have."""
    return value is None and path[-1] in BACKENDS and len(path) == len(("targets", "name", "backend"))


def _rows(loaded: Loaded, path: KeyPath, setting: Setting, value: Any) -> Iterator[str]:  # noqa: ANN401
    """The row of one setting: its key and what is in it, and where it comes from; below a list its items."""
    width = _COLUMN - 2 * (len(path) - 1)
    name = _scalar(str(path[-1]))
    items: list[str] = []
    match setting.kind:
        case Kind.SECTION | Kind.MAPPING if value:
            yield f"{name}:"
            return
        case Kind.LIST if value and setting.each.kind is Kind.SECTION:
            row = f"{name}:"
            given = [each.model_dump(by_alias=True, exclude_none=True) for each in value]
            items = [f"- {json.dumps(each, ensure_ascii=False, default=_moment)}" for each in given]
        case Kind.SECRET if value and value.file:
            file = _scalar(str(value.file))
            row = f"{name}: {{file: {file}}}" if setting.takes_file else f"{path[-1]}{TWIN}: {file}"
        case _:
            row = f"{name}: {_flow(value, setting)}"
    yield f"{row:<{width}} # {_source(loaded, setting, path)}"
    yield from items


def _source(loaded: Loaded, setting: Setting, path: KeyPath) -> str:
    """Where the value of a path comes from, in words."""
    if forced := _why_off(path, loaded.settings):
        return forced
    # The name of a label may differ from what was given, so then the place of its mapping is given.
    where = loaded.places.where(path) or (loaded.places.where(path[:-1]) if path[-2:-1] == ("labels",) else None)
    if where is None or (where.null and setting.derived):
        return f"derived: {derivation(path, setting, loaded.places)}" if setting.derived else "built-in"
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
        case ("targets", str(name), "checks", "control", "enabled"):
            by_grpc = settings.targets[TargetName(name)].expected.protocol == "grpc"
            return "test spans are sent by HTTP, not by gRPC" if by_grpc else None
        case _:
            return None


def _flow(value: Any, setting: Setting) -> str:  # noqa: ANN401 - whatever a setting may be
    """A value in one line."""
    match value:
        case SecretSource():
            return f'"{STARS}"'
        case Mapping():
            return json.dumps(dict(value), ensure_ascii=False)
        case tuple():
            return f"[{', '.join(_flow(each, setting.each) for each in value)}]"
        case Severity():
            return value.word
        case float() if setting.type is float and Mark.SHARE not in setting.marks:
            return format_duration(value)
        case str():
            return _scalar(re.sub(r"(?<=://)[^/]*(?=@)", STARS, value))
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def _scalar(text: str) -> str:
    """A text as YAML wants it: in quotes unless it cannot be mistaken for anything else."""
    plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _moment(value: datetime | time) -> str:
    """A moment or a time of day of a maintenance window."""
    return value.isoformat("minutes") if isinstance(value, time) else value.isoformat()
