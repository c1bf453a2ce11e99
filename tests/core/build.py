"""Values for the tests of core, and a story that happens step by step: every sentence is one input to `apply`."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings

from monitor.core.arrival import proof_key
from monitor.core.backend import TRACELOOP
from monitor.core.canary import Canary, ControlSpan, IdSource
from monitor.core.config_memory import ConfigSeen
from monitor.core.drift import (
    AUTHORIZATION,
    ENCODING,
    ENDPOINT,
    EXCLUDE,
    METRICS,
    TYPE,
    Absent,
    Equals,
    ExpectedConfig,
    ExportConfig,
    Filter,
    Rule,
    SameSecret,
    SameUrl,
    Value,
    compare,
)
from monitor.core.engine import apply
from monitor.core.events import Event, IncidentChanged, changes
from monitor.core.faults import FAULTS
from monitor.core.incident import Diagnosis, Incident
from monitor.core.incident_lifecycle import TRANSITIONS, phase_of
from monitor.core.inputs import (
    CanaryAnswered,
    CanaryPlanned,
    ControlLooked,
    ControlSent,
    ElsewhereLooked,
    Input,
    KeyTried,
    LookFailed,
    Observation,
    OriginLooked,
    Ticked,
    TraceLooked,
)
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    Instant,
    Seconds,
    Severity,
    Suspicion,
    TargetName,
    TraceId,
    UnknownReason,
    failing,
    passing,
    unknown,
)
from monitor.core.pace import Attempt, awaited, look_at
from monitor.core.secret import Secret, describe_secret, fingerprint
from monitor.core.state import Cadence, Policy, TargetState
from monitor.core.trace import Labels, Route, SpanFact, TraceSeen
from monitor.daemon.policy import cadences
from monitor.settings.model import Alerting
from monitor.settings.target import Checks
from tests.fakes.clock import START

ROWS = {fault: TRACELOOP.fill(row) for fault, row in FAULTS.items()}
"""The table of faults as it reads for a target whose backend is Traceloop."""

in_words = TRACELOOP.name_in
"""A sentence as such a target says it."""

PROD = TargetName("prod")
KEY = b"fingerprints are keyed"
OURS = "Bearer tl_ours"
THEIRS = "Bearer tl_theirs"
MINUTE: Seconds = 60.0
HOUR: Seconds = 3600.0

quick = settings(max_examples=10, deadline=None)
"""For properties: the machine may be busy, and what matters is found soon."""

LEGAL = {(phase, after) for phase, moves in TRANSITIONS.items() for after in (phase, *moves.values())}
"""How an incident may move by one input, or stay where it is."""

F = Fault
CONFIG, GATEWAY, CANARY, ARRIVAL, CONTROL, _VOLUME = CheckName

CADENCES: Mapping[CheckName, Cadence] = cadences(Checks())
"""The defaults of the configuration."""


def secret(value: str | None, expected: str = OURS) -> Secret:
    """An Authorization header as it is remembered."""
    return describe_secret(value, expected=expected, key=KEY, bearer=True)


def expectation(key: str = OURS, **more: Any) -> ExpectedConfig:
    """The integration guide's table."""
    rules: dict[str, Rule] = {
        TYPE: Equals("http"),
        ENDPOINT: SameUrl("https://api.traceloop.com/v1/traces"),
        ENCODING: Equals("proto"),
        AUTHORIZATION: SameSecret(fingerprint(key.removeprefix("Bearer "), KEY)),
        METRICS: Absent(),
        EXCLUDE: Equals(True),  # noqa: FBT003 - the value that is expected
    }
    return ExpectedConfig(rules=rules, canary_attributes={"tfy.span_type": "ChatCompletion"}, **more)


def manifest(
    changes: Mapping[str, Any] | None = None,
    *,
    key: str | None = OURS,
    expected: str = OURS,
    filters: tuple[Filter, ...] = (),
) -> ExportConfig:
    """What the gateway is set to: as expected, but for the changes."""
    fields: dict[str, Value] = {
        TYPE: "http",
        ENDPOINT: "https://api.traceloop.com/v1/traces",
        ENCODING: "proto",
        AUTHORIZATION: secret(key, expected),
        EXCLUDE: True,
    }
    return ExportConfig(fields={**fields, **(changes or {})}, filters=filters)


OFF = ExportConfig(off=True)

ALERTING = Alerting()
POLICY = Policy(
    cadences=CADENCES,
    arrival=Checks().arrival,
    limits=Checks().canary,
    alerting=ALERTING,
    origin=Cadence(every=HOUR, every_while_failing=120, deadline=60),
    labels=Labels(service_name="tfy-llm-gateway", content=False),
    expected=expectation(),
    credential="ours",
)


def policy(*, without: tuple[CheckName, ...] = (), **changes: Any) -> Policy:
    """The defaults, but for the changes."""
    enabled = {check: cadence for check, cadence in CADENCES.items() if check not in without}
    alerting = {name: changes.pop(name) for name in Alerting.model_fields if name in changes}
    return replace(POLICY, **{"cadences": enabled, "alerting": ALERTING.model_copy(update=alerting), **changes})


def trace_id(number: int) -> TraceId:
    """A trace id that can be told from others at a glance."""
    return TraceId(f"{number:032x}")


def spans(
    number: int, count: int = 3, *, service: str | None = "tfy-llm-gateway", content: tuple[str, ...] | None = None
) -> tuple[SpanFact, ...]:
    """A whole trace: a root and a chain below it."""
    return tuple(
        SpanFact(
            trace_id=trace_id(number),
            span_id=f"s{place}",
            parent_id=f"s{place - 1}" if place else "",
            service_name=service,
            content=content,
        )
        for place in range(count)
    )


def a_canary(number: int = 1, **changes: Any) -> Canary:
    """One that the gateway has served, and whose trace id it has named."""
    given = {
        "id": f"c{number}",
        "sent_at": START,
        "answered_at": START,
        "sent_id": trace_id(number + 10_000),
        "span_id": "ours",
        "nonce": f"gtm-{number}",
        "accepted": True,
        "trace_id": trace_id(number),
        "id_source": IdSource.FEEDBACK,
    }
    return Canary(**{**given, **changes})


def a_charge(fault: Fault, **more: Any) -> Suspicion:
    """What a look holds against the world."""
    return Suspicion(fault=fault, summary=f"{fault} it is", **more)


def blind(reason: UnknownReason = UnknownReason.UNREACHABLE, *, permanent: bool = False) -> CheckResult:
    """A look that could not see."""
    return unknown(f"cannot look: {reason}", reason, permanent=permanent)


def config_finding(config: ExportConfig, expected: ExpectedConfig) -> CheckResult:
    """What the configuration check says of a parsed answer: always conclusive."""
    if config.off:
        return failing(a_charge(F.EXPORTER_DISABLED, conclusive=True, stops_export=True))
    comparison = compare(expected, config)
    if not comparison.differences:
        return passing("as expected", conclusive=True)
    suspicion = a_charge(
        F.CONFIG_DRIFT,
        facts=tuple(map(str, comparison.differences)),
        severity=Severity.CRITICAL if comparison.critical else Severity.WARNING,
        conclusive=True,
        stops_export=comparison.stops_export,
    )
    return failing(suspicion)


@dataclass
class Story:
    """A target, what happens to it, and what became of it. Time moves by `wait`, or with what `live` lets happen."""

    policy: Policy = POLICY
    now: Instant = START
    state: TargetState = field(default_factory=lambda: TargetState(target=PROD))
    events: list[Event] = field(default_factory=list)
    exports: Callable[[Instant], Seconds | None] = lambda _sent_at: 3.0
    attempts: dict[str, Attempt] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def feed(self, given: Input) -> "Story":
        """One input."""
        before = self.state
        self.state = apply(before, given, self.policy, self.now)
        self.events.extend(changes(before, self.state, given, self.policy, self.now))
        known = {incident.id: incident for incident in before.incidents}
        moves = {(phase_of(known.get(incident.id)), phase_of(incident)) for incident in self.state.incidents}
        assert moves <= LEGAL, "an incident has moved in a way that the table does not list"
        return self

    def wait(self, seconds: Seconds) -> "Story":
        """Nothing happens for a while."""
        self.now += seconds
        return self

    # --- looks

    def look(self, check: CheckName, result: CheckResult) -> "Story":
        """A check reports."""
        return self.feed(Observation(check=check, at=self.now, took=0.1, result=result))

    def passes(self, check: CheckName, *, conclusive: bool = False) -> "Story":
        """A check finds everything as it should be."""
        return self.look(check, passing("healthy", conclusive=conclusive))

    def fails(self, check: CheckName, fault: Fault, **more: Any) -> "Story":
        """A check finds a fault."""
        return self.look(check, failing(a_charge(fault, **more)))

    def is_blind(self, check: CheckName, reason: UnknownReason = UnknownReason.UNREACHABLE, **more: Any) -> "Story":
        """A check cannot see."""
        return self.look(check, blind(reason, **more))

    def config(
        self, config: ExportConfig | None = None, *, by: str | None = None, updated_at: Instant | None = None
    ) -> "Story":
        """The configuration is read; as it should be unless said otherwise."""
        read = config if config is not None else manifest()
        return self.feed(
            Observation(
                check=CheckName.CONFIG,
                at=self.now,
                took=0.1,
                result=config_finding(read, self.policy.expected),
                config=ConfigSeen(config=read, updated_at=updated_at, updated_by=by),
            )
        )

    def config_gone(self) -> "Story":
        """The read of the configuration answers 404 while the session answers."""
        return self.fails(CheckName.CONFIG, F.EXPORTER_DISABLED, stops_export=True)

    def key_tried(self, *, accepted: bool) -> "Story":
        """A documented route is asked with our key."""
        return self.feed(KeyTried(at=self.now, accepted=accepted))

    # --- canaries and their traces

    def canary(self, result: CheckResult | None = None, **changes: Any) -> str:
        """A canary is sent and answered at once; its id."""
        canary = a_canary(next(self.numbers), sent_at=self.now, answered_at=self.now, **changes)
        planned = replace(canary, answered_at=None, accepted=False, trace_id=None, id_source=None)
        self.feed(CanaryPlanned(at=self.now, canary=planned))
        self.feed(
            CanaryAnswered(at=self.now, took=0.5, canary=canary, result=result or passing("the gateway served it"))
        )
        return canary.id

    def known(self, canary_id: str) -> Canary:
        """What is remembered of a canary."""
        return next(canary for canary in self.state.canaries if canary.id == canary_id)

    def see(self, canary_id: str, seen: tuple[SpanFact, ...] = (), route: Route = Route.TRACE) -> "Story":
        """A look for a trace succeeds."""
        trace_seen = TraceSeen(route=route, at=self.now, spans=seen)
        return self.feed(TraceLooked(at=self.now, took=0.1, canary_id=canary_id, seen=trace_seen))

    def cannot_see(
        self, canary_id: str | None, result: CheckResult | None = None, *, key_refused: bool = False
    ) -> "Story":
        """A look for a trace fails."""
        return self.feed(
            LookFailed(
                at=self.now,
                took=0.1,
                check=CheckName.ARRIVAL,
                result=result or blind(UnknownReason.REFUSED if key_refused else UnknownReason.UNREACHABLE),
                canary_id=canary_id,
                key_refused=key_refused,
                where="Traceloop's read API",
            )
        )

    def arrives(self, canary_id: str, seen: tuple[SpanFact, ...] | None = None) -> "Story":
        """A whole trace is seen twice, and then judged by the documented read."""
        whole = seen if seen is not None else spans(int(canary_id[1:]))
        self.see(canary_id, whole).wait(2).see(canary_id, whole)
        return self.see(canary_id, whole, Route.WAREHOUSE)

    def elsewhere(self, canary_id: str) -> "Story":
        """Another environment shows the trace."""
        return self.feed(ElsewhereLooked(at=self.now, canary_id=canary_id, environment="stg"))

    def origin(self, canary_id: str, *, found: bool) -> "Story":
        """TrueFoundry's own store is asked."""
        return self.feed(OriginLooked(at=self.now, canary_id=canary_id, found=found))

    def proven(self) -> "Story":
        """Every route has just shown us a span of our own."""
        routes = {proof_key(route, self.policy.credential): self.now for route in (Route.TRACE, Route.WAREHOUSE)}
        self.state = replace(
            self.state, proofs={**self.state.proofs, **routes, proof_key(Route.OWN_STORE, ""): self.now}
        )
        return self

    # --- control spans

    def control(
        self, result: CheckResult | None = None, *, accepted: bool | None = True, key_refused: bool = False
    ) -> TraceId:
        """A span of our own is posted; accepted unless said otherwise. Its trace id."""
        control = ControlSpan(
            trace_id=trace_id(50_000 + next(self.numbers)),
            sent_at=self.now,
            accepted=accepted if result is None else False,
            judged=result is not None,
        )
        self.feed(ControlSent(at=self.now, took=0.1, control=control, result=result, key_refused=key_refused))
        return control.trace_id

    def control_seen(self, control: TraceId, *, shown: bool, route: Route = Route.WAREHOUSE) -> "Story":
        """A read for a control span succeeds."""
        return self.feed(ControlLooked(at=self.now, took=0.1, trace_id=control, route=route, shown=shown))

    # --- time that is lived through

    def live(self, seconds: Seconds, *, every: Seconds = 60.0) -> "Story":
        """Canaries are sent and looked for as the program does, while the export does what `exports` says.

        `exports` maps the time of sending to the delay of the trace; None: it never comes.
        """
        until, next_send = self.now + seconds, self.now
        while (due := min(next_send, self._next_look())) < until:
            self.now = max(self.now, due)
            if due == next_send:
                self.canary()
                next_send += every
            else:
                self._watch()
        self.now = until
        return self

    def _next_look(self) -> Instant:
        moments = [self._look_at(canary) for canary in awaited(self.state, self.policy, self.now)]
        return min(moments, default=float("inf"))

    def _look_at(self, canary: Canary) -> Instant:
        return look_at(canary, self.policy, self.attempts.get(canary.id, Attempt()))

    def _watch(self) -> None:
        """Look for everything that is due, and forget the attempts of what is not awaited any more, as the program does."""
        waiting = awaited(self.state, self.policy, self.now)
        ids = {canary.id for canary in waiting}
        self.attempts = {name: attempt for name, attempt in self.attempts.items() if name in ids}
        for canary in waiting:
            if self._look_at(canary) <= self.now:
                tries = self.attempts.get(canary.id, Attempt()).tries
                self._look_for(canary)
                self.attempts[canary.id] = Attempt(tries=tries + 1, at=self.now)

    def _look_for(self, canary: Canary) -> None:
        delay = self.exports(canary.sent_at)
        there = delay is not None and canary.sent_at + delay <= self.now
        decided = canary.arrived_at is not None or canary.outcome is not None
        self.see(canary.id, spans(int(canary.id[1:])) if there else (), Route.WAREHOUSE if decided else Route.TRACE)

    @property
    def incident(self) -> Incident:
        """The open incident; there must be one."""
        assert self.state.incident is not None, "nothing is open"
        return self.state.incident

    @property
    def diagnosis(self) -> Diagnosis:
        """Of the open incident."""
        return self.incident.diagnosis

    @property
    def name(self) -> Fault | None:
        """The name of the open incident, if there is one."""
        return self.state.incident.diagnosis.fault if self.state.incident is not None else None

    @property
    def confirmed(self) -> set[Fault]:
        """What is confirmed."""
        return set(self.state.confirmed)

    @property
    def turns(self) -> list[str]:
        """What happened to incidents, in order: 'opened key_rejected'."""
        return [f"{event.reason} {event.fault}" for event in self.events if isinstance(event, IncidentChanged)]

    def tick(self) -> "Story":
        """Time passed."""
        return self.feed(Ticked(at=self.now))


def after(story: Story, *canaries: Canary) -> Story:
    """These canaries were sent."""
    story.state = replace(story.state, canaries=(*story.state.canaries, *canaries))
    return story


def received(story: Story, kind: type) -> list[object]:
    """The events of a kind."""
    return [event for event in story.events if isinstance(event, kind)]
