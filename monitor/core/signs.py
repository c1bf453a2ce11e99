"""What became of canaries, as every judgement asks it: good, bad, and in words."""

from monitor.core.canary import Canary, Outcome

_SHOWN = frozenset({Outcome.ARRIVED, Outcome.LATE, Outcome.INCOMPLETE})


def arrived(canary: Canary) -> bool:
    """Proof that the export works: at least part of the trace was there."""
    return canary.outcome in _SHOWN


def newest_arrived(canaries: tuple[Canary, ...]) -> Canary | None:
    """The newest canary whose whole trace has arrived."""
    whole = (Outcome.ARRIVED, Outcome.LATE)
    return next((canary for canary in reversed(canaries) if canary.outcome in whole), None)


def lost(canary: Canary) -> bool:
    """A loss that nothing known explains."""
    return canary.outcome is Outcome.MISSING and not canary.excused


def misrouted_to(canary: Canary) -> str | None:
    """The other environment that its trace is in: our own key shows it there, or another key while ours does not show it."""
    ours = canary.labels.environment if canary.labels is not None else None
    return ours or (canary.elsewhere if not arrived(canary) else None)


def count_text(canaries: tuple[Canary, ...]) -> str:
    """How many in a row."""
    return "1 trace" if len(canaries) == 1 else f"{len(canaries)} traces in a row"


def ids_text(canaries: tuple[Canary, ...]) -> str:
    """The newest three by their ids; by their nonce where the id is not known."""
    shown = [canary.trace_id or f"nonce {canary.nonce}" for canary in canaries[-3:]]
    return f"trace {', '.join(shown)}"
