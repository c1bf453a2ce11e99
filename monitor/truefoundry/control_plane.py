"""TrueFoundry's control plane: the export configuration, the session, and its own trace store."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from monitor.core.model import Instant, Seconds, Service, TraceId
from monitor.core.trace import SpanFact
from monitor.http import Answer, Http
from monitor.ports import Clock, ConfigAnswer, Garbled, Gone, Refused, Unreachable
from monitor.redaction import Redactor
from monitor.truefoundry.manifest import KIND, read_manifest
from monitor.truefoundry.spans import read_spans, span_query

_OK, _NO_CONTENT, _NOT_FOUND, _SERVER_ERROR = 200, 204, 404, 500
_REFUSALS = frozenset({401, 403, 429})
_PAGES = 5
_DESTINATION = "default"


class TrueFoundryControlPlane:
    """Implements `monitor.ports.ControlPlane` with one token."""

    def __init__(
        self,
        http: Http,
        url: str,
        token: Callable[[], str],
        *,
        expected_headers: Callable[[], Mapping[str, str]],
        fingerprint_key: bytes,
        redactor: Redactor,
        clock: Clock,
    ) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = token
        self._expected_headers = expected_headers
        self._key = fingerprint_key
        self._redactor = redactor
        self._clock = clock

    async def read_export_config(self, *, timeout: Seconds) -> ConfigAnswer:
        """Read `gateway-otel-config`. 404, null and empty are answers here: nothing is configured, or nothing is shown."""
        answer = await self._ask("GET", f"/api/svc/v1/llm-gateway/config/{KIND}", timeout=timeout)
        if answer.status == _NOT_FOUND:
            return ConfigAnswer(seen=None, form="404")
        if answer.status not in (_OK, _NO_CONTENT):
            self._refuse(answer)
        if not answer.body.strip() and answer.flaw is None:
            return ConfigAnswer(seen=None, form="empty")
        body = answer.json()
        if body is None:
            return ConfigAnswer(seen=None, form="null")
        if body in ({}, []) or (isinstance(body, Mapping) and "manifest" in body and body["manifest"] in (None, {})):
            return ConfigAnswer(seen=None, form="empty")
        if not isinstance(body, Mapping) or not _is_export_config(body):
            raise Garbled(f"the control plane's answer is no {KIND}", status=answer.status, evidence=answer.trail)
        seen = read_manifest(body, expected_headers=self._expected_headers(), key=self._key, redactor=self._redactor)
        return ConfigAnswer(seen=seen)

    async def token_works(self, *, timeout: Seconds) -> bool:
        """200 with a non-empty `user.tenantName`; a bare 200 with `user: null` is how a bad token may be answered."""
        answer = await self._ask("GET", "/api/svc/v1/session", timeout=timeout)
        if answer.status != _OK:
            self._refuse(answer)
        body = answer.json()
        user = body.get("user") if isinstance(body, Mapping) else None
        return isinstance(user, Mapping) and bool(user.get("tenantName"))

    async def find_spans(
        self, trace_id: TraceId, *, since: Instant, destination: str | None, timeout: Seconds
    ) -> tuple[SpanFact, ...]:
        """Ask `spans/query` for one trace, page by page; pages may repeat spans."""
        found: dict[str, SpanFact] = {}
        token: str | None = None
        for _ in range(_PAGES):
            query = span_query(trace_id, since=since, destination=destination or _DESTINATION, page_token=token)
            answer = await self._ask("POST", "/api/svc/v1/spans/query", body=query, timeout=timeout)
            if answer.status != _OK:
                self._refuse(answer)
            spans, token = read_spans(answer.json(), trace_id)
            known = len(found)
            found.update({span.span_id: span for span in spans})
            if token is None or len(found) == known:  # the last page, or one that repeats what is known
                break
        return tuple(found.values())

    async def _ask(self, method: str, path: str, *, timeout: Seconds, body: Mapping[str, Any] | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        return await self._http.request(
            Service.CONTROL_PLANE, method, f"{self._url}{path}", headers=headers, body=content, timeout=timeout
        )

    def _refuse(self, answer: Answer) -> NoReturn:
        """What a status that is no answer means to a reader."""
        said = self._redactor.show(answer.complaint, 200)
        what = f"TrueFoundry's control plane answers HTTP {answer.status}" + (f": {said}" if said else "")
        if answer.blocked or answer.status in _REFUSALS:
            raise Refused(
                what,
                status=answer.status,
                retry_after=answer.retry_after(self._clock.now()),
                blocked=answer.blocked,
                evidence=answer.trail,
            )
        if answer.status == _NOT_FOUND:
            raise Gone(what)
        if answer.status >= _SERVER_ERROR:
            raise Unreachable(what, kind="status", status=answer.status, evidence=answer.trail)
        raise Garbled(what, status=answer.status, evidence=answer.trail)


def _is_export_config(body: Mapping[str, Any]) -> bool:
    manifest = body.get("manifest")
    named = body.get("type") or (manifest.get("type") if isinstance(manifest, Mapping) else None)
    return isinstance(manifest, Mapping) and named == KIND
