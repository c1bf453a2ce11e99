"""What a check is tested on: fakes of the ports, and a target store that applies what is reported and keeps it as well."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from monitor.connectivity import ConnectivityProbe
from monitor.core.events import Event
from monitor.core.inputs import Input
from monitor.core.model import CheckResult, Seconds, Service, TargetName
from monitor.core.state import Policy, TargetState
from monitor.ports import CanaryAnswer, CanaryRequest, Ping, PortError
from monitor.runner import LiveTargetStore
from tests.core.build import POLICY
from tests.fakes.clock import FakeClock

PROD = TargetName("prod")
Given = TypeVar("Given")


class Diary(LiveTargetStore):
    """The target store of production, which remembers every input in `given`, and at each commit what was then known."""

    def __init__(self, clock: FakeClock, policy: Policy = POLICY, state: TargetState | None = None) -> None:
        self.given: list[Input] = []
        self.committed: list[TargetState] = []
        self.events: list[Event] = []
        super().__init__(
            state or TargetState(target=PROD),
            policy,
            clock=clock,
            save=self._keep,
            publish=self.events.append,
            changed=lambda _state: None,
        )

    async def apply(self, given: Input, *, durable: bool = False) -> None:
        """Keep it, too."""
        self.given.append(given)
        await super().apply(given, durable=durable)

    async def _keep(self, state: TargetState) -> None:
        self.committed.append(state)

    def only(self, kind: type[Given]) -> Given:
        """The one input of a kind."""
        found = [given for given in self.given if isinstance(given, kind)]
        assert len(found) == 1, f"{len(found)} inputs of the kind {kind.__name__}"
        return found[0]


class FakeConnectivity(ConnectivityProbe):
    """Says yes or no, and remembers against whom it was asked."""

    def __init__(self, another_answers: bool = True) -> None:
        super().__init__(FakeClock(), {})
        self.another_answers = another_answers
        self.asked: list[Service] = []

    async def another_service_answers(self, against: Service) -> bool:
        """As set."""
        self.asked.append(against)
        return self.another_answers


@dataclass
class ScriptedGateway:
    """Implements `monitor.ports.Gateway`: says exactly what a test wants of each of its two routes."""

    answer: CanaryAnswer | PortError = field(default_factory=lambda: CanaryAnswer(status=200, completion=True))
    health: Ping | PortError = field(default_factory=lambda: Ping(status=200))
    before: Callable[[], object] = lambda: None
    requests: list[CanaryRequest] = field(default_factory=list)
    pings: list[Seconds] = field(default_factory=list)

    async def ping(self, *, timeout: Seconds) -> Ping:
        """The health path."""
        self.pings.append(timeout)
        if isinstance(self.health, PortError):
            raise self.health
        return self.health

    async def complete(self, request: CanaryRequest) -> CanaryAnswer:
        """The answer to every canary; `before` is called first."""
        self.before()
        self.requests.append(request)
        if isinstance(self.answer, PortError):
            raise self.answer
        return self.answer


def says(result: CheckResult) -> tuple[Any, ...]:
    """What a result comes down to: its verdict, and the fault or the reason why nothing could be seen."""
    return (result.verdict.value, result.fault or result.unknown_reason)
