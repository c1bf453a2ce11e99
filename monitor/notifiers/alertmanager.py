"""Prometheus' Alertmanager: routing, grouping and de-duplication are its business (`POST /api/v2/alerts`).

https://prometheus.io/docs/alerting/latest/alerts_api: an alert is its labels, so they do not change while an incident lasts:
fault and severity are annotations. An alert fires until its `endsAt`; whoever still means it posts it again before that. An
Alertmanager that has been restarted has forgotten its alerts, so `refresh` posts what is open every minute or so.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from monitor.core.incident import Notice
from monitor.core.model import Instant, Seconds, Service
from monitor.http import Http
from monitor.notifiers import wording
from monitor.notifiers.delivery import refused, taken, unanswered
from monitor.notifiers.wording import Style
from monitor.ports import Clock, Undeliverable, Unreachable
from monitor.redaction import clamp

ALERT_NAME = "GatewayTraceIncident"
"""Unlike every name of the shipped alerting rules, so that nobody is paged twice under one name."""

LASTS: Seconds = 900.0
"""How long an alert fires without being posted again: it outlives a restart of the monitor, not its death."""

TIMEOUT: Seconds = 10.0
_LONGEST = 1000
_BODY_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerNotifier:
    """Implements `monitor.ports.Notifier`. `urls` are all instances of one cluster; `labels` go with every alert.

    One that takes an alert is enough to be told; the others get it by the next `refresh`. An incident that opened and closed
    while no instance could be reached is posted as resolved, of which an Alertmanager that never saw it fire says nothing.
    """

    http: Http
    clock: Clock
    urls: Sequence[str]
    redact: Callable[[str], str] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str | None = None
    name: str = "alertmanager"

    async def tell(self, notice: Notice) -> Mapping[str, str]:
        """Post the alert as it is now. Raises Undeliverable if no instance takes it."""
        await self._post([self._alert(notice)])
        return {}

    async def refresh(self, notices: Sequence[Notice]) -> None:
        """Post again what is open and told, all at once. Raises Undeliverable if no instance takes it."""
        if notices:
            await self._post([self._alert(notice) for notice in notices])

    async def test(self, text: str) -> None:
        """Post an alert that ends within a minute. Raises Undeliverable."""
        now = self.clock.now()
        await self._post(
            [
                {
                    "labels": {**self.labels, "alertname": f"{ALERT_NAME}Test"},
                    "annotations": {"summary": self._style.foreign(text, _LONGEST)},
                    "startsAt": _timestamp(now),
                    "endsAt": _timestamp(now + 60),
                }
            ]
        )

    def close(self) -> None:
        """Nothing is held between two calls."""

    @property
    def _style(self) -> Style:
        return Style(
            foreign=lambda text, limit: clamp(" ".join(self.redact(text).split()), limit),
            own=str,
            when=wording.utc,
            code=str,
            bold=str,
        )

    def _alert(self, notice: Notice) -> dict[str, Any]:
        """https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, `postableAlert`."""
        incident, style = notice.incident, self._style
        diagnosis = incident.diagnosis
        shown = {name: style.foreign(value, _LONGEST) for name, value in notice.labels.items()}
        annotations = {
            "summary": wording.sentence(notice, style),
            "fault": diagnosis.fault,
            "severity": diagnosis.severity.word,
            "component": diagnosis.component,
            "incident": style.foreign(incident.id, _LONGEST),
            "because": "\n".join(wording.because(notice, style)),
            "also": ", ".join(diagnosis.also),
            "advice": wording.advice(notice, style),
            "state": "\n".join(wording.states(notice, style)),
            "runbook_url": f"{self.external_url.rstrip('/')}/runbooks/{diagnosis.fault}" if self.external_url else "",
        }
        ends_at = incident.closed_at if incident.closed_at is not None else self.clock.now() + LASTS
        alert: dict[str, Any] = {
            "labels": {
                **shown,
                **self.labels,
                "alertname": ALERT_NAME,
                "target": style.foreign(incident.target, _LONGEST),
            },
            "annotations": {name: text for name, text in annotations.items() if text},
            "startsAt": _timestamp(incident.opened_at),
            "endsAt": _timestamp(max(ends_at, incident.opened_at)),
        }
        return {**alert, "generatorURL": f"{self.external_url.rstrip('/')}/"} if self.external_url else alert

    async def _post(self, alerts: list[dict[str, Any]]) -> None:
        failures = await asyncio.gather(*(self._post_to(url, alerts) for url in self.urls))
        failed = [failure for failure in failures if failure is not None]
        if len(failed) == len(failures) and failed:
            raise _worst(failed)

    async def _post_to(self, url: str, alerts: list[dict[str, Any]]) -> Undeliverable | None:
        try:
            answer = await self.http.request(
                Service.ALERTMANAGER,
                "POST",
                f"{url.rstrip('/')}/api/v2/alerts",
                timeout=TIMEOUT,
                headers={"Content-Type": "application/json"},
                body=json.dumps(alerts).encode(),
                body_limit=_BODY_LIMIT,
            )
        except Unreachable as error:
            return unanswered("Alertmanager", error)
        return None if taken(answer) else refused("Alertmanager", answer, self.clock.now())


def _worst(failures: Sequence[Undeliverable]) -> Undeliverable:
    """One error for all instances: it may have been taken if any may have; the shortest wait asked for counts."""
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    return Undeliverable(
        "; ".join(dict.fromkeys(str(failure) for failure in failures)),
        unknown=any(failure.unknown for failure in failures),
        retry_after=min(waits, default=None),
    )


def _timestamp(instant: Instant) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds")
