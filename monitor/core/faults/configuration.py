"""What the exporter is set to: off, or not as it should be.

The configuration's word is weighed: after `settle` what arrives outranks it, a rotated key is no outage.
"""

from collections.abc import Mapping
from types import MappingProxyType

from monitor.core.drift import Comparison, Difference, compare
from monitor.core.faults.consequences import NOT_EXPORTED
from monitor.core.faults.rule import Case, Rule, Weight
from monitor.core.key import key_is_refused, traces_arrive_since
from monitor.core.model import Charge, CheckName, Component, Fault, Severity
from monitor.core.moments import changed_text
from monitor.core.state import Policy, TargetState

_WHERE = "AI Gateway, Controls, Settings, OTEL Config"
_ALL_FIELDS = f"({_WHERE}); `trace-monitor expected` prints every field."


# --- what a look is charged with -------------------------------------------------------------------------------------


def off() -> Charge:
    """The manifest was read, and there is no traces exporter in it."""
    return Charge(
        fault=Fault.EXPORTER_DISABLED,
        summary="the traces exporter is switched off",
        conclusive=True,
        stops_export=True,
    )


def gone(form: str) -> Charge:
    """There is no manifest to read (404, null, empty), although the token is good for another call."""
    return Charge(
        fault=Fault.EXPORTER_DISABLED,
        summary=f"the gateway has no export configuration ({form})",
        step=f"Create it again: {_WHERE}; `trace-monitor expected` prints the manifest for `tfy apply`.",
        stops_export=True,
    )


def drift(comparison: Comparison, *, at_once: bool = True) -> Charge:
    """At least one field differs; what stops the export is said first. Not `at_once`: an older look is needed to say so."""
    differences = sorted(comparison.differences, key=lambda one: not one.stops_export)
    first, more = differences[0], len(differences) - 1
    return Charge(
        fault=Fault.CONFIG_DRIFT,
        summary=f"{first} (and {more} more)" if more else str(first),
        facts=tuple(map(str, comparison.differences)) if more else (),
        step=_set_back(first, more),
        severity=Severity.CRITICAL if comparison.critical else Severity.WARNING,
        conclusive=at_once,
        stops_export=comparison.stops_export,
    )


def _set_back(first: Difference, more: int) -> str:
    """The field to set back and the value it should have; of several the first, the others are listed as reasons."""
    others = f", and {more} more that differ{'s' if more == 1 else ''}" if more else ""
    value = f"the value with the {first.expected}" if first.expected.startswith("fingerprint ") else first.expected
    action = f"Take {first.path} out" if first.expected == "absent" else f"Set {first.path} back to {value}"
    return f"{action}{others} {_ALL_FIELDS}"


# --- what its word weighs --------------------------------------------------------------------------------------------


def _weigh(case: Case) -> Weight:
    state, policy = case.state, case.policy
    said = _who(case)
    if not case.charge.stops_export:
        return Weight(explains=frozenset(), remarks=said)
    present = _comparison(state, policy)
    # Content that leaks is no less critical because traces arrive.
    lesser = Severity.CRITICAL if present is not None and present.leaks else Severity.WARNING
    if _traces_arrive_anyway(case):
        text = f"traces arrive all the same: {_PUT_RIGHT if case.is_unread else 'there must be another export path'}"
        return Weight(severity=lesser, explains=frozenset(), remarks=(text, *_by_which_way(state), *said))
    if case.charge.fault is Fault.CONFIG_DRIFT and present is not None and present.other_key:
        excuse = _our_own_key(state, policy)
        if excuse is not None:
            return Weight(severity=lesser, explains=frozenset(), remarks=(excuse, *said), step=GIVE_US_THE_KEY)
    return Weight(remarks=said)


def _by_which_way(state: TargetState) -> tuple[str, ...]:
    """Whether what arrives carries what this exporter is meant to add."""
    told = [canary.labels.configured for canary in state.canaries if canary.labels is not None]
    return () if not told or told[-1] is None else (_WAYS[told[-1]],)


_WAYS: Mapping[bool, str] = MappingProxyType(
    {
        True: "they carry the resource attributes that this exporter is meant to add: it, or its twin, still exports",
        False: "they lack the resource attributes that this exporter is meant to add: they come by another way",
    }
)

_PUT_RIGHT = "it cannot be read any more, and was put right since, or there is another export path"
GIVE_US_THE_KEY = (
    "Give the monitor the key that the gateway's exporter carries now (`traceloop.api_key`); if nobody rotated it, set the "
    "exporter's Authorization header back."
)


def _our_own_key(state: TargetState, policy: Policy) -> str | None:
    """Why it may be the monitor that has the wrong key, where it and the gateway have not the same one."""
    if state.config is not None and state.config.credential not in ("", policy.credential):
        return "the monitor has been given another key since: the next look compares with that one"
    if key_is_refused(state):
        return "Traceloop refuses the monitor's own key: it was probably rotated, give the monitor the new key"
    return None


def _who(case: Case) -> tuple[str, ...]:
    """Who changed the configuration last, and when.

    Whoever deleted it did not sign what was there before, and who signed it before a look that passed has not made the difference.
    """
    if case.state.config is None or _is_gone(case):
        return ()
    seen, passed = case.state.config.seen, case.state.trend(CheckName.CONFIG).last_pass_at
    if passed is not None and seen.updated_at is not None and seen.updated_at <= passed:
        return ()
    said = changed_text(seen.updated_at, seen.updated_by)
    return () if said is None else (said,)


def _is_gone(case: Case) -> bool:
    """Whether the exporter is off because nothing could be read, while the configuration read last had one."""
    config = case.state.config
    return case.charge.fault is Fault.EXPORTER_DISABLED and config is not None and not config.seen.config.off


def _traces_arrive_anyway(case: Case) -> bool:
    """Whether canaries sent `settle` or more after the configuration changed arrive, whatever it says."""
    config = case.state.config
    changed = case.active.since if config is None or _is_gone(case) else config.changed_at
    return traces_arrive_since(changed, case.state, case.policy)


def _comparison(state: TargetState, policy: Policy) -> Comparison | None:
    """The present comparison of the configuration; None while it has not been read, or is off."""
    if state.config is None or state.config.seen.config.off:
        return None
    return compare(policy.expected, state.config.seen.config)


# --- the rules -------------------------------------------------------------------------------------------------------

EXPORTER_DISABLED = Rule(
    fault=Fault.EXPORTER_DISABLED,
    component=Component.CONFIG,
    severity=Severity.CRITICAL,
    meaning="The gateway's traces exporter is off",
    when="The manifest `gateway-otel-config` has no traces exporter; or it reads as 404, null or empty while the session answers "
    "the same token with a tenant's name. A warning if canaries sent `settle` or more after the change arrive all the same.",
    settles="At once by a manifest that was read; by 404, null or empty after `fail_after` looks in a row.",
    because="Who changed it last and when, as the manifest tells; or that traces arrive all the same.",
    advice=f"Switch it on: {_WHERE}; `trace-monitor expected` prints every field.",
    explains=NOT_EXPORTED,
    weigh=_weigh,
)

CONFIG_DRIFT = Rule(
    fault=Fault.CONFIG_DRIFT,
    component=Component.CONFIG,
    severity=Severity.WARNING,
    critical_if="it stops the export",
    meaning="The gateway's export configuration is not as expected",
    when="A field of the manifest differs. It stops the export, and is critical, if that is type, endpoint, encoding, an "
    "Authorization that is absent, malformed or another key than ours, or a `when` filter that excludes our canary or cannot be "
    "evaluated; critical as well is an `exclude_request_data: true` that is not kept. A warning if traces arrive all the same, or "
    "if Traceloop refuses our own key: then it was probably rotated.",
    settles="At once by a manifest that was read; after `fail_after` looks in a row where headers are no longer shown.",
    because="Each field with what was expected and what was found, secrets as fingerprints; who changed it last and when.",
    advice=f"Set the fields that differ back: {_WHERE}; `trace-monitor expected` prints every field.",
    explains=NOT_EXPORTED,
    weigh=_weigh,
)
"""What it explains holds only while the drift stops the export."""
