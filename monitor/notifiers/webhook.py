"""Any receiver of JSON: one POST per notice, signed.

Its form is described in docs/webhook.md, field by field: names are never renamed, new ones may come. `delivery` names what is
notified: the same one twice is the same notice, sent again because its answer was lost.

`X-Trace-Monitor-Timestamp` holds Unix seconds. `X-Trace-Monitor-Signature` holds `sha256=` and the HMAC-SHA256, in hexadecimal, of
timestamp, a full stop and the body as sent. Receivers compare in constant time and refuse what is older than five minutes.
Any 2xx means taken; all else is tried again, by Retry-After if there is one. A redirect is not followed: it is not the address
that was configured, and the body is for nobody else.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.core.incident import Losses, Notice
from monitor.core.model import Instant, Seconds, Service
from monitor.core.notify import acknowledged, shown
from monitor.core.text import rfc3339
from monitor.http import Http
from monitor.notifiers import refused, taken, unanswered, wording
from monitor.ports import Clock, Unreachable
from monitor.redaction import clamp

TIMEOUT: Seconds = 10.0
_LONGEST = 1000
_BODY_LIMIT = 64 * 1024
_MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookNotifier:
    """Implements `monitor.ports.Notifier`. `url` and `secret` are asked before every call, because both rotate; both are secrets.

    Without a secret there is no signature.
    """

    http: Http
    clock: Clock
    url: Callable[[], str] = field(repr=False)
    redact: Callable[[str], str] = field(repr=False)
    secret: Callable[[], str] | None = field(default=None, repr=False)
    external_url: str | None = None
    name: str = "webhook"

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """Post the notice; the receipt counts the notices delivered for the incident. Raises Undeliverable."""
        await self._post(self._body(notice))
        return {"told": str(_times_notified(notice) + 1)}

    async def test(self, text: str) -> None:
        """Post a test. Raises Undeliverable."""
        now = self.clock.now()
        said = {"delivery": f"test-{int(now)}", "reason": "test", "at": _time(now), "summary": self._show(text)}
        await self._post({"version": 1, **said})

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _body(self, notice: Notice) -> dict[str, Any]:
        incident, diagnosis = notice.incident, notice.incident.diagnosis
        root = (self.external_url or "").rstrip("/")
        return {
            "version": 1,
            "delivery": self._show(f"{incident.id}/{notice.reason}/{_digest(notice)}"),
            "reason": notice.reason,
            "at": _time(notice.at),
            "mention": notice.mention,
            "target": self._show(incident.target),
            "labels": {self._show(name): self._show(value) for name, value in list(notice.labels.items())[:_MOST]},
            "incident": {
                "id": self._show(incident.id),
                "open": incident.open,
                "opened_at": _time(incident.opened_at),
                "closed_at": _time(incident.closed_at),
                "since": _time(incident.lasts_since),
                "reopened": len(incident.reopened),
                "acknowledged_by": self._show(incident.acked_by or "") if acknowledged(incident) else None,
                "silenced": notice.silenced_until is not None,
                "silenced_until": _time(notice.silenced_until),
                "losses": _losses(incident.losses),
            },
            "fault": diagnosis.fault,
            "severity": diagnosis.severity.word,
            "component": diagnosis.component,
            "title": self._show(wording.title_of(diagnosis)),
            "summary": self._show(diagnosis.summary),
            "impact": wording.impact(notice, wording.unmarked(lambda text, limit: clamp(self.redact(text), limit))),
            "path": {hop.place.value: hop.state.value for hop in diagnosis.hops},
            "together": _together(notice, self._show),
            "because": [self._show(line) for line in diagnosis.because[:_MOST]],
            "also": list(diagnosis.also),
            "explained": list(diagnosis.explained),
            "advice": self._show(diagnosis.next_step),
            "trace_ids": [self._show(trace_id) for trace_id in diagnosis.trace_ids[:_MOST]],
            "waiting": self._show(diagnosis.waiting) if diagnosis.waiting is not None else None,
            "links": {"runbook": f"{root}/runbooks/{diagnosis.fault}"} if root else {},
        }

    def _show(self, text: str) -> str:
        return clamp(self.redact(text), _LONGEST)

    async def _post(self, said: Mapping[str, Any]) -> None:
        body = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        timestamp = str(int(self.clock.now()))
        headers = {"Content-Type": "application/json", "X-Trace-Monitor-Timestamp": timestamp}
        if self.secret is not None:
            headers["X-Trace-Monitor-Signature"] = signature(self.secret(), timestamp, body)
        try:
            answer = await self.http.request(
                Service.WEBHOOK, "POST", self.url(), timeout=TIMEOUT, headers=headers, body=body, body_limit=_BODY_LIMIT
            )
        except Unreachable as error:
            raise unanswered("the webhook", error) from None
        if not taken(answer):
            raise refused("the webhook", answer, self.clock.now())


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What a receiver computes as well, to know who sent a body and when."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def _digest(notice: Notice) -> str:
    """The same for every attempt to deliver the same thing; another when it has changed since, or when it is so again."""
    incident, notified = notice.incident, notice.notified
    parts = (
        _times_notified(notice),
        notified.at if notified is not None else "",
        shown(incident, notice.silenced_until, notice.together),
        notice.silenced_until,
        len(incident.reopened),
        incident.closed_at,
        incident.acked_at,
    )
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]


def _times_notified(notice: Notice) -> int:
    counted = notice.notified.receipt.get("told", "") if notice.notified is not None else ""
    return int(counted) if re.fullmatch(r"[0-9]{1,9}", counted) else 0


def _losses(losses: Losses | None) -> dict[str, Any] | None:
    if losses is None:
        return None
    return {
        "sent": losses.sent,
        "late": losses.late,
        "lost": losses.lost,
        "elsewhere": dict(losses.elsewhere),
        "longest_delay_seconds": losses.longest_delay,
        "late_trace_ids": list(losses.late_ids),
        "lost_trace_ids": list(losses.lost_ids),
    }


def _together(notice: Notice, show: Callable[[str], str]) -> dict[str, Any] | None:
    found = notice.together if notice.incident.open else None
    if found is None:
        return None
    return {
        "backend": found.backend,
        "affected": len(found.targets),
        "of": found.of,
        "targets": [show(target) for target in found.targets[:_MOST]],
    }


def _time(instant: Instant | None) -> str | None:
    return rfc3339(instant, "milliseconds") if instant is not None and wording.is_a_moment(instant) else None
