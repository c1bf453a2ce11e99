"""A process that notifies, and dies: real stores, core and dispatcher over a disk that outlives it, and readers that may receive.

Whatever was delivered is known here, also what the process never learnt of: that is what it is judged by.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NoReturn

from monitor.core.events import Event
from monitor.core.incident import Incident, Notice
from monitor.core.model import CheckName, Seconds, TargetName
from monitor.core.notify import trusted
from monitor.core.silence import Silence
from monitor.core.state import CheckState, Policy, TargetState
from monitor.daemon.dispatcher import Dispatcher
from monitor.ports import Undeliverable
from monitor.runner import LiveTargetStore
from monitor.store.codec import decode_target, encode_target
from tests.fakes.clock import START, FakeClock
from tests.notifiers.notices import an_incident, notified_of

TARGETS = (TargetName("a"), TargetName("b"))
READERS = ("slack", "webhook")


class Answer(Enum):
    """What becomes of an attempt to deliver."""

    OK = auto()
    DOWN = auto()
    ASKS_TO_WAIT = auto()
    REFUSES = auto()  # for good, until somebody fixes it
    LOST = auto()  # delivered, and the answer was lost
    UNHEARD = auto()  # not delivered, and nobody knows
    HANGS = auto()  # delivered, and never answered
    CRASHES = auto()  # delivered, and the notifier has a bug


class Death(Enum):
    """When the process dies next."""

    BEFORE_WRITING = auto()
    AFTER_WRITING = auto()
    BEFORE_SENDING = auto()
    AFTER_SENDING = auto()


DOUBTFUL = frozenset({Answer.LOST, Answer.HANGS, Answer.CRASHES})
"""Delivered, and nobody will ever know: what was delivered so may be delivered again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a reader has seen: when (monotonic), in which life, after how many jumps of the clock."""

    notice: Notice
    at: Seconds
    life: int
    jumps: int
    trusted: bool


@dataclass
class Reader:
    """Implements `monitor.ports.Notifier`. Answers as `answers` says, then well; `waits` is what it asks for.

    `doubts` counts what it received and the process will never know of: so often may something be said twice.
    """

    name: str
    process: "Process"
    answers: deque[Answer] = field(default_factory=deque)
    waits: Seconds = 90.0
    received: list[Delivery] = field(default_factory=list)
    doubts: int = 0
    asked_at: list[tuple[Seconds, int]] = field(default_factory=list)
    held: list[tuple[Seconds, Seconds, int]] = field(default_factory=list)

    def mention_key(self, target: TargetName) -> str:  # noqa: ARG002 - as the port says
        """Both targets have one channel and one mention."""
        return "C1"

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """As the script says."""
        process, answer = self.process, self.answers.popleft() if self.answers else Answer.OK
        now = process.clock.monotonic()
        self.asked_at.append((now, process.life))
        await process.may_die(Death.BEFORE_SENDING)
        if answer is Answer.ASKS_TO_WAIT:
            self.held.append((now, now + self.waits, process.life))
        if answer is Answer.OK or answer in DOUBTFUL:
            self._hear(notice)
            self.doubts += answer in DOUBTFUL or process.death is Death.AFTER_SENDING
        await process.may_die(Death.AFTER_SENDING)
        if answer is not Answer.OK:
            await self._fail(answer)
        process.unwritten = self
        return {"root": notice.incident.id}

    async def _fail(self, answer: Answer) -> NoReturn:
        if answer is Answer.HANGS:
            await asyncio.Event().wait()
        if answer is Answer.CRASHES:
            raise KeyError("a bug")
        raise Undeliverable(
            answer.name,
            permanent=answer is Answer.REFUSES,
            unknown=answer in (Answer.LOST, Answer.UNHEARD),
            retry_after=self.waits if answer is Answer.ASKS_TO_WAIT else None,
        )

    def _hear(self, notice: Notice) -> None:
        process = self.process
        target_store = process.target_stores[notice.incident.target]
        self.received.append(
            Delivery(
                notice=notice,
                at=process.clock.monotonic(),
                life=process.life,
                jumps=process.jumps,
                trusted=trusted(target_store.state, target_store.policy),
            )
        )

    async def test(self, text: str) -> None:
        """Nobody asks for it here."""
        raise AssertionError(text)

    def close(self) -> None:
        """Nothing is held."""


def _as_of_yesterday(target: TargetName) -> TargetState:
    """The gateway has been seen well, and both readers have received something before: they are not new."""
    notified = notified_of(an_incident(), closed=True)
    yesterday = an_incident(
        id=f"{target}-yesterday",
        target=target,
        opened_at=START - 86_400,
        closed_at=START - 80_000,
        notified=dict.fromkeys(READERS, notified),
    )
    check_states = {CheckName.GATEWAY: CheckState(ever_passed=True, seen_at=START)}
    return TargetState(target=target, check_states=check_states, incidents=(yesterday,))


class Process:
    """One life after the other, on the same disk and for the same readers."""

    def __init__(self, policy: Policy) -> None:
        self.clock = FakeClock(threads=False)
        self.policy = policy
        self.readers = tuple(Reader(name, self) for name in READERS)
        self.silences: tuple[Silence, ...] = ()
        self.events: list[Event] = []
        self.disk = {name: encode_target(_as_of_yesterday(name)) for name in TARGETS}
        self.death: Death | None = None
        self.dead = False
        self.life = 0
        self.jumps = 0
        self.unwritten: Reader | None = None  # has received something that is not on the disk yet
        self.target_stores: dict[TargetName, LiveTargetStore] = {}
        self.dispatcher: Dispatcher

    # --- life and death

    async def begin(self) -> None:
        """Begin with what is on the disk."""
        self.life += 1
        self.dead = False
        if self.unwritten is not None:
            self.unwritten.doubts += 1
            self.unwritten = None
        self.target_stores = {name: self._target_store(decode_target(document)) for name, document in self.disk.items()}
        self.dispatcher = Dispatcher(
            self.readers,
            clock=self.clock,
            publish=self.events.append,
            target_stores=lambda: tuple(self.target_stores.values()),
            silences=lambda: self.silences,
            labels=lambda _target: {},
        )
        self.dispatcher.start()
        await self.clock.settle()

    async def kill(self) -> None:
        """End it as SIGKILL does: nothing goes on, nothing more is written."""
        await self.dispatcher._cancel()

    async def revive(self) -> None:
        """If it has died by itself, begin anew."""
        while self.dead:
            await self.kill()
            await self.begin()

    async def may_die(self, moment: Death) -> None:
        """Die here if that was planned: nothing that waits for this ever goes on."""
        if self.death is moment and not self.dead:
            self.death, self.dead = None, True
        if self.dead:
            await asyncio.Event().wait()

    async def stop(self) -> None:
        """End it as SIGTERM does."""
        stopping = asyncio.ensure_future(self.dispatcher.stop(5.0))
        await self.clock.run_until(stopping.done, limit=5.0)
        await stopping

    # --- what it stands on

    def _target_store(self, state: TargetState) -> LiveTargetStore:
        return LiveTargetStore(
            state,
            self.policy,
            clock=self.clock,
            save=self._save,
            publish=self.events.append,
            changed=lambda _state: self.dispatcher.wake(),
        )

    async def _save(self, state: TargetState) -> None:
        """Of a journal: what is read again later has gone through the real codec."""
        await self.may_die(Death.BEFORE_WRITING)
        self.disk[state.target] = encode_target(state)
        self._note_what_is_written(state)
        await self.may_die(Death.AFTER_WRITING)

    def _note_what_is_written(self, state: TargetState) -> None:
        reader = self.unwritten
        if reader is not None and reader.received[-1].notice.incident.target == state.target:
            self.unwritten = None

    @property
    def incidents(self) -> list[Incident]:
        """Everything remembered."""
        return [incident for target_store in self.target_stores.values() for incident in target_store.state.incidents]
