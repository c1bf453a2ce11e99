"""TrueFoundry's control plane: the gateway's configurations, the session, and its own trace store."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from monitor.core.canary import NONCE_ENTRY
from monitor.core.gateway_policies import DEFAULT_DESTINATION, Caller, GatewayPolicy, GatewayPolicyKind
from monitor.core.model import Instant, Seconds, Service, TraceId
from monitor.core.state import DAY
from monitor.core.text import rfc3339
from monitor.core.trace import SpanFact
from monitor.http import Answer, Http
from monitor.ports import Clock, ConfigAnswer, Garbled, RequestCount
from monitor.redaction import Redactor, clamp
from monitor.truefoundry.manifest import KIND, absence_of_exporter, read_manifest
from monitor.truefoundry.policies import read_gateway_policy

_OK, _NO_CONTENT, _NOT_FOUND = 200, 204, 404
_PAGES, _PAGE = 5, 100
_MOST_TEAMS = 100
_MOST_REQUESTS = 10**12
_ACCOUNTS = ("virtualaccount", "serviceaccount")  # the newer and the older name of the same
_SKEW: Seconds = 300.0  # between our clock, the gateway's and the store's
_ID = re.compile(r"[0-9a-f]{1,64}")
_UUID7 = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TrueFoundryControlPlane:
    """Implements `monitor.ports.ControlPlane` with one token."""

    http: Http
    url: str
    token: Callable[[], str]
    _: KW_ONLY
    expected_headers: Callable[[], Mapping[str, str]]
    fingerprint_key: bytes
    redactor: Redactor
    clock: Clock

    async def read_export_config(self, *, timeout: Seconds) -> ConfigAnswer:
        """Read `gateway-otel-config`. 404, null and empty are answers here: nothing is configured, or nothing is shown."""
        answer, form, body = await self._read_config(KIND, timeout)
        if form != "manifest":
            return ConfigAnswer(seen=None, form=form)
        manifest = body.get("manifest") if isinstance(body, Mapping) else None
        if not isinstance(manifest, Mapping) or (body.get("type") or manifest.get("type")) != KIND:
            raise Garbled(f"the control plane's answer is not a {KIND}", status=answer.status, evidence=answer.trail)
        seen = read_manifest(
            body, expected_headers=self.expected_headers(), key=self.fingerprint_key, redactor=self.redactor
        )
        return ConfigAnswer(seen=seen, off_as=absence_of_exporter(body) if seen.config.off else None)

    async def read_gateway_policy(self, kind: GatewayPolicyKind, *, timeout: Seconds) -> GatewayPolicy:
        """Read another configuration; 404, null and empty: there is none. Raises Garbled where it is not understood."""
        _, form, body = await self._read_config(kind, timeout)
        return (
            read_gateway_policy(body, kind, self.redactor)
            if form == "manifest"
            else GatewayPolicy(kind=kind, form=form)
        )

    async def _read_config(self, kind: str, timeout: Seconds) -> tuple[Answer, str, Any]:
        """In which form a configuration is shown (manifest, 404, null, empty), and the body. Raises Garbled if it is not JSON."""
        path, answers = f"/api/svc/v1/llm-gateway/config/{kind}", (_OK, _NO_CONTENT, _NOT_FOUND)
        answer = await self._ask("GET", path, timeout=timeout, answers=answers)
        if answer.status == _NOT_FOUND:
            return answer, "404", None
        if not answer.body.strip() and answer.flaw is None:
            return answer, "empty", None
        body = answer.json()
        if body is None:
            return answer, "null", None
        if body in ({}, [], {"data": []}) or (
            isinstance(body, Mapping) and "manifest" in body and body["manifest"] in (None, {})
        ):
            return answer, "empty", None
        return answer, "manifest", body

    async def token_works(self, *, timeout: Seconds) -> bool:
        """Whether the token belongs to somebody."""
        return await self.name_tenant(timeout=timeout) is not None

    async def name_tenant(self, *, timeout: Seconds) -> str | None:
        """Whose token it is: `user.tenantName`. A 200 with `user: null` is how a bad token may be answered: None."""
        answer = await self._ask("GET", "/api/svc/v1/session", timeout=timeout)
        body = answer.json()
        user = body.get("user") if isinstance(body, Mapping) else None
        name = user.get("tenantName") if isinstance(user, Mapping) else None
        return self.redactor.show(name, 100) or None if isinstance(name, str) else None

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

        Without an id, for the spans whose metadata hold the nonce: what comes must belong to one trace. Exactly one of
        `tracingProjectFqn` and `dataRoutingDestination` must be given, else 400; traffic may be routed to another destination than
        `default` (https://github.com/truefoundry/truefoundry-python-sdk, traces/raw_client.py).
        """
        by_nonce = {"gatewayRequestMetadataKey": NONCE_ENTRY, "operator": "EQUAL", "value": nonce}
        query: dict[str, Any] = {
            "startTime": rfc3339(_begin(trace_id, since), "milliseconds"),
            **({"traceIds": [trace_id]} if trace_id is not None else {"filters": [by_nonce]}),
            "dataRoutingDestination": destination or DEFAULT_DESTINATION,
            "limit": _PAGE,
            "sortDirection": "asc",
        }
        found: dict[str, SpanFact] = {}
        ends = self.clock.monotonic() + timeout
        for _ in range(_PAGES):
            left = ends - self.clock.monotonic()
            if left <= 0:
                break
            answer = await self._ask("POST", "/api/svc/v1/spans/query", body=query, timeout=left)
            spans, token = _read_spans(answer.json(), trace_id, self.redactor)
            known = len(found)
            found.update({span.span_id: span for span in spans})
            if len({span.trace_id for span in found.values()}) > 1:
                raise Garbled("TrueFoundry's trace store answers with several traces where one was asked for")
            if token is None or (found and len(found) == known):  # the last page, or one that repeats what is known
                return tuple(found.values())
            query["pageToken"] = token
        if not found:
            raise Garbled(
                "TrueFoundry's trace store returned empty pages only, the last still with a token for the next"
            )
        return tuple(found.values())

    async def count_requests(self, *, since: Instant, until: Instant, timeout: Seconds) -> RequestCount:
        """How many requests to models the gateway served, as far as the token may see them. Raises any PortError.

        https://www.truefoundry.com/docs/ai-gateway/fetch-model-metrics: a virtual account sees its own and its teams' requests,
        with tenant-admin permissions everybody's. `total` is the count of a row, whatever is aggregated.
        """
        query = {
            "startTs": rfc3339(since, "milliseconds"),
            "endTs": rfc3339(until, "milliseconds"),
            "datasource": "modelMetrics",
            "type": "distribution",
            "aggregations": [{"type": "count", "column": "modelName"}],
            # Without it a request to a virtual model counts twice: once for that, once for the model behind it.
            "filters": [{"fieldName": "virtualModelName", "operator": "IS_NULL"}],
        }
        answer = await self._ask("POST", "/api/svc/v1/llm-gateway/metrics/query", body=query, timeout=timeout)
        body = answer.json()
        data = body.get("data") if isinstance(body, Mapping) else None
        points = data.get("dataPoints") if isinstance(data, Mapping) else None
        if not isinstance(points, list):
            raise Garbled("the control plane's answer has no data points", status=answer.status, evidence=answer.trail)
        requests = 0
        for point in points:
            total = point.get("total") if isinstance(point, Mapping) else None
            if type(total) is not int or not 0 <= total <= _MOST_REQUESTS:
                raise Garbled("the control plane's answer counts requests in no sensible number", status=answer.status)
            requests += total
        return RequestCount(since=since, until=until, requests=requests, by="TrueFoundry")

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        timeout: Seconds,
        body: Mapping[str, Any] | None = None,
        answers: tuple[int, ...] = (_OK,),
    ) -> Answer:
        """Ask with the token. Raises any PortError where the status is not one of those that are answers."""
        headers = {"Authorization": f"Bearer {self.token()}", "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        answer = await self.http.request(
            Service.CONTROL_PLANE,
            method,
            f"{self.url.rstrip('/')}{path}",
            headers=headers,
            body=content,
            timeout=timeout,
        )
        if answer.status not in answers:
            raise answer.as_error("TrueFoundry's control plane answers", self.redactor, self.clock.now())
        return answer


# --- its own trace store ---------------------------------------------------------------------------------------------


def _begin(trace_id: TraceId | None, since: Instant) -> Instant:
    """Where to search from: some minutes before `since`, and before the moment that the gateway wrote into its own id.

    The gateway's ids are UUIDv7 without dashes, which begin with milliseconds (https://www.rfc-editor.org/rfc/rfc9562#section-5.7).
    """
    made = int(trace_id[:12], 16) / 1000 if trace_id is not None and _UUID7.fullmatch(trace_id) else since
    return min(since, max(made, since - DAY)) - _SKEW


def _read_spans(body: object, trace_id: TraceId | None, redactor: Redactor) -> tuple[list[SpanFact], str | None]:
    """The spans of one page, and the token of the next. Raises Garbled where absence could be read into what is not understood."""
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(data, list):
        raise Garbled("the answer of TrueFoundry's trace store has no list of spans")
    spans = [_read_row(row, redactor) for row in data]
    mine = [span for span in spans if span.trace_id == trace_id] if trace_id is not None else spans
    if spans and not mine:
        raise Garbled("TrueFoundry's trace store answers with other traces than the one it was asked for")
    pagination = body.get("pagination")
    if pagination is not None and not isinstance(pagination, Mapping):
        raise Garbled("the `pagination` of TrueFoundry's trace store has an unknown form")
    token = (pagination or {}).get("nextPageToken")
    return mine, str(token) if token else None


def _read_row(row: object, redactor: Redactor) -> SpanFact:
    """What is judged of a row. The ids are foreign text until they are seen to be ids: the canary's may be taken from here."""
    if not isinstance(row, Mapping):
        raise Garbled("a row of TrueFoundry's trace store is not an object")
    trace_id, span_id, parent_id = (
        str(row.get(name) or "").replace("-", "").lower() for name in ("traceId", "spanId", "parentSpanId")
    )
    if not _ID.fullmatch(trace_id) or not _ID.fullmatch(span_id) or (parent_id and not _ID.fullmatch(parent_id)):
        raise Garbled("a row of TrueFoundry's trace store has no usable ids")
    return SpanFact(trace_id=TraceId(trace_id), span_id=span_id, parent_id=parent_id, caller=_caller(row, redactor))


def _caller(row: Mapping[str, Any], redactor: Redactor) -> Caller | None:
    """Whose request a span belongs to, in the forms in which a rule may name that account."""

    def shown(name: str) -> str:  # as the words of the rules are read, which it is compared with
        return clamp(redactor.redact(name), 100)

    subject, attributes = row.get("createdBySubject"), row.get("spanAttributes")
    kind, slug = (subject.get("subjectType"), subject.get("subjectSlug")) if isinstance(subject, Mapping) else ("", "")
    if not isinstance(kind, str) or not isinstance(slug, str) or not slug:
        return None
    kinds = _ACCOUNTS if kind in _ACCOUNTS else (kind,)
    names = tuple(shown(name) for name in (slug, *(f"{each}:{slug}" for each in kinds)))
    teams = attributes.get("tfy.request.created_by_subject_teams") if isinstance(attributes, Mapping) else None
    if not isinstance(teams, list) or len(teams) > _MOST_TEAMS or not all(isinstance(team, str) for team in teams):
        return Caller(names=names, teams=None)
    return Caller(names=names, teams=tuple(map(shown, teams)))
