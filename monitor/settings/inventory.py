"""The settings as a tree to be walked: for their secrets, or to be handed on with some of it changed."""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

from pydantic import BaseModel

from monitor.core.model import Severity
from monitor.settings.secret import SecretSource


def all_secrets(part: object) -> tuple[SecretSource, ...]:
    """The secrets in a part of the settings, or in all of them; each once."""
    return tuple(dict.fromkeys(_secrets(part)))


def _secrets(part: object) -> Iterator[SecretSource]:
    match part:
        case SecretSource():
            yield part
        case BaseModel():
            for name in type(part).model_fields:
                yield from _secrets(getattr(part, name))
        case Mapping():
            for value in part.values():
                yield from _secrets(value)
        case tuple():
            for value in part:
                yield from _secrets(value)
        case _:
            return


def as_tree(
    part: object, *, secret: Callable[[SecretSource], str], text: Callable[[str], str], key: Callable[[str], str]
) -> Any:  # noqa: ANN401 - JSON
    """A part of the settings as mappings, lists and plain values: each secret, text and key of a mapping as it is made of it.

    What is null is left out, so that the tree can be read as a configuration again.
    """

    def plain(value: object) -> Any:  # noqa: ANN401 - JSON
        match value:
            case SecretSource():
                return secret(value)
            case BaseModel():
                fields = {name: plain(getattr(value, name)) for name in type(value).model_fields}
                return {name: inner for name, inner in fields.items() if inner is not None}
            case Mapping():
                return {key(str(name)): plain(each) for name, each in value.items()}
            case tuple():
                return [plain(each) for each in value]
            case Severity():
                return value.word
            case Enum():
                return value.value
            case str():
                return text(value)
            case _:
                return value

    return plain(part)
