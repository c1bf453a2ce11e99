"""Secrets: where they come from, what they must look like, and how they are renewed without a restart."""

import hmac
import logging
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from monitor.settings.values import refusal, url_problem

STARS = "********"
"""What stands for a secret where settings are shown."""

SHORTEST_MASKED = 4
"""A shorter secret is masked where it stands, but not wherever its characters happen to be in a text."""

_LARGEST = 64 * 1024
# What is copied together with a token out of a header, a curl command or somebody's guide.
_LABEL = re.compile(r"authorization\s*:|bearer(\s|$)", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"\$\{[^}]*\}|\$\([^)]*\)|\{\{.*\}\}|<[^>]*>|%\(?[A-Za-z_]+[)%]s?|\$[A-Za-z_]\w*|your[_-].*", re.IGNORECASE
)
_MASKED = re.compile(r"\*+|x{8,}|\[?(redacted|masked|hidden)\]?", re.IGNORECASE)
# None of these is in a Bearer token (https://www.rfc-editor.org/rfc/rfc6750#section-2.1), and each is what remains of a
# quote, a mask or a placeholder.
_NEVER_IN_A_TOKEN = re.compile(r"[\"'`<>{}()$%*\\]")
_log = logging.getLogger(__name__)


class Unusable(Exception):
    """Why a text cannot be the secret it should be; never quotes it."""


PLACEHOLDER = object()
"""In the place of a secret, on a machine that has none of them; sent nowhere."""


class SecretSource:
    """A secret value that knows where it comes from.

    `get` returns the present value: of a file, what the file holds now. A file that cannot be read or holds no usable
    secret any more leaves the last good value in force, is reported once in the log, and stays in `problem` until fixed.
    """

    must_be: ClassVar[str] = "visible ASCII characters without spaces"
    placeholder: ClassVar[str] = "placeholder"

    def __init__(self, value: str, *, file: Path | None = None) -> None:
        """Raises Unusable."""
        self._value = self.accept(value)
        self.problem: str | None = None
        self.file = file

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """Read it now and again whenever it is asked for. Raises Unusable."""
        return cls(read_secret(file), file=file)

    @classmethod
    def accept(cls, text: str) -> str:
        """The secret in a text, in the one form in which it is both sent and compared: without what is pasted with it.

        Files end with a newline, and `docker run --env-file` keeps quotes (https://github.com/moby/moby/issues/46773).
        Raises Unusable.
        """
        bare = _without_quotes(text)
        if _LABEL.match(bare):
            raise Unusable(
                "begins with `Bearer` or `Authorization:`, which belongs to the header; give the secret alone"
            )
        _refuse_what_is_none(bare, "!", cls.must_be)
        return bare

    def get(self) -> str:
        """The present value."""
        if self.file is None:
            return self._value
        problem = None
        try:
            self._value = self.accept(read_secret(self.file))
        except Unusable as unusable:
            problem = f"secret file {self.file} {unusable}"
        if problem and problem != self.problem:
            _log.warning("%s; the last good value stays in use", problem)
        elif self.problem and not problem:
            _log.info("secret file %s is usable again", self.file)
        self.problem = problem
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({STARS if self.file is None else f'file={self.file}'})"

    def __eq__(self, other: object) -> bool:
        """The same source: the same file, or without files the same value."""
        if not isinstance(other, SecretSource) or self.file != other.file:
            return False
        return self.file is not None or hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((type(self), self.file))

    @classmethod
    def _validate(cls, given: object) -> Self:
        """A text is the secret, a path the file that holds it."""
        try:
            if isinstance(given, Path):
                return cls.from_file(given)
            if isinstance(given, str):
                return cls(given)
            if given is PLACEHOLDER:
                return cls(cls.placeholder)
        except Unusable as unusable:
            raise refusal(str(unusable)) from None
        raise refusal(f"is not a secret; allowed: {cls.must_be}")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        masked = core_schema.plain_serializer_function_ser_schema(lambda _: STARS)
        return core_schema.no_info_plain_validator_function(cls._validate, serialization=masked)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "password", "writeOnly": True}


def _without_quotes(text: str) -> str:
    bare = text.strip()
    while len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'`":
        bare = bare[1:-1].strip()
    return bare


def _refuse_what_is_none(text: str, first: str, must_be: str) -> None:
    """Refuse what is empty, holds other characters than those from `first` on, or only stands for a secret."""
    if not text:
        raise Unusable("is empty")
    if not all(first <= character <= "~" for character in text):
        raise Unusable(f"holds a character that no secret has; allowed: {must_be}")
    if _PLACEHOLDER.fullmatch(text):
        raise Unusable(
            "is a placeholder such as ${NAME} that nothing has replaced; give the secret itself, or its file"
        )
    if _MASKED.fullmatch(text):
        raise Unusable("is masked: it was copied from a place that hides it; give the secret itself, or its file")
    if text.lower().startswith("tfy-secret://"):
        raise Unusable("is a reference that only TrueFoundry can resolve; give the secret itself, or its file")


class Token(SecretSource):
    """A token that is sent to a service as `Bearer`: none of another service (`others`), which would refuse it and learn it."""

    name: ClassVar[str] = "a token"
    others: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def accept(cls, text: str) -> str:
        """As for every secret, and a token. Raises Unusable."""
        token = super().accept(text)
        if "://" in token:
            raise Unusable(f"is a URL; {cls.name} is needed")
        if _NEVER_IN_A_TOKEN.search(token):
            raise Unusable(
                "holds a character that no token has: a quote, part of a mask, or a placeholder such as ${NAME}"
            )
        for form, whose in cls.others.items():
            if re.match(form, token):
                raise Unusable(f"is {whose}; {cls.name} is needed")
        return token


_OF_SLACK = {r"xox[a-z]-|xoxe\.|xapp-": "a Slack token"}
_OF_TRACELOOP = {"tl_": "a Traceloop key"}


class TrueFoundryToken(Token):
    """A token of TrueFoundry."""

    name: ClassVar[str] = "a TrueFoundry token"
    others: ClassVar[Mapping[str, str]] = _OF_SLACK | _OF_TRACELOOP


class TraceloopKey(Token):
    """A key of Traceloop. Older ones have no prefix, so any form is one that is not another service's."""

    name: ClassVar[str] = "a Traceloop key"
    others: ClassVar[Mapping[str, str]] = _OF_SLACK


class PhoenixKey(Token):
    """A key of Phoenix: a system key, a person's key, or the admin secret."""

    name: ClassVar[str] = "a Phoenix key"
    others: ClassVar[Mapping[str, str]] = _OF_SLACK | _OF_TRACELOOP


class SlackToken(Token):
    """A token of a Slack bot: https://docs.slack.dev/authentication/tokens."""

    name: ClassVar[str] = "a Slack bot's token (xoxb-)"
    others: ClassVar[Mapping[str, str]] = {
        "xapp-": "an app-level token of Slack (xapp-), which cannot post",
        **_OF_TRACELOOP,
        "eyJ": "a TrueFoundry token",  # a JSON Web Token, which Slack has none of
    }


class SlackAppToken(Token):
    """An app-level token of Slack, which opens the connection that button presses come by."""

    name: ClassVar[str] = "an app-level token (xapp-)"
    placeholder: ClassVar[str] = "xapp-placeholder"
    others: ClassVar[Mapping[str, str]] = {
        r"xox[a-z]-|xoxe\.": "a bot's or a person's token of Slack, which opens no connection",
        **_OF_TRACELOOP,
        "eyJ": "a TrueFoundry token",
        "(?!xapp-)": "not an app-level token of Slack",
    }


class HeaderSource(SecretSource):
    """The value of a header that is sent: unlike a token it may hold single blanks inside."""

    placeholder: ClassVar[str] = "Bearer placeholder"
    must_be: ClassVar[str] = "visible ASCII characters and blanks between them"

    @classmethod
    def accept(cls, text: str) -> str:
        """As for every secret, blanks between words excepted; after `Bearer ` stands a token. Raises Unusable."""
        value = _without_quotes(text)
        scheme, blank, token = value.partition(" ")
        if scheme.lower() == "bearer" and blank:
            return f"{scheme} {Token.accept(token)}"
        _refuse_what_is_none(value, " ", cls.must_be)
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        file = {"type": "object", "properties": {"file": {"type": "string"}}, "additionalProperties": False}
        return {"anyOf": [super().__get_pydantic_json_schema__(schema, handler), file]}


class UrlSource(SecretSource):
    """A URL that is a secret itself, because whoever knows it may post to it."""

    must_be: ClassVar[str] = "an http:// or https:// URL"
    placeholder: ClassVar[str] = "https://placeholder.invalid/"

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
        with open(file, "rb", 0, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as handle:
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
        return content.decode()
    except UnicodeDecodeError:
        raise Unusable("is not text") from None
