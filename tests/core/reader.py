"""A notifier and its reader, as the tests of notices see them: what is delivered, what is recorded, what the reader believes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from monitor.core.incident import Incident, Notice, Reason
from monitor.core.inputs import NoticeDelivered
from monitor.core.model import Fault, Instant, Severity
from monitor.core.notify import compose, due, record
from tests.core.build import Story

Belief = tuple[Fault, Severity]

SilencedUntil = Callable[[Incident], Instant | None]


def never(_incident: Incident) -> None:
    """Nothing is silenced."""


@dataclass(frozen=True)
class Reader:
    """What was delivered, oldest first; a reader believes the newest message about each incident."""

    name: str = "slack"
    received: tuple[Notice, ...] = field(default=())

    @property
    def believes(self) -> dict[str, Belief]:
        """The incidents that the reader takes for open, with name and severity."""
        newest = {notice.incident.id: notice.incident for notice in self.received}
        return {
            name: (incident.diagnosis.fault, incident.diagnosis.severity)
            for name, incident in newest.items()
            if incident.open
        }

    def due(self, story: Story, silenced: SilencedUntil = never) -> list[tuple[Incident, Reason]]:
        """What it must be sent now."""
        reasons = [
            (
                incident,
                due(
                    incident,
                    incident.notified.get(self.name),
                    silenced_until=silenced(incident),
                    policy=story.policy,
                    now=story.now,
                ),
            )
            for incident in story.state.incidents
        ]
        return [(incident, reason) for incident, reason in reasons if reason is not None]

    def receives(
        self,
        story: Story,
        incident: Incident,
        reason: Reason,
        *,
        silenced: SilencedUntil = never,
        recorded: bool = True,
    ) -> "Reader":
        """One message is delivered; `recorded` False: its answer was lost, or the program died before it was written down."""
        due_now = Notice(
            reason=reason,
            incident=incident,
            at=story.now,
            notified=incident.notified.get(self.name),
            silenced_until=silenced(incident),
        )
        notice = compose(due_now, may_mention=True, labels={}, now=story.now)
        if recorded:
            notified = record(notice, {"ts": "1"})
            story.feed(NoticeDelivered(at=story.now, incident_id=incident.id, notifier=self.name, notified=notified))
        return replace(self, received=(*self.received, notice))

    def is_brought_up_to_date(self, story: Story, silenced: SilencedUntil = never) -> "Reader":
        """Everything that is due is delivered."""
        reader = self
        for _ in range(20):
            waiting = reader.due(story, silenced)
            if not waiting:
                return reader
            reader = reader.receives(story, *waiting[0], silenced=silenced)
        raise AssertionError("there is no end to what is due")
