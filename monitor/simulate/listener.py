"""Hears what becomes of incidents: counts them, and notes what a silence keeps from everybody."""

from collections.abc import Callable

from monitor.core.events import Event, IncidentChanged
from monitor.core.incident import Reason
from monitor.core.model import TargetName
from monitor.core.silence import Silence, silenced_until
from monitor.notifiers.wording import is_a_moment, utc
from monitor.runner import TargetJournal
from monitor.simulate.chronicle import Chronicle


class IncidentListener:
    """Writes into a chronicle."""

    def __init__(
        self,
        chronicle: Chronicle,
        *,
        silences: Callable[[], tuple[Silence, ...]],
        journal: Callable[[TargetName], TargetJournal | None],
    ) -> None:
        self._chronicle = chronicle
        self._silences = silences
        self._journal = journal

    def hear(self, event: Event) -> None:
        """One event."""
        if not isinstance(event, IncidentChanged):
            return
        if event.reason is Reason.OPENED:
            again = self._has_been_open(event)
            self._chronicle.reopened += again
            self._chronicle.incidents += not again
        until = silenced_until(self._silences(), event.target, event.fault, event.at)
        if until is not None:
            how_long = f" until {utc(until)}" if is_a_moment(until) else ""
            self._chronicle.note(event.at, f"{event.target}: {event.fault} {event.reason}, silenced{how_long}")

    def _has_been_open(self, event: IncidentChanged) -> bool:
        journal = self._journal(event.target)
        known = journal.state.incidents if journal is not None else ()
        return any(one.id == event.id and one.reopened for one in known)
