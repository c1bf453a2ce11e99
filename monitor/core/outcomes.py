"""What became of canaries, as every judgement asks it, and which fault of traces shows in which of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from monitor.core.backend import BACKEND
from monitor.core.canary import Canary, Outcome
from monitor.core.model import Fault, Suspicion
from monitor.core.text import code, count_text, length_text

_WHOLE = frozenset({Outcome.ARRIVED, Outcome.LATE})
_NAMED = 5  # attributes in a sentence
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
    """The other environment that its trace is in: the monitor's key shows it there, or another key while ours does not show it."""
    return found_by_our_key(canary) or (canary.elsewhere if not arrived(canary) else None)


def found_by_our_key(canary: Canary) -> str | None:
    """The other environment that the monitor's key shows the trace in: then it is a key of that environment."""
    return canary.labels.environment if canary.labels is not None else None


def _last_text(canaries: tuple[Canary, ...]) -> str:
    return "the last trace" if len(canaries) == 1 else f"the last {len(canaries)} traces"


def _ids_text(canaries: tuple[Canary, ...]) -> str:
    """The newest three by their ids; by their nonce where the id is not known."""
    shown = [canary.trace_id or f"nonce {canary.nonce}" for canary in canaries[-3:]]
    return f"trace {', '.join(shown)}"


# --- the faults that show in the series of canaries ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFault:
    """How a fault of traces shows: the canaries that speak for it, those that speak against it, what the bad ones amount to.

    `text_of_one`: what one look at a bad one says. `excusable`: what belongs to a known cause does not count.
    """

    is_bad: Callable[[Canary], bool]
    is_good: Callable[[Canary], bool]
    text_of_one: Callable[[Canary], str]
    suspicion: Callable[[tuple[Canary, ...]], Suspicion]
    excusable: bool = False


def _is_not_misrouted(canary: Canary) -> bool:
    """It arrived; or it is lost, and not to another environment."""
    return (arrived(canary) and misrouted_to(canary) is None) or (lost(canary) and canary.nowhere)


def _wrong_environment(bad: tuple[Canary, ...]) -> Suspicion:
    """Conclusive, because it is no absence."""
    found = misrouted_to(bad[-1])
    ours = found_by_our_key(bad[-1]) is not None
    by_us = (f"the monitor's own key shows it there, so it is a key of {code(found or '')} too",) if ours else ()
    return Suspicion(
        fault=Fault.WRONG_ENVIRONMENT,
        summary=f"the last trace is in the environment {code(found or '')}",
        facts=(*by_us, _ids_text(bad)),
        conclusive=True,
        stops_export=True,
    )


def _text_of_one_leak(canary: Canary) -> str:
    """It names attributes, never values."""
    labels, what = canary.labels, "content"
    if labels is not None and (labels.credential_alone or labels.decoy_alone):
        what = "a credential" if labels.credential_alone else "what was planted in the prompt"
    return f"the trace carries {what} in {', '.join(map(code, labels.leaked[:_NAMED] if labels else ()))}"


_NOT_REDACTED = "Traces contain what a redaction should have removed"
_LIKE_IT = "Personal data or credentials of the kind that `checks.canary.decoy` plants have been stored in {backend} since {since}."
_REDACT = (
    "Check the redaction (`redact_with` of the gateway's logging configuration, its guardrails, a processor of the Collector), "
    "then delete the traces that hold such content in {backend}."
)
_REVOKE = (
    "Revoke the credential that these attributes carry, find out what writes it into the spans, and delete those traces in "
    "{backend}."
)


def _content_leaked(bad: tuple[Canary, ...]) -> Suspicion:
    """Conclusive: one is one too many. It names attributes, never values."""
    labels = bad[-1].labels
    found = labels.leaked if labels else ()
    credential = labels is not None and labels.credential_alone
    decoy = labels is not None and labels.decoy_alone
    return Suspicion(
        fault=Fault.CONTENT_LEAKED,
        title="Traces contain a credential" if credential else _NOT_REDACTED if decoy else "",
        summary=f"found in {', '.join(map(code, found[:_NAMED]))}",
        facts=(*(f"attribute {code(name)}" for name in found[_NAMED:]), _ids_text(bad)),
        impact="A credential has been stored in {backend} since {since}." if credential else _LIKE_IT if decoy else "",
        step=_REVOKE if credential else _REDACT if decoy else "",
        conclusive=True,
    )


def _content_missing(bad: tuple[Canary, ...]) -> Suspicion:
    summary = f"no span of {_last_text(bad)} carries content"
    return Suspicion(fault=Fault.CONTENT_MISSING, summary=summary, facts=(_ids_text(bad),))


def _missing(bad: tuple[Canary, ...]) -> Suspicion:
    """Losses with no later arrival."""
    summary = f"{_last_text(bad)} did not arrive"
    return Suspicion(fault=Fault.TRACE_MISSING, summary=summary, facts=(_ids_text(bad),), stops_export=True)


def intermittent(bad: tuple[Canary, ...], window: int) -> Suspicion:
    """Losses among arrivals, too many of them."""
    summary = f"{len(bad)} of the last {window} traces did not arrive, the others did"
    return Suspicion(fault=Fault.TRACE_MISSING, summary=summary, facts=(_ids_text(bad),))


def _incomplete(bad: tuple[Canary, ...]) -> Suspicion:
    """Traces that never became whole."""
    return Suspicion(
        fault=Fault.TRACE_INCOMPLETE,
        summary=f"{_last_text(bad)} arrived incomplete: {bad[-1].incomplete}",
        facts=(f"{count_text(bad[-1].spans, 'span')} of the last trace arrived", _ids_text(bad)),
    )


def _late(bad: tuple[Canary, ...]) -> Suspicion:
    """Traces that were not there in time; whether they come at all may not be known yet."""
    took = bad[-1].arrival_seconds
    after = f", the last one after {length_text(took)}" if took is not None else ""
    what = "arrived late" if all(canary.outcome is Outcome.LATE for canary in bad) else "did not arrive in time"
    return Suspicion(fault=Fault.TRACE_LATE, summary=f"{_last_text(bad)} {what}{after}", facts=(_ids_text(bad),))


def _mislabelled(bad: tuple[Canary, ...]) -> Suspicion:
    found = bad[-1].labels.mislabelled if bad[-1].labels else ()
    summary = found[0] if found else "a label differs"
    return Suspicion(fault=Fault.TRACE_MISLABELLED, summary=summary, facts=(*found[1:], _ids_text(bad)))


# A canary that was refused has no response that could leak or be missing, and leaves fewer spans: it speaks against nothing.
TRACE_FAULTS: Mapping[Fault, TraceFault] = MappingProxyType(
    {
        Fault.WRONG_ENVIRONMENT: TraceFault(
            is_bad=lambda canary: misrouted_to(canary) is not None,
            is_good=_is_not_misrouted,
            text_of_one=lambda canary: f"the trace is in the {BACKEND} environment {misrouted_to(canary)}",
            suspicion=_wrong_environment,
        ),
        Fault.CONTENT_LEAKED: TraceFault(
            is_bad=lambda canary: canary.labels is not None and bool(canary.labels.leaked),
            is_good=lambda canary: canary.accepted and canary.labels is not None and not canary.labels.leaked,
            text_of_one=_text_of_one_leak,
            suspicion=_content_leaked,
        ),
        Fault.CONTENT_MISSING: TraceFault(
            is_bad=lambda canary: canary.labels is not None and canary.labels.content_missing,
            is_good=lambda canary: canary.accepted and canary.labels is not None and not canary.labels.content_missing,
            text_of_one=lambda _: "the trace carries no content",
            suspicion=_content_missing,
        ),
        Fault.TRACE_MISSING: TraceFault(
            is_bad=lambda canary: canary.outcome is Outcome.MISSING,
            is_good=arrived,
            text_of_one=lambda _: "the trace did not arrive",
            suspicion=_missing,
            excusable=True,
        ),
        Fault.TRACE_INCOMPLETE: TraceFault(
            is_bad=lambda canary: canary.outcome is Outcome.INCOMPLETE,
            is_good=lambda canary: canary.accepted and canary.outcome in _WHOLE,
            text_of_one=lambda canary: f"the trace arrived incomplete: {canary.incomplete}",
            suspicion=_incomplete,
            excusable=True,
        ),
        Fault.TRACE_LATE: TraceFault(
            is_bad=lambda canary: canary.late,
            is_good=lambda canary: canary.outcome is Outcome.ARRIVED,
            text_of_one=lambda _: "the trace is late",
            suspicion=_late,
            excusable=True,
        ),
        Fault.TRACE_MISLABELLED: TraceFault(
            is_bad=lambda canary: canary.labels is not None and bool(canary.labels.mislabelled),
            is_good=lambda canary: canary.labels is not None and not canary.labels.mislabelled,
            text_of_one=lambda canary: _mislabelled((canary,)).summary,
            suspicion=_mislabelled,
        ),
    }
)
"""The faults that show in the series of canaries, in the order of the table of faults."""
