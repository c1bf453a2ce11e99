"""TrueFoundry's control plane: the gateway's configurations, the session, and its own trace store."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from monitor.core.gateway_policies import DEFAULT_DESTINATION, SwitchKind, SwitchSeen
from monitor.core.model import Instant, Seconds, Service, TraceId
from monitor.core.trace import SpanFact
from monitor.http import Answer, Http
from monitor.ports import Clock, ConfigAnswer, Garbled, Gone, Refused, Unreachable
from monitor.redaction import Redactor
from monitor.truefoundry.manifest import KIND, absence_of_exporter, read_manifest
from monitor.truefoundry.spans import read_spans, span_query
from monitor.truefoundry.switches import read_switch

_OK, _NO_CONTENT, _NOT_FOUND, _SERVER_ERROR = 200, 204, 404, 500
_REFUSALS = frozenset({401, 403, 429})
_PAGES = 5


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
        answer = await self._ask_for(KIND, timeout)
        form, body = _unwrap(answer)
        if form != "manifest":
            return ConfigAnswer(seen=None, form=form)
        if not isinstance(body, Mapping) or not _is_export_config(body):
            raise Garbled(f"the control plane's answer is no {KIND}", status=answer.status, evidence=answer.trail)
        seen = read_manifest(body, expected_headers=self._expected_headers(), key=self._key, redactor=self._redactor)
        return ConfigAnswer(seen=seen, off_as=absence_of_exporter(body) if seen.config.off else None)

    async def read_switch(self, kind: SwitchKind, *, timeout: Seconds) -> SwitchSeen:
        """Read another configuration; 404, null and empty: there is none. Raises Garbled where it is not understood."""
        form, body = _unwrap(await self._ask_for(kind, timeout))
        return read_switch(body, kind, self._redactor) if form == "manifest" else SwitchSeen(kind=kind, form=form)

    async def _ask_for(self, kind: str, timeout: Seconds) -> Answer:
        answer = await self._ask("GET", f"/api/svc/v1/llm-gateway/config/{kind}", timeout=timeout)
        if answer.status not in (_OK, _NO_CONTENT, _NOT_FOUND):
            self._refuse(answer)
        return answer

    async def token_works(self, *, timeout: Seconds) -> bool:
        """Whether the token belongs to somebody."""
        return await self.name_tenant(timeout=timeout) is not None

    async def name_tenant(self, *, timeout: Seconds) -> str | None:
        """Whose token it is: `user.tenantName`. A 200 with `user: null` is how a bad token may be answered: None."""
        answer = await self._ask("GET", "/api/svc/v1/session", timeout=timeout)
        if answer.status != _OK:
            self._refuse(answer)
        body = answer.json()
        user = body.get("user") if isinstance(body, Mapping) else None
        name = user.get("tenantName") if isinstance(user, Mapping) else None
        return self._redactor.show(name, 100) or None if isinstance(name, str) else None

    async def find_spans(
        self,
        trace_id: TraceId | None,
        *,
        since: Instant,
        destination: str | None,
        timeout: Seconds,
        nonce: str | None = None,
    ) -> tuple[SpanFact, ...]:
        """Ask `spans/query` for one trace, page by page; pages may repeat spans, and an empty one need not be the last.

        Without an id, for the spans whose metadata hold the nonce: what comes must belong to one trace.
        """
        found: dict[str, SpanFact] = {}
        token: str | None = None
        for _ in range(_PAGES):
            query = span_query(
                trace_id, nonce, since=since, destination=destination or DEFAULT_DESTINATION, page_token=token
            )
            answer = await self._ask("POST", "/api/svc/v1/spans/query", body=query, timeout=timeout)
            if answer.status != _OK:
                self._refuse(answer)
            spans, token = read_spans(answer.json(), trace_id)
            known = len(found)
            found.update({span.span_id: span for span in spans})
            if token is None or (found and len(found) == known):  # the last page, or one that repeats what is known
                break
        if not found and token is not None:
            raise Garbled(f"TrueFoundry's trace store shows {_PAGES} empty pages and promises more")
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


def _unwrap(answer: Answer) -> tuple[str, Any]:
    """In which form a configuration is shown (manifest, 404, null, empty), and the body. Raises Garbled if it is no JSON."""
    if answer.status == _NOT_FOUND:
        return "404", None
    if not answer.body.strip() and answer.flaw is None:
        return "empty", None
    body = answer.json()
    if body is None:
        return "null", None
    if body in ({}, []) or (isinstance(body, Mapping) and "manifest" in body and body["manifest"] in (None, {})):
        return "empty", None
    return "manifest", body


def _is_export_config(body: Mapping[str, Any]) -> bool:
    manifest = body.get("manifest")
    named = body.get("type") or (manifest.get("type") if isinstance(manifest, Mapping) else None)
    return isinstance(manifest, Mapping) and named == KIND
