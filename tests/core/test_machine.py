"""Two readers, notifiers that fail in every way, silences, acknowledgements: whatever happens, what is reported stays true."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from monitor.core.incident import Reason
from monitor.core.inputs import Acknowledged
from monitor.core.model import CheckName, Fault, Severity
from monitor.core.notify import muted_until, wakes_at
from monitor.core.silence import Silence
from tests.core.build import CANARY, CONFIG, GATEWAY, HOUR, MINUTE, F, Story, policy
from tests.core.reader import Reader, SilencedUntil

BREAKS = {
    GATEWAY: (F.GATEWAY_UNREACHABLE, F.RATE_LIMITED),
    CANARY: (F.PROVIDER_FAILING, F.CANARY_REJECTED),
    CONFIG: (F.CONFIG_DRIFT, F.EXPORTER_DISABLED),
}
checks = st.sampled_from(list(BREAKS))
readers = st.sampled_from(["slack", "webhook"])


class Notifying(RuleBasedStateMachine):
    """Things break and are fixed; notifiers deliver, or not, or nobody knows whether."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.readers = {name: Reader(name) for name in ("slack", "webhook")}
        self.silences: tuple[Silence, ...] = ()
        self.lost_answers = 0

    @initialize(reopen_within=st.sampled_from([0.0, 1800.0]), looks=st.integers(1, 2))
    def begin(self, reopen_within: float, looks: int) -> None:
        """No arrival, so that what is fixed stays fixed."""
        self.story.policy = policy(
            without=(CheckName.ARRIVAL, CheckName.CONTROL),
            reopen_within=reopen_within,
            fail_after=looks,
            pass_after=looks,
        )

    def silenced_for(self, name: str) -> SilencedUntil:
        """Until when a reader is to be sent nothing of an incident."""
        return lambda incident: muted_until(incident, incident.notified.get(name), self.silences, self.story.now)

    # --- what happens

    @rule(check=checks, which=st.integers(0, 1), conclusive=st.booleans(), critical=st.booleans())
    def breaks(self, check: CheckName, which: int, conclusive: bool, critical: bool) -> None:
        """A check finds a fault."""
        severity = Severity.CRITICAL if critical else None
        self.story.wait(5).fails(check, BREAKS[check][which], conclusive=conclusive, severity=severity)

    @rule(check=checks, conclusive=st.booleans())
    def is_fixed(self, check: CheckName, conclusive: bool) -> None:
        """A check finds everything as it should be."""
        self.story.wait(5).passes(check, conclusive=conclusive)

    @rule(check=checks)
    def is_not_seen(self, check: CheckName) -> None:
        """A check cannot look."""
        self.story.wait(5).is_blind(check)

    @rule(seconds=st.sampled_from([1.0, 31 * MINUTE, 5 * HOUR]))
    def passes_time(self, seconds: float) -> None:
        """Nothing happens."""
        self.story.wait(seconds).tick()

    @rule(fault=st.sampled_from([None, F.GATEWAY_UNREACHABLE, F.CONFIG_DRIFT]), lasts=st.sampled_from([60.0, HOUR]))
    def is_silenced(self, fault: Fault | None, lasts: float) -> None:
        """Somebody silences it for a while."""
        silence = Silence(id="1", fault=fault, begins_at=self.story.now, ends_at=self.story.now + lasts)
        self.silences = (*self.silences, silence)

    @precondition(lambda self: self.story.state.incident is not None)
    @rule()
    def is_acknowledged(self) -> None:
        """Somebody has it."""
        self.story.feed(Acknowledged(at=self.story.now, incident_id=self.story.incident.id, by="ana"))

    # --- what is reported

    @rule(name=readers)
    def is_notified_of_everything(self, name: str) -> None:
        """The notifier works: afterwards the reader believes exactly what is true."""
        before = self.readers[name]
        self.readers[name] = before.is_brought_up_to_date(self.story, self.silenced_for(name))
        self.believes_what_is_true(name)

    @rule(name=readers)
    def is_notified_of_one_thing(self, name: str) -> None:
        """The notifier dies after one message."""
        reader = self.readers[name]
        for waiting in reader.due(self.story, self.silenced_for(name))[:1]:
            self.readers[name] = reader.receives(self.story, *waiting, silenced=self.silenced_for(name))

    @rule(name=readers)
    def is_notified_and_nobody_knows(self, name: str) -> None:
        """The message is delivered and its answer is lost: it may be said twice."""
        reader = self.readers[name]
        for waiting in reader.due(self.story, self.silenced_for(name))[:1]:
            self.lost_answers += 1
            self.readers[name] = reader.receives(self.story, *waiting, silenced=self.silenced_for(name), recorded=False)

    def believes_what_is_true(self, name: str) -> None:
        """Of what is not silenced, name and severity; of what is silenced, nothing that is over."""
        believed = dict(self.readers[name].believes)
        for incident in self.story.state.incidents:
            known = believed.pop(incident.id, None)
            if not incident.open:
                assert known is None
            elif self.silenced_for(name)(incident) is None:
                assert known == (incident.diagnosis.fault, incident.diagnosis.severity)
        assert believed == {}

    # --- what holds always

    @invariant()
    def no_incident_is_opened_or_resolved_twice(self) -> None:
        """In turns, at most one open, and that the last."""
        turns = [turn.split()[0] for turn in self.story.turns if not turn.startswith("changed")]
        assert turns == [("opened", "resolved")[place % 2] for place in range(len(turns))]
        assert all(not incident.open for incident in self.story.state.incidents[:-1])

    @invariant()
    def an_incident_is_open_while_anything_is_confirmed(self) -> None:
        """And no longer."""
        assert bool(self.story.confirmed) == (self.story.state.incident is not None)

    @invariant()
    def no_resolve_is_lost(self) -> None:
        """What was recorded as reported and is over is due to be resolved, silenced or not."""
        for name, reader in self.readers.items():
            due = {
                incident.id
                for incident, reason in reader.due(self.story, self.silenced_for(name))
                if reason is Reason.RESOLVED
            }
            for incident in self.story.state.incidents:
                notified = incident.notified.get(name)
                if not incident.open and notified is not None and not notified.closed:
                    assert incident.id in due

    @invariant()
    def nobody_is_called_for_a_warning_or_a_resolve(self) -> None:
        """Mentions are for what is critical and open."""
        for reader in self.readers.values():
            for notice in reader.received:
                critical = notice.incident.diagnosis.severity is Severity.CRITICAL
                assert not notice.mention or (critical and notice.incident.open and notice.silenced_until is None)

    @invariant()
    def nothing_is_said_twice_but_for_lost_answers(self) -> None:
        """The same news about the same incident at most once more for each answer that was lost."""
        for reader in self.readers.values():
            news = [
                (notice.incident.id, notice.reason, len(notice.incident.reopened))
                for notice in reader.received
                if notice.reason in (Reason.OPENED, Reason.RESOLVED)
                and not (
                    notice.notified is not None and notice.notified.silenced and notice.incident.open
                )  # its silence is over
            ]
            assert len(news) - len(set(news)) <= self.lost_answers

    @invariant()
    def whoever_must_be_notified_later_is_woken(self) -> None:
        """A reminder or an escalation is never in the past of what is reported."""
        for reader in self.readers.values():
            rhythm = {
                incident.id
                for incident, reason in reader.due(self.story, self.silenced_for(reader.name))
                if reason in (Reason.REMINDER, Reason.ESCALATED)
            }
            for incident in self.story.state.incidents:
                notified = incident.notified.get(reader.name)
                wakes = wakes_at(incident, notified, self.story.policy) if notified is not None else None
                if incident.id in rhythm:
                    assert wakes is not None
                    assert wakes <= self.story.now

    @invariant()
    def unknown_opens_nothing_but_blind(self) -> None:
        """Every name of an incident was found by a look that failed, or is the monitor's own."""
        assert self.story.confirmed <= {fault for faults in BREAKS.values() for fault in faults} | {F.BLIND}


TestNotifying = Notifying.TestCase
TestNotifying.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
