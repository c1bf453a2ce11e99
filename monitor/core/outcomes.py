"""What became of canaries, as every judgement asks it, and which fault of traces shows in which of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from monitor.core.canary import Canary, Outcome
from monitor.core.model import Charge, Fault

_WHOLE = frozenset({Outcome.ARRIVED, Outcome.LATE})
_SHOWN = _WHOLE | {Outcome.INCOMPLETE}


def arrived(canary: Canary) -> bool:
    """Proof that the export works: at least part of the trace was there."""
    return canary.outcome in _SHOWN


def newest_arrived(canaries: tuple[Canary, ...]) -> Canary | None:
    """The newest canary whose whole trace has arrived."""
    return next((canary for canary in reversed(canaries) if canary.outcome in _WHOLE), None)


def lost(canary: Canary) -> bool:
    """A loss that nothing known explains."""
    return canary.outcome is Outcome.MISSING and not canary.excused


def misrouted_to(canary: Canary) -> str | None:
    """The other environment that its trace is in: our own key shows it there, or another key while ours does not show it."""
    return found_by_our_key(canary) or (canary.elsewhere if not arrived(canary) else None)


def found_by_our_key(canary: Canary) -> str | None:
    """The other environment that our own key shows the trace in: then it is a key of that environment."""
    return canary.labels.environment if canary.labels is not None else None


def _count_text(canaries: tuple[Canary, ...]) -> str:
    return "1 trace" if len(canaries) == 1 else f"{len(canaries)} traces in a row"


def _ids_text(canaries: tuple[Canary, ...]) -> str:
    """The newest three by their ids; by their nonce where the id is not known."""
    shown = [canary.trace_id or f"nonce {canary.nonce}" for canary in canaries[-3:]]
    return f"trace {', '.join(shown)}"


# --- the faults that show in the series of canaries ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFault:
    """How a fault of traces shows: the canaries that speak for it, those that speak against it, what the bad ones amount to.

    `excusable`: what belongs to a known cause does not count.
    """

    is_bad: Callable[[Canary], bool]
    is_good: Callable[[Canary], bool]
    charge: Callable[[tuple[Canary, ...]], Charge]
    excusable: bool = False


def _is_not_misrouted(canary: Canary) -> bool:
    """It arrived; or it is lost, and not to another environment."""
    return (arrived(canary) and misrouted_to(canary) is None) or (lost(canary) and canary.nowhere)


def _wrong_environment(bad: tuple[Canary, ...]) -> Charge:
    """Conclusive, because it is no absence."""
    found = misrouted_to(bad[-1])
    ours = found_by_our_key(bad[-1]) is not None
    by_us = (f"the monitor's own key shows it there: it is a key of {found} too",) if ours else ()
    return Charge(
        fault=Fault.WRONG_ENVIRONMENT,
        summary=f"the trace is in the Traceloop environment {found}",
        facts=(*by_us, _ids_text(bad)),
        conclusive=True,
        stops_export=True,
    )


def _content_leaked(bad: tuple[Canary, ...]) -> Charge:
    """Conclusive: one is one too many. It names attributes, never values."""
    found = bad[-1].labels.leaked if bad[-1].labels else ()
    return Charge(
        fault=Fault.CONTENT_LEAKED,
        summary=f"the trace carries {', '.join(found[:5])}",
        facts=(*(f"attribute {name}" for name in found), _ids_text(bad)),
        conclusive=True,
    )


def _content_missing(bad: tuple[Canary, ...]) -> Charge:
    summary = "no span of the trace carries request or response content"
    return Charge(fault=Fault.CONTENT_MISSING, summary=summary, facts=(_ids_text(bad),))


def _missing(bad: tuple[Canary, ...]) -> Charge:
    """Losses with no later arrival."""
    summary = f"{_count_text(bad)} did not arrive, and none that was sent later"
    return Charge(fault=Fault.TRACE_MISSING, summary=summary, facts=(_ids_text(bad),), stops_export=True)


def intermittent(bad: tuple[Canary, ...], window: int) -> Charge:
    """Losses among arrivals, too many of them."""
    summary = f"intermittent loss: {len(bad)} of the last {window} traces did not arrive"
    return Charge(fault=Fault.TRACE_MISSING, summary=summary, facts=(_ids_text(bad),))


def _incomplete(bad: tuple[Canary, ...]) -> Charge:
    """Traces that never became whole."""
    return Charge(
        fault=Fault.TRACE_INCOMPLETE,
        summary=f"{_count_text(bad)} arrived in part: {bad[-1].incomplete}",
        facts=(f"{bad[-1].spans} span(s) arrived; {bad[-1].incomplete}", _ids_text(bad)),
    )


def _late(bad: tuple[Canary, ...]) -> Charge:
    """Traces that were not there in time; whether they come at all may not be known yet."""
    what = "came late" if all(canary.outcome is Outcome.LATE for canary in bad) else "did not come in time"
    return Charge(fault=Fault.TRACE_LATE, summary=f"{_count_text(bad)} {what}", facts=(_ids_text(bad),))


def _mislabelled(bad: tuple[Canary, ...]) -> Charge:
    found = bad[-1].labels.mislabelled if bad[-1].labels else ()
    summary = found[0] if found else "mislabelled"
    return Charge(fault=Fault.TRACE_MISLABELLED, summary=summary, facts=(*found, _ids_text(bad)))


# A canary that was refused has no response that could leak or be missing, and leaves fewer spans: it speaks against nothing.
TRACE_FAULTS: Mapping[Fault, TraceFault] = MappingProxyType(
    {
        Fault.WRONG_ENVIRONMENT: TraceFault(
            is_bad=lambda canary: misrouted_to(canary) is not None,
            is_good=_is_not_misrouted,
            charge=_wrong_environment,
        ),
        Fault.CONTENT_LEAKED: TraceFault(
            is_bad=lambda canary: canary.labels is not None and bool(canary.labels.leaked),
            is_good=lambda canary: canary.accepted and canary.labels is not None and not canary.labels.leaked,
            charge=_content_leaked,
        ),
        Fault.CONTENT_MISSING: TraceFault(
            is_bad=lambda canary: canary.labels is not None and canary.labels.content_missing,
            is_good=lambda canary: canary.accepted and canary.labels is not None and not canary.labels.content_missing,
            charge=_content_missing,
        ),
        Fault.TRACE_MISSING: TraceFault(
            is_bad=lambda canary: canary.outcome is Outcome.MISSING,
            is_good=arrived,
            charge=_missing,
            excusable=True,
        ),
        Fault.TRACE_INCOMPLETE: TraceFault(
            is_bad=lambda canary: canary.outcome is Outcome.INCOMPLETE,
            is_good=lambda canary: canary.accepted and canary.outcome in _WHOLE,
            charge=_incomplete,
            excusable=True,
        ),
        Fault.TRACE_LATE: TraceFault(
            is_bad=lambda canary: canary.late,
            is_good=lambda canary: canary.outcome is Outcome.ARRIVED,
            charge=_late,
            excusable=True,
        ),
        Fault.TRACE_MISLABELLED: TraceFault(
            is_bad=lambda canary: canary.labels is not None and bool(canary.labels.mislabelled),
            is_good=lambda canary: canary.labels is not None and not canary.labels.mislabelled,
            charge=_mislabelled,
        ),
    }
)
"""The faults that show in the series of canaries, in the order of the table of faults."""
