"""What the checks of a target find while things are broken, as inputs at the moments at which the daemon would look.

When a check looks is decided where the daemon decides it too: `core.pace` and the grid of `schedule`. What it finds
is a table (`effects`), but for the exporter's configuration, which is changed and compared.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from monitor.checks.config import judge_comparison
from monitor.core.arrival import usual_arrival
from monitor.core.backend import BACKEND
from monitor.core.canary import Canary, ControlSpan, IdSource
from monitor.core.config_memory import ConfigSeen
from monitor.core.drift import Comparison, compare
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
    TraceLooked,
)
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    Instant,
    Seconds,
    TargetName,
    TraceId,
    UnknownReason,
    failing,
    passing,
    unknown,
)
from monitor.core.pace import (
    Attempt,
    awaited,
    controls_awaited,
    due_at,
    look_at,
    origin_is_due,
    read_control_at,
    why_not_send,
)
from monitor.core.state import Policy, TargetState
from monitor.core.suspicions import off
from monitor.core.trace import Route, SpanFact, TraceSeen
from monitor.redaction import Redactor
from monitor.sandbox import FAULTS, BackendKind, Credentials, Edit
from monitor.schedule import next_on_grid, spread
from monitor.settings.expected import expected_headers, manifest
from monitor.settings.target import Target as TargetSettings
from monitor.simulate.effects import (
    ARRIVAL,
    CANARY,
    CONFIG,
    CONTROL,
    NOTHING,
    Effect,
    effect_of,
    finding,
)
from monitor.simulate.simulation import Simulation
from monitor.truefoundry.manifest import read_manifest

_AUTHOR = "sam@example.com"  # who changes the configuration
_EXPORTED_AFTER: Seconds = 4.0
_LATE_BY: Seconds = 240.0
_CONFIG_LASTS: Seconds = 300.0
"""The exporter notices a change of its configuration after up to five minutes."""
FINGERPRINT_KEY = bytes(32)
_PUNCTUAL: Seconds = 0.5
_ASKS_STORE_AFTER: Seconds = 15.0


class SimulatedTarget:
    """What is broken at one target, what became of what it exported, and its checks: each looks when the daemon would."""

    def __init__(self, simulation: Simulation, name: TargetName, settings: TargetSettings, now: Instant) -> None:
        self._simulation, self._name = simulation, name
        self.settings = settings
        self.trace_outcome = NOTHING
        self.scripted: dict[CheckName, tuple[CheckResult, int | None]] = {}  # for so many looks more
        self._broken: dict[str, Seconds | None] = {}  # its delay
        self._traces: dict[str, tuple[str, Instant]] = {}  # of each canary: its outcome, and when it is there
        self._changed_at: Instant | None = None  # when the configuration was changed last
        self._noticed = (now, "arrived")  # when the exporter read its configuration last, and what that does
        self._sent = self._drawn = 0
        self._regular: dict[CheckName, Instant] = {}
        self._attempts: dict[str, Attempt] = {}
        self._paused = False
        self._store_asked_at: Instant = 0.0

    @property
    def _state(self) -> TargetState:
        return self._simulation.states[self._name]

    @property
    def _policy(self) -> Policy:
        return self._simulation.targets[self._name].policy

    def _apply(self, given: Input, now: Instant) -> None:
        self._simulation.apply(self._name, given, now)

    # --- what is broken, and what that does

    def _effects(self) -> Iterator[tuple[str, Effect]]:
        """Of everything that is broken, with its description."""
        yield from ((FAULTS[name].about, effect_of(name)) for name in self._broken)
        yield "as the timeline says", self.trace_outcome

    def set_broken(self, outage: str, now: Instant, delay: Seconds | None, *, broken: bool) -> None:
        """Something breaks, or works again."""
        if broken:
            self._broken[outage] = delay
        else:
            self._broken.pop(outage, None)
        if any(isinstance(patch, Edit) for patch in FAULTS[outage].patches):
            self._changed_at = now

    def _read_config(self) -> ConfigSeen:
        """The exporter's configuration: what is expected, changed by each outage as the sandbox changes it.

        In a wrong environment its key cannot be read, else that would be a drift.
        """
        changed = manifest(self.settings, reveal=True)
        credentials = Credentials.of(BackendKind.TRACELOOP if self.settings.phoenix is None else BackendKind.PHOENIX)
        for outage in self._broken:
            for patch in FAULTS[outage].patches if outage != "wrong_environment" else ():
                if isinstance(patch, Edit):
                    changed = patch.change(changed, credentials)
        headers = expected_headers(self.settings)
        seen = read_manifest({"manifest": changed}, expected_headers=headers, key=FINGERPRINT_KEY, redactor=Redactor())
        by = _AUTHOR if self._changed_at is not None else None
        return replace(seen, updated_at=self._changed_at, updated_by=by)

    def _compare(self, seen: ConfigSeen) -> Comparison:
        return compare(self._policy.expected, seen.config)

    def _exporter_effect(self) -> str:
        """What becomes of traces by the exporter's configuration as it is now."""
        known = next((each.traces for _, each in self._effects() if each.configured), None)
        if known is not None:
            return known
        seen = self._read_config()
        return "missing" if seen.config.off or self._compare(seen).stops_export else "arrived"

    def _find(self, check: CheckName) -> CheckResult | None:
        """What a check finds now; None: that all is healthy."""
        if check in self.scripted:
            result, looks = self.scripted[check]
            if looks is None:
                return result
            self.scripted[check] = (result, looks - 1)
            if looks == 1:
                del self.scripted[check]
            return result
        for about, effect in self._effects():
            if check in effect.finds:
                stops = effect.traces == "missing" and check is CONTROL
                return finding(check, effect.finds[check], about, stops=stops)
        return None

    def _export(self, canary: str, now: Instant) -> None:
        """Decide what becomes of the trace of a canary that is sent now."""
        self._sent += 1
        effects = [effect for _, effect in self._effects()]
        if now - self._noticed[0] >= _CONFIG_LASTS:
            self._noticed = (now, self._exporter_effect())
        became = [self._noticed[1], *(each.traces for each in effects if not each.configured)]
        outcome = next((each for each in became if each != "arrived"), "arrived")
        if outcome == "some":
            outcome = "missing" if self._sent % 4 == 0 else "arrived"
        delays = [delay for delay in self._broken.values() if delay is not None]
        late = delays[0] if delays else _LATE_BY
        self._traces[canary] = (outcome, now + (late if outcome == "late" else _EXPORTED_AFTER))

    def _spans(self, canary: Canary, now: Instant) -> tuple[SpanFact, ...]:
        """What the trace backend shows of a trace."""
        outcome, there_at = self._traces.get(canary.id, ("missing", now))
        if outcome in ("missing", "never_made", "elsewhere") or now < there_at:
            return ()
        labels = self._policy.labels
        shown = ("gen_ai.prompt.0.content",) if outcome == "leaked" or (labels.content and outcome != "bare") else ()
        trace_id = canary.trace_id or canary.sent_id
        return tuple(
            SpanFact(
                trace_id=trace_id,
                span_id=f"{number}",
                parent_id="gone" if outcome == "incomplete" and number == 0 else "" if number == 0 else "0",
                service_name="unknown_service" if outcome == "mislabelled" else labels.service_name,
                resource=labels.resource_attributes,
                content=shown,
            )
            for number in range(3)
        )

    # --- the checks

    def begin(self) -> None:
        """The daemon has been started, or its configuration loaded: every check looks at once."""
        self._regular.clear()
        self._attempts.clear()

    def next_look(self, now: Instant) -> Instant:
        """When something is to be looked at next."""
        checks = [self._due(check, now) for check in self._policy.cadences if check is not ARRIVAL]
        return max(now, min([*checks, *(at for at, _ in self._awaited(now))], default=now + _CONFIG_LASTS))

    def look(self, now: Instant) -> None:
        """Look at everything that is due."""
        for check, cadence in self._policy.cadences.items():
            if check is not ARRIVAL and self._due(check, now) <= now:
                offset = spread(f"{self._name}:{check}", cadence.every)
                self._regular[check] = next_on_grid(now, cadence.every, offset)
                self._look(check, now)
        for at, sought in self._awaited(now):
            if at <= now:
                tries = self._attempts.get(_key(sought), Attempt()).tries
                self._attempts[_key(sought)] = Attempt(tries=tries + 1, at=now)
                self._look_for(sought, now)
        self._ask_store(now)

    def _due(self, check: CheckName, now: Instant) -> Instant:
        if check not in self._regular:
            return now
        state, policy = self._state, self._policy
        due = min(self._regular[check], due_at(check, state, policy, now))
        if check is not CANARY:
            return due
        not_sent = why_not_send(state, policy, now)
        paused = not_sent is not None and not_sent.unknown_reason is UnknownReason.PAUSED and not_sent.until is None
        resumes, self._paused = self._paused and not paused, paused
        if resumes:  # the first pass of the gateway after a pause sends a canary at once
            self._regular[check] = now
            return now
        fast = policy.cadences[check].every_while_failing - _PUNCTUAL
        return max(due, state.canaries[-1].sent_at + fast) if state.canaries and not paused else due

    def _look(self, check: CheckName, now: Instant) -> None:
        if check is CANARY:
            not_sent = why_not_send(self._state, self._policy, now)
            if not_sent is None:
                self._send_canary(now)
                return
            result = unknown(not_sent.summary, not_sent.unknown_reason)
            self._apply(Observation(check=CANARY, at=now, took=0.0, result=result), now)
            return
        found = self._find(check)
        if check is CONTROL:
            refused = found is not None and found.fault is Fault.KEY_REJECTED
            span = ControlSpan(trace_id=self._draw(), sent_at=now, accepted=found is None, judged=found is not None)
            self._apply(ControlSent(at=now, took=0.0, control=span, result=found, key_refused=refused), now)
            return
        seen = None
        if check is CONFIG and (found is None or found.suspicions):
            seen = self._read_config()
            found = found or self._judge(seen, now)
        result = found or passing("healthy")
        self._apply(Observation(check=check, at=now, took=0.0, result=result, config=seen), now)

    def _judge(self, seen: ConfigSeen, now: Instant) -> CheckResult:
        """What the daemon's check says of a configuration; whether the monitor's own key is good, it asks as well."""
        if seen.config.off:
            return failing(off())
        comparison = self._compare(seen)
        if comparison.other_key:
            refused = any(each.unread is UnknownReason.REFUSED for _, each in self._effects())
            self._apply(KeyTried(at=now, accepted=not refused), now)
        return judge_comparison(comparison, seen)

    def _send_canary(self, now: Instant) -> None:
        trace_id = self._draw()
        planned = Canary(
            id=trace_id[:16],
            sent_at=now,
            sent_id=trace_id,
            span_id=trace_id[16:],
            nonce=f"gtm-{trace_id[-16:]}",
            account=self._policy.account,
        )
        self._apply(CanaryPlanned(at=now, canary=planned), now)
        trouble = self._find(CANARY)
        if trouble is None:
            self._export(planned.id, now)
            planned = replace(planned, answered_at=now, accepted=True, trace_id=trace_id, id_source=IdSource.FEEDBACK)
        limited = trouble is not None and trouble.fault is Fault.RATE_LIMITED
        result = trouble or passing("the gateway served it")
        self._apply(CanaryAnswered(at=now, took=0.0, canary=planned, result=result, rate_limited=limited), now)

    def _awaited(self, now: Instant) -> Iterator[tuple[Instant, Canary | ControlSpan]]:
        """The traces and control spans that are looked for, and when."""
        state, policy = self._state, self._policy
        usual = usual_arrival(state.canaries)
        for canary in awaited(state, policy, now) if policy.enabled(ARRIVAL) else ():
            yield look_at(canary, policy, self._attempts.get(canary.id, Attempt()), usual), canary
        for control in controls_awaited(state):
            yield read_control_at(control, policy, self._attempts.get(control.trace_id, Attempt())), control

    def _look_for(self, sought: Canary | ControlSpan, now: Instant) -> None:
        unread = next(((about, each.unread) for about, each in self._effects() if each.unread is not None), None)
        if unread is not None:
            control = isinstance(sought, ControlSpan)
            failed = LookFailed(
                at=now,
                took=0.0,
                check=CONTROL if control else ARRIVAL,
                result=unknown(*unread),
                canary_id=None if control else _key(sought),
                key_refused=unread[1] is UnknownReason.REFUSED,
                where=f"{BACKEND}'s read API",
            )
            self._apply(failed, now)
        elif isinstance(sought, ControlSpan):
            shown = now - sought.sent_at >= _EXPORTED_AFTER
            looked = ControlLooked(at=now, took=0.0, trace_id=sought.trace_id, route=Route.WAREHOUSE, shown=shown)
            self._apply(looked, now)
        else:
            spans = self._spans(sought, now)
            routes = (Route.WAREHOUSE,) if sought.outcome is not None else (Route.TRACE, Route.WAREHOUSE)
            for route in routes if spans and sought.whole_at is not None else routes[:1]:
                seen = TraceSeen(route=route, at=now, spans=spans)
                self._apply(TraceLooked(at=now, took=0.0, canary_id=sought.id, seen=seen), now)
            closer = now - sought.waited_since >= self._policy.arrival.look_closer_after
            if not spans and closer and sought.elsewhere is None:
                there = self._traces.get(sought.id, ("", 0.0))[0] == "elsewhere"
                self._apply(ElsewhereLooked(at=now, canary_id=sought.id, environment="staging" if there else None), now)

    def _ask_store(self, now: Instant) -> None:
        """TrueFoundry's own store has every trace that was made."""
        state, policy = self._state, self._policy
        if now - self._store_asked_at < _ASKS_STORE_AFTER or not origin_is_due(state, policy, now):
            return
        self._store_asked_at = now
        if not all(effect.store for _, effect in self._effects()):
            return
        accepted = [each for each in state.canaries if each.accepted]
        closer = policy.arrival.look_closer_after
        waiting = [each for each in accepted if each.pending and now - each.waited_since >= closer]
        shown = [each for each in accepted if each.id in self._traces]
        for canary in waiting[-3:] or shown[-1:]:
            found = self._traces.get(canary.id, ("", 0.0))[0] != "never_made"
            self._apply(OriginLooked(at=now, canary_id=canary.id, found=found), now)

    def _draw(self) -> TraceId:
        """The same digits in every run, so that a simulation reads the same each time."""
        self._drawn += 1
        return TraceId(hashlib.shake_256(f"{self._name} {self._drawn}".encode()).hexdigest(16))


def _key(sought: Canary | ControlSpan) -> str:
    return sought.trace_id if isinstance(sought, ControlSpan) else sought.id
