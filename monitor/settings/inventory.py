"""Every secret of the settings, so that whatever is about to leave can be searched for them."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

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
