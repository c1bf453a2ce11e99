"""A whole answer: bounded, whatever was sent, and judged only as far as HTTP goes."""

import json
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import islice
from typing import Any, NoReturn

from monitor.core.model import Instant, Phases, Scalar, Seconds
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from monitor.redaction import Redactor, clamp

_PIECE = 65_536
_MOST_BUILT = 24 * 1024 * 1024  # bytes that reading one JSON answer may take, its text included
_AN_OBJECT, _AN_ENTRY = re.compile(r'\{\s*["}]'), re.compile(r',\s*["\d{\[-]')  # inside of texts quotes are escaped
_MOST_MEMBERS = 1000  # of one gzip stream
_SMALLEST_PIECE = 256  # of an answer on average; who sends a byte at a time keeps everything else waiting
_FEW_PIECES = 20_000
_ZLIB_HEAD = 2
_DEEPEST = 100  # levels of JSON; recorded answers have fewer than ten
_LONGEST_WAIT = 86_400.0  # of a Retry-After; more is a mistake of somebody's clock
_LOOKED_AT = 65_536  # so much of a page is searched for the marks of a blocking proxy
TRAIL = ("server", "cf-ray", "via", "x-kong-request-id", "x-kong-upstream-latency", "x-request-id")
_REFUSALS = frozenset({401, 403, 429})
_BLOCKING_STATUSES = frozenset({401, 403, 429, 503})

# Cloudflare could not reach what is behind it. Not 524: that was reached, and did not answer in time.
# https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
_EDGE_STATUSES = frozenset({520, 521, 522, 523, 525, 526, 530})

# Cloudflare's own refusals, as text (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/)
# and as pages. Its 52x are not among them: they say that what is behind Cloudflare is down.
_BLOCK_PAGE = re.compile(
    rb"error code: 1\d{3}\b|used Cloudflare to restrict access|Attention Required! \| Cloudflare|_cf_chl|challenge-platform"
)


class Unread(Garbled):
    """An answer that may be right and is not read: too large, packed in another way, JSON that parsers read in different ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer. `body` is what was kept of it, decompressed; `flaw` says why it is not the whole.

    `size` is how much of the body was read, also of one that was not kept; `cut_off`: the rest was more than might be read. `trail`
    are the headers by which the other side finds this request in its logs, and that say who answered: fit to be shown.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    flaw: str | None = None
    cut_off: bool = False
    phases: Phases = Phases()
    certificate_expires_at: Instant | None = None
    size: int = 0
    trail: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        """The content type without its parameters, lower-case."""
        return clamp(self.headers.get("content-type", "").partition(";")[0].strip().lower(), 60)

    @property
    def blocked(self) -> bool:
        """Whether something in front of the service answered: Cloudflare's 1010, a challenge, a firewall's page."""
        if self.status not in _BLOCKING_STATUSES:
            return False
        return "cf-mitigated" in self.headers or _BLOCK_PAGE.search(self.body[:_LOOKED_AT]) is not None

    @property
    def edge_failure(self) -> bool:
        """Whether this is Cloudflare's own page, which says that it cannot reach the service behind it."""
        is_cloudflares = "cf-ray" in self.headers or self.headers.get("server", "").lower() == "cloudflare"
        return self.status in _EDGE_STATUSES and is_cloudflares and not self.body.lstrip().startswith(b"{")

    def text(self, limit: int = 20_000) -> str:
        """The beginning of the body as text; foreign, so not yet fit to be shown."""
        return self.body[: limit * 4].decode("utf-8", "replace")[:limit]

    @property
    def complaint(self) -> str:
        """What an error answer says went wrong: its `message` or `error`, else the beginning of the body. Foreign text."""
        try:
            body = self.json()
        except Garbled:
            return self.text(1000)
        for _ in range(2):  # `error` may be an object that has a `message`
            if not isinstance(body, Mapping):
                break
            body = next((body[name] for name in ("message", "error", "msg", "detail") if body.get(name)), "")
        return body[:1000] if isinstance(body, str) else self.text(1000)

    def json(self) -> Any:  # noqa: ANN401 - JSON is whatever was sent
        """The body as JSON. Raises Garbled if it is cut off, compressed out of bounds, no JSON, or absurdly deep."""
        kind: type[Garbled] = Unread
        try:
            return _parse(self.body, self.flaw)
        except RecursionError:
            what = f"JSON nested deeper than {_DEEPEST} levels"
        except Unread as unread:
            what = str(unread)
        except ValueError:
            size, form = len(self.body), self.media_type or "no content type"
            kind, what = Garbled, f"{size} bytes of {form}, which is not valid JSON"
        raise kind(f"status {self.status} with {what}", status=self.status, evidence=self.trail)

    def retry_after(self, now: Instant) -> Seconds | None:
        """Seconds to wait by the header Retry-After, in either of its forms; None if absent or not understood.

        https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
        """
        text = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]{1,9}", text):
            return min(float(text), _LONGEST_WAIT)
        moment = _moment(text)
        return None if moment is None else min(max(0.0, moment - now), _LONGEST_WAIT)

    @property
    def sent_at(self) -> Instant | None:
        """What the clock of the other side showed, in whole seconds, by the header Date; None if absent or not understood.

        https://www.rfc-editor.org/rfc/rfc9110#field.date
        """
        return _moment(self.headers.get("date", "").strip())

    def as_error(self, who_answers: str, redactor: Redactor | None, now: Instant) -> PortError:
        """What a status that is not an answer means to a reader. `redactor` None: what the other side says of it is left out."""
        said = redactor.show(self.complaint, 200) if redactor is not None else ""
        what = f"{who_answers} HTTP {self.status}" + (f": {said}" if said else "")
        if self.blocked or self.status in _REFUSALS:
            wait, blocked = self.retry_after(now), self.blocked
            return Refused(what, status=self.status, retry_after=wait, blocked=blocked, evidence=self.trail)
        if self.status == HTTPStatus.NOT_FOUND:
            return Gone(what)
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unreachable(what, kind="status", status=self.status, evidence=self.trail)
        return Garbled(what, status=self.status, evidence=self.trail)


class Body:
    """Reads a body up to a limit, decompressed on the way in small pieces, so that nothing sent can fill the memory.

    `keep`: whether the pieces are collected, too.
    """

    def __init__(self, *, encoding: str, limit: int, keep: bool = True) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._keep = keep
        self._encoding = encoding.strip().lower()
        self._inflate = _decompressor(self._encoding)
        self._members = 1
        self._chunks = 0
        self._sent = 0
        self._head = b"" if self._encoding == "deflate" else None  # None: what precedes the data is known
        self.size = 0
        self.flaw: str | None = None
        self.cut_off = False
        if self._inflate is None and self._encoding not in ("", "identity"):
            self.flaw = f"a body in the encoding {clamp(encoding, 30)}, which nobody asked for"

    @property
    def content(self) -> bytes:
        """What has been kept."""
        return bytes(self._kept)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Take what was sent; its content in pieces of at most 64 KiB, none once there is a flaw."""
        self._chunks += 1
        self._sent += len(chunk)
        if self._chunks > _FEW_PIECES + self._limit // _SMALLEST_PIECE:
            self.flaw = f"a body sent in more than {self._chunks - 1} small chunks"
        sent = (chunk[start : start + _PIECE] for start in range(0, len(chunk), _PIECE))
        unpacked = (piece for part in sent for piece in self._unpack(part))
        while self.flaw is None and (piece := next(unpacked, None)) is not None:
            taken = piece[: self._limit - self.size]
            if len(taken) < len(piece):
                self.flaw, self.cut_off = f"a body of more than {self._limit} bytes", True
            self.size += len(taken)
            if self._keep:
                self._kept += taken
            yield taken

    def feed(self, chunk: bytes) -> bool:
        """Take what was sent, all at once; False when no more is wanted."""
        for _ in self.pieces(chunk):
            pass
        return self.flaw is None

    def _unpack(self, sent: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            yield sent
            return
        # Packing makes it no longer; what unpacks to nothing at all could go on for ever.
        if self._sent > self._limit + _PIECE:
            self.flaw = f"a compressed body of more than {self._limit} bytes"
            return
        try:
            yield from self._inflated(self._inflate, sent)
        except zlib.error:
            # Some send deflate without zlib's two bytes before it: https://www.rfc-editor.org/rfc/rfc9110#name-deflate-coding.
            if self._head is None or self.size:
                self.flaw = "a compressed body that cannot be read"
                return
            whole, self._head, self._inflate = self._head + sent, None, zlib.decompressobj(-zlib.MAX_WBITS)
            yield from self._unpack(whole)
        if self._head is not None:
            self._head = self._head + sent if len(self._head + sent) < _ZLIB_HEAD else None

    def _inflated(self, inflate: "zlib._Decompress", sent: bytes) -> Iterator[bytes]:
        while True:
            if inflate.eof:
                if not sent.strip(b"\0"):  # padding
                    return
                # A gzip stream may have several members (https://www.rfc-editor.org/rfc/rfc1952#page-5).
                self._members += 1
                if self._members > _MOST_MEMBERS or not (begun := _decompressor(self._encoding)):
                    raise zlib.error("too many members")
                self._inflate = inflate = begun
            piece = inflate.decompress(sent, _PIECE)
            yield piece
            sent = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            if not sent and len(piece) < _PIECE:
                return


def _decompressor(encoding: str) -> "zlib._Decompress | None":
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    return zlib.decompressobj() if encoding == "deflate" else None


def _moment(text: str) -> Instant | None:
    """A date as HTTP writes it."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _parse(body: bytes, flaw: str | None) -> Any:  # noqa: ANN401 - JSON is whatever was sent
    if flaw is not None:
        raise Unread(flaw)
    text = body.decode(json.detect_encoding(body), "surrogatepass")
    if _cost(text) + len(body) > _MOST_BUILT:
        raise Unread(f"{len(body)} bytes of JSON that hold more than is read")
    value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_repeated_names)
    # Level by level, so that the depth of what was sent is never the depth of our stack.
    level: list[Any] = [value] if isinstance(value, (dict, list)) else []
    for _ in range(_DEEPEST):
        inner = (each for parent in level for each in (parent.values() if isinstance(parent, dict) else parent))
        level = [each for each in inner if isinstance(each, (dict, list))]
    if level:
        raise RecursionError
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise Unread(f"JSON that holds {name}, which JSON does not have")


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What is read out of two fields of one name is unpredictable (https://www.rfc-editor.org/rfc/rfc8259#section-4): nothing."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise Unread("JSON that repeats a name in one object")
    return made


def _cost(text: str) -> int:
    """About how many bytes it takes to build what a JSON text describes, before any of it is built."""
    width = 4 if re.search(r"\\u[dD][89abAB]", text) else 2 if "\\u" in text else 0
    strings = (width + 1) * len(text) if width else sys.getsizeof(text)
    parts = sum(
        each * sum(1 for _ in islice(pattern.finditer(text), _MOST_BUILT // each))
        for pattern, each in ((_AN_OBJECT, 200), (_AN_ENTRY, 160))  # what CPython takes for each
    )
    return sys.getsizeof(text) + strings + parts + 64 * text.count("[")
