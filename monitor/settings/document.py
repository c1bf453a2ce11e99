"""What was given, as trees of text that know where each piece stands; and YAML read into such a tree without its surprises.

PyYAML's loaders follow YAML 1.1, where `on` is true, `1:30` is 90 and a key given twice silently wins the second time.
Here every scalar stays the text it is (the setting it belongs to decides what it means), a duplicate key is refused, and
anchors, aliases and merge keys (`<<`) work but cannot be made to grow without bound.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import yaml

from monitor.settings.problem import ConfigError, Problem, shown_name

_MOST_NODES = 20_000
_DEEPEST = 40
_LARGEST = 1024 * 1024
_UNBOUND = "it is nested too deeply or grows without bound"
_TAG = "tag:yaml.org,2002:"


class Layer(StrEnum):
    """The sources, the strongest first."""

    ENVIRONMENT = "environment"
    SECRETS = "secrets directory"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where something was given: `place` is `trace-monitor.yaml:12`, the name of a variable, or a file of the secrets directory."""

    layer: Layer
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One value as it was written. `plain`: not in quotes, so `null` means none. `file`: the file whose whole content it is."""

    text: str = field(repr=False)
    origin: Origin
    plain: bool = True
    file: Path | None = None

    @property
    def null(self) -> bool:
        """Whether it says "none"."""
        return self.plain and self.file is None and self.text.lower() in {"", "~", "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list."""

    items: tuple["Node", ...]
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A mapping."""

    entries: dict[str, "Node"]
    origin: Origin


Node = Text | Items | Tree


def is_null(node: Node | None) -> bool:
    """Whether nothing is given: nothing at all, or an unquoted null."""
    return node is None or (isinstance(node, Text) and node.null)


def is_encodable(text: str) -> bool:
    """Whether it holds no lone surrogates, which is how Python shows bytes of the environment that are not UTF-8."""
    return not re.search("[\ud800-\udfff]", text)


class _Loader(yaml.SafeLoader):
    """Knows no types but text, list and mapping, and the merge key; gives up early on what is too deep or too much."""

    yaml_implicit_resolvers = {"<": [(f"{_TAG}merge", re.compile(r"<<"))]}  # noqa: RUF012 - PyYAML's name
    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.nodes += 1
        if self.depth > _DEEPEST or self.nodes > _MOST_NODES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(problem=_UNBOUND, problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read_document(text: str, at: Callable[[int], Origin]) -> Node | None:
    """The tree of a YAML document; None if there is nothing in it. `at`: the origin of a line. Raises ConfigError."""
    if len(text) > _LARGEST:
        raise _error(at(1), "is larger than 1 MiB, which no configuration is")
    try:
        root = yaml.compose(text, Loader=_Loader)
        return None if root is None else _Reader(at).read(root, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(_without_quotations(part) for part in (error.context, error.problem) if part)
        column = f" in column {mark.column + 1}" if mark else ""
        raise _error(at(mark.line + 1 if mark else 1), f"is not YAML{column}: {said}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = "is not YAML: a character is not allowed in it; allowed: printable text in UTF-8"
        raise _error(at(line), what) from None


class _Reader:
    """Turns PyYAML's nodes into ours, counting them: through aliases, few can stand for many."""

    def __init__(self, at: Callable[[int], Origin]) -> None:
        self._at = at
        self._left = _MOST_NODES

    def read(self, node: yaml.Node, depth: int, line: int | None = None) -> Node:
        """`line`: of the key it belongs to, which is where people look."""
        origin = self._at(line or node.start_mark.line + 1)
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise _error(origin, f"is not YAML that can be used: {_UNBOUND} through its aliases")
        if node.tag not in {f"{_TAG}{kind}" for kind in ("str", "map", "seq", "merge")}:
            raise _error(origin, "has a tag (`!…`); allowed: plain YAML without tags")
        if isinstance(node, yaml.MappingNode):
            return Tree(entries=self._entries(node, depth), origin=origin)
        if isinstance(node, yaml.SequenceNode):
            return Items(items=tuple(self.read(item, depth + 1) for item in node.value), origin=origin)
        return Text(text=node.value, plain=isinstance(node, yaml.ScalarNode) and node.style is None, origin=origin)

    def _entries(self, mapping: yaml.MappingNode, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key, value in mapping.value:
            line = key.start_mark.line + 1
            name = key.value
            if not isinstance(key, yaml.ScalarNode):
                raise _error(self._at(line), "has a key that is not a word")
            if key.tag == f"{_TAG}merge" and key.style is None:
                merged = self._merged(self.read(value, depth + 1, line)) | merged
                continue
            if not is_encodable(name):
                raise _error(self._at(line), "has a key that is not text in UTF-8")
            if name in lines:
                what = f"key `{shown_name(name)}` is given twice; the first is in line {lines[name]}"
                raise _error(self._at(line), what)
            lines[name] = line
            entries[name] = self.read(value, depth + 1, line)
        return merged | entries

    def _merged(self, node: Node) -> dict[str, Node]:
        """What `<<` merges: of one mapping, or of several of which the first wins."""
        merged: dict[str, Node] = {}
        for part in node.items if isinstance(node, Items) else (node,):
            if not isinstance(part, Tree):
                raise _error(node.origin, "merges (`<<`) what is not a mapping")
            merged = part.entries | merged
        return merged


def _without_quotations(said: str) -> str:
    """What PyYAML says, without what it quotes from the file, unless that is a sign or a token such as <stream end>."""

    def shown(quotation: re.Match[str]) -> str:
        return quotation[0] if re.fullmatch(r".{0,2}|<[a-z ]+>", quotation[0][1:-1], re.DOTALL) else "…"

    return re.sub(r"'[^']*'|\"[^\"]*\"", shown, said)


def _error(origin: Origin, what: str) -> ConfigError:
    return ConfigError([Problem(place=origin.place, path=(), what=what)])
