"""What the tests of the watch over traces share."""

from dataclasses import replace
from typing import Any

from monitor.checks.arrival import ArrivalCheck
from monitor.checks.lookup import Lookup
from monitor.core.canary import Canary, ControlSpan, IdSource
from monitor.core.inputs import LabelsUnread, LookFailed, TraceLooked
from monitor.core.model import Fault, Seconds, TraceId
from monitor.core.state import Policy, TargetState
from monitor.core.trace import Route
from monitor.ports import Gone, Refused
from tests.checks.bench import PROD, Diary
from tests.core.build import POLICY, spans, trace_id
from tests.fakes.backend import FakeBackend
from tests.fakes.clock import START, FakeClock

TRACE, WAREHOUSE, NONCE = Route.TRACE, Route.WAREHOUSE, Route.NONCE
GUESS: dict[str, Any] = {"trace_id": trace_id(1), "sent_id": trace_id(1), "id_source": IdSource.TRACEPARENT}
CLOSED = [Refused("401", status=401), Refused("403", status=403), Gone("404")]
CONTROL = ControlSpan(trace_id=TraceId("c0" * 16), sent_at=START, accepted=True)


class Bench:
    """The watch over traces and everything around it. Time is moved by `after`, then it looks."""

    def __init__(
        self,
        *canaries: Canary,
        policy: Policy = POLICY,
        controls: tuple[ControlSpan, ...] = (),
        environment: str | None = "prd",
        **state: Any,
    ) -> None:
        self.clock, self.backend = FakeClock(), FakeBackend()
        self.others = {"stg": FakeBackend(), "dev": FakeBackend()}
        remembered = TargetState(target=PROD, canaries=canaries, controls=controls, **state)
        self.diary = Diary(self.clock, policy, remembered)
        self.check = ArrivalCheck(Lookup(self.backend, self.clock, own=environment, others=self.others), self.clock)

    async def after(self, seconds: Seconds) -> "Bench":
        """Let time pass, then look."""
        await self.clock.advance(seconds)
        await self.check.look(self.diary)
        return self

    def shows(self, number: int = 1, *, nonce: str | None = None, **fields: Any) -> None:
        """Traceloop has a whole trace."""
        found = [replace(span, **fields) for span in spans(number)]
        self.backend.store(*found, at=START, nonce=nonce)

    @property
    def looked(self) -> list[tuple[Route, int]]:
        """Every look that succeeded: its route, and how many spans it saw."""
        return [
            (given.seen.route, len(given.seen.spans)) for given in self.diary.given if isinstance(given, TraceLooked)
        ]

    @property
    def failed(self) -> list[LookFailed]:
        """Every look that did not."""
        return [given for given in self.diary.given if isinstance(given, LookFailed)]

    @property
    def unread(self) -> list[LabelsUnread]:
        """Every read for labels that showed none."""
        return [given for given in self.diary.given if isinstance(given, LabelsUnread)]

    @property
    def canary(self) -> Canary:
        """The first one."""
        return self.diary.state.canaries[0]

    @property
    def confirmed(self) -> set[Fault]:
        """What is believed."""
        return set(self.diary.state.confirmed)
