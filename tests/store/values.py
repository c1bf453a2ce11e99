"""Any value that the state may hold, drawn from its own type annotations: a new field is tested the day it is added."""

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from datetime import time
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

_PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0),  # no -0.0: it equals 0.0
    bool: st.booleans(),
    type(None): st.none(),
    time: st.times(),
}


def any_value_of(kind: type[T]) -> st.SearchStrategy[T]:
    """Values of a dataclass with every field drawn, required or not."""
    hints = typing.get_type_hints(kind)
    fields = [field for field in dataclasses.fields(typing.cast("Any", kind)) if field.init]
    return st.builds(kind, **{field.name: _values(hints[field.name]) for field in fields})


def _values(hint: Any) -> st.SearchStrategy[Any]:
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    if dataclasses.is_dataclass(hint):
        return st.deferred(lambda: any_value_of(typing.cast("type[Any]", hint)))
    return _collections(typing.get_origin(hint), typing.get_args(hint))


def _collections(origin: object, arguments: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin in {typing.Union, types.UnionType}:
        return st.one_of([_values(argument) for argument in arguments])
    if origin is Mapping:
        return st.dictionaries(_values(arguments[0]), _values(arguments[1]), max_size=2)
    if origin is frozenset:
        return st.frozensets(_values(arguments[0]), max_size=3)
    if origin is tuple and arguments[1:] == (...,):
        return st.lists(_values(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(_values, arguments))
    raise AssertionError(f"no values are known for {origin}{arguments}: add them here")
