"""One exchange as a sample: method, address, some headers, the body, all in disguise. What is not listed here is left out."""

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from monitor.core.model import Instant, Service
from monitor.doctor.recording.disguise import ID, Disguise
from monitor.doctor.recording.feedback import recode
from monitor.http import Answer, Exchange, Request
from monitor.ports import Garbled
from monitor.traceloop import count_rejected
from monitor.truefoundry import FEEDBACK_HEADER

_LONGEST_TEXT = 600
_ROW_IDS = ("trace_id", "traceId")
_KEPT_OF_OTHERS = ("trace_id", "span_id", "timestamp", "traceId", "spanId")
_QUERY = frozenset({"from_timestamp_sec", "to_timestamp_sec", "sort_by", "sort_order", "limit", "cursor"})
_SCOPES = re.compile(r"[a-z:._, ]{1,1000}")


class Sampler:
    """Makes samples of one recording. Of traces only those are kept that are ours: of others, only that they are there."""

    def __init__(self, disguise: Disguise, began_at: Instant) -> None:
        self._disguise = disguise
        self._began_at = began_at
        self._ours: set[str] = set()

    def sample(self, exchange: Exchange) -> dict[str, Any]:
        """The sample of an exchange, fit for JSON."""
        made = {
            "service": exchange.service.value,
            "after": round(exchange.began_at - self._began_at, 3),
            "took": round(exchange.took, 3),
            "request": self._request(exchange.request),
        }
        if exchange.answer is None:
            return {**made, "failure": exchange.failure}
        answer = self._answer(exchange.answer)
        if exchange.service is Service.OTLP:
            answer["rejected_spans"] = count_rejected(exchange.answer)
        return {**made, "answer": answer}

    # --- the request, which is ours

    def _request(self, request: Request) -> dict[str, Any]:
        url = urlsplit(request.url)
        body = _json_of(request.body or b"")
        for text in (url.path, url.query, *request.headers.values(), json.dumps(body)):
            self._ours |= _ids_in(text)
        headers, left_out = self._request_headers(request.headers)
        return {
            "method": request.method,
            "url": self._disguise.url(f"{url.scheme}://{url.netloc}{url.path}"),
            "query": {self._disguise.name(name): self._query(name, text) for name, text in parse_qsl(url.query)},
            "credential": self._disguise.credential(_header(request.headers, "authorization")),
            "headers": headers,
            "headers_left_out": left_out,
            "json": self._disguise.value(body),
            "bytes": len(request.body or b""),
        }

    def _query(self, name: str, text: str) -> str:
        if name == "filters":  # JSON, ours
            return json.dumps([self._filter(each) for each in _json_of(text.encode()) or ()])
        return text if name in _QUERY and text.replace("_", "").isalnum() else self._disguise.text(text)

    def _filter(self, rule: Mapping[str, str]) -> Mapping[str, str]:
        return {**rule, "value": self._disguise.ids(rule["value"])}

    def _request_headers(self, headers: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
        kept: dict[str, str] = {}
        left_out: list[str] = []
        for given, text in headers.items():
            match name := given.lower():
                case "user-agent" | "accept" | "accept-encoding" | "content-type":
                    kept[name] = text
                case "traceparent":
                    kept[name] = self._disguise.ids(text)
                case "x-tfy-metadata" | "x-tfy-logging-config":
                    kept[name] = json.dumps(self._disguise.value(_json_of(text.encode())))
                case _:
                    left_out.append(self._disguise.name(name))
        return kept, sorted(left_out)

    # --- the answer, which is foreign

    def _answer(self, answer: Answer) -> dict[str, Any]:
        headers, left_out = self._answer_headers(answer)
        return {
            "status": answer.status,
            "headers": headers,
            "headers_left_out": left_out,
            **self._body(answer),
            "bytes": len(answer.body),
            "flaw": answer.flaw is not None,
            "blocked": answer.blocked,
            "certificate_expires_at": answer.certificate_expires_at,
        }

    def _answer_headers(self, answer: Answer) -> tuple[dict[str, str], list[str]]:
        kept: dict[str, str] = {}
        left_out: list[str] = []
        for name, text in answer.headers.items():
            shown = self._answer_header(name, text)
            if shown is None:
                left_out.append(self._disguise.name(name))
            else:
                kept[name] = shown
        return kept, sorted(left_out)

    def _answer_header(self, name: str, text: str) -> str | None:
        disguise = self._disguise
        match name:
            case "content-type":
                return text.partition(";")[0].strip() if re.fullmatch(r"[\w.+/-]+\s*(;.*)?", text) else None
            case "date":
                return text if _is_date(text) else None
            case "retry-after":
                return text if text.isdigit() or _is_date(text) else None
            case "server" | "cf-mitigated" | "x-tfy-cache-status" | "x-tfy-resolved-model" | "x-kong-upstream-latency":
                return disguise.text(text, name)
            case "x-tfy-cached-trace-id":
                return disguise.ids(text) if ID.fullmatch(text) else disguise.text(text)
            case "x-tfy-applied-configurations" | "x-tfy-applied-rules":
                return json.dumps(disguise.value(_json_of(unquote(text).encode())))
            case "x-oauth-scopes":
                return text if _SCOPES.fullmatch(text) else None
            case _ if name == FEEDBACK_HEADER:
                return recode(text, self._named_trace) or disguise.text(text)
            case _:
                return None

    def _named_trace(self, content: object) -> object:
        self._ours |= _ids_in(json.dumps(content))
        return self._disguise.value(content)

    def _body(self, answer: Answer) -> dict[str, Any]:
        """JSON in disguise; short texts by their plain words; nothing of anything else."""
        try:
            body = answer.json()
        except Garbled:
            readable = answer.media_type.startswith("text/") and len(answer.body) <= _LONGEST_TEXT
            return {"text": self._disguise.words(answer.text())} if readable else {"unreadable": bool(answer.body)}
        self._ours |= {trace for row in _rows(body) if self._is_ours(row) for trace in _traces(row)}
        return {"json": self._disguise.value(self._reduced(body))}

    def _reduced(self, body: object) -> object:
        """Rows of other people's traces shrink to their ids."""
        match body:
            case dict():
                if _traces(body) and not self._is_ours(body):
                    return {name: each for name, each in body.items() if name in _KEPT_OF_OTHERS}
                return {name: self._reduced(each) for name, each in body.items()}
            case list():
                return [self._reduced(each) for each in body]
        return body

    def _is_ours(self, row: object) -> bool:
        return bool(_ids_in(json.dumps(row)) & self._ours)


def _header(headers: Mapping[str, str], wanted: str) -> str:
    return next((text for name, text in headers.items() if name.lower() == wanted), "")


def _ids_in(text: str) -> set[str]:
    return {match.group().replace("-", "").lower() for match in ID.finditer(text)}


def _rows(body: object) -> list[Mapping[str, Any]]:
    """Everything in a body that belongs to a trace."""
    match body:
        case dict():
            return [body] if _traces(body) else [row for each in body.values() for row in _rows(each)]
        case list():
            return [row for each in body for row in _rows(each)]
    return []


def _traces(row: Mapping[str, Any]) -> list[str]:
    named = [row[name] for name in _ROW_IDS if isinstance(row.get(name), str)]
    return [text.replace("-", "").lower() for text in named]


def _json_of(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _is_date(text: str) -> bool:
    try:
        parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):
        return False
    return len(text) <= 40  # noqa: PLR2004 - no date is longer
