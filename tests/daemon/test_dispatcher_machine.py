"""Whatever happens, in whatever order, and whenever the process dies: nothing is lost, and nothing is said twice without need.

The real dispatcher, journals and core over a disk that outlives them (`tests.mortal`). Things break and are fixed, notifiers
answer in every way, the process dies before it sends, between sending and writing, and after; clocks jump, people silence and
acknowledge.
"""

import asyncio
from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from monitor.core.incident import Incident, Reason
from monitor.core.inputs import Acknowledged, Observation, Ticked
from monitor.core.model import CheckName, Fault, Severity, TargetName, UnknownReason, failing, passing, unknown
from monitor.core.notify import MENTION_AT_MOST_EVERY, acknowledged
from monitor.core.silence import Silence, silenced_throughout, silenced_until
from monitor.core.state import Cadence
from tests.core.build import a_charge, policy
from tests.mortal import TARGETS, Answer, Death, Delivery, Process, Reader

MINUTE, HOUR = 60.0, 3600.0
GATEWAY, CANARY = CheckName.GATEWAY, CheckName.CANARY
BREAKS = {
    GATEWAY: (Fault.GATEWAY_UNREACHABLE, Fault.RATE_LIMITED),
    CANARY: (Fault.PROVIDER_FAILING, Fault.CANARY_REJECTED),
}
CALLING = frozenset({Reason.OPENED, Reason.CHANGED, Reason.ESCALATED})

targets = st.sampled_from(TARGETS)
checks = st.sampled_from(list(BREAKS))
places = st.integers(0, 1)


class Mortal(RuleBasedStateMachine):
    """What may happen, and what must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock_is_set = False
        self.process: Process

    @initialize(
        reopen_within=st.sampled_from([0.0, 30 * MINUTE]),
        fail_after=st.integers(1, 2),
        canary=st.booleans(),
        clock_is_set=st.booleans(),
    )
    def begin(self, reopen_within: float, fail_after: int, *, canary: bool, clock_is_set: bool) -> None:
        """Without `canary` the monitor has seen everything well; with it, one check has not passed yet.

        Either the clock is set back or there are silences: one that begins before what it was meant for proves nothing here.
        """
        self.clock_is_set = clock_is_set
        cadence = Cadence(every=15, every_while_failing=5, deadline=5)
        self.process = Process(
            policy(
                cadences={GATEWAY: cadence, CANARY: cadence} if canary else {GATEWAY: cadence},
                fail_after=fail_after,
                pass_after=fail_after,
                reopen_within=reopen_within,
            )
        )
        self.does(self.process.begin())

    def does(self, work: Any) -> None:
        """Let something happen, and what follows from it; what dies of it is begun again."""
        self.loop.run_until_complete(self._do(work))

    async def _do(self, work: Any) -> None:
        await work
        await self.process.clock.settle()
        await self.process.revive()

    # --- what happens to the world

    @rule(of=targets, check=checks, which=places, conclusive=st.booleans(), critical=st.booleans())
    def breaks(self, of: TargetName, check: CheckName, which: int, *, conclusive: bool, critical: bool) -> None:
        """A check finds a fault."""
        severity = Severity.CRITICAL if critical else None
        suspicion = a_charge(BREAKS[check][which], conclusive=conclusive, severity=severity)
        self.does(self._looks(of, check, failing(suspicion)))

    @rule(of=targets, check=checks)
    def is_fixed(self, of: TargetName, check: CheckName) -> None:
        """It finds everything well, often enough to believe it."""
        for _ in range(self.process.policy.alerting.pass_after):
            self.does(self._looks(of, check, passing("well")))

    @rule(of=targets, times=st.integers(1, 3))
    def flaps(self, of: TargetName, times: int) -> None:
        """The gateway comes and goes."""
        for _ in range(times):
            self.breaks(of, GATEWAY, 0, conclusive=True, critical=True)
            self.passes_time(0.5)
            self.is_fixed(of, GATEWAY)

    @rule(of=targets, check=checks)
    def is_not_seen(self, of: TargetName, check: CheckName) -> None:
        """It cannot look."""
        self.does(self._looks(of, check, unknown("dark", UnknownReason.UNREACHABLE)))

    async def _looks(self, target: TargetName, check: CheckName, result: Any) -> None:
        if self.process.policy.enabled(check):
            now = self.process.clock.now()
            await self.process.target_stores[target].apply(Observation(check=check, at=now, took=0.1, result=result))

    # --- what happens to time

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0, 31 * MINUTE]))
    def passes_time(self, seconds: float) -> None:
        """Nothing happens, for a while."""
        self.does(self.process.clock.advance(seconds))

    @rule()
    def passes_half_a_day(self) -> None:
        """Five hours: long enough for a reminder."""
        self.does(self._half_a_day())

    async def _half_a_day(self) -> None:
        self.process.clock.jump(5 * HOUR)
        self.process.jumps += 1
        await self.process.clock.advance(61)
        for target_store in self.process.target_stores.values():
            await target_store.apply(Ticked(at=self.process.clock.now()))

    @precondition(lambda self: self.clock_is_set)
    @rule(seconds=st.sampled_from([-2 * HOUR, -45.0, 45.0]))
    def has_its_clock_set(self, seconds: float) -> None:
        """Forward or back."""
        self.process.clock.jump(seconds)
        self.process.jumps += 1

    # --- what happens to those who are notified

    @rule(place=places, answers=st.lists(st.sampled_from(Answer), min_size=1, max_size=3), times=st.integers(1, 3))
    def answers(self, place: int, answers: list[Answer], times: int) -> None:
        """The next attempts will go so."""
        self.process.readers[place].answers.extend(answers * times)

    # --- what happens to the process

    @rule(moment=st.sampled_from(Death))
    def will_die(self, moment: Death) -> None:
        """When it comes to that moment next."""
        self.process.death = moment

    @rule(kill=st.booleans())
    def is_started_again(self, *, kill: bool) -> None:
        """Killed or stopped where it is."""
        self.does(self._start_again(kill=kill))

    async def _start_again(self, *, kill: bool) -> None:
        await (self.process.kill() if kill else self.process.stop())
        await self.process.begin()

    @rule()
    def is_configured_anew(self) -> None:
        """What is under way ends first."""
        self.does(self._exchange())

    async def _exchange(self) -> None:
        exchange = asyncio.ensure_future(self.process.dispatcher.exchange(self.process.readers))
        await self.process.clock.run_until(exchange.done)

    # --- what people do

    @precondition(lambda self: not self.clock_is_set)
    @rule(fault=st.sampled_from([None, Fault.GATEWAY_UNREACHABLE]), lasts=st.sampled_from([MINUTE, HOUR]))
    def is_silenced(self, fault: Fault | None, lasts: float) -> None:
        """Somebody silences it for a while."""
        self.does(self.process.clock.advance(0.5))  # never at the very moment of what has been reported already
        process, now = self.process, self.process.clock.now()
        silence = Silence(id=str(len(process.silences)), fault=fault, begins_at=now, ends_at=now + lasts)
        process.silences = (*process.silences, silence)
        process.dispatcher.wake()

    @rule(of=targets)
    def is_acknowledged(self, of: TargetName) -> None:
        """Somebody has it."""
        self.does(self._acknowledge(of))

    async def _acknowledge(self, target: TargetName) -> None:
        target_store = self.process.target_stores[target]
        if target_store.state.incident is None:
            return
        given = Acknowledged(at=self.process.clock.now(), incident_id=target_store.state.incident.id, by="ana")
        writing = asyncio.ensure_future(target_store.apply(given, durable=True))
        await self.process.clock.settle()
        writing.cancel()  # the process may have died of it
        await asyncio.gather(writing, return_exceptions=True)

    # --- what holds always

    @invariant()
    def nothing_is_said_twice_without_need(self) -> None:
        """Each opening and each resolve once; once more for each answer that was lost, and each death before writing."""
        for reader in self.process.readers:
            news = [_key(received) for received in reader.received if _is_news(received)]
            assert len(news) - len(set(news)) <= reader.doubts

    @invariant()
    def order_is_kept(self) -> None:
        """No resolve overtakes its opening, and nothing of an earlier time comes after one of a later."""
        for reader in self.process.readers:
            for received in _by_incident(reader).values():
                stages = [(len(each.notice.incident.reopened), not each.notice.incident.open) for each in received]
                assert stages == sorted(stages)

    @invariant()
    def people_are_called_only_when_they_must(self) -> None:
        """For what is open and critical, as it opens, turns critical or escalates, by a monitor that has proven itself."""
        for reader in self.process.readers:
            for received in reader.received:
                notice = received.notice
                if notice.mention:
                    assert notice.incident.open
                    assert notice.incident.diagnosis.severity is Severity.CRITICAL
                    assert notice.silenced_until is None
                    assert notice.reason in CALLING
                    assert received.trusted

    @invariant()
    def a_channel_is_called_once_a_minute(self) -> None:
        """But for answers that were lost, and for a process that started with another clock."""
        for reader in self.process.readers:
            calls = [received for received in reader.received if received.notice.mention]
            close = [
                (before, after)
                for before, after in pairwise(calls)
                if after.at - before.at < MENTION_AT_MOST_EVERY - 0.001
                and (before.life == after.life or before.jumps == after.jumps)
            ]
            assert len(close) <= reader.doubts

    @invariant()
    def nobody_is_reminded_of_what_somebody_has(self) -> None:
        """Reminders and the escalation are for what is critical, unsilenced, and nobody's."""
        for reader in self.process.readers:
            for received in reader.received:
                if received.notice.reason in (Reason.REMINDER, Reason.ESCALATED):
                    assert received.notice.incident.diagnosis.severity is Severity.CRITICAL
                    assert not acknowledged(received.notice.incident)
                    assert received.notice.broadcast

    @invariant()
    def what_a_silence_covers_is_never_reported(self) -> None:
        """Nothing is opened while it is silenced; what opened and was resolved inside one silence is history only."""
        for reader in self.process.readers:
            for notice in (received.notice for received in reader.received):
                if notice.reason is Reason.OPENED:
                    assert not self._silenced(notice.incident, notice.at)
                if notice.reason is Reason.RESOLVED and notice.notified is None:
                    assert not self._covered(notice.incident, since=notice.incident.opened_at)

    @invariant()
    def what_was_muted_is_reported_anew(self) -> None:
        """When a silence ends on what is still open it is reported as opened, never by an edit that nobody sees."""
        for reader in self.process.readers:
            for notice in (received.notice for received in reader.received):
                over = notice.notified is not None and notice.notified.silenced and notice.silenced_until is None
                assert not over or notice.reason in (Reason.OPENED, Reason.RESOLVED)

    @invariant()
    def whoever_asks_to_wait_is_left_alone(self) -> None:
        """As long as it said, unless the process that was asked for it is dead."""
        for reader in self.process.readers:
            for since, until, life in reader.held:
                assert not [at for at, by in reader.asked_at if by == life and since < at < until - 0.001]

    # --- and when everybody answers again

    def teardown(self) -> None:
        """In the end every reader believes what is true, and no opening and no resolve has been lost."""
        try:
            if hasattr(self, "process"):
                self._ends_well()
        finally:
            self.loop.close()

    def _ends_well(self) -> None:
        process = self.process
        process.death = None
        for reader in process.readers:
            reader.answers.clear()
        self.does(process.clock.advance(400))
        try:
            for reader in process.readers:
                self._believes_what_is_true(reader)
        finally:
            self.loop.run_until_complete(process.kill())

    def _believes_what_is_true(self, reader: Reader) -> None:
        received = {name: each[-1].notice.incident for name, each in _by_incident(reader).items()}
        assert set(received) <= {incident.id for incident in self.process.incidents}
        for incident in self.process.incidents:
            if incident.id.endswith("yesterday"):
                continue
            believed = received.get(incident.id)
            if incident.open:
                assert self._silenced(incident, self.process.clock.now()) or (
                    _name(believed) == _name(incident) and self._news(reader, incident).open
                )
            elif believed is None:
                assert all(self._silenced(incident, at) for at in (incident.opened_at, *incident.reopened))
            else:
                assert not believed.open
                unheard = incident.reopened[len(believed.reopened) :]
                assert not unheard or self._covered(incident, since=unheard[0])

    def _news(self, reader: Reader, incident: Incident) -> Incident:
        """As it was when the channel was last notified of it: an edit notifies nobody."""
        received = [
            each.notice for each in _by_incident(reader)[incident.id] if each.notice.reason is not Reason.EDITED
        ]
        return received[-1].incident

    def _silenced(self, incident: Incident, at: float) -> bool:
        return silenced_until(self.process.silences, incident.target, incident.diagnosis.fault, at) is not None

    def _covered(self, incident: Incident, *, since: float) -> bool:
        """Whether one silence lasted from an opening to the resolve."""
        until, silences = incident.closed_at, self.process.silences
        if until is None:
            return False
        return silenced_throughout(silences, incident.target, incident.names, since=since, until=until) is not None


def _by_incident(reader: Reader) -> dict[str, list[Delivery]]:
    found: dict[str, list[Delivery]] = {}
    for each in reader.received:
        found.setdefault(each.notice.incident.id, []).append(each)
    return found


def _is_news(received: Delivery) -> bool:
    """An opening or a resolve; but not what is reported as opened because its silence is over."""
    notice = received.notice
    over = notice.notified is not None and notice.notified.silenced and notice.incident.open
    return notice.reason in (Reason.OPENED, Reason.RESOLVED) and not over


def _key(received: Delivery) -> tuple[str, Reason, int]:
    return received.notice.incident.id, received.notice.reason, len(received.notice.incident.reopened)


def _name(incident: Incident | None) -> tuple[Fault, Severity] | None:
    return (incident.diagnosis.fault, incident.diagnosis.severity) if incident is not None else None


TestMortal = Mortal.TestCase
TestMortal.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
