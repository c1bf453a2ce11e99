"""A web of its own for each test: what it shows is set by hand, what it changes is written down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.types import ASGIApp

from monitor.core.incident import Diagnosis, Incident, Losses
from monitor.core.inputs import NoticeDelivered
from monitor.core.model import CheckName, Component, Fault, Severity, TargetName, passing
from monitor.core.silence import Silence
from monitor.core.state import CheckState, LastLook, State, TargetState
from monitor.web.app import make_app
from monitor.web.panel import About
from monitor.web.views import NotFound, Views
from tests.fakes.clock import START, FakeClock

PROD = TargetName("prod")
READ, ADMIN = "read-token-0123456789", "admin-token-0123456789"


def described(verdict: str = "pass", **fields: Any) -> dict[str, Any]:
    """One target of the status object."""
    checks: dict[str, Any] = {
        check.value: {"verdict": verdict, "fault": None, "summary": f"{check} says {verdict}", "evidence": {}}
        for check in CheckName
    }
    healthy: dict[str, Any] = {
        "verdict": verdict,
        "fault": None,
        "severity": None,
        "component": None,
        "also": [],
        "because": [],
    }
    rest = {"advice": "", "summary": "the traces arrive", "trace_id": "ab" * 16, "arrival_seconds": 8.2}
    return {**healthy, **rest, "checks": checks, **fields}


def a_state(target: TargetName = PROD, *, incidents: tuple[Incident, ...] = (), at: float = START - 12) -> TargetState:
    """A target whose checks looked twelve seconds ago."""
    look = LastLook(at=at, took=0.2, result=passing("healthy"))
    return TargetState(
        target=target, check_states={check: CheckState(last=look) for check in CheckName}, incidents=incidents
    )


def an_incident(target: TargetName = PROD, **fields: Any) -> Incident:
    """The exporter is off, for twelve minutes."""
    diagnosis = Diagnosis(
        fault=Fault.EXPORTER_DISABLED,
        severity=Severity.CRITICAL,
        component=Component.CONFIG,
        summary="The gateway's traces exporter is off",
        waiting=fields.pop("waiting", None),
    )
    given = {"id": f"{target}-20270115-074800", "target": target, "opened_at": START - 720, "diagnosis": diagnosis}
    return Incident(**{**given, "worst": Severity.CRITICAL, **fields})


def a_broken_target() -> dict[str, Any]:
    """As the status object shows that incident."""
    return described(
        "fail",
        fault="exporter_disabled",
        severity="critical",
        component="config",
        summary="The gateway's traces exporter is off",
        because=["`otel_traces_exporter_config` is absent", "changed at 07:47 UTC by ada@example.com"],
        also=["content_missing"],
        advice="Switch it on: AI Gateway → Controls → Settings → OTEL Config.",
    )


def resolved(name: str, ago: float) -> Incident:
    """One that is over."""
    losses = Losses(sent=9, late=2, lost=1, longest_delay=310.0)
    return an_incident(id=name, opened_at=START - ago - 900, closed_at=START - ago, losses=losses)


@dataclass
class Site:
    """The web under test, what it shows, and what it was asked to change."""

    clock: FakeClock = field(default_factory=FakeClock)
    report: dict[str, Any] = field(default_factory=lambda: {"verdict": "pass", "targets": {"prod": described()}})
    state: State = field(default_factory=lambda: State(targets={PROD: a_state()}))
    incidents: list[dict[str, Any]] = field(default_factory=list)
    healthy: bool = True
    ready: dict[str, bool] = field(default_factory=lambda: {"configured": True, "restored": True, "not_draining": True})
    troubles: tuple[str, ...] = ()
    read_token: str | None = None
    admin_token: str | None = ADMIN
    about: dict[TargetName, About] = field(default_factory=dict)
    notices: tuple[NoticeDelivered, ...] = ()
    configured: tuple[Silence, ...] = ()
    external_url: str | None = None
    done: list[tuple[object, ...]] = field(default_factory=list)
    refuse: Exception | None = None

    def app(self) -> ASGIApp:
        """The web that shows it."""
        views = Views(
            report=lambda: self.report,
            state=lambda: self.state,
            incidents=self._incidents,
            metrics=self._metrics,
            healthy=lambda: self.healthy,
            ready=lambda: self.ready,
            troubles=lambda: self.troubles,
            version="1.2.3",
            about=lambda: self.about,
            notices=self._notices,
            is_configured=lambda silence: silence in self.configured,
            external_url=self.external_url,
        )
        return make_app(
            views, self, clock=self.clock, read_token=lambda: self.read_token, admin_token=lambda: self.admin_token
        )

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """Asks without a wire; a bug is an answer 500, as it would be on one."""
        transport = httpx.ASGITransport(self.app(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://monitor") as client:
            yield client

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Read something."""
        async with self.client() as client:
            return await client.get(path, headers=headers)

    async def change(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Change something, as the admin."""
        async with self.client() as client:
            return await client.request(method, path, headers={"authorization": f"Bearer {ADMIN}"}, **request)

    def _incidents(self, *, open_only: bool) -> list[dict[str, Any]]:
        return [incident for incident in self.incidents if incident["open"] or not open_only]

    async def _notices(self, _incident: Incident) -> tuple[NoticeDelivered, ...]:
        return self.notices

    async def _metrics(self, accept: str) -> tuple[bytes, str]:
        return f"asked for {accept}".encode(), "text/plain; version=0.0.4; charset=utf-8"

    # --- Operations

    def _do(self, *what: object) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.done.append(what)

    async def run_checks(self, target: TargetName) -> tuple[CheckName, ...]:
        """As of the protocol."""
        if target != PROD:
            raise NotFound(f"no target is called {target}")
        self._do("run", target)
        return (CheckName.CONFIG, CheckName.GATEWAY)

    async def reload(self) -> None:
        """As of the protocol."""
        self._do("reload")

    async def acknowledge(self, incident_id: str, by: str) -> None:
        """As of the protocol."""
        self._do("ack", incident_id, by)

    async def add_silence(self, silence: Silence) -> None:
        """As of the protocol."""
        self._do("silence", silence)

    async def expire_silence(self, silence_id: str) -> None:
        """As of the protocol."""
        self._do("expire", silence_id)
