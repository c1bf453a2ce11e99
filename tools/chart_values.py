"""The values of the Helm chart with their descriptions, read from `values.yaml`: what its schema and its README are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "gateway-trace-monitor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value: its dotted path, its default, what the comment above it says up to an empty comment line, and what is below it."""

    path: str
    default: Any
    text: str
    below: tuple["Value", ...] = ()

    @property
    def described_below(self) -> bool:
        """Whether its parts are explained one by one; else it is one value, whatever its default holds."""
        return any(value.text or value.described_below for value in self.below)


def read_values() -> tuple[Value, ...]:
    """All of them, in the order of the file."""
    text = (CHART / "values.yaml").read_text()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101 - the file is ours
    return tuple(_values(root, "", text.splitlines()))


def _values(mapping: yaml.MappingNode, prefix: str, lines: list[str]) -> Iterator[Value]:
    for key, node in mapping.value:
        path = f"{prefix}{key.value}"
        below = tuple(_values(node, f"{path}.", lines)) if isinstance(node, yaml.MappingNode) else ()
        default = yaml.safe_load(yaml.serialize(node))
        yield Value(path=path, default=default, text=_comment(lines, key.start_mark.line), below=below)


def _comment(lines: list[str], key: int) -> str:
    """The comment that ends above a line, without the examples behind its first empty comment line."""
    start = key
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    words = [line.strip().removeprefix("#").strip() for line in lines[start:key]]
    return " ".join(words[: words.index("")] if "" in words else words)
