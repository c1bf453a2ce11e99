"""One request and its reply, as far as a way to send requests has to know them; and both whole, once it is over."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self
from urllib.parse import urlsplit

from monitor.core.model import Instant, Phases, Seconds, Service
from monitor.http.answer import Answer
from monitor.ports import Clock

Phase = Literal["resolve", "connect", "tls", "processing", "transfer"]

_TICK: Seconds = 0.1
_LEAST_LATE: Seconds = 0.5
_SHARE_LATE = 0.2  # of the time waited: so much of it lost, and an answer may have come that nobody took


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A whole request and its whole answer, secrets and all: nothing of it may leave as it is.

    `answer` None: there was none, and `failure` is the kind of `Unreachable`.
    """

    service: Service
    request: Request
    began_at: Instant
    took: Seconds
    answer: Answer | None = None
    failure: str | None = None

    @property
    def answered_at(self) -> Instant:
        """When the answer was complete, or given up."""
        return self.began_at + self.took


class Lateness:
    """Whether this process ran while it waited: a timeout of somebody who was asleep says nothing about the other side.

    Adds up by how much a timer of our own rings too late: stopped, short of CPU, or kept from its turn by something else.
    """

    def __init__(self) -> None:
        self.seconds: Seconds = 0.0
        self._waited: Seconds = 0.0

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._set()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._handle.cancel()
        self._note()
        self._waited = self._loop.time() - self._began

    @property
    def starved(self) -> bool:
        """Whether the monitor itself did not run for a good part of the time."""
        return self.seconds >= max(_LEAST_LATE, _SHARE_LATE * self._waited)

    def _set(self) -> None:
        self._due = self._loop.time() + _TICK
        self._handle = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._note()
        self._set()

    def _note(self) -> None:
        self.seconds += max(0.0, self._loop.time() - self._due)


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
        """A phase begins and the one before it ends; one that is repeated (another address is tried) adds up."""
        self.stop()
        self.current = phase

    def stop(self) -> Phases:
        """End the current phase, whether it was finished or not, and say how long each took."""
        now = self._clock.monotonic()
        if self.current is not None:
            self._took[self.current] = self._took.get(self.current, 0.0) + now - self._began
        self.current, self._began = None, now
        return Phases(**self._took)


class Transport(Protocol):
    """A way to send one request: over the network, or to apps in this very process."""

    def open(self, request: Request, watch: Stopwatch) -> AbstractAsyncContextManager[Reply]:
        """Send, and read the head of the answer; the connection is closed on leaving.

        Raises Unreachable, also from within the block, where the body is read. Has no deadline of its own.
        """
