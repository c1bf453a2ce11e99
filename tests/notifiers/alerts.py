"""An Alertmanager as far as its alerts go, with a clock of its own: what it was told, and what it makes of it now.

As https://github.com/prometheus/alertmanager has it: `api/v2/api.go` (what is refused), `types/types.go` (`Merge`),
`provider/mem/mem.go` (`Put`: overlapping alerts are merged, the newer one wins else).
"""

import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate
from typing import Any

from monitor.ports import Clock
from tests.notifiers.slack.scripted import Said

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Known:
    """An alert that it knows."""

    starts_at: float
    ends_at: float
    annotations: Mapping[str, str]

    def overlaps(self, other: "Known") -> bool:
        """Whether another, newer one is about the same stretch of time."""
        moments = (other.starts_at, other.ends_at)
        return any(self.starts_at < moment < self.ends_at for moment in moments)


class FakeAlertmanager:
    """Serves `POST …/api/v2/alerts`. `script` is consumed first, an entry for each request; None is served."""

    def __init__(self, clock: Clock, *, skew: float = 0.0) -> None:
        self._clock = clock
        self.skew = skew
        self.alerts: dict[Labels, Known] = {}
        self.posted: list[list[dict[str, Any]]] = []
        self.script: deque[Said | None] = deque()
        self.paths: list[str] = []

    def now(self) -> float:
        """By its own clock."""
        return self._clock.now() + self.skew

    def firing(self) -> list[Labels]:
        """What it would tell people is going on."""
        return [labels for labels, known in self.alerts.items() if known.ends_at > self.now()]

    def restart(self) -> None:
        """Alerts are not kept on disk."""
        self.alerts.clear()

    def _answer(self, body: bytes) -> Said:
        alerts = json.loads(body)
        for alert in alerts:
            if any(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) is None for name in alert["labels"]):
                return Said(400, b'"invalid label set: invalid name"')
            if _moment(alert["endsAt"]) < _moment(alert["startsAt"]):
                return Said(400, b'"start time must be before end time"', {"content-type": "application/json"})
        for alert in alerts:
            self._put(alert)
        self.posted.append(alerts)
        return Said(200, b"")

    def _put(self, alert: Mapping[str, Any]) -> None:
        labels = frozenset((name, value) for name, value in alert["labels"].items() if value)
        new = Known(_moment(alert["startsAt"]), _moment(alert["endsAt"]), alert["annotations"])
        old = self.alerts.get(labels)
        self.alerts[labels] = new if old is None or not old.overlaps(new) else self._merge(old, new)

    def _merge(self, old: Known, new: Known) -> Known:
        ended = new.ends_at <= self.now()
        ends_at = new.ends_at if ended and old.ends_at > self.now() else max(old.ends_at, new.ends_at)
        return Known(min(old.starts_at, new.starts_at), ends_at, new.annotations)

    async def asgi(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Serve one request in this process."""
        body = (await receive())["body"]
        self.paths.append(scope["path"])
        scripted = self.script.popleft() if self.script else None
        said = scripted if scripted is not None else self._answer(body)
        headers = {"date": formatdate(self.now(), usegmt=True), **said.headers}
        head = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": head})
        await send({"type": "http.response.body", "body": said.body})


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
