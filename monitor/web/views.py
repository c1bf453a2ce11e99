"""What the web asks of the rest of the program: what it shows, and what it may change."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol

from starlette.exceptions import HTTPException

from monitor.core.incident import Incident
from monitor.core.inputs import NoticeDelivered
from monitor.core.model import CheckName, TargetName
from monitor.core.silence import Silence
from monitor.core.state import State
from monitor.ports import Clock
from monitor.web.day import Day
from monitor.web.panel import About
from monitor.web.payloads import describe_silence, parse_silence

_ID_DIGITS = 8


async def _no_notices(_incident: Incident) -> tuple[NoticeDelivered, ...]:
    return ()


class NotFound(HTTPException):
    """There is nothing of that name. Its `detail` is for whoever asked."""

    def __init__(self, detail: str) -> None:
        super().__init__(404, detail)


class Rejected(HTTPException):
    """It cannot be done now. Its `detail` is for whoever asked: redacted, no traceback."""

    def __init__(self, detail: str) -> None:
        super().__init__(422, detail)


class Incidents(Protocol):
    """The incidents remembered, newest first, each as the object of the API."""

    def __call__(self, *, open_only: bool) -> list[dict[str, Any]]:
        """All of them, or those that last."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What is shown, asked for at each request, in the thread of the event loop.

    `report` is the status object of the API; `troubles` are sentences about the monitor itself (Slack does not answer, the
    state is not being written); `ready` names each condition of readiness.
    """

    report: Callable[[], Mapping[str, Any]]
    state: Callable[[], State]
    incidents: Incidents
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]]
    healthy: Callable[[], bool]
    ready: Callable[[], Mapping[str, bool]]
    troubles: Callable[[], tuple[str, ...]]
    version: str
    about: Callable[[], Mapping[TargetName, About]] = dict
    notices: Callable[[Incident], Awaitable[tuple[NoticeDelivered, ...]]] = _no_notices
    is_configured: Callable[[Silence], bool] = lambda _silence: False
    external_url: str | None = None
    day: Day = field(default_factory=Day)


class Operations(Protocol):
    """What an operator may change. Each raises NotFound or Rejected."""

    async def run_checks(self, target: TargetName) -> tuple[CheckName, ...]:
        """Have every enabled check of a target look now; which ones."""
        ...

    async def reload(self) -> None:
        """Read the configuration again; Rejected if it is bad, and then nothing has changed."""
        ...

    async def acknowledge(self, incident_id: str, by: str) -> None:
        """End reminders and escalation of an open incident until it gets worse."""
        ...

    async def add_silence(self, silence: Silence) -> None:
        """Begin to mute notifications."""
        ...

    async def expire_silence(self, silence_id: str) -> None:
        """End a silence; Rejected for one that is in the configuration."""
        ...


async def add_silence(body: Mapping[str, Any], views: Views, operations: Operations, clock: Clock) -> dict[str, Any]:
    """A new silence as the API describes it, with the targets that it covers.

    Raises HTTPException 400 for what is wrong with it, also if it covers no target: it would mute nothing.
    """
    now = clock.now()
    silence = parse_silence(body, identifier=clock.draw_hex(_ID_DIGITS), now=now)
    targets = list(views.report()["targets"])
    covers = [name for name in targets if fnmatchcase(name, silence.target)]
    if not covers:
        raise HTTPException(400, f"no target matches {silence.target!r}; there are: {', '.join(targets)}")
    await operations.add_silence(silence)
    return {**describe_silence(silence, now), "covers": covers}
