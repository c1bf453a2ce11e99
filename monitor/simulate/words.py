"""What a timeline may call things: the faults of the sandbox, and what a check finds. Pure."""

from collections.abc import Mapping

from monitor.core.model import Blindness, Charge, CheckName, Fault, Finding, failing, unknown
from monitor.sandbox import FAULTS
from monitor.settings.problem import did_you_mean

_SLACK = "slack_"
_SCRIPTED = "as the timeline says"

OUTAGES: tuple[str, ...] = tuple(name for name in FAULTS if not name.startswith(_SLACK))
"""What may break at a target."""

SLACK_TROUBLES: tuple[str, ...] = tuple(name.removeprefix(_SLACK) for name in FAULTS if name.startswith(_SLACK))
"""What may be wrong with Slack."""

ARRIVED = "arrived"

FATES: Mapping[str, str] = {
    "missing": "export_failing",
    "late": "trace_late",
    "incomplete": "trace_incomplete",
    "unknown": "read_api_failing",
}
"""What may become of the traces of the canaries that are sent from then on, by the fault that makes it so."""

_CHARGEABLE: Mapping[CheckName, tuple[Fault, ...]] = {
    CheckName.CONFIG: (Fault.EXPORTER_DISABLED, Fault.CONFIG_DRIFT),
    CheckName.GATEWAY: (Fault.GATEWAY_UNREACHABLE,),
    CheckName.CANARY: (Fault.PROVIDER_FAILING, Fault.CANARY_REJECTED, Fault.GATEWAY_REFUSED, Fault.RATE_LIMITED),
    CheckName.CONTROL: (Fault.INGEST_FAILING, Fault.KEY_REJECTED),
}
_BLIND = tuple(each for each in Blindness if each not in {Blindness.NOTHING_TO_JUDGE, Blindness.PAUSED})


class Unsaid(ValueError):
    """Words that mean nothing; the text says what would."""


def slack_fault(trouble: str) -> str:
    """The sandbox's name for a trouble of Slack. Raises Unsaid."""
    return f"{_SLACK}{pick(trouble, SLACK_TROUBLES, 'a trouble of Slack')}"


def is_of_slack(fault: str) -> bool:
    """Whether it is Slack that is in trouble, and not a target."""
    return fault.startswith(_SLACK)


def pick(word: str, known: tuple[str, ...], what: str) -> str:
    """A word of a list. Raises Unsaid with a guess, or else with the list."""
    if word in known:
        return word
    guess = did_you_mean(word, known)
    raise Unsaid(f"is not {what}; " + (f"did you mean `{guess}`?" if guess else f"allowed: {', '.join(known)}"))


def finding_of(check: CheckName, words: str) -> Finding | None:
    """What a check finds: `pass` (None: it looks by itself), `fail [fault]`, `unknown [reason]`. Raises Unsaid."""
    verdict, _, rest = words.partition(" ")
    match pick(verdict, ("pass", "fail", "unknown"), "a verdict"):
        case "fail":
            return _failing(check, rest.strip())
        case "unknown":
            return _unknown(rest.strip())
    if rest.strip():
        raise Unsaid("says more than `pass`; allowed: pass")
    return None


def _failing(check: CheckName, name: str) -> Finding:
    known = _CHARGEABLE[check]
    fault = Fault(pick(name, tuple(map(str, known)), f"a fault that `{check}` finds")) if name else known[0]
    charge = Charge(
        fault=fault,
        summary=_SCRIPTED,
        conclusive=check is CheckName.CONFIG,
        stops_export=check in {CheckName.CONFIG, CheckName.CONTROL},
    )
    return failing(charge.summary, charge)


def _unknown(reason: str) -> Finding:
    blindness = Blindness(pick(reason, tuple(map(str, _BLIND)), "a reason not to know")) if reason else _BLIND[0]
    return unknown(_SCRIPTED, blindness)
