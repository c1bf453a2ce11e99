"""What requests show besides their answers: whether our own network works, and when the services' certificates expire.

Before a service is accused of not answering, another one must have answered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from monitor.core.model import Instant, Seconds, Service
from monitor.ports import Clock, PortError, Unreachable

FRESH: Seconds = 60.0
"""How long an answer proves that our network works."""

PATIENCE: Seconds = 5.0
"""How long the other services may take when they have to be asked."""

Ask = Callable[[], Awaitable[object]]
"""Asks a service anything, cheaply. Any answer will do, a refusal too; Unreachable is none."""


class ConnectivityProbe:
    """The services of one target, each of which proves by any answer that our network works. `note` gets every request."""

    def __init__(self, clock: Clock, ask: Mapping[Service, Ask]) -> None:
        self._clock = clock
        self._ask = dict(ask)
        self._asked_at: dict[Service, Seconds] = {}
        self._answered_at: dict[Service, Seconds] = {}
        self._silent_since: dict[Service, Seconds] = {}
        self._one_at_a_time = asyncio.Lock()

    def note(self, service: Service, outcome: str) -> None:
        """A request has ended: as `on_answer` of `monitor.http.Http`, where an HTTP status of any kind ends in `xx`."""
        if outcome == "shortage":  # it was not asked
            return
        now = self._clock.monotonic()
        self._asked_at[service] = now
        if outcome.endswith("xx"):
            self._answered_at[service] = now
            self._silent_since.pop(service, None)
        else:
            self._silent_since.setdefault(service, now)

    async def another_service_answers(self, against: Service) -> bool:
        """Whether another service has answered within `FRESH`; those that were not asked within it are asked once.

        What answered before the accused fell silent proves nothing: our network may have gone just then.
        """
        if self._another_has_answered(against):
            return True
        async with self._one_at_a_time:  # a second caller waits for the first one's result
            if self._another_has_answered(against):
                return True
            since = self._since(against)
            others = [each for each in self._ask if not _same_service(each, against)]
            return await self._any_answers([each for each in others if self._asked_at.get(each, 0.0) < since])

    def _another_has_answered(self, against: Service) -> bool:
        since = self._since(against)
        return any(
            answered_at >= since
            for service, answered_at in self._answered_at.items()
            if not _same_service(service, against)
        )

    def _since(self, against: Service) -> Seconds:
        """From when on an answer of another counts."""
        return max(self._clock.monotonic() - FRESH, self._silent_since.get(against, 0.0))

    async def _any_answers(self, services: list[Service]) -> bool:
        """Ask all at once; the first answer settles it, and the others are let go."""
        asking = [asyncio.ensure_future(self._answers(service)) for service in services]
        try:
            async with self._clock.timeout(PATIENCE):
                for done in asyncio.as_completed(asking):
                    if await done:
                        return True
        except TimeoutError:
            for service in services:
                self.note(service, "timeout")
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return False

    async def _answers(self, service: Service) -> bool:
        try:
            await self._ask[service]()
        except Unreachable as error:
            self.note(service, error.kind)
            return False
        except PortError:
            pass  # it said no, or something odd: it said something
        self.note(service, "2xx")
        return True


class Certificates:
    """`note` gets every certificate, as `on_certificate` of `monitor.http.Http`; the newest of each service is kept."""

    def __init__(self) -> None:
        self._expires_at: dict[Service, Instant] = {}

    def note(self, service: Service, expires_at: Instant) -> None:
        """A service has shown its certificate."""
        self._expires_at[service] = expires_at

    def of(self, service: Service, endpoint: str) -> tuple[str, Instant] | None:
        """The endpoint under which it is shown, and when it expires; None where there was none to see."""
        expires_at = self._expires_at.get(service)
        return None if expires_at is None else (endpoint, expires_at)


_OF_BACKEND = frozenset({Service.TRACELOOP, Service.PHOENIX, Service.OTLP})


def _same_service(one: Service, other: Service) -> bool:
    """The two sides of a trace backend are one service: neither answer proves our network against the other."""
    return one is other or {one, other} <= _OF_BACKEND
