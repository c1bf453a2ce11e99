"""What may be believed of faults that are broken at the same time: a small model of its own, of which the core knows nothing.

Each fault needs something to be seen by, and hides something from the others; what explains what is written down once more from
the documentation. The model says what must be reported. It knows nothing of looks, streaks, deadlines and cadences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from monitor.core.model import Component, Fault, Severity

F = Fault
CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING


class Sight(Enum):
    """What has to work for something to be seen."""

    SENT = auto()  # canaries reach the gateway
    SERVED = auto()  # they are served, so that the absence of a trace means something
    TRACED = auto()  # they leave a trace; those that are refused do too, but for a wrong token
    MANIFEST = auto()  # the configuration can be read
    EXPORTER = auto()  # there is an exporter that could be set wrongly
    LEAVING = auto()  # traces leave for Traceloop, whichever environment
    ARRIVING = auto()  # traces arrive in our environment
    WHOLE = auto()  # they arrive in one piece, so that they are judged further
    READING = auto()  # Traceloop's read API answers
    CONTROL = auto()  # spans of our own are sent to Traceloop
    STORE = auto()  # TrueFoundry's own store answers
    UNEXPLAINED = auto()  # no known cause speaks for the traces that are lost


S = Sight
Sights = frozenset[Sight]
ARRIVAL = frozenset({S.TRACED, S.ARRIVING, S.READING})
WHOLE = ARRIVAL | {S.WHOLE}
LOSS = frozenset({S.SERVED, S.READING, S.UNEXPLAINED})
_NONE: Sights = frozenset()
_NO_ARRIVAL = frozenset({S.ARRIVING, S.WHOLE})
_NOTHING_LEAVES = _NO_ARRIVAL | {S.LEAVING}
_CAUSE = _NOTHING_LEAVES | {S.UNEXPLAINED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """One fault: what breaks it, how it is reported, what it takes to see it and to see it gone (one of several), what it hides."""

    breaks: str
    fault: Fault
    component: Component
    severity: Severity
    says: str
    needs: Sights = _NONE
    clears: tuple[Sights, ...]
    put_right: Sights | None = None  # what it takes to see that somebody has fixed it, before traces show that
    hides: Sights = _NONE


def _row(
    breaks: str,
    fault: Fault,
    where: tuple[Component, Severity],
    says: str,
    *,
    needs: Sights = _NONE,
    clears: tuple[Sights, ...] | None = None,
    put_right: Sights | None = None,
    hides: Sights = _NONE,
) -> Breakage:
    return Breakage(
        breaks=breaks,
        fault=fault,
        component=where[0],
        severity=where[1],
        says=says,
        needs=needs,
        clears=(needs,) if clears is None else clears,
        put_right=put_right,
        hides=hides,
    )


_GATEWAY, _CONFIG, _EXPORT = Component.GATEWAY, Component.CONFIG, Component.EXPORT
_SENT, _MANIFEST = frozenset({S.SENT}), frozenset({S.MANIFEST})
_SETTING = _MANIFEST | {S.EXPORTER}
_UNSERVED = frozenset({S.SERVED})

TABLE: Mapping[str, Breakage] = {
    row.breaks: row
    for row in (
        _row(
            "gateway_unreachable",
            F.GATEWAY_UNREACHABLE,
            (_GATEWAY, CRITICAL),
            "its own network works",
            hides=_UNSERVED | {S.SENT, S.TRACED},
        ),
        _row(
            "gateway_refused",
            F.GATEWAY_REFUSED,
            (_GATEWAY, WARNING),
            "401",
            needs=_SENT,
            hides=_UNSERVED | {S.TRACED},
        ),
        _row("rate_limited_retry_after", F.RATE_LIMITED, (_GATEWAY, WARNING), "429", needs=_SENT, hides=_UNSERVED),
        _row("canary_rejected", F.CANARY_REJECTED, (_GATEWAY, WARNING), "403", needs=_SENT, hides=_UNSERVED),
        _row(
            "provider_failing", F.PROVIDER_FAILING, (Component.PROVIDER, WARNING), "502", needs=_SENT, hides=_UNSERVED
        ),
        _row(
            "exporter_disabled",
            F.EXPORTER_DISABLED,
            (_CONFIG, CRITICAL),
            "switched off",
            needs=_MANIFEST,
            hides=_CAUSE | {S.EXPORTER},
        ),
        _row(
            "config_drift",
            F.CONFIG_DRIFT,
            (_CONFIG, CRITICAL),
            "Endpoint is ",
            needs=_SETTING,
            clears=(_MANIFEST,),
            hides=_CAUSE,
        ),
        _row(
            "config_drift_header",
            F.CONFIG_DRIFT,
            (_CONFIG, WARNING),
            "Headers → X-Api-Key is ",
            needs=_SETTING,
            clears=(_MANIFEST,),
        ),
        _row(
            "wrong_environment",
            F.WRONG_ENVIRONMENT,
            (_CONFIG, CRITICAL),
            "stg",
            needs=frozenset({S.TRACED, S.LEAVING, S.READING}),
            clears=(ARRIVAL, LOSS),  # traces arrive, or are neither here nor there
            put_right=_MANIFEST,  # a changed configuration that is as expected: then it only waits for traces
            hides=_NO_ARRIVAL,
        ),
        _row(
            "content_leaked",
            F.CONTENT_LEAKED,
            (_CONFIG, CRITICAL),
            "Found in ",
            needs=WHOLE,
            clears=(WHOLE | {S.SERVED},),
        ),
        _row(
            "content_missing",
            F.CONTENT_MISSING,
            (_CONFIG, WARNING),
            "traces carries content",
            needs=WHOLE | {S.SERVED},
        ),
        _row(
            "trace_not_created",
            F.TRACE_NOT_CREATED,
            (_GATEWAY, CRITICAL),
            "own store does not have the trace either",
            hides=_NOTHING_LEAVES | {S.TRACED},
        ),
        _row(
            "key_rejected",
            F.KEY_REJECTED,
            (Component.TRACELOOP, CRITICAL),
            "401",
            clears=(frozenset({S.CONTROL}),),  # what refused it must accept it
            hides=_NO_ARRIVAL | {S.READING, S.UNEXPLAINED},
        ),
        _row(
            "ingest_failing",
            F.INGEST_FAILING,
            (Component.TRACELOOP, CRITICAL),
            "503",
            needs=frozenset({S.CONTROL}),
            hides=_CAUSE,
        ),
        _row(
            "export_failing",
            F.EXPORT_FAILING,
            (_EXPORT, CRITICAL),
            "Traceloop is healthy: it accepted and shows a test span",
            hides=_NOTHING_LEAVES,
        ),
        _row(
            "trace_missing", F.TRACE_MISSING, (_EXPORT, CRITICAL), "did not arrive", hides=_NOTHING_LEAVES | {S.STORE}
        ),
        _row(
            "trace_incomplete",
            F.TRACE_INCOMPLETE,
            (_EXPORT, WARNING),
            "root",
            needs=LOSS | ARRIVAL,
            clears=(ARRIVAL | {S.SERVED},),
            hides=frozenset({S.WHOLE}),
        ),
        _row(
            "trace_late",
            F.TRACE_LATE,
            (_EXPORT, WARNING),
            "late",
            needs=ARRIVAL | {S.UNEXPLAINED},
            clears=(WHOLE,),
        ),
        _row("trace_mislabelled", F.TRACE_MISLABELLED, (_EXPORT, WARNING), "unknown_service", needs=WHOLE),
        _row(
            "check_failed",
            F.CHECK_FAILED,
            (Component.MONITOR, WARNING),
            "The check `control` crashed",
            hides=frozenset({S.CONTROL}),
        ),
        _row(
            "control_plane_forbidden",
            F.BLIND,
            (Component.MONITOR, WARNING),
            "You do not have permission",
            hides=_MANIFEST,
        ),
    )
}
"""Every fault that a monitor reports, a drift both ways. What loses traces has no needs here: see `_name_the_loss`."""

ANSWERS = frozenset({F.GATEWAY_REFUSED, F.RATE_LIMITED, F.CANARY_REJECTED, F.PROVIDER_FAILING})
"""What the gateway answers: one answer gives one reason: that of the token, which is looked at first, or else the newest."""

LOSSES = frozenset({F.TRACE_NOT_CREATED, F.EXPORT_FAILING, F.TRACE_MISSING})
"""One loss has one name: the hop that lost it, as far as it is known."""

_LATER = frozenset({F.TRACE_INCOMPLETE, F.TRACE_LATE})
_NOT_EXPORTED = _LATER | {F.TRACE_MISSING, F.EXPORT_FAILING}
EXPLAINS: Mapping[Fault, frozenset[Fault]] = {
    F.EXPORTER_DISABLED: _NOT_EXPORTED,
    F.CONFIG_DRIFT: _NOT_EXPORTED,  # if it stops the export
    F.KEY_REJECTED: _NOT_EXPORTED | {F.INGEST_FAILING},
    F.WRONG_ENVIRONMENT: _NOT_EXPORTED,
    F.INGEST_FAILING: _NOT_EXPORTED,
    F.GATEWAY_UNREACHABLE: frozenset({F.CANARY_REJECTED, F.PROVIDER_FAILING}),
    F.EXPORT_FAILING: _LATER,
    F.TRACE_NOT_CREATED: _LATER,
    F.TRACE_MISSING: _LATER,
}

Belief = Mapping[Fault, Breakage]


def believe(before: Belief, broken: Sequence[str]) -> Belief:
    """What must be believed while these are broken, the newest last, given what was believed before."""
    rows = _acting([TABLE[name] for name in broken])
    hidden = frozenset[Sight]().union(*(row.hides for row in rows))
    unknown = [row for row in rows if row.needs & hidden and row.fault not in before]
    explained = frozenset[Sight]().union(*(row.hides for row in rows if row not in unknown)) & {S.UNEXPLAINED}
    hidden = hidden - {S.UNEXPLAINED} | explained
    seen = {row.fault: row for row in rows if row.fault not in LOSSES and not row.needs & hidden}
    if F.TRACE_INCOMPLETE in seen:  # what never becomes whole is also late
        seen.setdefault(F.TRACE_LATE, _ROW_OF[F.TRACE_LATE])
    set_wrongly = any(row.fault in {F.EXPORTER_DISABLED, F.CONFIG_DRIFT} for row in rows)
    kept = {
        fault: row
        for fault, row in before.items()
        if fault not in LOSSES
        and not any(not way & hidden for way in row.clears)
        and not (row.put_right is not None and row not in rows and not row.put_right & hidden and not set_wrongly)
    }
    losing = {row.fault for row in rows if row.fault in LOSSES or (row in unknown and S.UNEXPLAINED in row.hides)}
    lost = _name_the_loss(next(iter(LOSSES & before.keys()), None), losing, hidden)
    if not ARRIVAL & hidden:
        kept = {fault: _outranked(row) for fault, row in kept.items()}
    return {**kept, **seen, **({lost: _ROW_OF[lost]} if lost is not None else {})}


_ROW_OF = {row.fault: row for row in TABLE.values()}


def _acting(rows: list[Breakage]) -> list[Breakage]:
    answers = [row for row in rows if row.fault in ANSWERS]
    given = next((row for row in answers if row.fault is F.GATEWAY_REFUSED), answers[-1] if answers else None)
    return [row for row in rows if row not in answers or row is given]


def _outranked(row: Breakage) -> Breakage:
    """What cannot be read any more, while traces arrive: that is a warning."""
    return replace(row, severity=WARNING) if row.fault in {F.EXPORTER_DISABLED, F.CONFIG_DRIFT} else row


def _name_the_loss(before: Fault | None, losing: set[Fault], hidden: Sights) -> Fault | None:
    """The name of the loss that is believed, given the one that was: unknown changes nothing.

    `losing` is what loses traces and has no name of its own: a cause that cannot be seen is nothing but a loss.
    """
    served = not {S.SERVED, S.READING} & hidden
    if F.TRACE_NOT_CREATED in losing and served and S.STORE not in hidden:
        return F.TRACE_NOT_CREATED
    if losing and not LOSS & hidden:
        exactly = not {S.TRACED, S.STORE, S.CONTROL} & hidden
        return F.EXPORT_FAILING if exactly else before or F.TRACE_MISSING
    if before is None or not ARRIVAL & hidden:
        return None
    made = before is F.TRACE_NOT_CREATED and served and not {S.TRACED, S.STORE} & hidden
    found = before is F.TRACE_MISSING and not {S.STORE, S.CONTROL} & hidden
    return F.EXPORT_FAILING if made or found else before


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """The diagnosis that must be reported, and how it may differ: consequences come and go before what they follow from."""

    row: Breakage
    severity: Severity
    also: frozenset[Fault]
    explained: frozenset[Fault]
    may_be_explained: frozenset[Fault]


def deliver(belief: Belief) -> Notified | None:
    """The most severe unexplained fault names it, ties by the order of the table; what nothing explains is also broken."""
    if not belief:
        return None
    rows = dict(belief)
    consequences = frozenset[Fault]().union(*map(_explained_by, rows.values()))
    left = [row for row in rows.values() if row.fault not in consequences]
    order = list(Fault)
    named = min(left, key=lambda row: (-row.severity, order.index(row.fault)))
    return Notified(
        row=named,
        severity=max(row.severity for row in rows.values()),
        also=frozenset(row.fault for row in left) - {named.fault},
        explained=frozenset(belief) & consequences,
        may_be_explained=consequences,
    )


def _explained_by(row: Breakage) -> frozenset[Fault]:
    lesser = row.fault in {F.EXPORTER_DISABLED, F.CONFIG_DRIFT} and row.severity is WARNING
    return frozenset() if lesser else EXPLAINS.get(row.fault, frozenset())
