"""One layer of the settings, read from its tree of text: values for pydantic, the place of each, and what does not fit.

Decided here: what null means, how a secret and its twin `x_file` become one source, what a relative path is relative to,
and which keys nobody knows. Whether a value is allowed is pydantic's business.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.settings.document import Items, Layer, Node, Origin, Text, Tree, is_encodable, is_null
from monitor.settings.problem import KeyPath, Reading, unknown_name
from monitor.settings.schema import TWIN, Kind, Setting, whole
from monitor.settings.secret import PLACEHOLDER
from monitor.settings.values import PLACEHOLDER_LEFT, Derived, Mark, is_unexpanded

_NOTHING = object()
"""As if the key were not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where a setting was given, and under which path: a twin's or that of `defaults` differs from the setting's own."""

    origin: Origin
    path: KeyPath
    null: bool = False


def read_layer(tree: Node | None, base: Path, reading: Reading) -> tuple[dict[str, Any], dict[KeyPath, Where]]:
    """What a layer says: its values, and the place of every value and mapping. Its relative paths are relative to `base`."""
    reader = _Reader(base, reading)
    values = reader.value(tree, whole(), ()) if tree is not None else None
    return values if isinstance(values, dict) else {}, reader.places


class _Reader:
    def __init__(self, base: Path, reading: Reading) -> None:
        self._base = base
        self._reading = reading
        self.places: dict[KeyPath, Where] = {}

    def value(self, node: Node, setting: Setting, path: KeyPath) -> Any:  # noqa: ANN401 - anything that YAML can say
        """What pydantic is to be handed; _NOTHING where there is none or where it does not fit."""
        self.places[path] = Where(origin=node.origin, path=path, null=is_null(node))
        if isinstance(node, Text):
            if not is_encodable(node.text):
                return self._reject(node, path, "is not text in UTF-8")
            # Of a secret more is said where it is read.
            if setting.kind is not Kind.SECRET and is_unexpanded(node.text, in_json=setting.type is Any):
                return self._reject(node, path, PLACEHOLDER_LEFT)
        if is_null(node):
            if setting.nullable:
                return None
            if setting.kind in {Kind.SECTION, Kind.MAPPING}:
                return _NOTHING  # a section whose every line is commented out
            return self._reject(node, path, "is empty; leave the key out to get the default")
        read = {
            Kind.SECTION: self._section,
            Kind.MAPPING: self._mapping,
            Kind.LIST: self._list,
            Kind.SECRET: self._secret,
            Kind.VALUE: self._single,
        }
        return read[setting.kind](node, setting, path)

    def _section(self, node: Node, setting: Setting, path: KeyPath) -> Any:  # noqa: ANN401
        if not isinstance(node, Tree):
            return self._misplaced(node, path, f"a mapping belongs; keys: {', '.join(setting.keys)}")
        values: dict[str, Any] = {}
        twins: dict[str, Node] = {}
        for key, child in node.entries.items():
            if key in setting.keys:
                if not (is_null(child) and setting.keys[key].twinned and f"{key}{TWIN}" in node.entries):
                    values[key] = self.value(child, setting.keys[key], (*path, key))
            elif secret := setting.twin_of(key):
                twins[secret] = child
            else:
                self._reject(child, (*path, key), unknown_name(key, setting.names()))
        for secret, twin in twins.items():
            self._twin(values, node.entries.get(secret), twin, setting.keys[secret], (*path, secret))
        return {key: value for key, value in values.items() if value is not _NOTHING}

    def _twin(self, values: dict[str, Any], secret: Node | None, twin: Node, setting: Setting, path: KeyPath) -> None:
        """Let `x_file` be `x`; a null counts as not given unless the secret may be null and nothing is beside it."""
        name, as_given = str(path[-1]), (*path[:-1], f"{path[-1]}{TWIN}")
        file = self._file(twin, as_given)
        if file is None and (not setting.nullable or not is_null(secret)):
            return
        if file is not None and secret is not None and not is_null(secret):
            what = f"is given beside `{name}` ({secret.origin.place}); one of the two is allowed in one place"
            self._reject(twin, as_given, what)
            return
        values[name] = file
        self.places[path] = Where(origin=twin.origin, path=as_given)

    def _file(self, node: Node, path: KeyPath) -> Any:  # noqa: ANN401 - Path, PLACEHOLDER, None or _NOTHING
        if not isinstance(node, Text):
            return self._misplaced(node, path, "the path of a file belongs")
        if node.null:
            return None
        if is_unexpanded(node.text):
            return self._reject(node, path, PLACEHOLDER_LEFT)
        return self._base / node.text.strip() if self._reading.open_files else PLACEHOLDER

    def _mapping(self, node: Node, setting: Setting, path: KeyPath) -> Any:  # noqa: ANN401
        if not isinstance(node, Tree):
            return self._misplaced(node, path, "a mapping belongs")
        values: dict[str, Any] = {}
        for key, child in node.entries.items():
            if is_unexpanded(key):
                self._reject(child, (*path, key), PLACEHOLDER_LEFT)
            else:
                values[key] = self.value(child, setting.each, (*path, key))
        if setting.each.kind is Kind.SECTION:
            return {key: {} if value is _NOTHING else value for key, value in values.items()}
        return {key: value for key, value in values.items() if value is not _NOTHING}

    def _list(self, node: Node, setting: Setting, path: KeyPath) -> Any:  # noqa: ANN401
        if isinstance(node, Text) and setting.each.kind is not Kind.SECTION:
            parts = [part.strip() for part in node.text.split(",")]
            items: Sequence[Node] = [Text(text=part, origin=node.origin) for part in parts if part]
        elif isinstance(node, Items):
            items = node.items
        else:
            return self._misplaced(node, path, "a list belongs")
        values = [self.value(item, setting.each, (*path, place)) for place, item in enumerate(items)]
        return [value for value in values if value is not _NOTHING]

    def _secret(self, node: Node, setting: Setting, path: KeyPath) -> Any:  # noqa: ANN401
        if isinstance(node, Text):
            if node.file is not None:
                return node.file if self._reading.open_files else PLACEHOLDER
            self._reading.secrets.add(node.text.strip())
            return node.text
        if setting.takes_file and isinstance(node, Tree) and list(node.entries) == ["file"]:
            file = self._file(node.entries["file"], path)
            return _NOTHING if file is None else file
        allowed = "a text, or {file: …}" if setting.takes_file else "a text"
        return self._misplaced(node, path, f"a secret belongs; allowed: {allowed}")

    def _single(self, node: Node, setting: Setting, path: KeyPath) -> Any:  # noqa: ANN401
        if setting.type is Any:
            return _as_json(node)
        if not isinstance(node, Text):
            return self._misplaced(node, path, "a single value belongs")
        if Mark.FILE in setting.marks and not self._reading.open_files:
            return _NOTHING
        is_file = Mark.FILE in setting.marks and node.text.strip()
        return str(self._base / node.text.strip()) if is_file else node.text

    def _misplaced(self, node: Node, path: KeyPath, what: str) -> object:
        kind = {Tree: "a mapping", Items: "a list", Text: "a single value"}[type(node)]
        return self._reject(node, path, f"is {kind} where {what}")

    def _reject(self, node: Node, path: KeyPath, what: str) -> object:
        self._reading.reject(node.origin.place, path, what)
        return _NOTHING


def _as_json(node: Node) -> Any:  # noqa: ANN401 - what the gateway is to be sent
    """A value of any type: its text decides, as in YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema)."""
    if isinstance(node, Tree):
        return {key: _as_json(child) for key, child in node.entries.items()}
    if isinstance(node, Items):
        return [_as_json(item) for item in node.items]
    text, lower = node.text, node.text.lower()
    if not node.plain:
        return text
    if lower in {"", "~", "null", "true", "false"}:
        return {"true": True, "false": False}.get(lower)
    if re.fullmatch(r"[-+]?(0|[1-9][0-9]*)", text) and len(text) < 19:  # noqa: PLR2004 - every JSON parser can hold it
        return int(text)
    is_float = re.fullmatch(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?", text)
    return float(text) if is_float and len(text) < 25 else text  # noqa: PLR2004 - the same


@dataclass(frozen=True, slots=True)
class Places:
    """Where each setting was given, in every layer, the strongest first. `fallback`: the place of what was given nowhere."""

    layers: Sequence[Mapping[KeyPath, Where]]
    fallback: str

    def where(self, path: KeyPath) -> Where | None:
        """Where the effective value of a path was given; None: built in, or derived from another setting.

        A target's own value counts, then that of `defaults`.
        """
        inherits = len(path) > 2 and path[0] == "targets"  # noqa: PLR2004 - targets, its name, something of it
        candidates = [path, ("defaults", *path[2:])] if inherits else [path]
        return next((places[each] for each in candidates for places in self.layers if each in places), None)

    def place(self, path: KeyPath) -> str:
        """Where to look when something is wrong with a path: where it was given, or what is around it."""
        around = (self.where(path[:length]) for length in range(len(path), 0, -1))
        nearest = next((where for where in around if where), None)
        if nearest is None:
            return self.fallback
        is_exact = nearest.origin.layer is Layer.FILE or nearest is self.where(path)
        return nearest.origin.place if is_exact else nearest.origin.layer

    def spots(self, path: KeyPath) -> tuple[str, ...]:
        """Where a section was given: its line in the file, the variables and the mounted files that are a part of it."""
        found: list[str] = []
        for places in self.layers:
            if path in places and places[path].origin.layer is Layer.FILE:
                found.append(places[path].origin.place)
                continue
            below = [each for each in places if each[: len(path)] == path]
            found += [places[each].origin.place for each in below if not any(other[:-1] == each for other in below)]
        return tuple(dict.fromkeys(found))

    def by_layer(self) -> dict[Layer, set[str]]:
        """The places that anything was read from; lines of a file count as one place."""
        found: dict[Layer, set[str]] = {layer: set() for layer in Layer}
        for origin in (where.origin for places in self.layers for path, where in places.items() if path):
            found[origin.layer].add(origin.place.rpartition(":")[0] if origin.layer is Layer.FILE else origin.place)
        return found


def derivation(path: KeyPath, setting: Setting, places: Places) -> str:
    """How the default of a setting of a target is made, for people: by the backend that is given."""
    derived = next(mark for mark in setting.marks if isinstance(mark, Derived))
    backend = places.where((*path[:2], "phoenix"))
    return derived.with_phoenix if derived.with_phoenix and backend is not None and not backend.null else derived.rule
