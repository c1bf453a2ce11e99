"""Notices as the program composes them, for every test that delivers something."""

from dataclasses import replace

from monitor.core.backend import TRACELOOP
from monitor.core.faults import FAULTS
from monitor.core.incident import (
    Corroboration,
    Diagnosis,
    Hop,
    HopState,
    Incident,
    Losses,
    Notice,
    Notified,
    Place,
    Reason,
    TimelineEntry,
)
from monitor.core.model import Fault, Severity, TargetName
from monitor.core.text import sentence
from tests.fakes.clock import START

PROD = TargetName("prod")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
MENTION = "<!subteam^S0123>"
HOPS = (
    Hop(place=Place.GATEWAY, state=HopState.OK, text="answers"),
    Hop(place=Place.TRUEFOUNDRY, state=HopState.UNKNOWN, text="cannot be told"),
    Hop(place=Place.EXPORT, state=HopState.BROKEN, text="is switched off"),
    Hop(place=Place.TRACELOOP, state=HopState.OK, text="shows a test span"),
)


def a_diagnosis(
    fault: Fault = Fault.EXPORTER_DISABLED,
    *,
    severity: Severity | None = None,
    because: tuple[str, ...] = ("the manifest is null", "changed by ana at 2027-01-15 07:58 UTC"),
    **more: object,
) -> Diagnosis:
    """What the diagnosis says of a fault."""
    entry = TRACELOOP.fill(FAULTS[fault])
    return replace(
        Diagnosis(
            fault=fault,
            severity=entry.severity if severity is None else severity,
            component=entry.component,
            title=entry.title,
            summary=" ".join(map(sentence, (entry.title, *because[:1]))),
            impact=entry.impact,
            hops=HOPS,
            because=because,
            advice=entry.advice,
            since=START - 60,
            trace_ids=(TRACE,),
        ),
        **more,  # type: ignore[arg-type]  # whatever field the test is about
    )


def an_incident(diagnosis: Diagnosis | None = None, **more: object) -> Incident:
    """An incident that was opened at START."""
    shown = diagnosis or a_diagnosis()
    first = TimelineEntry(at=START, fault=shown.fault, severity=shown.severity, text="opened")
    return replace(
        Incident(
            id="prod-20270115-080000",
            target=PROD,
            opened_at=START,
            diagnosis=shown,
            worst=shown.severity,
            critical_since=START if shown.severity is Severity.CRITICAL else None,
            timeline=(first,),
        ),
        **more,  # type: ignore[arg-type]  # whatever field the test is about
    )


def notified_of(incident: Incident, **more: object) -> Notified:
    """What somebody knows who was notified of an incident when it was opened."""
    return replace(
        Notified(
            reason=Reason.OPENED,
            fault=incident.diagnosis.fault,
            severity=incident.diagnosis.severity,
            at=incident.opened_at,
            receipt={"channel": "C1", "ts": "1.1"},
        ),
        **more,  # type: ignore[arg-type]  # whatever field the test is about
    )


def a_notice(reason: Reason = Reason.OPENED, incident: Incident | None = None, **more: object) -> Notice:
    """A notice; of an opening unless said otherwise."""
    return replace(
        Notice(reason=reason, incident=incident or an_incident(), at=START, labels={"team": "ml-platform"}),
        **more,  # type: ignore[arg-type]  # whatever field the test is about
    )


def opened() -> Notice:
    """The exporter has been switched off."""
    return a_notice(mention=True)


def drift() -> Notice:
    """Two fields differ."""
    because = (
        "Endpoint is `https://api.traceloop.com`, should be `https://api.traceloop.com/v1/traces`",
        "Headers → Authorization is a value with fingerprint a1f3c2d4 (`Bearer ` is missing)",
        "changed by ana at 2027-01-15 07:58 UTC",
    )
    diagnosis = a_diagnosis(
        Fault.CONFIG_DRIFT,
        severity=Severity.CRITICAL,
        because=because,
        summary="The export configuration is not as expected. 2 fields differ.",
        explained=(Fault.TRACE_MISSING,),
        also=(Fault.PROVIDER_FAILING,),
    )
    return a_notice(incident=an_incident(diagnosis), mention=True)


def again() -> Notice:
    """The third time within twenty minutes."""
    incident = an_incident(a_diagnosis(since=START + 1170), reopened=(START + 600, START + 1200))
    return a_notice(
        incident=incident, at=START + 1200, notified=notified_of(incident, closed=True), mention=True, broadcast=True
    )


def changed() -> Notice:
    """The root cause is fixed, another is left."""
    diagnosis = a_diagnosis(Fault.PROVIDER_FAILING, because=("the provider answers 503",))
    incident = an_incident(diagnosis, worst=Severity.CRITICAL)
    incident = replace(
        incident,
        timeline=(
            TimelineEntry(at=START, fault=Fault.EXPORTER_DISABLED, severity=Severity.CRITICAL, text="opened"),
            TimelineEntry(at=START + 720, fault=Fault.PROVIDER_FAILING, severity=Severity.WARNING, text="became"),
        ),
    )
    notified = notified_of(an_incident())
    return a_notice(Reason.CHANGED, incident, at=START + 720, notified=notified)


def turned_critical() -> Notice:
    """The same fault, worse."""
    diagnosis = a_diagnosis(
        Fault.CONFIG_DRIFT, severity=Severity.CRITICAL, because=("Encoding is `json`, should be `proto`",)
    )
    incident = an_incident(diagnosis)
    notified = notified_of(incident, severity=Severity.WARNING)
    return a_notice(Reason.CHANGED, incident, at=START + 300, notified=notified, mention=True, broadcast=True)


def reminder() -> Notice:
    """Nobody has fixed it for four hours."""
    incident = an_incident()
    return a_notice(Reason.REMINDER, incident, at=START + 4 * 3600, notified=notified_of(incident), broadcast=True)


def escalated() -> Notice:
    """Nobody has acknowledged for half an hour."""
    incident = an_incident()
    return a_notice(
        Reason.ESCALATED, incident, at=START + 1800, notified=notified_of(incident), mention=True, broadcast=True
    )


def acknowledged() -> Notice:
    """Somebody has it."""
    incident = an_incident(acked_by="ana", acked_at=START + 120, acked_as=(Fault.EXPORTER_DISABLED, Severity.CRITICAL))
    return a_notice(Reason.EDITED, incident, at=START + 120, notified=notified_of(incident))


def silenced() -> Notice:
    """A silence has begun."""
    incident = an_incident()
    return a_notice(Reason.EDITED, incident, at=START + 90, notified=notified_of(incident), silenced_until=START + 7200)


def waiting() -> Notice:
    """Fixed, and not yet proven."""
    diagnosis = a_diagnosis(waiting="`exporter_disabled` fixed 08:12 UTC by ana, waiting for traces")
    incident = an_incident(diagnosis)
    return a_notice(Reason.EDITED, incident, at=START + 720, notified=notified_of(incident))


def resolved() -> Notice:
    """Over, with what became of the canaries."""
    incident = an_incident(
        closed_at=START + 900,
        closed_because="`exporter_disabled` fixed 08:12 UTC by ana",
        losses=Losses(sent=9, late=3, lost=2, longest_delay=412.0),
    )
    return a_notice(Reason.RESOLVED, incident, at=START + 900, notified=notified_of(incident), broadcast=True)


def recounted() -> Notice:
    """Of what was lost one trace has come after all."""
    over = resolved()
    late = Losses(sent=9, late=4, lost=1, longest_delay=1312.0, late_ids=(TRACE,), lost_ids=("ab" * 16,))
    incident = replace(over.incident, losses=late, recounted=True)
    notified = notified_of(over.incident, closed=True)
    return a_notice(Reason.EDITED, incident, at=START + 1500, notified=notified)


def missed() -> Notice:
    """Opened and closed while nobody could be notified."""
    notice = resolved()
    timeline = (
        TimelineEntry(at=START, fault=Fault.TRACE_LATE, severity=Severity.WARNING, text="opened"),
        TimelineEntry(at=START + 300, fault=Fault.EXPORTER_DISABLED, severity=Severity.CRITICAL, text="became"),
        TimelineEntry(at=START + 900, fault=Fault.EXPORTER_DISABLED, severity=Severity.CRITICAL, text="resolved"),
    )
    return replace(notice, notified=None, broadcast=False, incident=replace(notice.incident, timeline=timeline))


def corroborated() -> Notice:
    """Three of four targets behind one Traceloop, with a Collector before it."""
    hops = (*HOPS[:3], Hop(place=Place.COLLECTOR, state=HopState.UNKNOWN, text="not known"), HOPS[3])
    diagnosis = a_diagnosis(Fault.INGEST_FAILING, because=("the endpoint answers 503",), hops=hops)
    names = tuple(map(TargetName, ("prod", "eu", "us")))
    together = Corroboration(backend="Traceloop", targets=names, of=4, since=START)
    return a_notice(incident=an_incident(diagnosis), together=together)


KINDS = {
    kind.__name__: kind
    for kind in (
        opened,
        drift,
        again,
        changed,
        turned_critical,
        reminder,
        escalated,
        acknowledged,
        silenced,
        waiting,
        resolved,
        recounted,
        missed,
        corroborated,
    )
}
"""One notice of every kind that is reported."""
