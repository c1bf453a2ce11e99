"""One request and its reply, as far as a way to send requests has to know them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import urlsplit

from monitor.core.model import Instant, Phases, Seconds
from monitor.http.lateness import Lateness
from monitor.ports import Clock

Phase = Literal["resolve", "connect", "tls", "processing", "transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. The URL is the configured one; headers hold secrets, so a request is never shown."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """Host and port of the URL, and nothing of it that could be a secret."""
        try:
            url = urlsplit(self.url)
            host, port = url.hostname or "a URL without a host", url.port
        except ValueError:
            return "an invalid URL"
        return f"{host}:{port}" if port else host


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The head of an answer, and its body to be read. Header names are lower-case; a repeated one is joined by commas."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncGenerator[bytes, None]
    certificate_expires_at: Instant | None = None


class Stopwatch:
    """Which phase of a request is under way, and how long each took."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._took: dict[Phase, Seconds] = {}
        self._began = clock.monotonic()
        self.current: Phase | None = None
        self.lateness = Lateness()
        self.proxy: str | None = None  # our own, as long as the request has not got past it

    def begin(self, phase: Phase) -> None:
        """A phase begins; the one before it ends."""
        self.end()
        self.current = phase
        self._began = self._clock.monotonic()

    def end(self) -> None:
        """The current phase ends; one that is repeated (another address is tried) adds up."""
        if self.current is not None:
            now = self._clock.monotonic()
            self._took[self.current] = self._took.get(self.current, 0.0) + now - self._began
            self._began = now

    def stop(self) -> Phases:
        """End the current phase, whether it was finished or not, and tell how long each took."""
        self.end()
        self.current = None
        return Phases(**self._took)


class Transport(Protocol):
    """A way to send one request: over the network, or to apps in this very process."""

    def open(self, request: Request, watch: Stopwatch) -> AbstractAsyncContextManager[Reply]:
        """Send, and read the head of the answer; the connection is closed on leaving.

        Raises Unreachable, also from within the block, where the body is read. Has no deadline of its own.
        """
        ...
