"""Secrets: where they come from, what they must look like, and how they are renewed without a restart."""

import hmac
import logging
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from monitor.settings.url import url_problem

MASK = "********"
_LARGEST = 64 * 1024
_QUOTES = "\"'`"
# What is copied together with a token out of a header, a curl command or somebody's guide.
_LABEL = re.compile(r"(authorization\s*:|bearer(?=\s|$))", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"\$\{[^}]*\}|\$\([^)]*\)|\{\{.*\}\}|<[^>]*>|%\(?[A-Za-z_]+[)%]s?|\$[A-Za-z_]\w*|your[_-].*", re.IGNORECASE
)
_MASK = re.compile(r"\*+|x{8,}|\[?(redacted|masked|hidden)\]?", re.IGNORECASE)
# None of these is in a Bearer token (https://www.rfc-editor.org/rfc/rfc6750#section-2.1), and each is what remains of a
# quote, a mask or a placeholder.
_NEVER_IN_A_TOKEN = re.compile(r"[\"'`<>{}()$%*\\]")
_SLACK = re.compile(r"(xox[a-z]-|xoxe\.|xapp-)")
_TRACELOOP = re.compile(r"tl_")
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


@dataclass(frozen=True, slots=True)
class StandIn:
    """In the place of a secret, on a machine that has none of them; sent nowhere."""


class SecretSource:
    """A secret value that knows where it comes from.

    `get` returns the present value: of a file, what the file holds now. A file that cannot be read or holds no usable
    secret any more leaves the last good value in force, is reported once in the log, and stays in `problem` until mended.
    """

    must_be: ClassVar[str] = "visible ASCII characters without spaces"
    stand_in: ClassVar[str] = "stand-in"
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
        """The secret in a text, in the one form in which it is both sent and compared: without what is pasted with it.

        Files end with a newline, `docker run --env-file` keeps quotes (https://github.com/moby/moby/issues/46773), and a token
        is copied with its `Bearer `. Raises Unusable.
        """
        bare = undecorated(text)
        while (rest := _LABEL.sub("", bare, count=1) if _LABEL.match(bare) else bare) != bare:
            bare = undecorated(rest)
        if not bare:
            raise Unusable("is empty")
        if not all("!" <= character <= "~" for character in bare):
            raise Unusable(f"holds a character that no secret has; allowed: {cls.must_be}")
        _refuse_what_stands_for_a_secret(bare)
        return bare

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
                case StandIn():
                    return cls(cls.stand_in)
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


def undecorated(text: str) -> str:
    """A text without the blanks and the pairs of quotes around it."""
    bare = text.strip()
    while len(bare) > 1 and bare[0] == bare[-1] and bare[0] in _QUOTES:
        bare = bare[1:-1].strip()
    return bare


def _refuse_what_stands_for_a_secret(text: str) -> None:
    if _PLACEHOLDER.fullmatch(text):
        raise Unusable(
            "is a placeholder such as ${NAME} that nothing has replaced; give the secret itself, or its file"
        )
    if _MASK.fullmatch(text):
        raise Unusable("is masked: it was copied from a place that hides it; give the secret itself, or its file")
    if text.lower().startswith("tfy-secret://"):
        raise Unusable("is a reference that only TrueFoundry can resolve; give the secret itself, or its file")


class Token(SecretSource):
    """A token that is sent to a service as `Bearer`: none of another service, which would refuse it and learn it."""

    others: ClassVar[Mapping[str, re.Pattern[str]]] = {}
    __slots__ = ()

    @classmethod
    def accept(cls, text: str) -> str:
        """As for every secret, and a token. Raises Unusable."""
        token = super().accept(text)
        if "://" in token:
            raise Unusable("is a URL; a token is needed")
        if _NEVER_IN_A_TOKEN.search(token):
            raise Unusable(
                "holds a character that no token has: a quote, part of a mask, or a placeholder such as ${NAME}"
            )
        other = next((whose for whose, form in cls.others.items() if form.match(token)), None)
        if other is not None:
            raise Unusable(f"is {other}, which does not belong here")
        return token


class TrueFoundryToken(Token):
    """A token of TrueFoundry."""

    others: ClassVar[Mapping[str, re.Pattern[str]]] = {"a Slack token": _SLACK, "a Traceloop key": _TRACELOOP}
    __slots__ = ()


class TraceloopKey(Token):
    """A key of Traceloop. Older ones have no prefix, so any form is one that is not another service's."""

    others: ClassVar[Mapping[str, re.Pattern[str]]] = {"a Slack token": _SLACK}
    __slots__ = ()


class SlackToken(Token):
    """A token of a Slack bot: https://docs.slack.dev/authentication/tokens."""

    others: ClassVar[Mapping[str, re.Pattern[str]]] = {
        "an app-level token of Slack (xapp-), which cannot post": re.compile("xapp-"),
        "a Traceloop key": _TRACELOOP,
        "a token of TrueFoundry": re.compile("eyJ"),  # a JSON Web Token, which Slack has none of
    }
    __slots__ = ()


class HeaderSource(SecretSource):
    """The value of a header that is sent: unlike a token it may hold single blanks inside."""

    must_be: ClassVar[str] = "visible ASCII characters and blanks between them"
    __slots__ = ()

    @classmethod
    def accept(cls, text: str) -> str:
        """As for every secret, blanks between words excepted; after `Bearer ` stands a token. Raises Unusable."""
        value = undecorated(text)
        scheme, blank, token = value.partition(" ")
        if scheme.lower() == "bearer" and blank:
            return f"{scheme} {Token.accept(token)}"
        if not value:
            raise Unusable("is empty")
        if not all(" " <= character <= "~" for character in value):
            raise Unusable(f"holds a character that no secret has; allowed: {cls.must_be}")
        _refuse_what_stands_for_a_secret(value)
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        file = {"type": "object", "properties": {"file": {"type": "string"}}, "additionalProperties": False}
        return {"anyOf": [super().__get_pydantic_json_schema__(schema, handler), file]}


class UrlSource(SecretSource):
    """A URL that is a secret itself, because whoever knows it may post to it."""

    must_be: ClassVar[str] = "an http:// or https:// URL"
    stand_in: ClassVar[str] = "https://stand-in.invalid/"
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
