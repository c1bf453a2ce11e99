"""A whole answer: bounded, whatever was sent, and judged only as far as HTTP goes."""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from monitor.core.model import Instant, Phases, Scalar, Seconds
from monitor.ports import Garbled
from monitor.redaction import clamp

_PIECE = 65_536
_DEEPEST = 100  # levels of JSON; recorded answers have fewer than ten
_LONGEST_WAIT = 86_400.0  # of a Retry-After; more is a mistake of somebody's clock
_LOOKED_AT = 65_536  # so much of a page is searched for the marks of a blocking proxy
_TRAIL = ("server", "cf-ray", "via", "x-kong-request-id", "x-kong-upstream-latency", "x-request-id")
_BLOCKING_STATUSES = frozenset({401, 403, 429, 503})

# Cloudflare's own refusals, as text (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/)
# and as pages. Its 52x are not among them: they say that what is behind Cloudflare is down.
_BLOCK_PAGE = re.compile(
    rb"error code: 1\d{3}\b|used Cloudflare to restrict access|Attention Required! \| Cloudflare|_cf_chl|challenge-platform"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer. `body` is what was kept of it, decompressed; `flaw` says why it is not the whole.

    `size` is how much of the body was read, also of one that was not kept.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    flaw: str | None = None
    phases: Phases = Phases()
    certificate_expires_at: Instant | None = None
    size: int = 0

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
    def trail(self) -> Mapping[str, Scalar]:
        """The headers by which the other side finds this request in its logs, and that tell who answered."""
        return {name: clamp(self.headers[name], 80) for name in _TRAIL if name in self.headers}

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
        if self.flaw is not None:
            self._fail(self.flaw)
        try:
            value = json.loads(self.body, parse_constant=_refuse_constant, object_pairs_hook=_refuse_repeated_names)
        except (ValueError, RecursionError):
            self._fail(f"{len(self.body)} bytes of {self.media_type or 'no content type'}, which are no JSON")
        if _deeper_than(_DEEPEST, value):
            self._fail(f"JSON nested deeper than {_DEEPEST} levels")
        return value

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

    def _fail(self, why: str) -> NoReturn:
        raise Garbled(f"status {self.status} with {why}", status=self.status, evidence=self.trail)


class Body:
    """Reads a body up to a limit, decompressed on the way in small pieces, so that nothing sent can fill the memory.

    `keep`: whether the pieces are collected, too.
    """

    def __init__(self, *, encoding: str, limit: int, keep: bool = True) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._keep = keep
        self._inflate = _decompressor(encoding)
        self.size = 0
        self.flaw: str | None = None
        if self._inflate is None and encoding.strip().lower() not in ("", "identity"):
            self.flaw = f"a body in the encoding {clamp(encoding, 30)}, which nobody asked for"

    @property
    def content(self) -> bytes:
        """What has been kept."""
        return bytes(self._kept)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Take what was sent; its content in pieces of at most 64 KiB, none once there is a flaw."""
        for start in range(0, len(chunk), _PIECE):
            for piece in self._unpacked(chunk[start : start + _PIECE]):
                room = self._limit - self.size
                if len(piece) > room:
                    self.flaw = f"a body of more than {self._limit} bytes"
                taken = piece[:room]
                self.size += len(taken)
                if self._keep:
                    self._kept += taken
                yield taken
                if self.flaw is not None:
                    return
            if self.flaw is not None:
                return

    def feed(self, chunk: bytes) -> bool:
        """Take what was sent, all at once; False when no more is wanted."""
        for _ in self.pieces(chunk):
            pass
        return self.flaw is None

    def _unpacked(self, sent: bytes) -> Iterator[bytes]:
        if self.flaw is not None:
            return
        if self._inflate is None:
            yield sent
            return
        try:
            while sent:
                yield self._inflate.decompress(sent, _PIECE)
                sent = self._inflate.unconsumed_tail
        except zlib.error:
            self.flaw = "a compressed body that cannot be read"


def _decompressor(encoding: str) -> "zlib._Decompress | None":
    match encoding.strip().lower():
        case "gzip" | "x-gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        case "deflate":
            return zlib.decompressobj()
        case _:
            return None


def _moment(text: str) -> Instant | None:
    """A date as HTTP writes it."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What is read out of two fields of one name is unpredictable (https://www.rfc-editor.org/rfc/rfc8259#section-4): nothing."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return made


def _deeper_than(levels: int, value: object) -> bool:
    """Level by level, so that the depth of what was sent is never the depth of our stack."""
    level = [value]
    for _ in range(levels):
        level = [child for parent in level for child in _children(parent) if isinstance(child, (dict, list))]
        if not level:
            return False
    return True


def _children(value: object) -> Any:  # noqa: ANN401 - the values of JSON
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
