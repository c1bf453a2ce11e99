"""Webs that show made-up targets, for a browser: healthy, each fault, silenced, fifty targets. The engine makes their states."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from starlette.types import ASGIApp

from monitor.clock import SystemClock
from monitor.core.canary import Canary, Outcome
from monitor.core.incident import Diagnosis, Incident, Losses, Notified, Reason
from monitor.core.inputs import NoticeDelivered
from monitor.core.model import CheckName, Component, Fault, Instant, Severity, TargetName, TraceId
from monitor.core.silence import Silence
from monitor.core.state import DAY, Budget, Policy, State, TargetState
from monitor.daemon.status import describe
from monitor.web.app import make_app
from monitor.web.day import Day
from monitor.web.panel import About
from monitor.web.views import Operations, Views
from tests.core.build import Story, trace_id
from tests.core.paths import EVERY_FAULT, healthy, lossy, refused, switched_off, unable_to_look, unreachable

T = TypeVar("T")

NOW: Instant = 1_800_000_000.0 + 8 * 3600
LINKS = (("TrueFoundry", "https://acme.truefoundry.cloud"), ("Traceloop", "https://app.traceloop.com"))
INCIDENT = "prod-20270115-074800"
PAST = "prod-20270114-221000"


class StandingClock(SystemClock):
    """Shows one moment."""

    def now(self) -> Instant:
        """Always the same."""
        return NOW


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a target has lived through, and what is known of it besides."""

    story: Story
    share_lost: float = 0.0
    labels: Mapping[str, str] = field(default_factory=lambda: {"team": "ml-platform"})
    acknowledged_by: str | None = None
    past: bool = False


class Recorder:
    """Implements `monitor.web.views.Operations`; writes down what it was asked for."""

    def __init__(self) -> None:
        self.done: list[tuple[object, ...]] = []

    async def run_checks(self, target: TargetName) -> tuple[CheckName, ...]:
        """As of the protocol."""
        self.done.append(("run", target))
        return ()

    async def reload(self) -> None:
        """As of the protocol."""
        self.done.append(("reload",))

    async def acknowledge(self, incident_id: str, by: str) -> None:
        """As of the protocol."""
        self.done.append(("acknowledge", incident_id, by))

    async def add_silence(self, silence: Silence) -> None:
        """As of the protocol."""
        self.done.append(("silence", silence.target, silence.fault, silence.comment))

    async def expire_silence(self, silence_id: str) -> None:
        """As of the protocol."""
        self.done.append(("expire", silence_id))


def moved(value: T, by: float) -> T:
    """The same value, each of its moments later."""
    if isinstance(value, float) and value > 1e9:
        return cast("T", value + by)
    if isinstance(value, tuple):
        return cast("T", tuple(moved(item, by) for item in value))
    if isinstance(value, dict):
        return cast("T", {key: moved(item, by) for key, item in value.items()})
    if is_dataclass(value) and not isinstance(value, type):
        return cast("T", replace(value, **{one.name: moved(getattr(value, one.name), by) for one in fields(value)}))
    return value


def a_day(share_lost: float, seed: int) -> tuple[Canary, ...]:
    """The canaries of the hours before the story, one each five minutes."""
    chance, canaries = random.Random(seed), []  # noqa: S311 - no secret
    for number in range(284):
        at = NOW - DAY + 100 + 300.0 * number
        drawn, took = chance.random(), chance.lognormvariate(1.5, 0.35)
        outcome: Outcome = next(
            (
                kind
                for kind, share in (
                    (Outcome.MISSING, share_lost),
                    (Outcome.LATE, 1.6 * share_lost),
                    (Outcome.INCOMPLETE, 2.0 * share_lost),
                    (Outcome.UNKNOWN, 2.4 * share_lost),
                )
                if drawn < share
            ),
            Outcome.ARRIVED,
        )
        late = 190 + 60 * chance.random()
        arrived = {Outcome.ARRIVED: at + took, Outcome.LATE: at + late}.get(outcome)
        canaries.append(
            Canary(
                id=f"day-{number}",
                sent_at=at,
                answered_at=at,
                sent_id=trace_id(number),
                span_id="ours",
                nonce=f"n{number}",
                accepted=True,
                trace_id=TraceId(f"{chance.getrandbits(128):032x}"),
                outcome=outcome,
                arrived_at=arrived,
                incomplete="the root is missing" if outcome is Outcome.INCOMPLETE else "",
            )
        )
    return tuple(canaries)


def past_incident() -> Incident:
    """A warning that is over since hours."""
    diagnosis = Diagnosis(
        fault=Fault.TRACE_LATE,
        severity=Severity.WARNING,
        component=Component.EXPORT,
        summary="Traces arrive late: 2 traces in a row came late",
    )
    return Incident(
        id=PAST,
        target=TargetName("prod"),
        opened_at=NOW - 36_000,
        closed_at=NOW - 33_000,
        closed_because="later traces arrived",
        diagnosis=diagnosis,
        losses=Losses(sent=12, late=4, longest_delay=241.0, late_ids=("ab" * 16,)),
    )


def state_of(name: TargetName, shown: Shown) -> TargetState:
    """The state at the end of a story, as of now."""
    state = moved(shown.story.state, NOW - shown.story.now)
    acked_at = NOW - 60 if shown.acknowledged_by else None
    open_ones = tuple(
        replace(
            one,
            id=INCIDENT if name == "prod" else f"{name}-1",
            target=name,
            acked_by=shown.acknowledged_by,
            acked_at=acked_at,
        )
        for one in state.incidents
    )
    return replace(
        state,
        target=name,
        incidents=((past_incident(),) if shown.past else ()) + open_ones,
        certificates={"gateway.truefoundry.ai": NOW + 40 * DAY, "api.traceloop.com": NOW + 9 * DAY},
        budget=Budget(day=int(NOW // DAY), sent=211, input_tokens=4000, output_tokens=3300),
    )


def a_web(
    shown: Mapping[str, Shown],
    *,
    troubles: tuple[str, ...] = (),
    silences: tuple[Silence, ...] = (),
    operations: Operations | None = None,
) -> ASGIApp:
    """A web that shows these targets."""
    states = {TargetName(name): state_of(TargetName(name), one) for name, one in shown.items()}
    policies: dict[TargetName, Policy] = {TargetName(name): one.story.policy for name, one in shown.items()}
    day = Day()
    days = {
        name: replace(state, canaries=a_day(shown[name].share_lost, seed))
        for seed, (name, state) in enumerate(states.items())
    }
    day.note(days, NOW)
    about = {
        TargetName(name): About(
            policy=one.story.policy,
            labels=one.labels,
            links=LINKS,
            next_runs={
                CheckName.CONFIG: NOW + 41,
                CheckName.GATEWAY: NOW + 3,
                CheckName.CANARY: NOW + 200,
                CheckName.CONTROL: NOW + 1500,
            },
            token_expiries={"gateway": NOW + 3 * DAY},
        )
        for name, one in shown.items()
    }

    async def metrics(_accept: str) -> tuple[bytes, str]:
        return b"", "text/plain"

    async def notices(incident: Incident) -> tuple[NoticeDelivered, ...]:
        at, diagnosis = incident.opened_at + 3, incident.diagnosis
        notified = Notified(
            reason=Reason.OPENED, fault=diagnosis.fault, severity=diagnosis.severity, at=at, mentioned_at=at
        )
        return tuple(
            NoticeDelivered(at=at, incident_id=incident.id, notifier=name, notified=notified)
            for name in ("slack", "alertmanager")
        )

    views = Views(
        report=lambda: describe({str(name): (state, policies[name]) for name, state in states.items()}, NOW),
        state=lambda: State(targets=states, silences=silences),
        incidents=lambda *, open_only: [],  # noqa: ARG005 - no page asks
        metrics=metrics,
        healthy=lambda: True,
        ready=dict,
        troubles=lambda: troubles,
        version="1.0.0",
        about=lambda: about,
        notices=notices,
        day=day,
    )
    return make_app(
        views,
        operations or Recorder(),
        clock=StandingClock(),
        read_token=lambda: None,
        admin_token=lambda: "admin-token",
    )


def fifty() -> dict[str, Shown]:
    """Fifty targets, five of them broken in five ways."""
    broken: dict[int, Callable[[], Story]] = {
        3: switched_off,
        11: unreachable,
        24: lambda: lossy(origin=True, control=True),
        37: unable_to_look,
        41: lambda: refused(Fault.RATE_LIMITED),
    }
    return {
        f"{('prod', 'staging', 'dev')[number % 3]}-{('eu', 'us', 'ap')[number % 7 % 3]}-{number:02d}": Shown(
            story=broken.get(number, healthy)(),
            share_lost=0.03 if number % 9 == 0 else 0.0,
            labels={"team": ("ml-platform", "search", "support")[number % 3], "region": ("eu", "us")[number % 2]},
        )
        for number in range(50)
    }


def sites() -> dict[str, ASGIApp]:
    """Every web, by its name."""
    made: dict[str, ASGIApp] = {"healthy": a_web({"prod": Shown(story=healthy(), past=True)})}
    for fault, story, *_ in cast("list[Any]", EVERY_FAULT):
        made[fault] = a_web({"prod": Shown(story=story(), share_lost=0.02, past=True)})
    made["silenced"] = a_web(
        {"prod": Shown(story=switched_off(), acknowledged_by="ada")},
        troubles=("slack does not accept notices: `channel_not_found`",),
        silences=(Silence(id="s", target="prod", ends_at=NOW + 7200, comment="upgrade of the gateway", author="ada"),),
    )
    made["fifty"] = a_web(fifty())
    made["new"] = a_web({"prod": Shown(story=Story())})
    return made
