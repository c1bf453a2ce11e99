"""The models as one tree of settings, which everything walks: the loader, complaints, `config show`, the JSON Schema.

With it the text of a YAML file, of an environment variable and of a file in a secrets directory mean the same.
"""

from collections.abc import Iterable, Iterator, Mapping
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
from monitor.settings.values import Derived

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
        return keys | {"defaults": Setting(Target)} if self.type is Settings else keys

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

    def names(self) -> list[str]:
        """Every key that may be given in a section, twins among them."""
        return [*self.keys, *(f"{name}{TWIN}" for name, setting in self.keys.items() if setting.twinned)]

    def twin_of(self, name: str) -> str | None:
        """The secret that `name` is the file of."""
        secret = name.removesuffix(TWIN)
        return secret if secret != name and secret in self.keys and self.keys[secret].twinned else None


@cache
def whole(model: type[BaseModel] = Settings) -> Setting:
    """The whole of a model: of the configuration, or of a section."""
    return Setting(model)


def setting_at(path: KeyPath) -> Setting | None:
    """The setting at a path."""
    found: Setting | None = whole()
    for part in path:
        if found is not None:
            found = found.each if found.kind in {Kind.MAPPING, Kind.LIST} else found.keys.get(str(part))
    return found


def sections(setting: Setting) -> Iterator[Setting]:
    """Every section of a setting, itself among them."""
    below = [setting.each] if setting.kind in {Kind.MAPPING, Kind.LIST} else setting.keys.values()
    yield from [setting] if setting.kind is Kind.SECTION else []
    for each in below:
        yield from sections(each)


def walk(value: Any, setting: Setting | None = None, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Setting, Any]]:  # noqa: ANN401
    """Every effective setting of a section from the outside in: its path, what its model says of it, its value."""
    model: type[BaseModel] = type(value)
    setting = setting or whole(model)
    yield path, setting, value
    below: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, BaseModel):
        below = fields_of(value)
    elif setting.kind in {Kind.MAPPING, Kind.LIST}:
        below = value.items() if setting.kind is Kind.MAPPING else enumerate(value)
    for key, each in below:
        yield from walk(each, setting.keys[str(key)] if setting.keys else setting.each, (*path, key))


def fields_of(section: BaseModel) -> Iterator[tuple[str, Any]]:
    """The settings of a section, by their keys."""
    for name, field in type(section).model_fields.items():
        yield field.alias or name, getattr(section, name)


def _setting(annotation: Any, marks: tuple[Any, ...] = (), *, nullable: bool = False) -> Setting:  # noqa: ANN401
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _setting(arguments[0], (*marks, *arguments[1:]), nullable=nullable)
    if get_origin(annotation) in {Union, UnionType} and NoneType in arguments:
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _setting(inner, marks, nullable=True)
    return Setting(annotation, marks, nullable or annotation is Any or any(isinstance(mark, Derived) for mark in marks))


def all_secrets(section: BaseModel | None) -> tuple[SecretSource, ...]:
    """The secrets in a section of the settings, or in all of them; each once."""
    return tuple(dict.fromkeys(value for _, _, value in walk(section) if isinstance(value, SecretSource)))
