"""What an outage of a timeline does: what each check finds meanwhile, and what becomes of the traces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitor.core.faults import NOT_EXPORTED_FROM
from monitor.core.model import CheckName, CheckResult, Fault, Severity, Suspicion, UnknownReason, failing, unknown
from monitor.sandbox import FAULTS
from monitor.settings.problem import did_you_mean
from monitor.settings.values import refusal

CONFIG, GATEWAY, CANARY = CheckName.CONFIG, CheckName.GATEWAY, CheckName.CANARY
ARRIVAL, CONTROL = CheckName.ARRIVAL, CheckName.CONTROL
CHECKS = tuple(map(str, (CONFIG, GATEWAY, CANARY, CONTROL)))
"""The checks of which a timeline can say what they find."""

OUTAGES: tuple[str, ...] = tuple(name for name in FAULTS if not name.startswith("slack_"))
"""What may break at a target: every fault of the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an outage does: what each check finds meanwhile, and what becomes of the traces of canaries that are sent meanwhile.

    `traces`: arrived, missing, some (one of four is missing), late, incomplete, never_made, elsewhere, leaked, bare, mislabelled.
    `configured`: by a change of the exporter's configuration, whatever a comparison would say of them. `unread`: why a look for
    a trace fails. `store`: whether TrueFoundry's own store answers.
    """

    finds: Mapping[CheckName, Fault | UnknownReason] = field(default_factory=dict)
    traces: str = "arrived"
    configured: bool = False
    unread: UnknownReason | None = None
    store: bool = True


NOTHING = Effect()
_EVERYWHERE = dict.fromkeys((CONFIG, GATEWAY, CANARY, CONTROL), UnknownReason.BLOCKED)

EFFECTS: Mapping[str, Effect] = {
    "gateway_unreachable": Effect(finds={GATEWAY: Fault.GATEWAY_UNREACHABLE, CANARY: Fault.GATEWAY_UNREACHABLE}),
    "gateway_refused": Effect(finds={CANARY: Fault.GATEWAY_REFUSED}),
    "gateway_metrics_failing": NOTHING,
    "rate_limited": Effect(finds={CANARY: Fault.RATE_LIMITED}),
    "canary_rejected": Effect(finds={CANARY: Fault.CANARY_REJECTED}),
    "provider_failing": Effect(finds={CANARY: Fault.PROVIDER_FAILING}),
    "trace_not_created": Effect(traces="never_made"),
    "exporter_disabled": NOTHING,  # of this and of each drift the manifest tells what is found, and what becomes of traces
    "config_drift": NOTHING,
    "config_drift_key": Effect(traces="missing", configured=True),  # where a key is no place, a comparison cannot tell
    "config_drift_filter_splits": Effect(traces="incomplete", configured=True),
    "config_drift_rotation": Effect(
        finds={CONTROL: Fault.KEY_REJECTED}, configured=True, unread=UnknownReason.REFUSED
    ),  # the exporter's key is good, and the monitor's is not
    "wrong_environment": Effect(traces="elsewhere", configured=True),
    "content_leaked": Effect(traces="leaked"),
    "content_missing": Effect(traces="bare"),
    "export_failing": Effect(traces="missing"),
    "trace_missing": Effect(traces="missing", store=False),
    "trace_missing_some": Effect(traces="some"),
    "trace_incomplete": Effect(traces="incomplete"),
    "trace_late": Effect(traces="late"),
    "trace_mislabelled": Effect(traces="mislabelled"),
    "trace_duplicated": NOTHING,
    "traffic_sampled": NOTHING,
    "logging": NOTHING,
    "routed": NOTHING,
    "key_rejected": Effect(finds={CONTROL: Fault.KEY_REJECTED}, traces="missing", unread=UnknownReason.REFUSED),
    "ingest_failing": Effect(finds={CONTROL: Fault.INGEST_FAILING}, traces="missing"),
    "ingest_throttled": Effect(finds={CONTROL: UnknownReason.REFUSED}, traces="missing"),
    "read_api": Effect(unread=UnknownReason.UNREACHABLE),
    "read_api_pages": NOTHING,  # it harms only who has more traces than one page holds
    "blind": Effect(finds=_EVERYWHERE, unread=UnknownReason.BLOCKED, store=False),
    "control_plane": Effect(finds={CONFIG: UnknownReason.UNREACHABLE}, store=False),
    "own_store": Effect(store=False),
}
"""By the beginning of an outage's name; the longest counts."""

TRACE_OUTCOMES: Mapping[str, Effect] = {
    "arrived": NOTHING,
    "missing": EFFECTS["export_failing"],
    "late": EFFECTS["trace_late"],
    "incomplete": EFFECTS["trace_incomplete"],
    "unknown": EFFECTS["read_api"],
}
"""What may become of the traces of the canaries that are sent from then on."""

_FOUND_BY: Mapping[CheckName, tuple[Fault, ...]] = {
    CONFIG: (Fault.EXPORTER_DISABLED, Fault.CONFIG_DRIFT),
    GATEWAY: (Fault.GATEWAY_UNREACHABLE,),
    CANARY: (Fault.PROVIDER_FAILING, Fault.CANARY_REJECTED, Fault.GATEWAY_REFUSED, Fault.RATE_LIMITED),
    CONTROL: (Fault.INGEST_FAILING, Fault.KEY_REJECTED),
}
_REASONS = tuple(each for each in UnknownReason if each not in {UnknownReason.NOTHING_TO_JUDGE, UnknownReason.PAUSED})


def effect_of(outage: str) -> Effect:
    """What an outage does."""
    return EFFECTS[max((name for name in EFFECTS if f"{outage}_".startswith(f"{name}_")), key=len)]


def pick(word: str, known: Iterable[str], what: str) -> str:
    """A word of a list. Raises PydanticCustomError with a guess, or else with the list."""
    if word in known:
        return word
    guess = did_you_mean(word, known)
    raise refusal(f"is not {what}; " + (f"did you mean `{guess}`?" if guess else f"allowed: {', '.join(known)}"))


def parse_finding(check: CheckName, words: str) -> CheckResult | None:
    """What a check finds: `pass` (None: what is really there), `fail [fault]`, `unknown [reason]`. Raises PydanticCustomError."""
    verdict, _, rest = words.partition(" ")
    pick(verdict, ("pass", "fail", "unknown"), "a verdict")
    rest, said = rest.strip(), "as the timeline says"
    if verdict == "fail":
        known = _FOUND_BY[check]
        fault = Fault(pick(rest, tuple(map(str, known)), f"a fault that `{check}` finds")) if rest else known[0]
        return finding(check, fault, said, stops=check in (CONFIG, CONTROL))
    if verdict == "unknown":
        reason = UnknownReason(pick(rest, tuple(map(str, _REASONS)), "a reason not to know")) if rest else _REASONS[0]
        return finding(check, reason, said, stops=False)
    if rest:
        raise refusal("says more than `pass`; allowed: pass")
    return None


def finding(check: CheckName, found: Fault | UnknownReason, said: str, *, stops: bool) -> CheckResult:
    """What a check reports; `stops`: that no trace can arrive meanwhile."""
    if isinstance(found, UnknownReason):
        return unknown(said, found)
    drift = found is Fault.CONFIG_DRIFT  # one that stops the export: `core.suspicions.drift` says the same of it
    return failing(
        Suspicion(
            fault=found,
            summary=said,
            impact=NOT_EXPORTED_FROM if drift else "",
            severity=Severity.CRITICAL if drift else None,
            conclusive=check is CONFIG,
            stops_export=stops,
        ),
    )
