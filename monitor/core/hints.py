"""Hints: what was seen beside the checks, as sentences. They explain a confirmed fault, and open, name or close nothing.

They come from the gateway's logging configuration, its global settings, its data routing, the exporter's filters, and the own
counters of spans of the gateway and the Collector. A policy that could make traces vanish is a hint only once traces have vanished;
what it does to other traffic than the canary's is a caveat: something that a healthy canary does not prove.

Whether a request that is not logged leaves no trace at all, or one without content, is not documented unambiguously
(https://www.truefoundry.com/docs/ai-gateway/logging-config; truefoundry-sdk, `types/logging_mode_never.py`): both are said.
"""

from collections.abc import Iterator, Mapping

from monitor.core.drift import Filter, admits
from monitor.core.gateway_policies import Caller, GatewayPolicy, GatewayPolicyKind, GatewayRule, LoggingMode, concerns
from monitor.core.model import Fault, Instant, Seconds
from monitor.core.outcomes import lost, newest_arrived
from monitor.core.pipeline_counters import CountedBy, PipelineCounters, drops_untraced_spans, loses_spans, say_counters
from monitor.core.state import Policy, TargetState
from monitor.core.text import changed_text, code, count_text

BELIEVED_FOR: Seconds = 3 * 3600.0
"""How long a look at the policies or counters is believed when it cannot be repeated; they are read every hour."""

_MOST_CAVEATS = 10
_HEADER = "`X-TFY-LOGGING-CONFIG`"
_UNLOGGED = "leaves no trace, or a trace without content"
_LOGGING_DOCS = "https://www.truefoundry.com/docs/ai-gateway/logging-config"


def hints(state: TargetState, policy: Policy, now: Instant) -> Mapping[Fault, tuple[str, ...]]:
    """For each fault the sentences that speak for it, or for a reason behind it, if it is confirmed."""
    logging = _why_not_logged(state, policy, now)
    filters = _why_not_exported(state, policy)
    routing = _where_routed(state, policy, now)
    counters = say_counters(known_counters(state, now))
    collector = say_counters(known_counters(state, now, CountedBy.COLLECTOR), CountedBy.COLLECTOR)
    # Where TrueFoundry's own store has a lost trace, the request was logged.
    made = bool(logging) and any(lost(canary) and canary.origin for canary in state.canaries)
    return {
        Fault.TRACE_NOT_CREATED: (*logging, *routing, *counters),
        Fault.TRACE_MISSING: (*(() if made else logging), *filters, *routing, *counters, *collector),
        Fault.EXPORT_FAILING: (*filters, *counters, *collector),
        Fault.TRACE_INCOMPLETE: (*filters, *counters, *collector),
        Fault.TRACE_LATE: collector,
        Fault.VOLUME_LOSS: collector,
        Fault.INGEST_FAILING: collector,
        Fault.KEY_REJECTED: collector,
        Fault.CONTENT_MISSING: logging,
    }


def next_step(fault: Fault, state: TargetState, policy: Policy, now: Instant) -> str:
    """The one thing to do where the hints are certain; empty where they are not."""
    if fault not in (Fault.TRACE_NOT_CREATED, Fault.CONTENT_MISSING):
        return ""
    unlogged = _surely_not_logged(state, policy, now)
    if unlogged is not None:
        return f"Change {unlogged}: a request that is not logged {_UNLOGGED} ({_LOGGING_DOCS})."
    if fault is Fault.TRACE_NOT_CREATED and loses_spans(known_counters(state, now)):
        return "Check the connection from the gateway to TrueFoundry's collector (`/api/otel/v1/traces`): spans are lost there."
    if fault is Fault.TRACE_NOT_CREATED and drops_untraced_spans(known_counters(state, now)):
        return (
            "Check the logging mode and the logging rules in AI Gateway → Controls → Settings: the gateway drops spans because "
            "tracing is off for their requests (`should_trace_false`)."
        )
    return ""


def caveats(state: TargetState, policy: Policy, now: Instant) -> tuple[str, ...]:
    """What a healthy canary does not prove; none where nothing is known."""
    found = (*_unjudged(state), *dict.fromkeys(_unproven(state, policy, now)))
    more = len(found) - _MOST_CAVEATS
    treat = count_text(more, "more rule treats", "more rules treat")
    return found if more <= 0 else (*found[:_MOST_CAVEATS], f"{treat} some traffic differently")


# --- what is known ---------------------------------------------------------------------------------------------------


def known_counters(state: TargetState, now: Instant, by: CountedBy = CountedBy.GATEWAY) -> PipelineCounters:
    """The own counters of the gateway or the Collector, if they were read recently, whichever of the two pages shows them."""
    pages = (
        (CountedBy.COLLECTOR, state.collector_counters, state.collector_read_at),
        (CountedBy.GATEWAY, state.pipeline_counters, state.counters_read_at),
    )
    for page, counters, looked_at in pages:
        shows = counters.readings[-1].by if counters.readings else page
        if shows is by and looked_at is not None and now - looked_at <= BELIEVED_FOR:
            return counters
    return PipelineCounters()


def known_caller(state: TargetState, policy: Policy) -> Caller | None:
    """Whose requests the canaries are, if that was seen with the tokens that are in use."""
    return state.caller if state.caller is not None and state.caller.account == policy.account else None


def known_gateway_policy(kind: GatewayPolicyKind, state: TargetState, now: Instant) -> GatewayPolicy | None:
    """What one of the configurations says, if it was seen recently."""
    memory = state.gateway_policies.get(kind)
    return memory.seen if memory is not None and now - memory.at <= BELIEVED_FOR else None


def _rules(
    kind: GatewayPolicyKind, state: TargetState, policy: Policy, now: Instant
) -> list[tuple[GatewayRule, bool | None]]:
    """The rules of a configuration, each with whether it concerns our canary."""
    seen, caller = known_gateway_policy(kind, state, now), known_caller(state, policy)
    return [(rule, concerns(rule, policy.profile, caller)) for rule in seen.rules] if seen is not None else []


def _rules_that_are_off(state: TargetState, policy: Policy, now: Instant) -> list[tuple[GatewayRule, bool | None]]:
    """Of the logging rules: one is enough, denial wins."""
    return [(rule, answer) for rule, answer in _rules(GatewayPolicyKind.LOGGING, state, policy, now) if rule.off]


def _logging_mode(state: TargetState, now: Instant) -> LoggingMode | None:
    seen = known_gateway_policy(GatewayPolicyKind.GLOBAL, state, now)
    return seen.mode if seen is not None else None


def _filters(state: TargetState) -> tuple[Filter, ...]:
    config = state.config.seen.config if state.config is not None else None
    return config.filters if config is not None and not config.off else ()


# --- for our canary --------------------------------------------------------------------------------------------------


def _why_not_logged(state: TargetState, policy: Policy, now: Instant) -> tuple[str, ...]:
    """Why our canary may leave no trace, or one without content: what is certain, else what is possible."""
    certain, possible = [], []
    for rule, answer in _rules_that_are_off(state, policy, now):
        if answer is True:
            whom = "every request" if rule.everything else f"{rule.scope}, and so for the canary"
            what = f"the gateway's logging rule {code(rule.name)} is off for {whom}"
            certain.append(f"{what}: such a request {_UNLOGGED}{_changed(GatewayPolicyKind.LOGGING, state)}")
        elif answer is None:
            what = f"the gateway's logging rule {code(rule.name)} is off for {rule.scope}"
            possible.append(f"{what}, which may include the canary")
    if _logging_mode(state, now) is LoggingMode.NEVER:
        never = "the gateway's global settings log no request (logging mode `never`)"
        certain.append(f"{never}: such a request {_UNLOGGED}{_changed(GatewayPolicyKind.GLOBAL, state)}")
    return tuple(certain or possible)


def _surely_not_logged(state: TargetState, policy: Policy, now: Instant) -> str | None:
    """The policy that keeps our canary from being logged, by its name; None where there is none for certain."""
    rule = next((rule for rule, answer in _rules_that_are_off(state, policy, now) if answer is True), None)
    if rule is not None:
        return f"the gateway's logging rule {code(rule.name)}"
    return "the gateway's logging mode `never`" if _logging_mode(state, now) is LoggingMode.NEVER else None


def _changed(kind: GatewayPolicyKind, state: TargetState) -> str:
    seen = state.gateway_policies[kind].seen
    said = changed_text(seen.updated_at, seen.updated_by)
    return f" (last {said})" if said is not None else ""


def _why_not_exported(state: TargetState, policy: Policy) -> tuple[str, ...]:
    """Why our canary's root span may not be exported although the gateway made it: a filter, also one that is expected."""
    said = {False: "excludes the canary", None: "cannot be evaluated for the canary, and may exclude it"}
    answers = ((rule, admits(rule, policy.expected.canary_attributes)) for rule in _filters(state))
    return tuple(f"the exporter's filter {rule} {said[answer]}" for rule, answer in answers if answer is not True)


def _where_routed(state: TargetState, policy: Policy, now: Instant) -> tuple[str, ...]:
    """Which destination of TrueFoundry's own store our canary's traces are routed to, if not to the default one."""
    return tuple(
        f"data routing keeps the canary's traces in the destination {code(rule.name)} of TrueFoundry's own store"
        for rule, answer in _rules(GatewayPolicyKind.ROUTING, state, policy, now)
        if answer is True
    )[:1]


# --- for other traffic -----------------------------------------------------------------------------------------------


def _unjudged(state: TargetState) -> tuple[str, ...]:
    """That the newest trace has arrived, and nobody could read what it carries."""
    newest = newest_arrived(state.canaries)
    if newest is None or newest.labels is not None or not newest.not_judged:
        return ()
    return (f"labels and content of the newest trace were not checked: {newest.not_judged}",)


def _unproven(state: TargetState, policy: Policy, now: Instant) -> Iterator[str]:
    """What a healthy canary does not prove, because other traffic is treated otherwise."""
    yield from _unlogged(state, policy, now)
    for kept in _filters(state):
        if admits(kept, policy.expected.canary_attributes) is False:
            continue  # the canary does not arrive either, which is a fault
        if kept.understood:
            yield f"the exporter sends only spans with {kept}, so others do not arrive although the canary does"
        else:
            yield f"the exporter's filter on {kept} decides which spans arrive, so the canary proves nothing about others"
    for rule, answer in _rules(GatewayPolicyKind.ROUTING, state, policy, now):
        if answer is True and not rule.everything:
            yield f"data routing treats the canary differently from other traffic (destination {code(rule.name)}, {rule.scope})"
        elif not rule.everything:
            yield f"data routing keeps {rule.scope} in another destination ({code(rule.name)}), which the canary does not test"


def _unlogged(state: TargetState, policy: Policy, now: Instant) -> Iterator[str]:
    for rule, answer in _rules_that_are_off(state, policy, now):
        if answer is not True:
            yield f"logging is off for {rule.scope} (rule {code(rule.name)}): such a request {_UNLOGGED}"
        elif policy.labels.content is False and not rule.everything:  # content is expected to stay out of the traces
            yield (
                f"logging is off for the canary (rule {code(rule.name)}), so its trace without content does not prove that "
                "the content of other traffic stays out"
            )
    mode = _logging_mode(state, now)
    if mode is LoggingMode.OPT_IN:
        yield f"a request is logged only if it asks for it ({_HEADER}), as the canary does; any other {_UNLOGGED}"
    if mode is LoggingMode.OPT_OUT:
        yield f"a request may ask not to be logged ({_HEADER}), which the canary never does; such a request {_UNLOGGED}"
