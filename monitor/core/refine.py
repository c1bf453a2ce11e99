"""Refine a confirmed fault by everything else that is known: its name, its severity, what it explains, why, what to do next.

The configuration's word is weighed against what arrives: after `settle` arrivals outrank it, and a rotated key is no outage. A loss
is named after the hop that lost the trace: does TrueFoundry's own store have it, and does the trace backend accept a test span that
was sent later? `core.path` lists what each pair of answers means. Every other fault stays as it is in the table of faults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from monitor.core.backend import BackendTraits
from monitor.core.canary import Canary
from monitor.core.drift import EXCLUDE, Comparison, compare
from monitor.core.faults import FAULTS, LOST, ORDER, WHERE
from monitor.core.hints import hints, next_step
from monitor.core.key import key_is_refused, traces_arrive_since
from monitor.core.model import CheckName, Fault, Instant, Severity, Verdict
from monitor.core.outcomes import arrived, found_by_our_key, misrouted_to
from monitor.core.path import NOT_CREATED, OWN_STORE_SAYS, Triage, own_store_has, test_span_shown, triage
from monitor.core.state import Active, Policy, TargetState
from monitor.core.suspicions import LEAKS
from monitor.core.text import capitalised, changed_text, code, length_text, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A confirmed fault as the diagnosis sees it: its row of the table, refined by evidence and policy.

    `title` and `impact` are as in the table of faults; `detail` is how it shows, "" where the title says it all. `because` are the
    reasons, the first of them how it shows; `fixed`: the cause was removed since its evidence was seen, and only fresh traces can
    prove that.
    """

    active: Active
    fault: Fault
    severity: Severity
    explains: frozenset[Fault]
    title: str
    detail: str
    impact: str
    because: tuple[str, ...]
    advice: str
    fixed: bool = False

    @property
    def summary(self) -> str:
        """Title and detail as sentences."""
        return " ".join(map(sentence, filter(None, (self.title, self.detail))))

    def because_also(self, *reasons: str, step: str = "") -> "Confirmed":
        """The same with further reasons, and the next step that they suggest."""
        return replace(self, because=(*self.because, *reasons), advice=step or self.advice)


def confirmed_faults(state: TargetState, policy: Policy, now: Instant) -> tuple[Confirmed, ...]:
    """Every confirmed fault under its final name and severity, in the order of the table; without those that the policy mutes."""
    confirmed = state.confirmed
    hinted = hints(state, policy, now) if confirmed else {}
    found = []
    for active in confirmed.values():
        one = refine(active, state, policy, now)
        severity = policy.severity_of(one.fault, one.severity)
        if severity is not Severity.NONE:
            because = dict.fromkeys(map(capitalised, (*one.because, *hinted.get(one.fault, ()))))
            advice = next_step(one.fault, state, policy, now) or one.advice
            one = replace(one, severity=severity, because=tuple(because), advice=advice)
            found.append(backend_called(one.fault, policy).fill(one))
    return tuple(sorted(found, key=lambda one: ORDER[one.fault]))


def backend_called(fault: Fault, policy: Policy) -> BackendTraits:
    """Of whom a fault is said: what a test span showed may be the Collector's, where it went through that."""
    return policy.endpoint if fault in (Fault.INGEST_FAILING, Fault.KEY_REJECTED) else policy.backend


def named(state: TargetState, policy: Policy, now: Instant) -> dict[Fault, Active]:
    """Every confirmed fault under the name that the evidence gives it."""
    return {refine(active, state, policy, now).fault: active for active in state.confirmed.values()}


def refine(active: Active, state: TargetState, policy: Policy, now: Instant) -> Confirmed:
    """Look at one confirmed fault again, in the light of the rest."""
    suspicion = active.suspicion
    # Only a loss is named by more than what was suspected.
    lost_at = triage(active, state, now) if suspicion.fault is Fault.TRACE_MISSING else None
    row = FAULTS[suspicion.fault if lost_at is None else lost_at.place.fault]
    row = backend_called(row.fault, policy).fill(row)
    title = suspicion.title or row.title
    as_it_stands = Confirmed(
        active=active,
        fault=row.fault,
        severity=row.severity if suspicion.severity is None else suspicion.severity,
        explains=row.explains,
        title=title,
        detail=suspicion.summary if suspicion.summary.lower() not in title.lower() else "",
        impact=suspicion.impact or row.impact,
        because=(suspicion.summary, *suspicion.facts),
        advice=suspicion.step or row.advice,
    )
    if lost_at is not None:
        return _loss(as_it_stands, lost_at, state, policy)
    match suspicion.fault:
        case Fault.EXPORTER_DISABLED | Fault.CONFIG_DRIFT:
            return _configuration(as_it_stands, state, policy, now)
        case Fault.CONTENT_LEAKED:
            return _leak(as_it_stands, state, policy)
        case Fault.WRONG_ENVIRONMENT:
            return _wrong_environment(as_it_stands, state, policy, now)
        case Fault.TRACE_LATE:
            return _lateness(as_it_stands, state, policy)
        case Fault.BLIND:
            return _blindness(as_it_stands, state)
        case _:
            return as_it_stands


# --- the configuration -----------------------------------------------------------------------------------------------


def _configuration(found: Confirmed, state: TargetState, policy: Policy, now: Instant) -> Confirmed:
    suspicion, memory = found.active.suspicion, state.config
    # Off because nothing could be read, while the configuration read last had an exporter.
    gone = suspicion.fault is Fault.EXPORTER_DISABLED and memory is not None and not memory.seen.config.off
    who = () if gone else _who_changed_it(state)
    harmless = replace(found, explains=frozenset())
    compared = Comparison()
    if memory is not None and not memory.seen.config.off:
        compared = compare(policy.expected, memory.seen.config)
    another_key = suspicion.fault is Fault.CONFIG_DRIFT and compared.other_key
    if not suspicion.stops_export and not another_key:
        return harmless.because_also(*who)
    # Content that leaks is no less critical because traces arrive.
    harmless = replace(harmless, severity=Severity.CRITICAL if compared.leaks else Severity.WARNING)
    changed = found.active.since if memory is None or gone else memory.changed_at
    if traces_arrive_since(changed, state, policy):
        text = f"traces still arrive: {_PUT_RIGHT if _is_unread(state) else 'there must be another export path'}"
        impact = LEAKS if compared.leaks else "Traces still arrive, and requests are not affected."
        return replace(harmless, impact=impact).because_also(text, *_by_which_way(state), *who)
    if another_key:
        if memory is not None and memory.credential not in ("", policy.credential):
            return replace(harmless, title=_NOT_COMPARED, impact=_COMPARED_SOON).because_also(*who, step=_WAIT)
        if key_is_refused(state):
            ours = replace(harmless, title=_ROTATED, impact=_CANNOT_READ)
            return ours.because_also("{backend} refuses the monitor's own key", *who, step=GIVE_US_THE_KEY)
        if not suspicion.stops_export:
            return _key_that_may_be_as_good(found, changed, state, policy, now).because_also(*who)
    return _where_another_key_leads(found, state).because_also(*who) if compared.other_key else found.because_also(*who)


def _key_that_may_be_as_good(
    found: Confirmed, changed: Instant | None, state: TargetState, policy: Policy, now: Instant
) -> Confirmed:
    """Another key where a key is no place: overdue traces may be due to it, and it is named once those sent with it are lost."""
    if not _lost_to_the_key(changed, state, policy, now):
        return replace(found, explains=frozenset({Fault.TRACE_LATE}))
    named = replace(found, severity=Severity.CRITICAL, impact=LOST)
    return named.because_also("no trace that was sent since the exporter has this key has arrived")


def _lost_to_the_key(changed: Instant | None, state: TargetState, policy: Policy, now: Instant) -> bool:
    """Whether every trace is lost since the key was changed, and nothing says that another hop lost them."""
    missing = state.confirmed.get(Fault.TRACE_MISSING)
    if missing is None or not missing.suspicion.stops_export or Fault.INGEST_FAILING in state.confirmed:
        return False
    passed = state.check_state(CheckName.CONFIG).last_pass_at
    if passed is not None and missing.since < passed:  # they were lost before
        return False
    settled = (changed or 0.0) + policy.arrival.settle
    if any(arrived(one) and one.sent_at >= settled for one in state.canaries):  # the key is accepted
        return False
    hops = triage(missing, state, now)
    return hops.own_store is not False and hops.control is not False


def _where_another_key_leads(found: Confirmed, state: TargetState) -> Confirmed:
    """The environment that the exporter's key belongs to, if a trace was found there."""
    newest = next((one for one in reversed(state.canaries) if misrouted_to(one) is not None), None)
    other = misrouted_to(newest) if newest is not None and newest.sent_at >= found.active.since else None
    if other is None:
        return found
    title = f"{found.title}: traces go to {code(other)}"
    impact = f"Traces have gone to {code(other)} since {{since}} and are not lost. Requests are not affected."
    return replace(found, title=title, impact=impact)


_PUT_RIGHT = "the configuration, which cannot be read any more, was fixed since, or there is another export path"
_NOT_COMPARED = "The monitor has a new {backend} key, which has not been compared yet"
_COMPARED_SOON = (
    "The next check of the configuration shows whether the exporter has the same key. Requests are not affected."
)
_WAIT = "Wait for the next check of the export configuration: it compares the exporter's key with the new one."
_ROTATED = "The {backend} key was probably rotated, and the monitor has the old one"
_CANNOT_READ = "The monitor cannot read traces with its key, so whether they arrive has not been checked since {since}."
GIVE_US_THE_KEY = (
    "Give the monitor the key that the exporter carries now (`{section}.api_key`). If nobody rotated it, set the exporter's "
    "Authorization header back."
)
_WAYS: Mapping[bool | None, tuple[str, ...]] = {
    True: (
        "they carry the resource attributes that this exporter adds: it, or one with the same settings, still exports",
    ),
    False: ("they lack the resource attributes that this exporter adds: they come by another path",),
    None: (),
}


def _is_unread(state: TargetState) -> bool:
    """Whether the newest look could not read what the exporter is set to."""
    result = state.check_state(CheckName.CONFIG).result
    return result is not None and result.verdict is Verdict.UNKNOWN


def _who_changed_it(state: TargetState) -> tuple[str, ...]:
    """Who changed the configuration, and when, if that was after the last check that passed.

    Example: a check passes at 10:00, the next one fails at 10:01, and the manifest says `updatedAt` 09:30: whoever changed it at
    09:30 has not made the difference, so nobody is named. Where no check has passed yet it is only called the last change.
    """
    if state.config is None:
        return ()
    seen, passed = state.config.seen, state.check_state(CheckName.CONFIG).last_pass_at
    said = changed_text(seen.updated_at, seen.updated_by)
    if said is None or (passed is not None and (seen.updated_at is None or seen.updated_at <= passed)):
        return ()
    return (said if passed is not None else f"last {said}",)


def _by_which_way(state: TargetState) -> tuple[str, ...]:
    """Whether what arrives carries what this exporter is meant to add."""
    configured = [canary.labels.configured for canary in state.canaries if canary.labels is not None]
    return _WAYS[configured[-1]] if configured else ()


# --- content that leaks ----------------------------------------------------------------------------------------------


def _leak(found: Confirmed, state: TargetState, policy: Policy) -> Confirmed:
    """Where the exporter is set to exclude content, to set it again is no help: it did not do so, or was only just set."""
    memory = state.config
    if found.active.suspicion.step or memory is None or memory.seen.config.fields.get(EXCLUDE) is not True:
        return found
    leaking = [one.sent_at for one in state.canaries if one.labels is not None and one.labels.leaked]
    settled = memory.changed_at is None or (leaking and leaking[-1] >= memory.changed_at + policy.arrival.settle)
    return replace(found, advice=_EXCLUDED_ALREADY if settled else _EXCLUDED_AGAIN)


_EXCLUDED_AGAIN = (
    "`exclude_request_data` is true now: wait for the next traces, since the gateway may use its old settings for up to 5 min. Then "
    "delete the traces that hold content in {backend}."
)
_EXCLUDED_ALREADY = (
    "`exclude_request_data` is already true and does not cover these attributes: keep content out by a logging rule, or switch the "
    "traces exporter off until TrueFoundry's support answers. Then delete the traces that hold content in {backend}."
)

# --- another environment ---------------------------------------------------------------------------------------------


def _wrong_environment(found: Confirmed, state: TargetState, policy: Policy, now: Instant) -> Confirmed:
    """The environment that the traces go to, and the one that they should."""
    newest = next((one for one in reversed(state.canaries) if misrouted_to(one) is not None), None)
    found = replace(found, fixed=_is_put_right(found.active, newest, state, policy, now))
    expected = policy.environment
    if newest is None or expected is None:
        return found
    other, wanted = code(misrouted_to(newest) or ""), code(expected)
    if found_by_our_key(newest) is None:
        step = f"Put the key of {wanted} into the exporter's Authorization header: it holds the key of {other}."
    else:
        step = (
            f"Put a key of {wanted} into the exporter's Authorization header and into the monitor; or, if {other} is right, "
            "set `{section}.environment` to it."
        )
    return replace(
        found,
        title=f"Traces go to {other} instead of {wanted}",
        impact=f"Traces have gone to {other} since {{since}} and are not lost. Requests are not affected.",
        advice=step,
    )


def _is_put_right(active: Active, newest: Canary | None, state: TargetState, policy: Policy, now: Instant) -> bool:
    """Whether the configuration was changed since, is as expected now, and no trace sent since may deny that.

    A key that the control plane masks shows its change by `updatedAt` alone.
    """
    memory = state.config
    if memory is None or state.check_state(CheckName.CONFIG).confirmed:
        return False
    known = [at for at in (memory.changed_at, memory.seen.updated_at) if at is not None and at <= now]
    changed = max(known, default=active.confirmed_at)
    refuted = newest is not None and newest.sent_at >= changed + policy.arrival.settle
    return changed > active.confirmed_at and not refuted


# --- traces that come late -------------------------------------------------------------------------------------------


def _lateness(found: Confirmed, state: TargetState, policy: Policy) -> Confirmed:
    """What has not come at all is not late: it is overdue, and perhaps lost."""
    late = [one for one in state.canaries if one.late and not one.excused and one.sent_at >= found.active.since]
    if not late or any(arrived(one) or one.seen_at is not None for one in late):
        return found
    which = "the last trace has" if len(late) == 1 else f"the last {len(late)} traces have"
    said = f"{which} not arrived within {length_text(policy.arrival.late_after)}"
    impact = (
        "Traces have been overdue since {since}, and count as lost after "
        f"{length_text(policy.arrival.missing_after)}. Requests are not affected."
    )
    store = (OWN_STORE_SAYS[True],) if own_store_has(late) else ()
    span = (_SPAN_SHOWN,) if test_span_shown(late, state) else ()
    because = (said, *store, *span, *found.because[1:])
    return replace(found, title="Traces are overdue", detail=said, impact=impact, because=because, advice=_WHEN_OVERDUE)


_SPAN_SHOWN = "{backend} shows a test span that was sent later, so it accepts traces"
_WHEN_OVERDUE = (
    "Wait: if they count as lost, the hop that lost them is named. Meanwhile check {status}, and on a self-hosted gateway the queue "
    "of its collector."
)

# --- the monitor cannot check ----------------------------------------------------------------------------------------

UNCHECKED: Mapping[CheckName, tuple[str, str]] = {
    CheckName.ARRIVAL: ("see whether traces arrive", "lost traces would go unnoticed"),
    CheckName.CANARY: ("send canaries", "traces have not been checked"),
    CheckName.CONFIG: ("read the export configuration", "changes to it go unnoticed"),
    CheckName.GATEWAY: ("see whether the gateway answers", "an outage of the gateway would go unnoticed"),
    CheckName.CONTROL: ("test whether {backend} accepts traces", "an outage of {backend} shows only by lost traces"),
    CheckName.VOLUME: ("count the traces of real requests", "a loss among them would go unnoticed"),
}
"""Of each check what the monitor cannot do while it is blind, and what goes unnoticed then; the most important first."""

_WATCH_TRACES = frozenset({CheckName.ARRIVAL, CheckName.CANARY})


def _blindness(found: Confirmed, state: TargetState) -> Confirmed:
    """What cannot be checked, and what would go unnoticed; of several checks the one that has been unable for longest."""
    blind = {check for check in UNCHECKED if Fault.BLIND in state.check_state(check).confirmed}
    named = next(check for check in UNCHECKED if state.check_state(check).confirmed.get(Fault.BLIND) == found.active)
    attempt, unnoticed = UNCHECKED[named]
    arrival, canary = (state.check_state(check).result for check in (CheckName.ARRIVAL, CheckName.CANARY))
    served = canary is None or canary.verdict is Verdict.PASS  # it may be unknown for minutes before it counts as blind
    arrive = arrival is not None and arrival.verdict is Verdict.PASS and served and not blind & _WATCH_TRACES
    rest = " Traces are still checked and arrive." if arrive else ""
    return replace(
        found,
        title=found.active.suspicion.title or f"The monitor cannot {attempt}",
        impact=f"Since {{since}} {unnoticed}.{rest}",
    )


# --- traces that are lost: which hop lost them -----------------------------------------------------------------------


_UNREAD = "the export configuration could not be read: the exporter may be off, or set differently"
_LOOK_AT_THE_EXPORTER = (
    f"Check the exporter first, in {WHERE}: its configuration could not be read. "
    "`trace-monitor expected` prints every field."
)


_SOME: Mapping[Fault, str] = {
    Fault.TRACE_NOT_CREATED: "The gateway does not create every trace",
    Fault.EXPORT_FAILING: "Some traces are lost between TrueFoundry and {backend}",
    Fault.TRACE_MISSING: "Some traces do not arrive in {backend}",
}


def _loss(found: Confirmed, hops: Triage, state: TargetState, policy: Policy) -> Confirmed:
    """What the hops say. Where the export configuration could not be read that comes first, unless no trace was created."""
    if not found.active.suspicion.stops_export:  # others have arrived
        some = "Some traces have been lost since {since}. Requests are not affected."
        found = replace(found, title=_SOME[hops.place.fault], impact=some)
    if hops.place.fault is Fault.EXPORT_FAILING:
        found = replace(found, detail=f"{found.detail}. Both ends are healthy")
    if hops.place is not NOT_CREATED and _is_unread(state):
        return found.because_also(*hops.says(policy), _UNREAD, step=_LOOK_AT_THE_EXPORTER)
    return found.because_also(*hops.says(policy), step=hops.place.step)
