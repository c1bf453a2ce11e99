"""Traceloop: it refuses the key, or does not take in what it is sent."""

from monitor.core.canary import ControlSpan
from monitor.core.faults.consequences import NOT_EXPORTED
from monitor.core.faults.rule import Rule
from monitor.core.key import carries_our_key, gateway_header
from monitor.core.model import Charge, Component, Fault, Severity
from monitor.core.state import TargetState

KEY_REJECTED = Rule(
    fault=Fault.KEY_REJECTED,
    component=Component.TRACELOOP,
    severity=Severity.CRITICAL,
    meaning="Traceloop refuses the exporter's key",
    when="A documented route of Traceloop (OTLP ingest, `/v2/warehouse/spans`) answers 401 to the expected key, and the gateway is "
    "not known to carry another one.",
    settles="At once if the gateway's header, read literally after the 401, holds the same key; else after `fail_after`.",
    because="Which route refused, and whether the gateway carries the same key or that cannot be told.",
    advice="Generate a new key in Traceloop (Settings, API keys) and put it into the gateway and into the monitor.",
    explains=NOT_EXPORTED | {Fault.INGEST_FAILING},
)

INGEST_FAILING = Rule(
    fault=Fault.INGEST_FAILING,
    component=Component.TRACELOOP,
    severity=Severity.CRITICAL,
    meaning="Traceloop does not take in traces",
    when="The expected endpoint answers a span of our own with a 3xx, a 5xx or a 4xx other than 401 and 429, rejects it in part, or "
    "gives no answer while another service answers the monitor; or it accepts the span, and a documented read that succeeds at or "
    "after `missing_after` does not show it.",
    settles="After `fail_after` spans in a row.",
    because="What the endpoint answered, or which control span is not shown, and whether this route has ever shown us one.",
    advice="Look at https://status.traceloop.com and write to Traceloop with what was seen; the gateway is not at fault.",
    explains=NOT_EXPORTED,
)


def judge_refused_key(state: TargetState, where: str) -> Charge | None:
    """What a 401 of a documented route means; None when our own key is the outdated one, so that nothing can be said.

    Conclusive only if the gateway's header was read literally after the 401 and holds the same key: before it, a rotation may have
    been under way.
    """
    header = gateway_header(state)
    if header is not None and header.another_key:
        return None
    same = carries_our_key(state, state.key_refused_at or 0.0)
    return Charge(
        fault=Fault.KEY_REJECTED,
        summary=f"{where} answers 401 to the expected key",
        facts=(_SAME_KEY if same else _SAME_KEY_BEFORE if same is None else _UNKNOWN_KEY,),
        step=_STEP_SAME if same else _STEP_UNKNOWN,
        conclusive=same is True,
        stops_export=True,
    )


_SAME_KEY = "the gateway's exporter carries the same key"
_SAME_KEY_BEFORE = "the gateway's exporter carried the same key when it was read last, which was before that"
_UNKNOWN_KEY = "whether the gateway carries the same key cannot be told: the monitor's copy may be the outdated one"
_STEP_SAME = (
    "Generate a new key in Traceloop (Settings, API keys) and put it into the gateway's exporter and into the monitor: both hold "
    "the refused one."
)
_STEP_UNKNOWN = (
    "Look in Traceloop (Settings, API keys) whether the key was rotated: if the gateway has the new one, give it to the monitor "
    "(`traceloop.api_key`); else generate one and give it to both."
)


def hide(control: ControlSpan, *, route_is_known: bool) -> Charge:
    """A span of our own that was accepted and is not shown; `route_is_known`: this route has shown us one before."""
    never = () if route_is_known else ("this route has never shown us a span of our own",)
    return Charge(
        fault=Fault.INGEST_FAILING,
        summary="Traceloop accepted a span of our own and does not show it",
        facts=(f"control span {control.trace_id}", *never),
        stops_export=True,
    )
