"""What was given, before it means anything: trees of text that know where each piece stands.

Every source (a YAML file, the environment, a secrets directory) becomes such a tree, so that one set of rules decides what
a text means and every complaint can name its place.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path as FilePath


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
    file: FilePath | None = None

    @property
    def null(self) -> bool:
        """Whether it says "none"."""
        return self.plain and self.file is None and self.text.lower() in {"", "~", "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list."""

    items: tuple["Given", ...]
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A mapping."""

    entries: dict[str, "Given"]
    origin: Origin


Given = Text | Items | Tree


def is_encodable(text: str) -> bool:
    """Whether it holds no lone surrogates, which is how Python shows bytes of the environment that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
