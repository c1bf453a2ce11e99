"""Prometheus' Alertmanager: routing, grouping and de-duplication are its business (`POST /api/v2/alerts`).

https://prometheus.io/docs/alerting/latest/alerts_api: an alert is its labels, so they do not change while an incident lasts:
fault and severity are annotations. An alert fires until its `endsAt`; whoever still means it posts it again before that. An
Alertmanager that has been restarted has forgotten its alerts, so `refresh` posts them every minute or so.

Each alert goes to every instance, as Prometheus does it: the instances share what was notified, not the alerts
(https://prometheus.io/docs/alerting/latest/alertmanager/#high-availability). One that accepts it is enough.
"""

import asyncio
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from monitor.core.incident import Incident, Notice
from monitor.core.model import Instant, Seconds, Service, Severity, TargetName
from monitor.http import Answer, Http
from monitor.notifiers import refused, taken, unanswered, wording
from monitor.ports import Clock, Undeliverable, Unreachable
from monitor.redaction import clamp

ALERT_NAME = "GatewayTraceIncident"
"""Unlike every name of the shipped alerting rules, so that nobody is paged twice under one name."""

LASTS: Seconds = 900.0
"""How long an alert fires without being posted again: it outlives a restart of the monitor, not its death."""

TEST_LASTS: Seconds = 60.0
TIMEOUT: Seconds = 10.0
_LONGEST = 1000
_LONGEST_COMPLAINT = 200
_BODY_LIMIT = 64 * 1024
_BELIEVED_SKEW: Seconds = 86_400.0  # a clock that is further off is no clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. `fires`: whether it is meant to go on; else `ends_at` is when it ended."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: Instant
    ends_at: Instant
    fires: bool
    url: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, `postableAlert`."""
        starts_at, ends_at = (datetime.fromtimestamp(each, UTC) for each in (self.starts_at, self.ends_at))
        return {
            "labels": dict(self.labels),
            "annotations": {name: text for name, text in self.annotations.items() if text},
            "startsAt": starts_at.isoformat(timespec="milliseconds"),
            "endsAt": ends_at.isoformat(timespec="milliseconds"),
            **({"generatorURL": self.url} if self.url else {}),
        }

    def by_clock(self, skew: Seconds, now: Instant) -> "Alert | None":
        """What to post to an Alertmanager whose clock is `skew` seconds ahead of this one (less: behind), if it misreads this one.

        Ahead, an alert may have ended before it was posted. Behind, one that has ended has not yet: it then goes on to the
        end that was said before (https://github.com/prometheus/alertmanager/blob/main/types/types.go, `Merge`).
        """
        if skew < (self.ends_at - now) / 2 if self.fires else self.ends_at <= now + skew:
            return None
        return replace(self, starts_at=self.starts_at + skew, ends_at=self.ends_at + skew)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerNotifier:
    """Implements `monitor.ports.Notifier`. `urls` are all instances of one cluster; `labels` go with every alert.

    `max_severities` are the targets whose severity cannot rise above a warning: theirs is stable, and so may be a label. An
    incident that opened and closed while no instance could be reached is posted as resolved, of which an Alertmanager that
    never saw it fire says nothing.
    """

    http: Http
    clock: Clock
    urls: Sequence[str]
    redact: Callable[[str], str] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    max_severities: Mapping[TargetName, Severity] = field(default_factory=dict)
    external_url: str | None = None
    name: str = "alertmanager"
    _newest: dict[frozenset[tuple[str, str]], Instant] = field(default_factory=dict, init=False, repr=False)

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """Post the alert as it is now. Raises Undeliverable if no instance takes it.

        The receipt holds its labels: it keeps them to its end, whatever is configured meanwhile. What is found out of an
        incident that is over is posted no more: Alertmanager would only take it for the end of what has begun since.
        """
        alert = self._alert(notice)
        if notice.notified is not None and notice.notified.closed and not notice.incident.open:
            return alert.labels
        if alerts := self._current([(notice.incident, alert)]):
            _raise_if_all(await self._post(alerts))
        return alert.labels

    async def refresh(self, notices: Sequence[Notice]) -> str:
        """Post again what was notified, in one request, even an empty one, so that an unreachable instance is noticed early.

        Says which instances could not be reached. Raises Undeliverable if none takes it.
        """
        failures = await self._post(self._current([(notice.incident, self._alert(notice)) for notice in notices]))
        _raise_if_all(failures)
        return _joined(failures)

    async def test(self, text: str) -> None:
        """Post an alert that ends within a minute. Raises Undeliverable unless every instance takes it."""
        now = self.clock.now()
        alert = Alert(
            labels={**self.labels, "alertname": f"{ALERT_NAME}Test"},
            annotations={"summary": self._foreign(text, _LONGEST)},
            starts_at=now,
            ends_at=now + TEST_LASTS,
            fires=True,
        )
        _raise_if_all([failure for failure in await self._post([alert]) if failure])

    def close(self) -> None:
        """Nothing is held between two calls."""

    # --- the alert of an incident

    def _current(self, posted: Sequence[tuple[Incident, Alert]]) -> list[Alert]:
        """Without what a later incident under the same labels has replaced: its end would be taken for the later one's."""
        known = [(frozenset(alert.labels.items()), incident.opened_at, alert) for incident, alert in posted]
        for labels, opened_at, _ in known:
            self._newest[labels] = max(opened_at, self._newest.get(labels, opened_at))
        return [alert for labels, opened_at, alert in known if opened_at == self._newest[labels]]

    def _alert(self, notice: Notice) -> Alert:
        closed_at, starts_at = notice.incident.closed_at, math.floor(notice.incident.opened_at)
        ends_at = self.clock.now() + LASTS if closed_at is None else math.floor(closed_at)
        return Alert(
            labels=self._labels(notice),
            annotations=self._annotations(notice),
            starts_at=starts_at,
            ends_at=max(ends_at, starts_at),
            fires=closed_at is None,
            url=self._link("/"),
        )

    def _labels(self, notice: Notice) -> Mapping[str, str]:
        """Those that it was notified with while it lasts, else those that are configured: the more specific label wins."""
        notified, again = (
            notice.notified,
            notice.incident.open and notice.notified is not None and notice.notified.closed,
        )
        if notified is not None and not again and {"alertname", "target"} <= notified.receipt.keys():
            return notified.receipt
        target = notice.incident.target
        stable = {"severity": self.max_severities[target].word} if target in self.max_severities else {}
        return {
            **self.labels,
            **stable,
            **{name: self._foreign(value, _LONGEST) for name, value in notice.labels.items()},
            "alertname": ALERT_NAME,
            "target": self._foreign(target, _LONGEST),
        }

    def _annotations(self, notice: Notice) -> Mapping[str, str]:
        diagnosis = notice.incident.diagnosis
        style = wording.unmarked(self._foreign)
        return {
            "summary": self._foreign(diagnosis.summary or wording.title_of(diagnosis), _LONGEST),
            "impact": wording.impact(notice, style),
            "path": wording.path(notice),
            "fault": diagnosis.fault,
            "severity": diagnosis.severity.word,
            "component": diagnosis.component,
            "incident": self._foreign(notice.incident.id, _LONGEST),
            "because": "\n".join(wording.because(notice, style)),
            "also": ", ".join(diagnosis.also),
            "advice": wording.advice(notice, style),
            "together": wording.together(notice, style),
            "state": "\n".join(wording.states(notice, style)),
            "canaries": "\n".join(wording.losses(notice, style)),
            "runbook_url": self._link(f"/runbooks/{diagnosis.fault}") or "",
            "dashboard_url": self._link(f"/incidents/{quote(notice.incident.id, safe='')}") or "",
        }

    def _link(self, path: str) -> str | None:
        return f"{self.external_url.rstrip('/')}{path}" if self.external_url else None

    def _foreign(self, text: str, limit: int) -> str:
        return clamp(" ".join(self.redact(text).split()), limit)

    # --- posting

    async def _post(self, alerts: Sequence[Alert]) -> list[Undeliverable | None]:
        """What became of it at each instance."""
        return list(await asyncio.gather(*(self._post_to(url, alerts) for url in self.urls)))

    async def _post_to(self, url: str, alerts: Sequence[Alert]) -> Undeliverable | None:
        """Post, and once more by the instance's own clock what that clock would make something else of."""
        try:
            answer = await self._ask(url, alerts)
            now = self.clock.now()
            skew = answer.sent_at - now if answer.sent_at is not None else 0.0
            misread = [dated for alert in alerts if (dated := alert.by_clock(skew, now)) is not None]
            if misread and _is_taken(answer) and answer.sent_at is not None and abs(skew) <= _BELIEVED_SKEW:
                answer = await self._ask(url, misread)
        except Unreachable as error:
            return unanswered("Alertmanager", error)
        if _is_taken(answer):
            return None
        who = f"Alertmanager at {urlsplit(url).netloc}"
        if taken(answer):
            return Undeliverable(f"{who} answers with a web page: something else is there, or in front of it")
        said = "" if answer.media_type == "text/html" else self._foreign(answer.complaint, _LONGEST_COMPLAINT)
        return refused(who, answer, self.clock.now(), said)

    async def _ask(self, url: str, alerts: Sequence[Alert]) -> Answer:
        return await self.http.request(
            Service.ALERTMANAGER,
            "POST",
            f"{url.rstrip('/')}/api/v2/alerts",
            timeout=TIMEOUT,
            headers={"Content-Type": "application/json"},
            body=json.dumps([alert.body for alert in alerts]).encode(),
            body_limit=_BODY_LIMIT,
        )


def _is_taken(answer: Answer) -> bool:
    """A page to sign in with is no answer of Alertmanager's, whatever its status."""
    return taken(answer) and answer.media_type != "text/html"


def _joined(failures: Sequence[Undeliverable | None]) -> str:
    return "; ".join(dict.fromkeys(str(failure) for failure in failures if failure is not None))


def _raise_if_all(failures: Sequence[Undeliverable | None]) -> None:
    """One error for all instances: it may have been taken if any may have; the shortest wait asked for counts."""
    known = [failure for failure in failures if failure is not None]
    if known and len(known) == len(failures):
        waits = [failure.retry_after for failure in known if failure.retry_after is not None]
        unknown = any(failure.unknown for failure in known)
        raise Undeliverable(_joined(failures), unknown=unknown, retry_after=min(waits, default=None))
