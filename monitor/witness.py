"""Whether our own network works: before a silent service is accused, another one must have answered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from monitor.core.model import Seconds, Service
from monitor.ports import Clock, PortError

REMEMBERED_FOR: Seconds = 60.0
"""How long an answer of another service proves that our network works."""

_ASKING: Seconds = 5.0
_ANSWERS = frozenset({"2xx", "3xx", "4xx", "5xx"})

Ask = Callable[[], Awaitable[object]]


class Witnesses:
    """Implements `monitor.ports.Witness` for one target."""

    def __init__(self, clock: Clock, ask: Mapping[Service, Ask]) -> None:
        """`ask` puts one question to each service that may be a witness; any answer at all will do."""
        self._clock = clock
        self._ask = dict(ask)
        self._answered: dict[Service, Seconds] = {}
        self._asked: dict[Service, Seconds] = {}

    def hear(self, service: Service, outcome: str) -> None:
        """A request to a service has ended; `outcome` as `monitor.http` names it."""
        now = self._clock.monotonic()
        self._asked[service] = now
        if outcome in _ANSWERS:
            self._answered[service] = now

    async def vouch(self, against: Service) -> bool:
        """Whether another service than the accused answered within a minute; those that were not asked are asked once."""
        if self._has_answered(against):
            return True
        silent = [service for service in self._others(against) if not self._recent(self._asked.get(service))]
        async with asyncio.TaskGroup() as group:
            for service in silent:
                group.create_task(self._question(service))
        return self._has_answered(against)

    def _others(self, against: Service) -> list[Service]:
        return [service for service in self._ask if not _same_house(service, against)]

    def _has_answered(self, against: Service) -> bool:
        return any(
            self._recent(moment) for service, moment in self._answered.items() if not _same_house(service, against)
        )

    def _recent(self, moment: Seconds | None) -> bool:
        return moment is not None and self._clock.monotonic() - moment <= REMEMBERED_FOR

    async def _question(self, service: Service) -> None:
        try:
            async with self._clock.timeout(_ASKING):
                await self._ask[service]()
        except PortError as error:
            if error.status is not None:  # it said no, but it said something
                self.hear(service, "4xx")
                return
            self._asked[service] = self._clock.monotonic()
        except TimeoutError:
            self._asked[service] = self._clock.monotonic()
        else:
            self.hear(service, "2xx")


def _same_house(one: Service, other: Service) -> bool:
    """Traceloop's two sides are one service: neither vouches for our network against the other."""
    return one is other or {one, other} == {Service.TRACELOOP, Service.OTLP}
