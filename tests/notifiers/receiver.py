"""Receivers in this process: each keeps what it is asked, and answers what it is set to answer, or serves it.

`FakeAlertmanager` is one as far as its alerts go, with a clock of its own: what it was sent, and what it makes of it now. As
https://github.com/prometheus/alertmanager has it: `api/v2/api.go` (what is refused), `types/types.go` (`Merge`),
`provider/mem/mem.go` (`Put`: overlapping alerts are merged, the newer one wins else).
"""

import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import formatdate
from typing import Any

from monitor.ports import Clock


@dataclass(frozen=True, slots=True)
class Said:
    """A raw answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def html(status: int) -> Said:
    """A page of something that is not the receiver."""
    return Said(status, b"<html>Sign in to the network</html>", {"content-type": "text/html"})


class Receiver:
    """`script` is consumed first, an entry for each request: an answer, or None to serve it; then everything is served."""

    def __init__(self) -> None:
        self.script: deque[Said | None] = deque()
        self.taken: list[Any] = []
        self.bodies: list[bytes] = []
        self.heads: list[Mapping[str, str]] = []
        self.paths: list[str] = []

    def serve(self) -> Said:
        """Serve the newest request: take whatever it is."""
        return Said(200, b"{}")

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Said:
        """Answer one request, by the script or by serving it."""
        self.bodies.append(body)
        self.heads.append(headers)
        self.paths.append(path)
        scripted = self.script.popleft() if self.script else None
        said = self.serve() if scripted is None else scripted
        if said.status == 200:
            self.taken.append(json.loads(body))
        return said

    async def asgi(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request in this process."""
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        said = self.answer(scope["path"], headers, (await receive())["body"])
        head = [(name.encode(), value.encode()) for name, value in said.headers.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": head})
        await send({"type": "http.response.body", "body": said.body})


@dataclass(frozen=True)
class Known:
    """An alert that an Alertmanager knows."""

    starts_at: float
    ends_at: float
    annotations: Mapping[str, str]

    def overlaps(self, other: "Known") -> bool:
        """Whether another, newer one is about the same stretch of time."""
        return any(self.starts_at < moment < self.ends_at for moment in (other.starts_at, other.ends_at))


class FakeAlertmanager(Receiver):
    """Serves `POST …/api/v2/alerts`."""

    def __init__(self, clock: Clock, *, skew: float = 0.0) -> None:
        super().__init__()
        self._clock = clock
        self.skew = skew
        self.alerts: dict[frozenset[tuple[str, str]], Known] = {}

    def now(self) -> float:
        """By its own clock."""
        return self._clock.now() + self.skew

    def firing(self) -> list[frozenset[tuple[str, str]]]:
        """What it would notify people of."""
        return [labels for labels, known in self.alerts.items() if known.ends_at > self.now()]

    def restart(self) -> None:
        """Alerts are not kept on disk."""
        self.alerts.clear()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Said:
        """Answer, with the time of its own clock."""
        said = super().answer(path, headers, body)
        return Said(said.status, said.body, {"date": formatdate(self.now(), usegmt=True), **said.headers})

    def serve(self) -> Said:
        """Take the alerts, or none of them."""
        alerts = json.loads(self.bodies[-1])
        for alert in alerts:
            if any(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) is None for name in alert["labels"]):
                return Said(400, b'"invalid label set: invalid name"')
            if moment(alert["endsAt"]) < moment(alert["startsAt"]):
                return Said(400, b'"start time must be before end time"', {"content-type": "application/json"})
        for alert in alerts:
            labels = frozenset((name, value) for name, value in alert["labels"].items() if value)
            new = Known(moment(alert["startsAt"]), moment(alert["endsAt"]), alert["annotations"])
            old = self.alerts.get(labels)
            self.alerts[labels] = new if old is None or not old.overlaps(new) else self._merge(old, new)
        return Said()

    def _merge(self, old: Known, new: Known) -> Known:
        ended = new.ends_at <= self.now()
        ends_at = new.ends_at if ended and old.ends_at > self.now() else max(old.ends_at, new.ends_at)
        return Known(min(old.starts_at, new.starts_at), ends_at, new.annotations)


def moment(text: str) -> float:
    """Unix seconds."""
    return datetime.fromisoformat(text).timestamp()
