"""What the checks of a target find while things are broken, as inputs at the moments at which the daemon would look.

When a check looks is decided where the daemon decides it too: `core.cadence` and the grid of `schedule`. What it finds is a table.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from monitor.core.arrival import usual_arrival
from monitor.core.backend import BACKEND
from monitor.core.canary import Canary, ControlSpan, IdSource
from monitor.core.config_memory import ConfigSeen
from monitor.core.drift import ExportConfig
from monitor.core.inputs import (
    CanaryAnswered,
    CanaryPlanned,
    ControlLooked,
    ControlSent,
    ElsewhereLooked,
    Input,
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
    Suspicion,
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
    bar_canary,
    controls_awaited,
    due_at,
    look_at,
    origin_is_due,
    read_control_at,
)
from monitor.core.state import Policy, TargetState
from monitor.core.text import changed_text
from monitor.core.trace import Route, SpanFact, TraceSeen
from monitor.sandbox import FAULTS
from monitor.schedule import next_on_grid, spread
from monitor.settings.problem import did_you_mean
from monitor.settings.values import refusal
from monitor.simulate.story import Story

_AUTHOR = "sam@example.com"  # who changes the configuration
_EXPORTED_AFTER: Seconds = 4.0
_LATE_BY: Seconds = 240.0
_CONFIG_LASTS: Seconds = 300.0
"""The exporter notices a change of its configuration after up to five minutes."""
_PUNCTUAL: Seconds = 0.5
_ASKS_STORE_AFTER: Seconds = 15.0

CONFIG, GATEWAY, CANARY = CheckName.CONFIG, CheckName.GATEWAY, CheckName.CANARY
ARRIVAL, CONTROL = CheckName.ARRIVAL, CheckName.CONTROL
CHECKS = tuple(map(str, (CONFIG, GATEWAY, CANARY, CONTROL)))
"""The checks of which a timeline can say what they find."""

OUTAGES: tuple[str, ...] = tuple(name for name in FAULTS if not name.startswith("slack_"))
"""What may break at a target: every fault of the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an outage does: what each check finds meanwhile, and what becomes of the traces of canaries that are sent meanwhile.

    `traces`: arrived, missing, some (one of four is missing), late, incomplete, never_made, elsewhere, leaked, bare, mislabelled.
    `configured`: by a change of the exporter's configuration. `unread`: why a look for a trace fails. `store`: whether
    TrueFoundry's own store answers.
    """

    finds: Mapping[CheckName, Fault | UnknownReason] = field(default_factory=dict)
    traces: str = "arrived"
    configured: bool = False
    unread: UnknownReason | None = None
    store: bool = True


_NOTHING = Effect()
_EVERYWHERE = dict.fromkeys((CONFIG, GATEWAY, CANARY, CONTROL), UnknownReason.BLOCKED)
_HARMLESS_DRIFT = Effect(finds={CONFIG: Fault.CONFIG_DRIFT})

EFFECTS: Mapping[str, Effect] = {
    "gateway_unreachable": Effect(finds={GATEWAY: Fault.GATEWAY_UNREACHABLE, CANARY: Fault.GATEWAY_UNREACHABLE}),
    "gateway_refused": Effect(finds={CANARY: Fault.GATEWAY_REFUSED}),
    "gateway_metrics_failing": _NOTHING,
    "rate_limited": Effect(finds={CANARY: Fault.RATE_LIMITED}),
    "canary_rejected": Effect(finds={CANARY: Fault.CANARY_REJECTED}),
    "provider_failing": Effect(finds={CANARY: Fault.PROVIDER_FAILING}),
    "trace_not_created": Effect(traces="never_made"),
    "exporter_disabled": Effect(finds={CONFIG: Fault.EXPORTER_DISABLED}, traces="missing", configured=True),
    "config_drift": Effect(finds={CONFIG: Fault.CONFIG_DRIFT}, traces="missing", configured=True),
    "config_drift_header": _HARMLESS_DRIFT,
    "config_drift_metrics": _HARMLESS_DRIFT,
    "config_drift_content": _HARMLESS_DRIFT,
    "config_drift_attributes": _HARMLESS_DRIFT,
    "config_drift_rotation": _HARMLESS_DRIFT,
    "config_drift_filter_splits": Effect(finds={CONFIG: Fault.CONFIG_DRIFT}, traces="incomplete", configured=True),
    "wrong_environment": Effect(traces="elsewhere", configured=True),
    "content_leaked": Effect(traces="leaked"),
    "content_missing": Effect(traces="bare"),
    "export_failing": Effect(traces="missing"),
    "trace_missing": Effect(traces="missing", store=False),
    "trace_missing_some": Effect(traces="some"),
    "trace_incomplete": Effect(traces="incomplete"),
    "trace_late": Effect(traces="late"),
    "trace_mislabelled": Effect(traces="mislabelled"),
    "trace_duplicated": _NOTHING,
    "traffic_sampled": _NOTHING,
    "logging": _NOTHING,
    "routed": _NOTHING,
    "key_rejected": Effect(finds={CONTROL: Fault.KEY_REJECTED}, traces="missing", unread=UnknownReason.REFUSED),
    "ingest_failing": Effect(finds={CONTROL: Fault.INGEST_FAILING}, traces="missing"),
    "ingest_throttled": Effect(finds={CONTROL: UnknownReason.REFUSED}, traces="missing"),
    "read_api": Effect(unread=UnknownReason.UNREACHABLE),
    "blind": Effect(finds=_EVERYWHERE, unread=UnknownReason.BLOCKED, store=False),
    "control_plane": Effect(finds={CONFIG: UnknownReason.UNREACHABLE}, store=False),
    "own_store": Effect(store=False),
}
"""By the beginning of an outage's name; the longest counts."""

FATES: Mapping[str, Effect] = {
    "arrived": _NOTHING,
    "missing": EFFECTS["export_failing"],
    "late": EFFECTS["trace_late"],
    "incomplete": EFFECTS["trace_incomplete"],
    "unknown": EFFECTS["read_api"],
}
"""What may become of the traces of the canaries that are sent from then on."""

_FOUND_BY: Mapping[CheckName, tuple[Fault, ...]] = {
    CONFIG: (Fault.EXPORTER_DISABLED, Fault.CONFIG_DRIFT),
    GATEWAY: (Fault.GATEWAY_UNREACHABLE,),
    CANARY: (Fault.PROVIDER_FAILING, Fault.CANARY_REJECTED, Fault.GATEWAY_REFUSED, Fault.RATE_LIMITED),
    CONTROL: (Fault.INGEST_FAILING, Fault.KEY_REJECTED),
}
_REASONS = tuple(each for each in UnknownReason if each not in {UnknownReason.NOTHING_TO_JUDGE, UnknownReason.PAUSED})


def effect_of(outage: str) -> Effect:
    """What an outage does."""
    return EFFECTS[max((name for name in EFFECTS if f"{outage}_".startswith(f"{name}_")), key=len)]


def pick(word: str, known: Iterable[str], what: str) -> str:
    """A word of a list. Raises PydanticCustomError with a guess, or else with the list."""
    if word in known:
        return word
    guess = did_you_mean(word, known)
    raise refusal(f"is not {what}; " + (f"did you mean `{guess}`?" if guess else f"allowed: {', '.join(known)}"))


def parse_finding(check: CheckName, words: str) -> CheckResult | None:
    """What a check finds: `pass` (None: what is really there), `fail [fault]`, `unknown [reason]`. Raises PydanticCustomError."""
    verdict, _, rest = words.partition(" ")
    pick(verdict, ("pass", "fail", "unknown"), "a verdict")
    rest, said = rest.strip(), "as the timeline says"
    if verdict == "fail":
        known = _FOUND_BY[check]
        fault = Fault(pick(rest, tuple(map(str, known)), f"a fault that `{check}` finds")) if rest else known[0]
        return _finding(check, fault, said, stops=check in (CONFIG, CONTROL))
    if verdict == "unknown":
        reason = UnknownReason(pick(rest, tuple(map(str, _REASONS)), "a reason not to know")) if rest else _REASONS[0]
        return _finding(check, reason, said, stops=False)
    if rest:
        raise refusal("says more than `pass`; allowed: pass")
    return None


def _finding(
    check: CheckName, found: Fault | UnknownReason, said: str, *, stops: bool, facts: tuple[str, ...] = ()
) -> CheckResult:
    if isinstance(found, UnknownReason):
        return unknown(said, found)
    return failing(
        said, Suspicion(fault=found, summary=said, facts=facts, conclusive=check is CONFIG, stops_export=stops)
    )


class World:
    """What is broken at one target, what became of what it exported, and its checks: each looks when the daemon would."""

    def __init__(self, story: Story, name: TargetName, now: Instant) -> None:
        self._story, self._name = story, name
        self.fate = _NOTHING
        self.said: dict[CheckName, tuple[CheckResult, int | None]] = {}  # for so many looks more
        self._broken: dict[str, Seconds | None] = {}  # its delay
        self._traces: dict[str, tuple[str, Instant]] = {}  # of each canary: its fate, and when it is there
        self._changed_at: Instant | None = None  # when the configuration was changed last
        self._noticed = (now, "arrived")  # when the exporter read its configuration last, and what that does
        self._sent = self._drawn = 0
        self._regular: dict[CheckName, Instant] = {}
        self._attempts: dict[str, Attempt] = {}
        self._paused = False
        self._store_asked_at: Instant = 0.0

    @property
    def _state(self) -> TargetState:
        return self._story.states[self._name]

    @property
    def _policy(self) -> Policy:
        return self._story.targets[self._name].policy

    def _apply(self, given: Input, now: Instant) -> None:
        self._story.apply(self._name, given, now)

    # --- what is broken, and what that does

    def _effects(self) -> Iterator[tuple[str, Effect]]:
        """Of everything that is broken, with its description."""
        yield from ((FAULTS[name].about, effect_of(name)) for name in self._broken)
        yield "as the timeline says", self.fate

    def set_broken(self, outage: str, now: Instant, delay: Seconds | None, *, broken: bool) -> None:
        """Something breaks, or works again."""
        if broken:
            self._broken[outage] = delay
        else:
            self._broken.pop(outage, None)
        if effect_of(outage).configured or CONFIG in effect_of(outage).finds:
            self._changed_at = now

    def _find(self, check: CheckName) -> CheckResult | None:
        """What a check finds now; None: that all is healthy."""
        if check in self.said:
            result, looks = self.said[check]
            if looks is None:
                return result
            self.said[check] = (result, looks - 1)
            if looks == 1:
                del self.said[check]
            return result
        for about, effect in self._effects():
            if check in effect.finds:
                stops = effect.traces == "missing" and check in (CONFIG, CONTROL)
                changed = changed_text(self._changed_at, _AUTHOR) if check is CONFIG else None
                facts = (changed,) if changed else ()
                return _finding(check, effect.finds[check], about, stops=stops, facts=facts)
        return None

    def _export(self, canary: str, now: Instant) -> None:
        """Decide what becomes of the trace of a canary that is sent now."""
        self._sent += 1
        effects = [effect for _, effect in self._effects()]
        if now - self._noticed[0] >= _CONFIG_LASTS:
            self._noticed = (now, next((each.traces for each in effects if each.configured), "arrived"))
        became = [self._noticed[1], *(each.traces for each in effects if not each.configured)]
        fate = next((each for each in became if each != "arrived"), "arrived")
        if fate == "some":
            fate = "missing" if self._sent % 4 == 0 else "arrived"
        delays = [delay for delay in self._broken.values() if delay is not None]
        late = delays[0] if delays else _LATE_BY
        self._traces[canary] = (fate, now + (late if fate == "late" else _EXPORTED_AFTER))

    def _spans(self, canary: Canary, now: Instant) -> tuple[SpanFact, ...]:
        """What the trace backend shows of a trace."""
        fate, there_at = self._traces.get(canary.id, ("missing", now))
        if fate in ("missing", "never_made", "elsewhere") or now < there_at:
            return ()
        labels = self._policy.labels
        shown = ("gen_ai.prompt.0.content",) if fate == "leaked" or (labels.content and fate != "bare") else ()
        trace_id = canary.trace_id or canary.sent_id
        return tuple(
            SpanFact(
                trace_id=trace_id,
                span_id=f"{number}",
                parent_id="gone" if fate == "incomplete" and number == 0 else "" if number == 0 else "0",
                service_name="unknown_service" if fate == "mislabelled" else labels.service_name,
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
        barred = bar_canary(state, policy, now)
        paused = barred is not None and barred.unknown_reason is UnknownReason.PAUSED and barred.until is None
        resumes, self._paused = self._paused and not paused, paused
        if resumes:  # the first pass of the gateway after a pause sends a canary at once
            self._regular[check] = now
            return now
        fast = policy.cadences[check].every_while_failing - _PUNCTUAL
        return max(due, state.canaries[-1].sent_at + fast) if state.canaries and not paused else due

    def _look(self, check: CheckName, now: Instant) -> None:
        if check is CANARY:
            barred = bar_canary(self._state, self._policy, now)
            if barred is None:
                self._send_canary(now)
                return
            result = unknown(barred.summary, barred.unknown_reason)
            self._apply(Observation(check=CANARY, at=now, took=0.0, result=result), now)
            return
        found = self._find(check)
        if check is CONTROL:
            refused = found is not None and found.fault is Fault.KEY_REJECTED
            span = ControlSpan(trace_id=self._draw(), sent_at=now, accepted=found is None, judged=found is not None)
            self._apply(ControlSent(at=now, took=0.0, control=span, result=found, key_refused=refused), now)
            return
        config = None
        if check is CONFIG and (
            found is None or found.suspicions
        ):  # who changed it, and when; what differs is in the result
            config = ConfigSeen(
                config=ExportConfig(fields={"changes": self._changed_at}),
                updated_at=self._changed_at,
                updated_by=_AUTHOR if self._changed_at is not None else None,
            )
        result = found or passing("healthy", conclusive=check is CONFIG)
        self._apply(Observation(check=check, at=now, took=0.0, result=result, config=config), now)

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
        """The same digits in every run, so that a story reads the same each time."""
        self._drawn += 1
        return TraceId(hashlib.shake_256(f"{self._name} {self._drawn}".encode()).hexdigest(16))


def _key(sought: Canary | ControlSpan) -> str:
    return sought.trace_id if isinstance(sought, ControlSpan) else sought.id
