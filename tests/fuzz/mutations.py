"""Everything that can become of an answer on its way. Each change is named and made by one seed, so that it can be made again."""

import base64
import gzip
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from monitor.sandbox.credentials import Credentials
from tests.fuzz.answers import Received

Chance = random.Random
Change = Callable[[Received, Chance], Received]
Path = tuple[str | int, ...]

PLANTED = Credentials()
"""The secrets of the sandbox: an answer that quotes them must give none of them away."""

HOSTILE: tuple[str, ...] = (
    "<!channel> <!here> <@U0SANDBOX01> <!subteam^S0123>",
    "</pre><script>alert(1)</script><img src=x onerror=alert(1)>",
    "*bold* _it_ `code` ```pre``` <https://evil.example|click>",
    "a\x00b\x1b[31mred\x1b[0m\r\nSet-Cookie: x=1\x07",
    "\u202egnp.exe\u2066\ufeff\u200b",
    "\ud800 a lone surrogate",
    "e" + "\u0301" * 5000,
    "x" * 200_000,
    "../../etc/passwd %s %n {0} {{x}} ${HOME} $(id)",
    f"Bearer {PLANTED.key}",
    f"token={PLANTED.token}&api_key={PLANTED.bot_token}",
    f"https://user:{PLANTED.token}@elsewhere.example/?token={PLANTED.key}",
    base64.b64encode(f"x:{PLANTED.token}".encode()).decode(),
    "0",
    "-1",
    "NaN",
    "1e400",
    "null",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    "1969-12-31T23:59:59Z",
    "ABCDEF0123456789ABCDEF0123456789",
    "01234567-89ab-7def-8123-456789abcdef",
    "",
)

OTHER_TYPES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**18,
    10**400,
    "",
    "text",
    [],
    ["text"],
    [[]],
    {},
    {"name": "text"},
    {"spans": [{}]},
)
"""What a field is replaced by; `same_type` leaves one out."""


def paths_of(value: Any, here: Path = ()) -> Iterator[Path]:
    """The way to every field and element of a document, itself left out."""
    pairs: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        pairs = iter(value.items())
    elif isinstance(value, list):
        pairs = iter(enumerate(value))
    for step, inner in pairs:
        yield (*here, step)
        yield from paths_of(inner, (*here, step))


def get_at(document: Any, path: Path) -> Any:
    """What stands there."""
    for step in path:
        document = document[step]
    return document


def set_at(document: Any, path: Path, value: Any) -> Any:
    """The document with something else in one place."""
    if not path:
        return value
    step, *rest = path
    copied: Any = dict(document) if isinstance(document, dict) else list(document)
    copied[step] = set_at(copied[step], tuple(rest), value)
    return copied


def drop_at(document: Any, path: Path) -> Any:
    """The document without one field or element."""
    *above, step = path
    copied: Any = get_at(document, tuple(above))
    copied = dict(copied) if isinstance(copied, dict) else list(copied)
    del copied[step]
    return set_at(document, tuple(above), copied)


def as_body(document: Any) -> bytes:
    """As JSON, lone surrogates and all."""
    return json.dumps(document).encode()


# --- in the JSON


def _in_json(edit: Callable[[Any, Path, Chance], Any]) -> Change:
    """Edit one place of the document; a body that is none is cut instead."""

    def change(received: Received, chance: Chance) -> Received:
        try:
            document = json.loads(received.body)
        except ValueError:
            return _cut(received, chance)
        paths = list(paths_of(document))
        if not paths:
            return replace(received, body=as_body(edit([document], (0,), chance)))
        return replace(received, body=as_body(edit(document, chance.choice(paths), chance)))

    return change


def _put_text(document: Any, path: Path, chance: Chance) -> Any:
    return set_at(document, path, chance.choice(HOSTILE))


def _put_other(document: Any, path: Path, chance: Chance) -> Any:
    return set_at(document, path, chance.choice(OTHER_TYPES))


def _turn_list(document: Any, path: Path, _chance: Chance) -> Any:
    """Lists become objects, and the other way round."""
    value = get_at(document, path)
    if isinstance(value, list):
        return set_at(document, path, {str(number): each for number, each in enumerate(value)})
    return set_at(document, path, list(value.values()) if isinstance(value, dict) else [value])


def _rewrite(document: Any, path: Path, chance: Chance) -> Any:
    """Another value of the same type: another case, dashes, a digit, a sign, a row twice."""
    value = get_at(document, path)
    if isinstance(value, bool):
        return set_at(document, path, not value)
    if isinstance(value, int | float):
        return set_at(document, path, chance.choice((-value, value + 1, value * 10**12, 0)))
    if isinstance(value, str):
        dashed = "-".join(value[at : at + 8] for at in range(0, len(value), 8))
        backwards = value[::-1]
        return set_at(document, path, chance.choice((value.upper(), dashed, backwards, value[:-1], f" {value}\n")))
    if isinstance(value, list):
        return set_at(document, path, chance.choice((value * 3, value[::-1], value[1:], value[:-1])))
    return set_at(document, path, {f"{name}_": each for name, each in (value or {}).items()})


def _add(document: Any, path: Path, chance: Chance) -> Any:
    """A field or an element that nobody knows."""
    value = get_at(document, path)
    if isinstance(value, dict):
        return set_at(document, path, {**value, chance.choice(HOSTILE): chance.choice(HOSTILE), "error": "no"})
    return set_at(document, path, [*value, chance.choice(OTHER_TYPES)]) if isinstance(value, list) else [document]


def _repeat_name(received: Received, chance: Chance) -> Received:
    """Two fields of one name in one object: the second says something else."""
    text = received.body.decode("utf-8", "replace").rstrip()
    if not text.endswith("}"):
        return _cut(received, chance)
    try:
        name = chance.choice(list(json.loads(received.body)))
    except (ValueError, IndexError):
        return _cut(received, chance)
    again = f", {json.dumps(name)}: {json.dumps(chance.choice(OTHER_TYPES))}}}"
    return replace(received, body=(text[:-1] + again).encode())


def _nest(received: Received, chance: Chance) -> Received:
    depth = chance.choice((50, 99, 101, 3_000, 100_000))
    pair = chance.choice((("[", "]"), ('{"a":', "}"), ('{"spans":[', "]}")))
    return replace(received, body=(pair[0] * depth).encode() + (received.body or b"1") + (pair[1] * depth).encode())


def _put_number(received: Received, chance: Chance) -> Received:
    """Numbers that JSON does not have, or nobody can hold."""
    word = chance.choice(("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 4_000, "9" * 5_000, "0x10", "01"))
    try:
        document = json.loads(received.body)
    except ValueError:
        return replace(received, body=word.encode())
    paths = list(paths_of(document))
    marked = set_at(document, chance.choice(paths), "@@") if paths else "@@"
    return replace(received, body=as_body(marked).replace(b'"@@"', word.encode()))


MOMENTS = (
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    "9999-12-31T23:59:59Z",
    "1969-12-31T23:59:59Z",
    "2027-13-45T99:99:99Z",
    "2027-01-15",
    "1800000000",
    "-9223372036854775808",
)


def _change_moments(received: Received, chance: Chance) -> Received:
    """Every date of the document is another, absurd one."""
    pattern = rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[^"]*"'
    return replace(received, body=re.sub(pattern, f'"{chance.choice(MOMENTS)}"'.encode(), received.body))


# --- in the bytes


def _cut(received: Received, chance: Chance) -> Received:
    return replace(received, body=received.body[: chance.randrange(len(received.body) + 1)])


def _flip(received: Received, chance: Chance) -> Received:
    body = bytearray(received.body or b"\0")
    for _ in range(chance.choice((1, 1, 3, 40))):
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return replace(received, body=bytes(body))


def _replace_body(received: Received, chance: Chance) -> Received:
    bodies = (
        b"",
        b" \r\n",
        b"null",
        b"{}",
        b"[]",
        b'""',
        b"0",
        b"true",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        b"404 page not found",
        b"error code: 1010",
        b"no healthy upstream",
        b"OK!",
        b"<!doctype html><title>Just a moment...</title><script src=/cdn-cgi/challenge-platform/x></script>",
        b'{"error":"Unauthorized"}',
        b'{"message":"You shall not pass","statusCode":403}',
        b'{"user":null}',
        b'{"ok":true}',
        b'{"ok":false,"error":"internal_error"}',
        b'{"ok":false,"error":"<!channel>"}',
        b'{"spans":null}',
        received.body * 2,
        received.body + b"\n" + received.body,
        received.body[::-1],
        received.body.decode("latin-1").encode("utf-16"),
    )
    return replace(received, body=chance.choice(bodies))


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    return gzip.compress(b" " * 16_000_000)


def _compress(received: Received, chance: Chance) -> Received:
    """Compressed, as promised or not, or a thousandfold."""
    bomb = _bomb()
    packed = gzip.compress(received.body)
    encoding, body = chance.choice(
        (
            ("gzip", packed),
            ("gzip", packed[:-9]),
            ("gzip", received.body),
            ("gzip", bomb),
            ("br", received.body),
            ("", bomb),
        )
    )
    return replace(received, headers={**received.headers, "content-encoding": encoding}, body=body)


# --- around the body

STATUSES = (
    *(100, 101, 199, 201, 202, 204, 206, 299),
    *(300, 301, 302, 304, 307, 308, 399),
    *(400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 418, 421, 422, 425, 429, 451, 499),
    *(500, 501, 502, 503, 504, 511, 520, 521, 522, 525, 530, 599, 600, 999),
)


def _change_status(received: Received, chance: Chance) -> Received:
    headers = {**received.headers, "location": f"https://elsewhere.example/{PLANTED.key}"}
    return replace(received, status=chance.choice(STATUSES), headers=headers)


def _change_status_and_body(received: Received, chance: Chance) -> Received:
    return _change_status(_replace_body(received, chance), chance)


def _change_type(received: Received, chance: Chance) -> Received:
    other = chance.choice(
        ("", "text/html", "text/plain; charset=utf-16", "application/x-protobuf", "application/json", "\x80;;=")
    )
    return replace(received, headers={**received.headers, "content-type": other})


RETRY_AFTER = (
    "",
    "-1",
    "0",
    "1e9",
    "99999999999999999999",
    "NaN",
    "soon",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "1, 2",
    "٣",
)


def _ask_to_wait(received: Received, chance: Chance) -> Received:
    headers = {**received.headers, "retry-after": chance.choice(RETRY_AFTER).encode().decode("latin-1")}
    return replace(received, status=chance.choice((received.status, 429, 503)), headers=headers)


def _feedback(content: Any) -> str:
    return base64.b64encode(as_body(content)).decode()


FEEDBACK: tuple[str, ...] = (
    "",
    "not base64 !!",
    "====",
    "AAAA",
    "é" * 40,
    _feedback(None),
    _feedback([]),
    _feedback("text"),
    _feedback({"traceId": 5}),
    _feedback({"traceId": int("1" * 32)}),
    _feedback({"traceId": ["a" * 32]}),
    _feedback({"traceId": "0" * 32}),
    _feedback({"traceId": "a" * 31}),
    _feedback({"traceId": "g" * 32}),
    _feedback({"traceId": "ab" * 16}),
    _feedback({"traceId": "ab" * 16, "dataRoutingDestination": "x" * 3000}),
    _feedback({"traceId": "ab" * 16, "dataRoutingDestination": {"a": 1}}),
    _feedback({"target": {"target": {"traceId": "ab" * 16}}}),
    "[" * 4000,
    base64.b64encode(b"[" * 3000).decode(),
    "QUJD" * 30_000,
)


def _change_feedback(received: Received, chance: Chance) -> Received:
    value = chance.choice(FEEDBACK).encode().decode("latin-1")
    return replace(received, headers={**received.headers, "x-tfy-feedback-target-id": value})


def _change_headers(received: Received, chance: Chance) -> Received:
    """Headers that the monitor reads, with something else in them; or all of them gone."""
    if chance.random() < 0.2:
        return replace(received, headers={})
    names = (
        *("x-tfy-resolved-model", "x-tfy-applied-configurations", "x-tfy-applied-rules", "x-tfy-cache-status"),
        *("cf-ray", "cf-mitigated", "server", "via", "x-kong-request-id", "x-request-id", "content-encoding"),
    )
    value = chance.choice(HOSTILE).encode("utf-8", "replace").decode("latin-1").replace("\r", "").replace("\n", "")
    return replace(received, headers={**received.headers, chance.choice(names): value.replace("\0", "")[:60_000]})


def _answer_in_protobuf(received: Received, chance: Chance) -> Received:
    """What an OTLP endpoint may say, and what it may not."""
    number = chance.choice((0, 1, -1, 2**62))
    partial = ExportTracePartialSuccess(rejected_spans=number, error_message=chance.choice(("", *HOSTILE[:5])))
    said = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    status = Status(code=7, message="no " + PLANTED.key).SerializeToString()
    body = chance.choice((said, said[:-1], said + b"\x99", status, b""))
    headers = {**received.headers, "content-type": chance.choice(("application/x-protobuf", "application/json"))}
    return replace(received, headers=headers, body=body)


def _answer_in_otlp_json(received: Received, chance: Chance) -> Received:
    rejected = chance.choice((*OTHER_TYPES, "1", "-1", "1.5", "x", "9" * 30))
    said = {"partialSuccess": {"rejectedSpans": rejected, "errorMessage": chance.choice((*OTHER_TYPES, *HOSTILE))}}
    return replace(received, headers={**received.headers, "content-type": "application/json"}, body=as_body(said))


KINDS: Mapping[str, Change] = {
    "other_type": _in_json(_put_other),
    "text": _in_json(_put_text),
    "drop": _in_json(lambda document, path, _: drop_at(document, path)),
    "null": _in_json(lambda document, path, _: set_at(document, path, None)),
    "turn_list": _in_json(_turn_list),
    "rewrite": _in_json(_rewrite),
    "add": _in_json(_add),
    "repeat_name": _repeat_name,
    "nest": _nest,
    "number": _put_number,
    "moment": _change_moments,
    "cut": _cut,
    "flip": _flip,
    "body": _replace_body,
    "compress": _compress,
    "status": _change_status,
    "status_and_body": _change_status_and_body,
    "type": _change_type,
    "retry_after": _ask_to_wait,
    "feedback": _change_feedback,
    "headers": _change_headers,
    "protobuf": _answer_in_protobuf,
    "otlp_json": _answer_in_otlp_json,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One change, always the same one. The kind `storm`: at each answer another one, drawn by the seed."""

    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.seed}"

    def changer(self) -> Callable[[Received], Received]:
        """A function that changes one answer after the other."""
        weather = random.Random(self.seed)  # noqa: S311 - the same changes in every run are the point

        def change(received: Received) -> Received:
            if self.kind != "storm":
                return KINDS[self.kind](received, random.Random(self.seed))  # noqa: S311 - the same
            return KINDS[weather.choice(list(KINDS))](received, weather)

        return change
