"""The shape of the settings, read from the models: what is a mapping, a list, a value, a secret.

With it the text of a YAML file, of an environment variable and of a file in a secrets directory mean the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from monitor.settings.fields import Derived, Section, Unit
from monitor.settings.model import Settings
from monitor.settings.secret import HeaderSource, SecretSource
from monitor.settings.target import Target

TWIN = "_file"
_PATHS_OF_FILES = frozenset({"ca_file", "tls_cert", "tls_key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value. `free`: of any type, so its text decides; `path`: it names a file to be read."""

    nullable: bool = False
    free: bool = False
    path: bool = False
    unit: str | None = None
    derived: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A secret. `inline`: its file is given as `{file: …}` instead of by a twin."""

    nullable: bool = False
    inline: bool = False
    derived: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """A list."""

    item: "Shape"
    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A mapping whose keys somebody else chooses. `dashed`: their names hold `-` where a variable can only hold `_`."""

    value: "Shape"
    dashed: bool = False
    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A mapping with known keys."""

    model: type[BaseModel]
    of: Mapping[str, "Shape"]
    nullable: bool = False

    def names(self) -> list[str]:
        """Every key that may be given, twins among them."""
        twins = [f"{name}{TWIN}" for name, shape in self.of.items() if is_twinned(shape)]
        return [*self.of, *twins]

    def twin_of(self, name: str) -> str | None:
        """The secret that `name` is the file of."""
        secret = name.removesuffix(TWIN)
        return secret if secret != name and is_twinned(self.of.get(secret)) else None


Shape = Value | Hidden | Many | Table | Fields


def is_twinned(shape: Shape | None) -> bool:
    """Whether a setting has a twin that names a file."""
    return isinstance(shape, Hidden) and not shape.inline


@cache
def settings_shape() -> Fields:
    """The shape of the whole configuration, `defaults` included."""
    known = _fields(Settings)
    return Fields(model=Settings, of={**known.of, "defaults": _fields(Target)})


def _fields(model: type[BaseModel], *, nullable: bool = False) -> Fields:
    of = {field.alias or name: _of_field(field.alias or name, field) for name, field in model.model_fields.items()}
    return Fields(model=model, of=of, nullable=nullable)


def _of_field(name: str, field: FieldInfo) -> Shape:
    return _of(name, field.annotation, tuple(field.metadata))


def _of(name: str, annotation: Any, marks: tuple[Any, ...], *, nullable: bool = False) -> Shape:  # noqa: ANN401
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of(name, arguments[0], (*marks, *arguments[1:]), nullable=nullable)
    if origin in {Union, UnionType} and NoneType in arguments:
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _of(name, inner, marks, nullable=True)
    if origin is not None and issubclass(_class_of(origin), Mapping):
        dashed = name in {"targets", "other_environments", "headers"}
        return Table(value=_of("", arguments[1], ()), dashed=dashed, nullable=nullable)
    if origin is tuple:
        return Many(item=_of("", arguments[0], ()), nullable=nullable)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return _fields(annotation, nullable=nullable)
    rule = next((mark.rule for mark in marks if isinstance(mark, Derived)), None)
    if isinstance(annotation, type) and issubclass(annotation, SecretSource):
        return Hidden(nullable=nullable or rule is not None, inline=annotation is HeaderSource, derived=rule)
    unit = next((mark.name for mark in marks if isinstance(mark, Unit)), None)
    return Value(
        nullable=nullable or rule is not None,
        free=annotation is Any,
        path=name in _PATHS_OF_FILES,
        unit=unit,
        derived=rule,
    )


def _class_of(origin: Any) -> type:  # noqa: ANN401 - whatever typing hands over
    return origin if isinstance(origin, type) else NoneType
