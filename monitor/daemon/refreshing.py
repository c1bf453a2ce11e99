"""Say again what was told, to a notifier whose reader forgets; never while it is being told something else."""

import logging
from collections.abc import Iterator

from monitor.core.incident import Incident, Notice, Reason, Told
from monitor.core.model import Instant, Seconds
from monitor.core.silence import silenced_until
from monitor.daemon.desk import Desk
from monitor.daemon.worker import LIMIT, Worker
from monitor.ports import Refreshing, Undeliverable

_log = logging.getLogger(__name__)

REPEAT_END_FOR: Seconds = 900.0
"""So long a resolve is said again, for who missed it: as long as Prometheus does
(https://github.com/prometheus/prometheus/blob/main/rules/alerting.go, `resolvedRetention`)."""


async def refresh(worker: Worker, desk: Desk) -> None:
    """Refresh one notifier, if it wants that; what goes wrong is kept in its health, and logged when it changes."""
    if not isinstance(worker.notifier, Refreshing):
        return
    health, missed = worker.health, "no answer in time"
    failed_at = desk.clock.monotonic() if health.unrefreshed_since is None else health.unrefreshed_since
    try:
        # What is resolved while it waits for its turn must not be said to be open after that: it is looked up then.
        async with worker.speaking, desk.clock.timeout(LIMIT):
            missed = await worker.notifier.refresh(list(_told(worker.name, desk)))
        health.unrefreshed_since = None
    except (Undeliverable, TimeoutError) as error:
        missed = str(error) or missed
        health.unrefreshed_since = failed_at
    if missed and missed != health.unrefreshed:
        _log.warning("%s could not be refreshed: %s", worker.name, missed)
    health.unrefreshed = missed


def _told(name: str, desk: Desk) -> Iterator[Notice]:
    now, silences = desk.clock.now(), desk.silences()
    for journal in desk.journals():
        for incident in journal.state.incidents:
            told = incident.told.get(name)
            if told is not None and _is_worth_repeating(incident, told, now):
                yield Notice(
                    reason=Reason.EDITED if incident.open else Reason.RESOLVED,
                    incident=incident,
                    at=now,
                    told=told,
                    silenced_until=silenced_until(silences, incident.target, incident.diagnosis.fault, now),
                    labels=desk.labels(incident.target),
                )


def _is_worth_repeating(incident: Incident, told: Told, now: Instant) -> bool:
    """What is open and was told, but not what came back and was not; and what ended lately."""
    if incident.closed_at is None:
        return not told.closed
    return now - incident.closed_at <= REPEAT_END_FOR
