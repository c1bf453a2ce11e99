"""Secrets: where they come from, what they must look like, and how they are renewed without a restart."""

import hmac
import logging
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from monitor.settings.url import url_problem

MASK = "********"
_LARGEST = 64 * 1024
_log = logging.getLogger(__name__)


class Unusable(Exception):
    """Why a text cannot be the secret it should be; never quotes it."""


@dataclass(frozen=True, slots=True)
class SecretText:
    """A secret given as its value."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A secret given as the file that holds it."""

    path: Path = field(repr=False)


class SecretSource:
    """A secret value that knows where it comes from.

    `get` returns the present value: of a file, what the file holds now. A file that cannot be read or holds no usable
    secret any more leaves the last good value in force, is reported once in the log, and stays in `problem` until mended.
    """

    must_be: ClassVar[str] = "visible ASCII characters without spaces"
    __slots__ = ("_problem", "_value", "file")

    def __init__(self, value: str, *, file: Path | None = None) -> None:
        """Raises Unusable."""
        self._value = self.accept(value)
        self._problem: str | None = None
        self.file = file

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """Read it now and again whenever it is asked for. Raises Unusable."""
        return cls(read_secret(file), file=file)

    @classmethod
    def accept(cls, text: str) -> str:
        """The secret in a text: stripped, because files end with a newline. Raises Unusable."""
        stripped = text.strip()
        if not stripped:
            raise Unusable("is empty")
        if not all("!" <= character <= "~" for character in stripped):
            raise Unusable(f"holds a character that no secret has; allowed: {cls.must_be}")
        return stripped

    @property
    def problem(self) -> str | None:
        """Why the file cannot be used at present; None while all is well."""
        return self._problem

    def get(self) -> str:
        """The present value."""
        if self.file is None:
            return self._value
        try:
            self._value = self.accept(read_secret(self.file))
        except Unusable as unusable:
            self._report(f"secret file {self.file} {unusable}")
        else:
            self._report(None)
        return self._value

    def _report(self, problem: str | None) -> None:
        if problem and problem != self._problem:
            _log.warning("%s; the last good value stays in force", problem)
        elif self._problem and not problem:
            _log.info("secret file %s is usable again", self.file)
        self._problem = problem

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK if self.file is None else f'file={self.file}'})"

    def __eq__(self, other: object) -> bool:
        """The same source: the same file, or without files the same value."""
        if not isinstance(other, SecretSource) or self.file != other.file:
            return False
        return self.file is not None or hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((type(self), self.file))

    @classmethod
    def _validate(cls, given: object) -> Self:
        try:
            match given:
                case SecretFile(path):
                    return cls.from_file(path)
                case SecretText(value):
                    return cls(value)
        except Unusable as unusable:
            raise PydanticCustomError("secret", "{why}", {"why": str(unusable)}) from None
        raise PydanticCustomError("secret", "{why}", {"why": f"is not a secret; allowed: {cls.must_be}"})

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(_masked)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "password", "writeOnly": True}


def _masked(_value: Any) -> str:  # noqa: ANN401 - pydantic hands over whatever stands in the field
    return MASK


class HeaderSource(SecretSource):
    """The value of a header that is sent: unlike a token it may hold single blanks inside."""

    must_be: ClassVar[str] = "visible ASCII characters and blanks between them"
    __slots__ = ()

    @classmethod
    def accept(cls, text: str) -> str:
        """As for every secret, blanks between words excepted. Raises Unusable."""
        stripped = text.strip()
        if stripped:
            super().accept(stripped.replace(" ", "-"))
            return stripped
        return super().accept(stripped)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        file = {"type": "object", "properties": {"file": {"type": "string"}}, "additionalProperties": False}
        return {"anyOf": [super().__get_pydantic_json_schema__(schema, handler), file]}


class UrlSource(SecretSource):
    """A URL that is a secret itself, because whoever knows it may post to it."""

    must_be: ClassVar[str] = "an http:// or https:// URL"
    __slots__ = ()

    @classmethod
    def accept(cls, text: str) -> str:
        """As for every secret, and a URL. Raises Unusable."""
        url = super().accept(text)
        if problem := url_problem(url, query=True):
            raise Unusable(problem)
        return url


def read_secret(file: Path) -> str:
    """The text of a small regular file. Raises Unusable; its text names neither the file nor what is in it.

    A pipe is refused because opening it could wait for ever. Kubernetes' links are followed, so a swapped `..data` is seen.
    """
    try:
        with open(file, "rb", buffering=0, opener=_open_without_waiting) as handle:
            if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                raise Unusable("is not a regular file")
            content = handle.read(_LARGEST + 1)
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or 'no such file'}") from None
    except ValueError:  # a NUL in the path
        raise Unusable("cannot be read: no such file") from None
    if len(content) > _LARGEST:
        raise Unusable("is larger than 64 KiB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Unusable("is not text") from None


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
