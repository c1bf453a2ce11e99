"""What the tests of the dispatcher share: a bench with notifiers of several kinds, and what they took."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from monitor.core.events import Event, NoticeHandled
from monitor.core.incident import Notice, Reason
from monitor.core.inputs import Observation
from monitor.core.model import CheckName, Fault, Seconds, TargetName, failing, passing
from monitor.core.silence import Silence
from monitor.core.state import Cadence, CheckState, TargetState
from monitor.daemon.delivery import NotifierHealth
from monitor.daemon.dispatcher import Dispatcher
from monitor.ports import Notifier, Undeliverable
from monitor.runner import LiveTargetStore
from tests.core.build import a_charge, policy
from tests.fakes.clock import START, FakeClock
from tests.notifiers.fake import FakeNotifier

A, B = TargetName("a"), TargetName("b")
GATEWAY = CheckName.GATEWAY
POLICY = policy(
    cadences={GATEWAY: Cadence(every=15, every_while_failing=5, deadline=5)},
    fail_after=1,
    pass_after=1,
    reopen_within=0,
)
HOUR: Seconds = 3600.0
OPENED, RESOLVED, EDITED = Reason.OPENED, Reason.RESOLVED, Reason.EDITED


class Slow(FakeNotifier):
    """Takes its time for every notice; 1e9 is for ever."""

    def __init__(self, clock: FakeClock, takes: Seconds, name: str = "slow") -> None:
        super().__init__(name)
        self.clock, self.takes, self.begun = clock, takes, 0

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """After a while."""
        self.begun += 1
        await self.clock.sleep(self.takes)
        return await super().deliver(notice)


class Picky(FakeNotifier):
    """Fails for some targets, each time in the same way, and remembers when it was asked."""

    def __init__(self, clock: FakeClock, errors: Mapping[TargetName, Exception]) -> None:
        super().__init__("picky")
        self.clock, self.errors = clock, dict(errors)
        self.asked: list[tuple[TargetName, float]] = []

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """Or not."""
        self.asked.append((notice.incident.target, self.clock.now() - START))
        if notice.incident.target in self.errors:
            raise self.errors[notice.incident.target]
        return await super().deliver(notice)


class Forgetful(FakeNotifier):
    """Has to be reported again and again, as Alertmanager is."""

    refreshed: Sequence[Notice] = ()
    error: Undeliverable | None = None
    missed = ""
    takes: Seconds = 0.0
    clock: FakeClock

    async def refresh(self, notices: Sequence[Notice]) -> str:
        """Remember."""
        if self.takes:
            await self.clock.sleep(self.takes)
        if self.error is not None:
            raise self.error
        self.refreshed = notices
        self.lines += [f"refreshed {notice.incident.target} {notice.reason}" for notice in notices]
        return self.missed


@dataclass
class Bench:
    """Targets whose gateway comes and goes, and a dispatcher. What is saved outlives the process."""

    clock: FakeClock
    notifiers: list[Notifier]
    target_stores: dict[TargetName, LiveTargetStore]
    saved: dict[TargetName, TargetState]
    order: list[str]
    events: list[Event]
    silences: tuple[Silence, ...] = ()
    dispatcher: Dispatcher = None  # type: ignore[assignment]  # made below

    async def breaks(self, target: TargetName = A, fault: Fault = Fault.GATEWAY_UNREACHABLE) -> None:
        """The gateway of a target is found dead, or broken otherwise."""
        suspicion = a_charge(fault, conclusive=True)
        await self.target_stores[target].apply(self._look(failing(suspicion)))

    async def fixes(self, target: TargetName = A) -> None:
        """It answers again."""
        await self.target_stores[target].apply(self._look(passing("well")))

    def _look(self, result: Any) -> Observation:
        return Observation(check=GATEWAY, at=self.clock.now(), took=0.1, result=result)

    async def advance(self, seconds: Seconds = 0.0) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)

    def health(self, number: int = 0) -> NotifierHealth:
        """Of a notifier."""
        return self.dispatcher.health[self.notifiers[number].name]

    @property
    def outcomes(self) -> list[tuple[Reason, str]]:
        """What was published of notices."""
        return [(event.reason, event.outcome) for event in self.events if isinstance(event, NoticeHandled)]

    def silence(self, begins: Seconds, ends: Seconds, target: str = "*") -> None:
        """A silence, in seconds from START."""
        self.silences = (
            *self.silences,
            Silence(id=str(len(self.silences)), target=target, begins_at=START + begins, ends_at=START + ends),
        )
        self.dispatcher.wake()


def reasons(notifier: FakeNotifier) -> list[Reason]:
    """Of what got through."""
    return [notice.reason for notice in notifier.notices]


def make(
    notifiers: list[Notifier],
    clock: FakeClock,
    *,
    states: Mapping[TargetName, TargetState] | None = None,
) -> Bench:
    """A dispatcher over two targets, not yet begun."""
    trusted = {GATEWAY: CheckState(ever_passed=True, seen_at=START)}
    known = states or {name: TargetState(target=name, check_states=trusted) for name in (A, B)}
    bench = Bench(clock, notifiers, {}, dict(known), [], [])

    async def save(state: TargetState) -> None:
        bench.order.append("saved")
        bench.saved[state.target] = state

    for name, state in known.items():
        bench.target_stores[name] = LiveTargetStore(
            state,
            POLICY,
            clock=clock,
            save=save,
            publish=bench.events.append,
            changed=lambda _state: bench.dispatcher.wake(),
        )
    bench.dispatcher = Dispatcher(
        notifiers,
        clock=clock,
        publish=bench.events.append,
        target_stores=lambda: tuple(bench.target_stores.values()),
        silences=lambda: bench.silences,
        labels=lambda target: {"of": target},
    )
    return bench


@asynccontextmanager
async def dispatching(*notifiers: Notifier, clock: FakeClock | None = None, **more: Any) -> AsyncIterator[Bench]:
    """A dispatcher at work."""
    bench = make(list(notifiers), clock or FakeClock(), **more)
    bench.dispatcher.start()
    await bench.clock.settle()
    try:
        yield bench
    finally:
        await bench.dispatcher._cancel()


# --- what is reported ----------------------------------------------------------------------------------------------------
