"""The JSON of the API: what each answer and each body holds.

The OpenAPI document is made from these, and the tests hold the answers of a real daemon to them, key by key. Each moment is there
twice: as Unix seconds, and as RFC 3339 under a name that ends in `_time`.
"""

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from monitor.core.model import CheckName, Component, Fault, Scalar, Verdict

SeverityName = Literal["none", "warning", "critical"]
DayName = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Instant = Annotated[float, "Unix seconds"]
Time = Annotated[str, "RFC 3339"]


class CheckPayload(TypedDict):
    """The newest result of one check."""

    verdict: Verdict
    fault: Fault | None
    summary: str
    evidence: dict[str, Scalar]
    duration_seconds: float | None


class TargetPayload(TypedDict):
    """One target: what is wrong with it, if anything, and what each enabled check says."""

    verdict: Verdict
    fault: Fault | None
    severity: SeverityName | None
    component: Component | None
    also: list[Fault]
    because: list[str]
    advice: str
    summary: str
    checks: dict[CheckName, CheckPayload]
    caveats: list[str]
    mentions_wait_for: list[str]
    trace_id: str | None
    arrival_seconds: float | None
    last_arrival_at: Instant | None


class TimelinePayload(TypedDict):
    """One step in the life of an incident."""

    at: Instant
    time: Time
    fault: Fault
    severity: SeverityName
    text: str


class IncidentPayload(TypedDict):
    """One incident; open while `closed_at` is null."""

    id: str
    target: str
    open: bool
    fault: Fault
    severity: SeverityName
    component: Component
    summary: str
    because: list[str]
    explained: list[Fault]
    also: list[Fault]
    advice: str
    waiting: str | None
    since: Instant
    since_time: Time
    began_at: Instant
    began_time: Time
    opened_at: Instant
    opened_time: Time
    closed_at: Instant | None
    closed_time: Time | None
    closed_because: str
    reopened: int
    acknowledged_by: str | None
    losses: str | None
    late_trace_ids: list[str]
    lost_trace_ids: list[str]
    trace_ids: list[str]
    history: list[TimelinePayload]


class StatusPayload(TypedDict):
    """Every target, and the open incidents."""

    verdict: Verdict
    targets: dict[str, TargetPayload]
    incidents: list[IncidentPayload]


class IncidentsPayload(TypedDict):
    """The incidents that are remembered, newest first."""

    incidents: list[IncidentPayload]


class WeeklyPayload(TypedDict):
    """A window that comes back every week, in local time of `zone`; past midnight where `end` is not after `start`."""

    days: list[DayName]
    start: str
    end: str
    zone: str


Between = TypedDict(
    "Between", {"from": Instant | None, "from_time": Time | None, "to": Instant | None, "to_time": Time | None}
)


class SilencePayload(Between):
    """One silence; `active` says whether it mutes anything now."""

    id: str
    target: str
    fault: Fault | None
    weekly: WeeklyPayload | None
    comment: str
    author: str
    active: bool


class SilencesPayload(TypedDict):
    """Every silence, of the configuration and added since."""

    silences: list[SilencePayload]


class AddedSilencePayload(SilencePayload):
    """A new silence, with the targets that it covers."""

    covers: list[str]


class WeeklyBody(TypedDict):
    """A weekly window; the zone is UTC unless it is given."""

    days: list[DayName]
    start: str
    end: str
    zone: NotRequired[str]


SilenceSpan = TypedDict("SilenceSpan", {"from": NotRequired[Instant | Time | None], "for": NotRequired[float | None]})


class SilenceBody(SilenceSpan):
    """A silence to be added: either `weekly` alone, or `to` or `for` (seconds), with `from` from 1970 to ten years ahead."""

    target: NotRequired[str]
    fault: NotRequired[Fault | None]
    to: NotRequired[Instant | Time | None]
    weekly: NotRequired[WeeklyBody | None]
    comment: NotRequired[str]
    author: NotRequired[str]


class AcknowledgeBody(TypedDict):
    """Who acknowledges."""

    by: NotRequired[str]


class AcknowledgedPayload(TypedDict):
    """What was acknowledged, and by whom."""

    acknowledged: str
    by: str


class ExpiredPayload(TypedDict):
    """Which silence has ended."""

    expired: str


class StartedPayload(TypedDict):
    """Which checks run now."""

    target: str
    checks: list[CheckName]


class ReloadedPayload(TypedDict):
    """The configuration was read again."""

    reloaded: bool


class ReadyPayload(TypedDict):
    """Each condition of readiness."""

    ready: bool
    conditions: dict[str, bool]


class ProblemPayload(TypedDict):
    """An error as of RFC 9457; `error` says the same as `detail`, for scripts that are older."""

    type: str
    title: str
    status: int
    detail: str
    error: str
