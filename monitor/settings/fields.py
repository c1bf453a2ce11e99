"""The kinds of values that the settings are made of, each with what is allowed in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, LiteralString, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from monitor.core.model import Severity
from monitor.settings.duration import PATTERN, parse_duration
from monitor.settings.url import base_url, url_problem

V = TypeVar("V")


class Section(BaseModel):
    """A part of the settings: frozen, without unknown keys, and never quoting what was given in an error.

    The text below a field says what it is; `monitor.settings.docs` reads it for the JSON Schema and for complaints.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Derived:
    """Marks a setting whose default is made from another setting; null asks for it. `rule` says how, for people."""

    rule: str


@dataclass(frozen=True, slots=True)
class Unit:
    """Marks what a number counts, so that it can be shown as it is written."""

    name: str


def problem(kind: LiteralString, what: str) -> PydanticCustomError:
    """A complaint that says what is wrong and what is allowed. Its text is ours alone: nothing given is quoted."""
    return PydanticCustomError(kind, "{what}", {"what": what})


_SECONDS = Unit("seconds")
_DURATION_SCHEMA = {"anyOf": [{"type": "string", "pattern": PATTERN}, {"type": "number", "minimum": 0}]}

Duration = Annotated[float, BeforeValidator(parse_duration), _SECONDS, WithJsonSchema(_DURATION_SCHEMA)]
"""Seconds, zero allowed."""


def _above_zero(seconds: float) -> float:
    if seconds <= 0:
        raise problem("positive", "must be longer than nothing; allowed: 30s, 5m, 1h30m, or seconds")
    return seconds


Interval = Annotated[Duration, AfterValidator(_above_zero)]
"""Seconds, more than zero."""

Count = Annotated[int, Field(ge=1)]


# What a shell, an orchestrator or a template should have replaced.
_UNEXPANDED = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)|\{\{.*\}\}")


def _expanded(text: str) -> str:
    if _UNEXPANDED.search(text):
        raise problem("unexpanded", "holds a placeholder such as ${NAME} that nothing has replaced")
    return text


def _filled(text: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise problem("empty", "is empty; a text is needed")
    if not stripped.isprintable():
        raise problem("unprintable", "holds characters that cannot be printed")
    if len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "\"'`":
        raise problem("quoted", "holds quotes as a part of its text; give it without them")
    return _expanded(stripped)


Name = Annotated[str, AfterValidator(_filled)]
"""A text of one line that is not empty."""


def _url(text: str) -> str:
    stripped = text.strip()
    if what := url_problem(stripped):
        raise problem("url", what)
    return stripped


Url = Annotated[str, AfterValidator(_url)]
"""An http or https URL as it was given."""

BaseUrl = Annotated[Url, AfterValidator(base_url)]
"""A URL to which paths are appended: without a slash at its end."""


def without(below: re.Pattern[str]) -> AfterValidator:
    """Marks a base URL that is often given with what is `below` it, which is left off."""
    return AfterValidator(lambda url: base_url(url, below))


def _web_path(text: str) -> str:
    if re.fullmatch(r"/[!-~]*", text) is None or "#" in text:
        raise problem("path", "is not the path of a URL; allowed: /health and the like")
    return text


WebPath = Annotated[str, AfterValidator(_web_path)]


def _severity(given: object) -> object:
    words = {severity.word: severity for severity in Severity}
    word = str(given).strip().lower()
    if word not in words:
        raise problem("severity", "is not a severity; allowed: critical, warning, none")
    return words[word]


Level = Annotated[
    Severity,
    BeforeValidator(_severity),
    WithJsonSchema({"type": "string", "enum": [severity.word for severity in reversed(Severity)]}),
]


_WORD_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
Word = Annotated[str, AfterValidator(_expanded), WithJsonSchema(_WORD_SCHEMA)]
"""A text that people like to write without quotes: `team: 5`. It is read as it is written."""


class Frozen:
    """Marks a mapping that cannot be changed once it is read."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler(source)
        thawed = core_schema.wrap_serializer_function_ser_schema(
            lambda mapping, dump: dump(dict(mapping)), schema=inner
        )
        return core_schema.no_info_after_validator_function(_freeze, inner, serialization=thawed)


def _freeze(mapping: Mapping[str, V]) -> Mapping[str, V]:
    return MappingProxyType(dict(mapping))


FREEZE = Frozen()
Words = Annotated[Mapping[str, Word], FREEZE]
Json = Annotated[Mapping[str, Any], FREEZE]


def nothing() -> Mapping[Any, Any]:
    """The default of a mapping."""
    return MappingProxyType({})


_LABEL = re.compile(r"[^A-Za-z0-9_]")
_RESERVED = frozenset({"target", "alertname"})


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Names as Prometheus wants them (https://prometheus.io/docs/concepts/data_model/): other characters become `_`."""
    named: dict[str, str] = {}
    for given, value in labels.items():
        name = _LABEL.sub("_", given)
        name = f"_{name}" if name[:1].isdigit() else name
        if not name or name.startswith("__") or name in _RESERVED:
            raise problem("label", "has a label whose name the monitor uses itself; any other name is allowed")
        if name in named:
            raise problem("label", "has two labels whose names collide: all but letters, digits and `_` count as `_`")
        named[name] = value
    return named


Labels = Annotated[Mapping[str, Word], AfterValidator(_labels), FREEZE]
