"""YAML, read without its surprises.

PyYAML's loaders follow YAML 1.1, where `on` is true, `1:30` is 90 and a key given twice silently wins the second time.
Here every scalar stays the text it is (the setting it belongs to decides what it means), a duplicate key is refused, and
anchors, aliases and merge keys (`<<`) work but cannot be made to grow without bound.
"""

import re
from collections.abc import Callable

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from monitor.settings.given import Given, Items, Origin, Text, Tree, is_encodable
from monitor.settings.problem import ConfigError, Problem, shown_name

_MOST_NODES = 20_000
_DEEPEST = 40
_LARGEST = 1024 * 1024
_QUOTED = re.compile(r"'(?P<one>[^']*)'|\"(?P<two>[^\"]*)\"")
_HARMLESS = re.compile(r".{0,2}|<[a-z ]+>", re.DOTALL)
_OWN_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:merge")

PlaceOf = Callable[[int], Origin]
"""The origin of something that stands in a line, counted from 1."""


_UNBOUND = "it is nested too deeply or grows without bound"


class _Loader(yaml.SafeLoader):
    """Knows no types but text, list and mapping, and the merge key; gives up early on what is too deep or too much."""

    yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile(r"<<"))]}  # noqa: RUF012 - PyYAML's name

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self._depth += 1
        self._nodes += 1
        if self._depth > _DEEPEST or self._nodes > _MOST_NODES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(problem=_UNBOUND, problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def read_document(text: str, at: PlaceOf) -> Given | None:
    """The tree of a YAML document; None if there is nothing in it. Raises ConfigError."""
    if len(text) > _LARGEST:
        raise _error(at(1), "is larger than 1 MiB, which no configuration is")
    try:
        root = yaml.compose(text, Loader=_Loader)
        return None if root is None else _Reader(at).read(root, 0)
    except yaml.MarkedYAMLError as error:
        raise _error(at(_line(error)), _syntax(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _error(
            at(line), "is not YAML: a character is not allowed in it; allowed: printable text in UTF-8"
        ) from None


class _Reader:
    """Turns nodes into `Given`, counting them."""

    def __init__(self, at: PlaceOf) -> None:
        self._at = at
        self._left = _MOST_NODES

    def read(self, node: Node, depth: int, line: int | None = None) -> Given:
        """`line`: of the key it belongs to, which is where people look."""
        origin = self._at(line or node.start_mark.line + 1)
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise _error(origin, f"is not YAML that can be used: {_UNBOUND} through its aliases")
        if not node.tag.startswith(_OWN_TAGS):
            raise _error(origin, "has a tag (`!…`); allowed: plain YAML without tags")
        if isinstance(node, MappingNode):
            return Tree(entries=self._entries(node, depth), origin=origin)
        if isinstance(node, SequenceNode):
            return Items(items=tuple(self.read(item, depth + 1) for item in node.value), origin=origin)
        return Text(text=node.value, plain=isinstance(node, ScalarNode) and node.style is None, origin=origin)

    def _entries(self, node: MappingNode, depth: int) -> dict[str, Given]:
        entries: dict[str, Given] = {}
        lines: dict[str, int] = {}
        merged: dict[str, Given] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                raise _error(self._at(line), "has a key that is not a word")
            if key.tag == "tag:yaml.org,2002:merge" and key.style is None:
                merged = self._merged(value, depth, line) | merged
                continue
            name = key.value
            if not is_encodable(name):
                raise _error(self._at(line), "has a key that is not text in UTF-8")
            if name in lines:
                raise _error(
                    self._at(line), f"key `{shown_name(name)}` is given twice; the first is in line {lines[name]}"
                )
            lines[name] = line
            entries[name] = self.read(value, depth + 1, line)
        return merged | entries

    def _merged(self, node: Node, depth: int, line: int) -> dict[str, Given]:
        given = self.read(node, depth + 1, line)
        parts = given.items if isinstance(given, Items) else (given,)
        merged: dict[str, Given] = {}
        for part in parts:
            if not isinstance(part, Tree):
                raise _error(self._at(line), "merges (`<<`) what is not a mapping")
            merged = part.entries | merged
        return merged


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _syntax(error: yaml.MarkedYAMLError) -> str:
    """What the parser says, without its excerpt of the file and without anything it quotes from it."""
    mark = error.problem_mark or error.context_mark
    column = f" in column {mark.column + 1}" if mark else ""
    parts = [_QUOTED.sub(_unquoted, part) for part in (error.context, error.problem) if part]
    return f"is not YAML{column}: {', '.join(parts)}"


def _unquoted(quotation: re.Match[str]) -> str:
    """What the parser quotes, unless it is a sign or a token such as <stream end>."""
    inside = quotation["one"] if quotation["one"] is not None else quotation["two"]
    return quotation[0] if _HARMLESS.fullmatch(inside) else "…"


def _error(origin: Origin, what: str) -> ConfigError:
    return ConfigError([Problem(place=origin.place, path=(), what=what)])
