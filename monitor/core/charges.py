"""What a run of bad canaries is charged with, in words."""

from monitor.core.canary import Canary
from monitor.core.model import Charge, Fault


def missing(bad: tuple[Canary, ...]) -> Charge:
    """Losses with no later arrival."""
    return Charge(
        fault=Fault.TRACE_MISSING,
        summary=f"{_count(bad)} did not arrive, and none that was sent later",
        facts=(_ids(bad),),
        stops_export=True,
    )


def intermittent(bad: tuple[Canary, ...], window: int) -> Charge:
    """Losses among arrivals, too many of them."""
    return Charge(
        fault=Fault.TRACE_MISSING,
        summary=f"intermittent loss: {len(bad)} of the last {window} traces did not arrive",
        facts=(_ids(bad),),
    )


def late(bad: tuple[Canary, ...]) -> Charge:
    """Traces that were not there in time."""
    return Charge(fault=Fault.TRACE_LATE, summary=f"{_count(bad)} came late", facts=(_ids(bad),))


def incomplete(bad: tuple[Canary, ...]) -> Charge:
    """Traces that never became whole."""
    return Charge(
        fault=Fault.TRACE_INCOMPLETE,
        summary=f"{_count(bad)} arrived in part: {bad[-1].incomplete}",
        facts=(f"{bad[-1].spans} span(s) arrived; {bad[-1].incomplete}", _ids(bad)),
    )


def mislabelled(bad: tuple[Canary, ...]) -> Charge:
    """Traces that say they are something else."""
    labels = bad[-1].labels
    found = labels.mislabelled if labels else ()
    return Charge(
        fault=Fault.TRACE_MISLABELLED, summary=found[0] if found else "mislabelled", facts=(*found, _ids(bad))
    )


def leaked(bad: tuple[Canary, ...]) -> Charge:
    """Traces that hold what must not leave: conclusive, one is one too many."""
    labels = bad[-1].labels
    found = labels.leaked if labels else ()
    return Charge(
        fault=Fault.CONTENT_LEAKED,
        summary=f"the trace carries {', '.join(found[:5])}",
        facts=(*(f"attribute {name}" for name in found), _ids(bad)),
        conclusive=True,
    )


def content(bad: tuple[Canary, ...]) -> Charge:
    """Traces without the content that is expected."""
    return Charge(
        fault=Fault.CONTENT_MISSING,
        summary="no span of the trace carries request or response content",
        facts=(_ids(bad),),
    )


def elsewhere(bad: tuple[Canary, ...]) -> Charge:
    """Traces found in another environment: conclusive, because it is no absence."""
    return Charge(
        fault=Fault.WRONG_ENVIRONMENT,
        summary=f"the trace is in the Traceloop environment {bad[-1].elsewhere}",
        facts=(f"found in {bad[-1].elsewhere}", _ids(bad)),
        conclusive=True,
        stops_export=True,
    )


def _count(bad: tuple[Canary, ...]) -> str:
    return "1 trace" if len(bad) == 1 else f"{len(bad)} traces in a row"


def _ids(bad: tuple[Canary, ...]) -> str:
    shown = [canary.trace_id or f"nonce {canary.nonce}" for canary in bad[-3:]]
    return f"trace {', '.join(shown)}"
