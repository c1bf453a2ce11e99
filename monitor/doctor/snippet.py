"""Suggested settings as a piece of YAML that can be pasted: nested by path, each with its reason beside it. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*|[0-9]+[a-z][a-z0-9]*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})

Tree = dict[str, Any]


def snippet(suggestions: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The YAML for `{target: {path: {"value": …, "why": …}}}`; empty where nothing is suggested."""
    tree: Tree = {}
    for target, settings in suggestions.items():
        for path, suggestion in settings.items():
            _put(tree, ["targets", target, *path.split(".")], suggestion)
    return "".join(f"{line}\n" for line in _lines(tree, 0))


def _put(tree: Tree, path: list[str], suggestion: Mapping[str, Any]) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = _Leaf(suggestion["value"], suggestion["why"])


class _Leaf:
    def __init__(self, value: Any, why: str) -> None:  # noqa: ANN401 - a value of JSON
        self.value = value
        self.why = why


def _lines(tree: Tree, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, child in tree.items():
        if isinstance(child, _Leaf):
            yield f"{indent}{_scalar(name)}: {_flow(child.value)}  # {child.why}"
        else:
            yield f"{indent}{_scalar(name)}:"
            yield from _lines(child, depth + 1)


def _flow(value: Any) -> str:  # noqa: ANN401 - a value of JSON
    if isinstance(value, Mapping):
        return json.dumps(dict(value), ensure_ascii=False)
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    """A text as YAML wants it: in quotes unless it cannot be mistaken for anything else."""
    plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
