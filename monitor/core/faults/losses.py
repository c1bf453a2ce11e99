"""Traces that do not come: one charge, and the triage says which hop lost them."""

from dataclasses import replace
from functools import partial

from monitor.core.canary import Canary, Outcome
from monitor.core.faults.consequences import LATE
from monitor.core.faults.rule import Case, Rule, Sign, Weight
from monitor.core.model import Charge, Component, Fault, Severity
from monitor.core.moments import length_text
from monitor.core.signs import arrived, count_text, ids_text
from monitor.core.triage import say, triage


def _is_missing(canary: Canary) -> bool:
    return canary.outcome is Outcome.MISSING


def _missing(bad: tuple[Canary, ...]) -> Charge:
    """Losses with no later arrival."""
    return Charge(
        fault=Fault.TRACE_MISSING,
        summary=f"{count_text(bad)} did not arrive, and none that was sent later",
        facts=(ids_text(bad),),
        stops_export=True,
    )


def intermittent(bad: tuple[Canary, ...], window: int) -> Charge:
    """Losses among arrivals, too many of them."""
    return Charge(
        fault=Fault.TRACE_MISSING,
        summary=f"intermittent loss: {len(bad)} of the last {window} traces did not arrive",
        facts=(ids_text(bad),),
    )


def _is_named(case: Case, *, fault: Fault) -> bool:
    return triage(case.active, case.state, case.now).place.fault is fault


def _say_why(case: Case) -> Weight:
    found = triage(case.active, case.state, case.now)
    return Weight(remarks=say(found), step=found.place.step)


def _say_why_not_exported(case: Case) -> Weight:
    """What the hops say; where nobody could look what the exporter is set to, that comes first."""
    why = _say_why(case)
    if not case.is_unread:
        return why
    return replace(why, remarks=(*why.remarks, _UNREAD), step=_LOOK_AT_THE_EXPORTER)


_UNREAD = "what the exporter is set to could not be read: it may be off, or set otherwise"
_LOOK_AT_THE_EXPORTER = (
    "Look at the exporter first (AI Gateway, Controls, Settings, OTEL Config): its configuration could not be read. "
    "`trace-monitor expected` prints every field."
)


_SETTLES = "After `fail_after` losses in a row with no later arrival, or `loss_of` (three of the last twelve)."

TRACE_NOT_CREATED = Rule(
    fault=Fault.TRACE_NOT_CREATED,
    component=Component.GATEWAY,
    severity=Severity.CRITICAL,
    meaning="The gateway answers, but makes no trace",
    when="A trace is missing in Traceloop, and TrueFoundry's own store, which has shown us a span of ours within a day, does not "
    "have it either.",
    settles=_SETTLES,
    because="What the own store and the control span say, and the traces' ids.",
    advice="Look at the gateway's logging configuration and at the hop from the gateway to TrueFoundry's collector.",
    explains=LATE,
    charged_as=Fault.TRACE_MISSING,
    holds=partial(_is_named, fault=Fault.TRACE_NOT_CREATED),
    weigh=_say_why,
)

EXPORT_FAILING = Rule(
    fault=Fault.EXPORT_FAILING,
    component=Component.EXPORT,
    severity=Severity.CRITICAL,
    meaning="TrueFoundry has the traces and Traceloop is well, but they do not get from one to the other",
    when="A trace is missing in Traceloop, TrueFoundry's own store has it, and Traceloop shows a control span that was sent later.",
    settles=_SETTLES,
    because="What the own store and the control span say, and the traces' ids.",
    advice="Write to TrueFoundry's support with the ids of the lost traces; look at the egress of a self-hosted collector.",
    explains=LATE,
    charged_as=Fault.TRACE_MISSING,
    holds=partial(_is_named, fault=Fault.EXPORT_FAILING),
    weigh=_say_why_not_exported,
)

TRACE_MISSING = Rule(
    fault=Fault.TRACE_MISSING,
    component=Component.EXPORT,
    severity=Severity.CRITICAL,
    meaning="Traces do not arrive in Traceloop",
    when="A look that succeeded at or after `missing_after` does not show the trace, by a route that has shown us a span of ours "
    "within a day with the same key; and the own store or the control span cannot tell the hops apart.",
    settles=_SETTLES,
    because="What the own store and the control span say, and the traces' ids.",
    advice="Look the lost traces up in TrueFoundry by their ids: if they are there, the export is broken; if not, the gateway made "
    "none.",
    explains=LATE,
    holds=partial(_is_named, fault=Fault.TRACE_MISSING),
    sign=Sign(is_bad=_is_missing, is_good=arrived, charge=_missing, excusable=True),
    weigh=_say_why_not_exported,
)

# --- in part, or late ------------------------------------------------------------------------------------------------


def _is_partial(canary: Canary) -> bool:
    return canary.outcome is Outcome.INCOMPLETE


def _is_whole(canary: Canary) -> bool:
    """Of a request that was served: one that was refused leaves fewer spans, so that none of those need be missing."""
    return canary.accepted and canary.outcome in (Outcome.ARRIVED, Outcome.LATE)


def _incomplete(bad: tuple[Canary, ...]) -> Charge:
    """Traces that never became whole."""
    return Charge(
        fault=Fault.TRACE_INCOMPLETE,
        summary=f"{count_text(bad)} arrived in part: {bad[-1].incomplete}",
        facts=(f"{bad[-1].spans} span(s) arrived; {bad[-1].incomplete}", ids_text(bad)),
    )


TRACE_INCOMPLETE = Rule(
    fault=Fault.TRACE_INCOMPLETE,
    component=Component.EXPORT,
    severity=Severity.WARNING,
    meaning="Traces arrive in part",
    when="At `missing_after` the root is missing, a parent dangles, or there are fewer spans than `complete_spans`.",
    settles="After `fail_after` traces in a row.",
    because="How many spans arrived, what is missing, and the traces' ids.",
    advice="Look for a `when` filter on the exporter, and for dropped spans in the collector's log.",
    sign=Sign(is_bad=_is_partial, is_good=_is_whole, charge=_incomplete, excusable=True),
)


def _is_late(canary: Canary) -> bool:
    return canary.late


def _in_time(canary: Canary) -> bool:
    return canary.outcome is Outcome.ARRIVED


def _late(bad: tuple[Canary, ...]) -> Charge:
    """Traces that were not there in time; whether they come at all may not be known yet."""
    what = "came late" if all(canary.outcome is Outcome.LATE for canary in bad) else "did not come in time"
    return Charge(fault=Fault.TRACE_LATE, summary=f"{count_text(bad)} {what}", facts=(ids_text(bad),))


def _say_whether_any_came(case: Case) -> Weight:
    """What has not come at all is not late: it is overdue, and perhaps lost."""
    late = [one for one in case.state.canaries if one.late and not one.excused and one.sent_at >= case.active.since]
    if not late or any(arrived(one) or one.seen_at is not None for one in late):
        return Weight()
    which = "the last one has" if len(late) == 1 else f"the last {len(late)} have"
    within = length_text(case.policy.arrival.late_after)
    return Weight(meaning="Traces are overdue", said=f"{which} not arrived within {within}", step=_OVERDUE)


_OVERDUE = "Look at https://status.traceloop.com and at the exporter. Whether these traces are lost is judged at `missing_after`."

TRACE_LATE = Rule(
    fault=Fault.TRACE_LATE,
    component=Component.EXPORT,
    severity=Severity.WARNING,
    meaning="Traces arrive late",
    when="A look that succeeded at `late_after` does not show the whole trace, by a route whose silence counts.",
    settles="After `fail_after` traces in a row.",
    because="How many in a row, and the traces' ids.",
    advice="Look at the exporter's queue and at Traceloop's status. If the traces come after all, and so late is normal for you, "
    "raise `checks.arrival.late_after`.",
    sign=Sign(is_bad=_is_late, is_good=_in_time, charge=_late, excusable=True),
    weigh=_say_whether_any_came,
)
