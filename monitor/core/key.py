"""Whose key is wrong: what is known of the gateway's key and of the monitor's.

A rotation looks the same whichever side got the new key first: the gateway carries another key, and the monitor's is refused.
"""

from dataclasses import replace

from monitor.core.canary import Outcome
from monitor.core.config_memory import ConfigSeen, remember
from monitor.core.drift import AUTHORIZATION, ExpectedConfig, compare
from monitor.core.faults import WHERE
from monitor.core.model import Fault, Instant, Suspicion
from monitor.core.outcomes import arrived, found_by_our_key
from monitor.core.secret import ABSENT, Oddity, Secret, SecretKind
from monitor.core.state import Policy, TargetState


def key_is_refused(state: TargetState) -> bool:
    """Whether the newest answer of a documented route of the backend was a 401 to the monitor's key."""
    if state.key_refused_at is None:
        return False
    return state.key_accepted_at is None or state.key_refused_at > state.key_accepted_at


def retract_key(state: TargetState) -> TargetState:
    """The gateway has been given another key: what was held against the key that we know is no fault of the gateway's now."""
    header = gateway_header(state)
    if header is None or not header.another_key:
        return state
    check_states = {
        check: replace(
            check_state,
            seen_in_row={
                fault: times for fault, times in check_state.seen_in_row.items() if fault is not Fault.KEY_REJECTED
            },
            confirmed={
                fault: active for fault, active in check_state.confirmed.items() if fault is not Fault.KEY_REJECTED
            },
        )
        for check, check_state in state.check_states.items()
    }
    return replace(state, check_states=check_states)


def carries_our_key(state: TargetState, since: Instant) -> bool | None:
    """Whether the gateway's header holds the key that we know, read literally at or after a moment; None if it was read before."""
    header = gateway_header(state)
    if state.config is None or header is None or not (header.equal is True or Oddity.OTHER_FORM in header.oddities):
        return False
    return True if state.config.read_at is not None and state.config.read_at >= since else None


def gateway_header(state: TargetState) -> Secret | None:
    """The gateway's Authorization header as it was read last; None while it has not been read."""
    return state.config.seen.config.secrets().get(AUTHORIZATION) if state.config is not None else None


def judge_refused_key(state: TargetState, policy: Policy, where: str) -> Suspicion | None:
    """What a 401 of a documented route means; None when the monitor's key is the outdated one, so that nothing can be said.

    Conclusive only if the gateway's header was read literally after the 401 and holds the same key: before it, a rotation may have
    been under way.
    """
    header = gateway_header(state)
    if header is not None and header.another_key:
        return None
    if policy.expected.rules and AUTHORIZATION not in policy.expected.rules:
        return replace(_NO_KEY, summary=f"{where} answers HTTP 401")
    same = carries_our_key(state, state.key_refused_at or 0.0)
    return Suspicion(
        fault=Fault.KEY_REJECTED,
        title="{backend} rejects the expected key" if same is False else "",
        impact="" if same else _IMPACT_UNKNOWN,
        summary=f"{where} answers HTTP 401 to the monitor's key",
        facts=(_SAME_KEY if same else _SAME_KEY_BEFORE if same is None else _UNKNOWN_KEY,),
        step=_STEP_SAME if same else _STEP_UNKNOWN,
        conclusive=same is True,
        stops_export=True,
    )


_NO_KEY = Suspicion(
    fault=Fault.KEY_REJECTED,
    title="{backend} asks for a key, and none is configured",
    impact="Every trace that comes without a key has been refused since {since}. Requests are not affected.",
    summary="",
    facts=("the monitor has no key, and expects none of the exporter",),
    step="Generate a key in {backend} (Settings → API keys), and put it into the exporter and into the monitor "
    "(`{section}.api_key`).",
    stops_export=True,
)
"""Where the backend is meant to run without authentication."""

_IMPACT_UNKNOWN = (
    "If the exporter uses this key, every trace has been refused since {since}. Requests are not affected."
)
_SAME_KEY = "the exporter carries the same key"
_SAME_KEY_BEFORE = "the exporter carried the same key when it was last read, which was before the rejection"
_UNKNOWN_KEY = "the exporter's key is not shown to the monitor, so the monitor's copy may be the outdated one"
_STEP_SAME = (
    f"Generate a new key in {{backend}} (Settings → API keys), and put it into the exporter ({WHERE} → Headers) and into the monitor "
    "(`{section}.api_key`): both hold the refused one."
)
_STEP_UNKNOWN = (
    "Check in {backend} (Settings → API keys) whether the key was rotated. If the exporter has the new one, give it to the monitor "
    "(`{section}.api_key`); else generate one and give it to both."
)


def traces_arrive_since(changed: Instant | None, state: TargetState, policy: Policy) -> bool:
    """Whether canaries sent `settle` or more after a change of the configuration arrive, whatever it says.

    The newest `pass_after` arrivals in a row say so, the newest `fail_after` losses in a row deny it.
    """
    earliest = changed + policy.arrival.settle if changed is not None else float("-inf")
    came = lost = 0
    for canary in reversed(state.canaries):
        if canary.sent_at >= earliest and (arrived(canary) or canary.outcome is Outcome.MISSING):
            came, lost = (came + 1, 0) if arrived(canary) else (0, lost + 1)
        if came >= policy.alerting.pass_after or lost >= policy.alerting.fail_after:
            break
    return came >= policy.alerting.pass_after


def refute_headers(seen: ConfigSeen, read: ConfigSeen, state: TargetState, policy: Policy, now: Instant) -> ConfigSeen:
    """Header values that would have stopped the export, while traces arrive: they are shown otherwise than they are in use.

    Then none of them is compared. What a control plane shows instead of a value may look like one: a hash, or a part of it. Where
    it shows no headers at all, `seen` takes them for removed, and `read` is what it said.
    """
    stopping = {one.path for one in compare(policy.expected, seen.config).differences if one.stops_export}
    shown = read.config.secrets()
    if stopping != {AUTHORIZATION} or shown.get(AUTHORIZATION, ABSENT).kind not in _DOUBTFUL:
        return seen
    ours = replace(state, canaries=tuple(one for one in state.canaries if found_by_our_key(one) is None))
    if not traces_arrive_since(remember(state.config, seen, now).changed_at, ours, policy):
        return seen
    doubted = {path: replace(secret, equal=None) for path, secret in shown.items()}
    return replace(read, config=replace(read.config, fields={**read.config.fields, **doubted}))


_DOUBTFUL = frozenset({SecretKind.LITERAL, SecretKind.HIDDEN})


def refuted_headers(seen: ConfigSeen, expected: ExpectedConfig) -> tuple[str, ...]:
    """The expected headers that `refute_headers` has found to be shown otherwise than in use."""
    secrets = seen.config.secrets()
    return tuple(
        path
        for path, secret in secrets.items()
        if path in expected.rules and secret.kind is SecretKind.LITERAL and secret.equal is None
    )
