"""What makes a canary bad, and what good, per fault of traces."""

from collections.abc import Callable
from dataclasses import dataclass

from monitor.core import charges
from monitor.core.canary import Canary, Outcome
from monitor.core.model import Charge, Fault

_SHOWN = frozenset({Outcome.ARRIVED, Outcome.LATE, Outcome.INCOMPLETE})
_WHOLE = frozenset({Outcome.ARRIVED, Outcome.LATE})


def arrived(canary: Canary) -> bool:
    """Proof that the export works: at least part of the trace was there."""
    return canary.outcome in _SHOWN


def lost(canary: Canary) -> bool:
    """A loss that nothing known explains."""
    return _is_missing(canary) and not canary.excused


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """How one fault shows. `excusable`: what belongs to a known cause does not count."""

    fault: Fault
    charge: Callable[[tuple[Canary, ...]], Charge]
    is_bad: Callable[[Canary], bool]
    is_good: Callable[[Canary], bool]
    excusable: bool = False


def _is_missing(canary: Canary) -> bool:
    return canary.outcome is Outcome.MISSING


def _is_late(canary: Canary) -> bool:
    return canary.late


def _in_time(canary: Canary) -> bool:
    return canary.outcome is Outcome.ARRIVED


def _is_partial(canary: Canary) -> bool:
    return canary.outcome is Outcome.INCOMPLETE


def _is_whole(canary: Canary) -> bool:
    return canary.outcome in _WHOLE


def _is_mislabelled(canary: Canary) -> bool:
    return canary.labels is not None and bool(canary.labels.mislabelled)


def _well_labelled(canary: Canary) -> bool:
    return canary.labels is not None and not canary.labels.mislabelled


def _has_leaked(canary: Canary) -> bool:
    return canary.labels is not None and bool(canary.labels.leaked)


def _is_discreet(canary: Canary) -> bool:
    return canary.labels is not None and not canary.labels.leaked


def _lacks_content(canary: Canary) -> bool:
    return canary.labels is not None and canary.labels.content_missing


def _has_content(canary: Canary) -> bool:
    return canary.labels is not None and not canary.labels.content_missing


def _is_elsewhere(canary: Canary) -> bool:
    return canary.elsewhere is not None and not arrived(canary)


def _sign(
    fault: Fault,
    charge: Callable[[tuple[Canary, ...]], Charge],
    is_bad: Callable[[Canary], bool],
    is_good: Callable[[Canary], bool],
    *,
    excusable: bool = False,
) -> Sign:
    return Sign(fault=fault, charge=charge, is_bad=is_bad, is_good=is_good, excusable=excusable)


SIGNS: tuple[Sign, ...] = (
    _sign(Fault.TRACE_MISSING, charges.missing, _is_missing, arrived, excusable=True),
    _sign(Fault.TRACE_LATE, charges.late, _is_late, _in_time, excusable=True),
    _sign(Fault.TRACE_INCOMPLETE, charges.incomplete, _is_partial, _is_whole, excusable=True),
    _sign(Fault.TRACE_MISLABELLED, charges.mislabelled, _is_mislabelled, _well_labelled),
    _sign(Fault.CONTENT_LEAKED, charges.leaked, _has_leaked, _is_discreet),
    _sign(Fault.CONTENT_MISSING, charges.content, _lacks_content, _has_content),
    _sign(Fault.WRONG_ENVIRONMENT, charges.elsewhere, _is_elsewhere, arrived),
)
