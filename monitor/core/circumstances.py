"""What was seen beside the checks, as sentences: why a confirmed fault may be, and what a healthy canary does not prove.

Nothing here opens, names or closes anything: a switch that could make traces vanish is a clue only once traces have vanished.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from monitor.core.hop import Hop, loses_spans, say_hop
from monitor.core.model import Fault, Instant, Seconds
from monitor.core.signs import lost, newest_arrived
from monitor.core.state import Policy, TargetState
from monitor.core.switches import (
    Caller,
    Setting,
    SwitchKind,
    SwitchSeen,
    surely_not_logged,
    unproven,
    where_routed,
    why_not_exported,
    why_not_logged,
)

BELIEVED_FOR: Seconds = 3 * 3600.0
"""How long a look at the switches is believed when it cannot be repeated; they are read every hour."""

_MOST_CAVEATS = 10
_SWITCHES: Mapping[Fault, tuple[Callable[[Setting], tuple[str, ...]], ...]] = MappingProxyType(
    {
        Fault.TRACE_NOT_CREATED: (why_not_logged, where_routed),
        Fault.TRACE_MISSING: (why_not_logged, why_not_exported, where_routed),
        Fault.EXPORT_FAILING: (why_not_exported,),
        Fault.TRACE_INCOMPLETE: (why_not_exported,),
        Fault.CONTENT_MISSING: (why_not_logged,),
    }
)
"""Which switches can be behind which fault."""

_OF_THE_HOP = frozenset({Fault.TRACE_NOT_CREATED, Fault.TRACE_MISSING, Fault.EXPORT_FAILING, Fault.TRACE_INCOMPLETE})
_LOGGING_DOCS = "https://www.truefoundry.com/docs/ai-gateway/logging-config"


def clues(fault: Fault, state: TargetState, policy: Policy, now: Instant) -> tuple[str, ...]:
    """What speaks for a confirmed fault, or for a reason behind it."""
    setting = _setting(state, policy, now)
    made = fault is Fault.TRACE_MISSING and any(lost(canary) and canary.origin for canary in state.canaries)
    looks = [one for one in _SWITCHES.get(fault, ()) if not (made and one is why_not_logged)]
    switched = tuple(sentence for look_into in looks for sentence in look_into(setting))
    return (*switched, *(say_hop(known_hop(state, now)) if fault in _OF_THE_HOP else ()))


def step(fault: Fault, state: TargetState, policy: Policy, now: Instant) -> str:
    """The one thing to do where the clues are certain; empty where they are not."""
    if fault not in (Fault.TRACE_NOT_CREATED, Fault.CONTENT_MISSING):
        return ""
    switch = surely_not_logged(_setting(state, policy, now))
    if switch is not None:
        return f"Look at {switch}: what it keeps from being logged leaves no trace, or one without content ({_LOGGING_DOCS})."
    if fault is Fault.TRACE_NOT_CREATED and loses_spans(known_hop(state, now)):
        return (
            "Look at the hop from the gateway to TrueFoundry's collector (`/api/otel/v1/traces`): spans are lost there."
        )
    return ""


def known_hop(state: TargetState, now: Instant) -> Hop:
    """The gateway's own counters, if they were read lately."""
    looked_at = state.hop_looked_at
    return state.hop if looked_at is not None and now - looked_at <= BELIEVED_FOR else Hop()


def caveats(state: TargetState, policy: Policy, now: Instant) -> tuple[str, ...]:
    """What a canary that is well does not prove; none where nothing is known."""
    found = (*_unjudged(state), *unproven(_setting(state, policy, now)))
    more = len(found) - _MOST_CAVEATS
    return found if more <= 0 else (*found[:_MOST_CAVEATS], f"and {more} more rules that treat traffic differently")


def _unjudged(state: TargetState) -> tuple[str, ...]:
    """That the newest trace has arrived, and nobody could read what it carries."""
    newest = newest_arrived(state.canaries)
    if newest is None or newest.labels is not None or not newest.not_judged:
        return ()
    return (f"labels and content of the newest trace were not judged: {newest.not_judged}",)


def known_caller(state: TargetState, policy: Policy) -> Caller | None:
    """Whose requests the canaries are, if that was seen with the tokens that are in use."""
    return state.caller if state.caller is not None and state.caller.account == policy.account else None


def known_switch(kind: SwitchKind, state: TargetState, now: Instant) -> SwitchSeen | None:
    """What one of the configurations says, if it was seen lately."""
    memory = state.switches.get(kind)
    return memory.seen if memory is not None and now - memory.at <= BELIEVED_FOR else None


def _setting(state: TargetState, policy: Policy, now: Instant) -> Setting:
    config = state.config.seen.config if state.config is not None else None
    return Setting(
        logging=known_switch(SwitchKind.LOGGING, state, now),
        settings=known_switch(SwitchKind.GLOBAL, state, now),
        routing=known_switch(SwitchKind.ROUTING, state, now),
        filters=config.filters if config is not None and not config.off else (),
        profile=policy.profile,
        caller=known_caller(state, policy),
        attributes=policy.expected.canary_attributes,
        discreet=policy.labels.content is False,
    )
