"""Overhears every answer of a visit, and keeps what adapters drop: forms and times, never a value."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime

from monitor.core.model import Instant, Seconds, Service, TraceId
from monitor.core.trace import Route
from monitor.doctor.seen import Overheard
from monitor.http import Answer, Exchange
from monitor.traceloop import describe_acceptance, describe_read
from monitor.truefoundry import FEEDBACK_HEADER, describe_feedback_target

_CLIENT_ERROR = 400
_COMPLETION = "/chat/completions"


class Ear:
    """Hears exchanges by `hear`. `ours` are the traces that may be looked at more closely: rows of others are nobody's business."""

    def __init__(self, ours: Callable[[], frozenset[TraceId]]) -> None:
        self._ours = ours
        self._feedback: dict[bool, str] = {}  # by whether the request was served
        self._accepted: str | None = None
        self._prefixes: set[str] = set()
        self._metadata: str | None = None
        self._shown_at: dict[tuple[Route, TraceId], Instant] = {}
        self._hidden_at: dict[tuple[Route, TraceId], Instant] = {}
        self._skews: dict[Service, Seconds] = {}
        self._certificates: dict[Service, Instant] = {}
        self._blocked: set[Service] = set()
        self._answered: set[Service] = set()
        self._failures: dict[Service, str] = {}

    def hear(self, exchange: Exchange) -> None:
        """Take note of an exchange."""
        answer, service = exchange.answer, exchange.service
        if answer is None:
            self._failures[service] = exchange.failure or "unknown"
            return
        self._answered.add(service)
        if answer.blocked:
            self._blocked.add(service)
        if answer.certificate_expires_at is not None:
            self._certificates[service] = answer.certificate_expires_at
        self._note_clock(service, answer, exchange.answered_at)
        match service:
            case Service.GATEWAY if exchange.request.url.endswith(_COMPLETION):
                form = describe_feedback_target(answer.headers.get(FEEDBACK_HEADER))
                self._feedback[answer.status < _CLIENT_ERROR] = form
            case Service.OTLP:
                self._accepted = self._accepted or describe_acceptance(answer)
            case Service.TRACELOOP:
                self._note_read(exchange)
            case _:
                pass

    def _note_clock(self, service: Service, answer: Answer, at: Instant) -> None:
        """How far a server's clock is from ours, by its Date header (whole seconds)."""
        try:
            told = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
        except (ValueError, OverflowError, IndexError, TypeError):
            return
        self._skews[service] = told - at

    def _note_read(self, exchange: Exchange) -> None:
        ours = self._ours()
        shape = describe_read(exchange, ours)
        if shape is None:
            return
        self._prefixes |= shape.prefixes
        self._metadata = self._metadata or shape.metadata
        for trace in ours:
            if trace in shape.traces:
                self._shown_at.setdefault((shape.route, trace), exchange.answered_at)
            elif shape.understood and shape.asked in (None, trace) and (shape.route, trace) not in self._shown_at:
                self._hidden_at[shape.route, trace] = exchange.answered_at

    def overheard(self) -> Overheard:
        """Everything heard so far."""
        return Overheard(
            feedback=self._feedback.get(True),
            feedback_refused=self._feedback.get(False),
            accepted=self._accepted,
            prefixes=frozenset(self._prefixes),
            metadata=self._metadata,
            shown_at=dict(self._shown_at),
            hidden_at=dict(self._hidden_at),
            skews=dict(self._skews),
            certificates=dict(self._certificates),
            blocked=frozenset(self._blocked),
            answered=frozenset(self._answered),
            failures=dict(self._failures),
        )
