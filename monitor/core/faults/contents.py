"""What a trace that was seen says of the configuration in force: where it went, what it carries, how it is labelled."""

from monitor.core.canary import Canary
from monitor.core.faults.consequences import NOT_EXPORTED
from monitor.core.faults.rule import Case, Rule, Sign, Weight
from monitor.core.model import Charge, CheckName, Component, Fault, Severity
from monitor.core.signs import arrived, ids_text, lost, misrouted_to

# --- in another environment ------------------------------------------------------------------------------------------


def _found_by_our_key(canary: Canary) -> str | None:
    """The other environment that our own key shows the trace in: then it is a key of that environment."""
    return canary.labels.environment if canary.labels is not None else None


def _is_elsewhere(canary: Canary) -> bool:
    return misrouted_to(canary) is not None


def _is_not_misrouted(canary: Canary) -> bool:
    """It arrived; or it is lost, and not to another environment."""
    return (arrived(canary) and not _is_elsewhere(canary)) or (lost(canary) and canary.nowhere)


def _elsewhere(bad: tuple[Canary, ...]) -> Charge:
    """Conclusive, because it is no absence."""
    found = misrouted_to(bad[-1])
    ours = _found_by_our_key(bad[-1]) is not None
    by_us = (f"the monitor's own key shows it there: it is a key of {found} too",) if ours else ()
    return Charge(
        fault=Fault.WRONG_ENVIRONMENT,
        summary=f"the trace is in the Traceloop environment {found}",
        facts=(*by_us, ids_text(bad)),
        conclusive=True,
        stops_export=True,
    )


def _name_both(case: Case) -> Weight:
    """The environment that the traces go to, and the one that they should."""
    bad = next((one for one in reversed(case.state.canaries) if _is_elsewhere(one)), None)
    expected = case.policy.environment
    mended = _is_put_right(case, bad)
    if bad is None or expected is None:
        return Weight(mended=mended)
    return Weight(remarks=(f"expected in {expected}",), step=_right_key(bad, expected), mended=mended)


def _is_put_right(case: Case, newest: Canary | None) -> bool:
    """Whether the configuration was changed since, is as expected now, and no trace sent since may deny that.

    A key that the control plane masks shows its change by `updatedAt` alone.
    """
    memory = case.state.config
    if memory is None or case.state.trend(CheckName.CONFIG).confirmed:
        return False
    known = [at for at in (memory.changed_at, memory.seen.updated_at) if at is not None and at <= case.now]
    changed = max(known, default=case.active.confirmed_at)
    refuted = newest is not None and newest.sent_at >= changed + case.policy.arrival.settle
    return changed > case.active.confirmed_at and not refuted


def _right_key(bad: Canary, expected: str) -> str:
    found = misrouted_to(bad)
    if _found_by_our_key(bad) is None:
        return f"Put the key of the environment {expected} into the exporter's Authorization header: it holds that of {found}."
    return (
        f"Put a key of the environment {expected} into the exporter's Authorization header and into the monitor; or, if "
        f"{found} is right, set `traceloop.environment` to it."
    )


WRONG_ENVIRONMENT = Rule(
    fault=Fault.WRONG_ENVIRONMENT,
    component=Component.CONFIG,
    severity=Severity.CRITICAL,
    meaning="The traces arrive in another Traceloop environment",
    when="One of `other_environments`, or Traceloop's per-trace route, shows the trace of a canary in another environment, and the "
    "documented read of ours does not show it; or that read shows it under another environment than `traceloop.environment`.",
    settles="At once: it is no absence. Traces that are not there either, nor here, clear it.",
    because="The environment found and the one expected, and the trace's id.",
    advice="Put the key of the right environment into the exporter's Authorization header.",
    explains=NOT_EXPORTED,
    sign=Sign(is_bad=_is_elsewhere, is_good=_is_not_misrouted, charge=_elsewhere),
    weigh=_name_both,
)

# --- content ---------------------------------------------------------------------------------------------------------


def _has_leaked(canary: Canary) -> bool:
    return canary.labels is not None and bool(canary.labels.leaked)


def _is_discreet(canary: Canary) -> bool:
    """Of a request that was served: whoever was refused has no response that could leak."""
    return canary.accepted and canary.labels is not None and not canary.labels.leaked


def _leaked(bad: tuple[Canary, ...]) -> Charge:
    """Conclusive: one is one too many. It names attributes, never values."""
    found = bad[-1].labels.leaked if bad[-1].labels else ()
    return Charge(
        fault=Fault.CONTENT_LEAKED,
        summary=f"the trace carries {', '.join(found[:5])}",
        facts=(*(f"attribute {name}" for name in found), ids_text(bad)),
        conclusive=True,
    )


def _what_leaks(case: Case) -> Weight:
    """Where content may be in the traces, what leaks is a credential."""
    if case.policy.labels.content is False:
        return Weight()
    return Weight(meaning="The exported traces carry a credential", step=_REPLACE_THE_CREDENTIAL)


_REPLACE_THE_CREDENTIAL = (
    "Replace the credential that these attributes carry, find out what writes it into the spans, and delete those traces in "
    "Traceloop."
)


CONTENT_LEAKED = Rule(
    fault=Fault.CONTENT_LEAKED,
    component=Component.CONFIG,
    severity=Severity.CRITICAL,
    meaning="The exported traces carry content or a credential that they must not",
    when="A documented read of a whole trace shows what the canary asked or was answered although `exclude_request_data` is expected "
    "to be true, or a credential. It is recognised in a value, also where that is encoded; a name proves nothing.",
    settles="At once: one trace is one too many.",
    because="The attributes by name, never their values, and the trace's id.",
    advice="Set `exclude_request_data: true` on the traces exporter and delete the traces that hold content in Traceloop.",
    sign=Sign(is_bad=_has_leaked, is_good=_is_discreet, charge=_leaked),
    weigh=_what_leaks,
)


def _lacks_content(canary: Canary) -> bool:
    return canary.labels is not None and canary.labels.content_missing


def _has_content(canary: Canary) -> bool:
    """Of a request that was served: whoever was refused has no response that could be missing."""
    return canary.accepted and canary.labels is not None and not canary.labels.content_missing


def _empty(bad: tuple[Canary, ...]) -> Charge:
    return Charge(
        fault=Fault.CONTENT_MISSING,
        summary="no span of the trace carries request or response content",
        facts=(ids_text(bad),),
    )


CONTENT_MISSING = Rule(
    fault=Fault.CONTENT_MISSING,
    component=Component.CONFIG,
    severity=Severity.WARNING,
    meaning="The exported traces lack the request and response content that is expected",
    when="A documented read of a whole trace shows no content, redacted or not, although `exclude_request_data` is expected to be "
    "false.",
    settles="After `fail_after` traces in a row.",
    because="The traces' ids.",
    advice="Set `exclude_request_data: false` on the traces exporter, and look at the gateway's logging configuration.",
    sign=Sign(is_bad=_lacks_content, is_good=_has_content, charge=_empty),
)

# --- labels ----------------------------------------------------------------------------------------------------------


def _is_mislabelled(canary: Canary) -> bool:
    return canary.labels is not None and bool(canary.labels.mislabelled)


def _well_labelled(canary: Canary) -> bool:
    return canary.labels is not None and not canary.labels.mislabelled


def _mislabelled(bad: tuple[Canary, ...]) -> Charge:
    found = bad[-1].labels.mislabelled if bad[-1].labels else ()
    return Charge(
        fault=Fault.TRACE_MISLABELLED, summary=found[0] if found else "mislabelled", facts=(*found, ids_text(bad))
    )


TRACE_MISLABELLED = Rule(
    fault=Fault.TRACE_MISLABELLED,
    component=Component.EXPORT,
    severity=Severity.WARNING,
    meaning="Traces arrive under another service name or without a required resource attribute",
    when="A documented read of a whole trace shows another service name, or a required resource attribute differs or is absent.",
    settles="After `fail_after` traces in a row.",
    because="Each label with what was expected and what was found, and the traces' ids.",
    advice="Compare `expected.service_name` and `additional_resource_attributes` of the exporter with what was found.",
    sign=Sign(is_bad=_is_mislabelled, is_good=_well_labelled, charge=_mislabelled),
)
