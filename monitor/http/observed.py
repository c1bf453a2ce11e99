"""One request and what became of it, for those who overhear: to learn what adapters drop, or to record it."""

from collections.abc import Callable
from dataclasses import dataclass

from monitor.core.model import Instant, Seconds, Service
from monitor.http.answer import Answer
from monitor.http.exchange import Request


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


OnExchange = Callable[[Exchange], None]
