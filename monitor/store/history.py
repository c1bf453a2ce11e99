"""What of the events is kept, and how: looks that say the same are folded into one entry."""

from monitor.core.events import Checked, Event, RemoteAnswered, RunSkipped
from monitor.core.model import CheckName, Seconds, TargetName, Verdict
from monitor.store import Recorded

FOLD_WITHIN: Seconds = 3600.0
"""An entry spans at most this long, so that a month of quiet looks is some hundred entries per check and not a million."""

Lane = tuple[TargetName, CheckName]
"""What may be folded with each other: the looks of one check at one target."""


def record(event: Event) -> Recorded | None:
    """An event as it is kept; None if it has no time of its own."""
    if isinstance(event, RemoteAnswered | RunSkipped):
        return None
    return Recorded(event=event, at=event.at, until=event.at)


def lane(event: Event) -> Lane | None:
    """With which looks an event may be folded; None if with none."""
    return (event.target, event.check) if isinstance(event, Checked) else None


def fold(before: Recorded | None, event: Event) -> Recorded | None:
    """The entry before, made longer by a look that says the same; None if this is something new."""
    if before is None or not isinstance(event, Checked) or not isinstance(before.event, Checked):
        return None
    if (
        _stands_alone(event)
        or _said(before.event) != _said(event)
        or not before.until <= event.at < before.at + FOLD_WITHIN
    ):
        return None
    return Recorded(event=before.event, at=before.at, until=event.at, times=before.times + 1)


def _stands_alone(look: Checked) -> bool:
    """Another configuration is news; and control spans are few, and when each was sent is evidence."""
    return look.config is not None or (look.check is CheckName.CONTROL and look.verdict is not Verdict.UNKNOWN)


def target_of(event: Event) -> TargetName | None:
    """Whom an event is about; None: everybody."""
    target: TargetName | None = getattr(event, "target", None)
    return target


def _said(look: Checked) -> tuple[object, ...]:
    charges = {(each.fault, each.severity, each.conclusive, each.stops_export) for each in look.charges}
    return look.verdict, look.fault, look.blindness, look.conclusive, look.permanent, charges
