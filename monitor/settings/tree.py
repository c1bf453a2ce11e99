"""The models as one tree of settings, which everything walks: the loader, complaints, `config show`, the JSON Schema.

With it the text of a YAML file, of an environment variable and of a file in a secrets directory mean the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from monitor.settings.model import Settings
from monitor.settings.problem import KeyPath
from monitor.settings.secret import HeaderSource, SecretSource
from monitor.settings.target import Target
from monitor.settings.values import Derived, Mark

TWIN = "_file"


class Kind(Enum):
    """What a setting is: a mapping with known keys, one with keys that somebody else chooses, a list, a secret, one value."""

    SECTION = auto()
    MAPPING = auto()
    LIST = auto()
    SECRET = auto()
    VALUE = auto()


@dataclass(frozen=True)
class Setting:
    """One setting as its model declares it. `type` is without its marks and without None."""

    type: Any
    marks: tuple[Any, ...] = ()
    nullable: bool = False

    @cached_property
    def kind(self) -> Kind:
        """What it is."""
        origin = get_origin(self.type)
        if origin is tuple:
            return Kind.LIST
        if origin is Mapping:
            return Kind.MAPPING
        if isinstance(self.type, type) and issubclass(self.type, BaseModel):
            return Kind.SECTION
        return Kind.SECRET if isinstance(self.type, type) and issubclass(self.type, SecretSource) else Kind.VALUE

    @cached_property
    def keys(self) -> Mapping[str, "Setting"]:
        """What a section holds, by key; of the whole also `defaults`."""
        if self.kind is not Kind.SECTION:
            return {}
        fields = self.type.model_fields.items()
        keys = {field.alias or name: _setting(field.annotation, tuple(field.metadata)) for name, field in fields}
        return keys | {"defaults": _setting(Target)} if self.type is Settings else keys

    @cached_property
    def each(self) -> "Setting":
        """What a list or a mapping holds."""
        arguments = get_args(self.type)
        return _setting(arguments[1] if self.kind is Kind.MAPPING else arguments[0])

    @property
    def derived(self) -> str | None:
        """How its default is made from another setting, for people."""
        return next((mark.rule for mark in self.marks if isinstance(mark, Derived)), None)

    @property
    def takes_file(self) -> bool:
        """Whether it is the secret of a mapping, whose file is given as `{file: …}` instead of by a twin."""
        return self.type is HeaderSource

    @property
    def twinned(self) -> bool:
        """Whether it has a twin that names a file."""
        return self.kind is Kind.SECRET and not self.takes_file

    @property
    def dashed(self) -> bool:
        """Whether the keys of a mapping hold `-` where a variable can only hold `_`."""
        return Mark.DASHED in self.marks

    def names(self) -> list[str]:
        """Every key that may be given in a section, twins among them."""
        return [*self.keys, *(f"{name}{TWIN}" for name, setting in self.keys.items() if setting.twinned)]

    def twin_of(self, name: str) -> str | None:
        """The secret that `name` is the file of."""
        secret = name.removesuffix(TWIN)
        return secret if secret != name and secret in self.keys and self.keys[secret].twinned else None

    def sections(self) -> Iterator["Setting"]:
        """Every section from here on."""
        if self.kind is Kind.SECTION:
            yield self
        below = [self.each] if self.kind in {Kind.MAPPING, Kind.LIST} else self.keys.values()
        for setting in below:
            yield from setting.sections()


@cache
def whole() -> Setting:
    """The whole configuration."""
    return _setting(Settings)


def setting_at(path: KeyPath) -> Setting | None:
    """The setting at a path."""
    found: Setting | None = whole()
    for part in path:
        if found is not None:
            found = found.each if found.kind in {Kind.MAPPING, Kind.LIST} else found.keys.get(str(part))
    return found


def _setting(annotation: Any, marks: tuple[Any, ...] = (), *, nullable: bool = False) -> Setting:  # noqa: ANN401
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _setting(arguments[0], (*marks, *arguments[1:]), nullable=nullable)
    if get_origin(annotation) in {Union, UnionType} and NoneType in arguments:
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _setting(inner, marks, nullable=True)
    return Setting(annotation, marks, nullable or annotation is Any or any(isinstance(mark, Derived) for mark in marks))
