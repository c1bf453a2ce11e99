"""What was given, brought into the shape of the settings: values for pydantic, the place of each, and what does not fit.

Decided here: what null means, how a secret and its twin `x_file` become one source, what a relative path is relative to,
and which keys nobody knows. Whether a value is allowed is pydantic's business.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path as FilePath
from typing import Any

from monitor.settings.given import Given, Items, Origin, Text, Tree, is_encodable
from monitor.settings.problem import Path, Problem, unknown_name
from monitor.settings.secret import SecretFile, SecretText
from monitor.settings.shape import TWIN, Fields, Hidden, Many, Shape, Table, Value, is_twinned, settings_shape

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?")


class _Nothing(Enum):
    """As if the key were not there."""

    NOTHING = auto()


NOTHING = _Nothing.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where a setting was given, and under which path: a twin's or that of `defaults` differs from the setting's own."""

    origin: Origin
    path: Path
    null: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """One layer. `places` knows every value and every mapping that was given."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Where] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def lower(tree: Given | None, base: FilePath) -> Lowered:
    """Bring a layer into shape. `base` is what its relative paths are relative to."""
    lowering = _Lowering(base)
    if tree is not None:
        values = lowering.value(tree, settings_shape(), ())
        lowering.done.values.update(values if isinstance(values, dict) else {})
    return lowering.done


class _Lowering:
    def __init__(self, base: FilePath) -> None:
        self._base = base
        self.done = Lowered()

    def value(self, given: Given, shape: Shape, path: Path) -> Any:  # noqa: ANN401 - anything that YAML can say
        """What pydantic is to be handed; NOTHING where there is none or where it does not fit."""
        self.done.places[path] = Where(origin=given.origin, path=path, null=_is_null(given))
        if isinstance(given, Text):
            if not is_encodable(given.text):
                return self._reject(given, path, "is not text in UTF-8")
            if given.null:
                return self._null(given, shape, path)
        match shape:
            case Fields():
                return self._fields(given, shape, path)
            case Table():
                return self._table(given, shape, path)
            case Many():
                return self._many(given, shape, path)
            case Hidden():
                return self._secret(given, shape, path)
            case Value():
                return self._single(given, shape, path)

    def _null(self, given: Text, shape: Shape, path: Path) -> Any:  # noqa: ANN401
        if shape.nullable or (isinstance(shape, Value) and shape.free):
            return None
        if isinstance(shape, Fields | Table):
            return NOTHING  # a section whose every line is commented out
        return self._reject(given, path, "is empty; leave the key out to get the default")

    def _fields(self, given: Given, shape: Fields, path: Path) -> Any:  # noqa: ANN401
        if not isinstance(given, Tree):
            return self._reject(
                given, path, f"{_kind(given)} stands where a mapping belongs; keys: {', '.join(shape.of)}"
            )
        values: dict[str, Any] = {}
        for key, child in given.entries.items():
            if _is_null(child) and is_twinned(shape.of.get(key)) and f"{key}{TWIN}" in given.entries:
                continue  # the twin speaks for both
            if key in shape.of:
                value = self.value(child, shape.of[key], (*path, key))
                if value is not NOTHING:
                    values.setdefault(key, value)
            elif shape.twin_of(key) is None:
                self._reject(child, (*path, key), unknown_name(key, shape.names()))
        for key, child in given.entries.items():
            if key not in shape.of and (secret := shape.twin_of(key)):
                self._twin(values, given.entries.get(secret), child, shape.of[secret], (*path, secret))
        return values

    def _twin(self, values: dict[str, Any], secret: Given | None, twin: Given, shape: Shape, path: Path) -> None:
        """Fold `x_file` into `x`; a null counts as not given unless the secret may be null and nothing stands beside it."""
        name = str(path[-1])
        as_given = (*path[:-1], f"{name}{TWIN}")
        source = self._file(twin, as_given)
        if source is None and (not shape.nullable or (secret is not None and not _is_null(secret))):
            return
        if source is not None and secret is not None and not _is_null(secret):
            self._reject(
                twin,
                as_given,
                f"is given beside `{name}` ({secret.origin.place}); one of the two is allowed in one place",
            )
            return
        if source is not NOTHING:
            values[name] = source
        self.done.places[path] = Where(origin=twin.origin, path=as_given)

    def _file(self, given: Given, path: Path) -> Any:  # noqa: ANN401 - SecretFile, None or NOTHING
        if not isinstance(given, Text):
            return self._reject(given, path, f"{_kind(given)} stands where the path of a file belongs")
        return None if given.null else SecretFile(self._base / given.text.strip())

    def _table(self, given: Given, shape: Table, path: Path) -> Any:  # noqa: ANN401
        if not isinstance(given, Tree):
            return self._reject(given, path, f"{_kind(given)} stands where a mapping belongs")
        values = {key: self.value(child, shape.value, (*path, key)) for key, child in given.entries.items()}
        if isinstance(shape.value, Fields):
            return {key: {} if value is NOTHING else value for key, value in values.items()}
        return {key: value for key, value in values.items() if value is not NOTHING}

    def _many(self, given: Given, shape: Many, path: Path) -> Any:  # noqa: ANN401
        if isinstance(given, Text) and not isinstance(shape.item, Fields):
            parts = [part.strip() for part in given.text.split(",")]
            items: tuple[Given, ...] = tuple(Text(text=part, origin=given.origin) for part in parts if part)
        elif isinstance(given, Items):
            items = given.items
        else:
            return self._reject(given, path, f"{_kind(given)} stands where a list belongs")
        values = [self.value(item, shape.item, (*path, place)) for place, item in enumerate(items)]
        return [value for value in values if value is not NOTHING]

    def _secret(self, given: Given, shape: Hidden, path: Path) -> Any:  # noqa: ANN401
        if isinstance(given, Text):
            return SecretText(given.text) if given.file is None else SecretFile(given.file)
        if shape.inline and isinstance(given, Tree) and list(given.entries) == ["file"]:
            source = self._file(given.entries["file"], path)
            return NOTHING if source is None else source
        allowed = "a text, or {file: …}" if shape.inline else "a text"
        return self._reject(given, path, f"{_kind(given)} stands where a secret belongs; allowed: {allowed}")

    def _single(self, given: Given, shape: Value, path: Path) -> Any:  # noqa: ANN401
        if shape.free:
            return _as_json(given)
        if not isinstance(given, Text):
            return self._reject(given, path, f"{_kind(given)} stands where a single value belongs")
        return str(self._base / given.text.strip()) if shape.path and given.text.strip() else given.text

    def _reject(self, given: Given, path: Path, what: str) -> _Nothing:
        self.done.problems.append(Problem(place=given.origin.place, path=path, what=what))
        return NOTHING


def _is_null(given: Given) -> bool:
    return isinstance(given, Text) and given.null


def _kind(given: Given) -> str:
    match given:
        case Tree():
            return "a mapping"
        case Items():
            return "a list"
        case Text():
            return "a single value"


def _as_json(given: Given) -> Any:  # noqa: ANN401 - what the gateway is to be sent
    """A value of any type: its text decides, as in YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema)."""
    match given:
        case Tree(entries=entries):
            return {key: _as_json(child) for key, child in entries.items()}
        case Items(items=items):
            return [_as_json(item) for item in items]
        case Text(text=text) if not given.plain:
            return text
        case Text(text=text):
            return _scalar(text)


def _scalar(text: str) -> Any:  # noqa: ANN401
    if text.lower() in {"", "~", "null"}:
        return None
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if _INTEGER.fullmatch(text) and len(text) < 19:  # noqa: PLR2004 - a number that every JSON parser can hold
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and len(text) < 25 else text  # noqa: PLR2004 - the same
