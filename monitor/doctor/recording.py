"""Recordings for a bug report: a file for each exchange, and an index, with nothing in them but what `recorded.toml` names.

    "status": "failure"          a public word, under a name that is known to hold such
    "message": "<str 34 #7>"     any other text: its length, and that it is the seventh; the same text is the seventh everywhere
    "<str 9 #8>": "<int>"        a field that is not in the list
    "token": "<secret 2 literal>"    the second of the configured secrets; what may be wrong with its form is said
    "updatedAt": "<time -340 s>"     a moment, seen from the beginning of the recording
    {"<json>": {…}}              a text that is JSON

An allow-list, because what is not known to be harmless must not get out. That equal texts show is what a reader goes by: the trace is
the canary's, the exporter's key is the monitor's.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from monitor.core.model import Instant, Service
from monitor.core.secret import SecretKind, describe_secret
from monitor.daemon.compose import secrets_of
from monitor.http import Answer, Exchange, Request
from monitor.otlp import count_rejected
from monitor.ports import Clock, Garbled
from monitor.settings import Settings
from monitor.truefoundry import FEEDBACK_HEADER, describe_feedback_target
from monitor.truefoundry.gateway import decode_feedback_target
from monitor.version import VERSION

INDEX = "index.json"
KIND = "gateway-trace-monitor recording"
FORMAT = 2
_SAMPLE = re.compile(r"[0-9]{4,}-[a-z_]+\.json")
_PARTS = {*["control_plane", "gateway", "traceloop", "phoenix", "expected", "checks"]}  # of a target's settings

_LIST: dict[str, Any] = tomllib.loads(Path(__file__).with_name("recorded.toml").read_text("utf-8"))
_WORDS = {name: frozenset(words.split()) for names, words in _LIST.pop("words").items() for name in names.split()}
ALLOWED: Mapping[str, frozenset[str]] = {kind: frozenset(names.split()) for kind, names in _LIST.items()}

_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16}", re.IGNORECASE)
_OURS = re.compile(r"[0-9a-f]{32}|gtm-[0-9a-f]{16}")  # a trace id, or a nonce
_NUMBER = re.compile(r"-?[0-9]{1,6}(?:\.[0-9]{1,3}0*)?")
_SMALL, _FAR, _DAY = 10**6, 10**14, 86_400.0
_SECRET_NAME = re.compile(r"(?:^|[._-])(?:authorization|cookie|api[_-]?key|secret|password|token)$", re.IGNORECASE)
_PLAIN_ANSWER = re.compile(r"[a-z0-9_ ]{1,40}")
_MOST, _DEEPEST, _LONGEST_JSON = 20, 60, 100_000


class Outline:
    """Writes down by the allow-list what a recording consists of; `secrets` are the configured ones."""

    def __init__(self, secrets: Sequence[str], began_at: Instant) -> None:
        self._secrets = secrets
        self._began_at = began_at
        self._numbers: dict[bytes, int] = {}  # by digest of the text
        self._ours: set[str] = set()  # ids and nonces of our own traces

    # --- exchanges

    def exchange(self, exchange: Exchange) -> dict[str, Any]:
        """One exchange, fit for JSON."""
        made = {
            "service": exchange.service.value,
            "after": round(exchange.began_at - self._began_at, 3),
            "took": round(exchange.took, 3),
            "request": self._request(exchange.request),
        }
        if exchange.answer is None:
            return {**made, "failure": exchange.failure}
        rejected = {"rejected_spans": count_rejected(exchange.answer)} if exchange.service is Service.OTLP else {}
        return {**made, "answer": {**self._answer(exchange.answer), **rejected}}

    def _request(self, request: Request) -> dict[str, Any]:
        url, body = urlsplit(request.url), _json_in((request.body or b"").decode("utf-8", "replace"))
        for text in (url.path, url.query, *request.headers.values(), json.dumps(body)):
            self._ours.update(_OURS.findall(text))
        segments = [each if each in ALLOWED["path_segments"] else self._text(each) for each in url.path.split("/")]
        return {
            "method": request.method,
            "host": self._text(url.netloc),
            "path": "/".join(segments),
            "query": {self._name(name): self.value(text, name) for name, text in parse_qsl(url.query)},
            "headers": self._headers(request.headers),
            "bytes": len(request.body or b""),
            "body": self.value(body),
        }

    def _answer(self, answer: Answer) -> dict[str, Any]:
        sent_at, expires_at = answer.sent_at, answer.certificate_expires_at
        try:
            body, is_json = answer.json(), True
        except Garbled:
            body, is_json = None, False
        target = decode_feedback_target(answer.headers.get(FEEDBACK_HEADER))
        if target is not None:
            self._ours.add(target.trace_id)
        rows = list(_rows(body))
        self._ours |= {_trace_of(row) for row in rows if self._ours.intersection(_OURS.findall(json.dumps(row)))}
        return {
            "status": answer.status,
            "date": None if sent_at is None else self._moment(sent_at),
            "headers": self._headers(answer.headers),
            "bytes": len(answer.body),
            "body": self.value(body),
            "json": is_json,
            "cut": answer.flaw is not None,
            "blocked": answer.blocked,
            "certificate_days": None if expires_at is None else round((expires_at - self._began_at) / _DAY),
        }

    def _headers(self, headers: Mapping[str, str]) -> dict[str, Any]:
        known = {name.lower(): text for name, text in headers.items() if name.lower() in ALLOWED["headers"]}
        made = {name: self._header(name, text) for name, text in known.items()}
        return {**made, "<others>": len(headers) - len(known)}

    def _header(self, name: str, text: str) -> Any:  # noqa: ANN401 - JSON
        match name:
            case "content-type":
                return self.value(text.partition(";")[0].strip().lower(), name)
            case "traceparent":
                return [self._text(part) for part in text.split("-")]
            case "x-oauth-scopes":
                return [self.value(scope.strip(), name) for scope in text.split(",")]
            case _ if name == FEEDBACK_HEADER:
                target = decode_feedback_target(text)
                trace = self._text(target.trace_id) if target is not None else None
                return {"form": describe_feedback_target(text), "length": len(text), "trace": trace}
            case _:
                return self.value(text, name)

    # --- values

    def value(self, value: object, name: str = "", depth: int = 0) -> Any:  # noqa: ANN401 - JSON
        """Any JSON; `name` is the field that it stands in."""
        if depth > _DEEPEST:
            return "<deeper>"
        match value:
            case None:
                return None
            case str():
                return self._string(value, name, depth)
            case bool():
                return value if name in ALLOWED["names"] else "<bool>"
            case int() | float() if name in ALLOWED["moments"]:
                return self._moment(value)
            case int() | float() if name in ALLOWED["numbers"] and abs(value) < _SMALL:
                return round(value, 3)
            case list():
                ours = [each for each in value if not self._is_foreign(each)]
                shown = [self.value(each, name, depth + 1) for each in ours[:_MOST]]
                return [*shown, f"<{len(value) - len(shown)} more>"] if len(value) > len(shown) else shown
            case dict() if self._is_foreign(value):
                return "<a span of another trace>"
            case dict():
                return self._object(value, name, depth)
        return f"<{type(value).__name__}>"

    def _object(self, value: Mapping[str, Any], name: str, depth: int) -> dict[str, Any]:
        made = {}
        for key, each in value.items():
            known = self._name(key, name)
            field = "authorization" if name == "headers" else key if known == key else ""
            made[known] = self.value(each, field, depth + 1)
        return made

    def _name(self, key: str, parent: str = "") -> str:
        """The name of a field, if the list has it; of another one at least the vendor's prefix."""
        if parent in ALLOWED["named_by_people"]:
            return key if key in ALLOWED["public_among_them"] or key == "Authorization" else self._text(key)
        plain = re.sub(r"\.[0-9]{1,3}\.", ".0.", key)
        if plain in ALLOWED["names"] or plain in ALLOWED["public_among_them"]:
            return key
        prefix = next((each for each in ("gen_ai.", "llm.", "tfy.", "traceloop.") if key.startswith(each)), "")
        return prefix + self._text(key.removeprefix(prefix))

    def _string(self, text: str, name: str, depth: int) -> Any:  # noqa: ANN401 - JSON
        if _SECRET_NAME.search(name):
            return self._secret(text)
        if name in ALLOWED["numbers"] and _NUMBER.fullmatch(text):
            return text
        if name in ALLOWED["moments"] and (moment := _moment_in(text)) is not None:
            return self._moment(moment)
        words = _WORDS.get(re.sub(r"\.[0-9]{1,3}\.", ".0.", name), frozenset())
        first, blank, rest = text.partition(" ")
        if first in words:
            return f"{first} {self._text(rest)}" if blank else first
        inner = _json_in(text) if name in ALLOWED["json_texts"] else None
        return {"<json>": self.value(inner, name, depth + 1)} if inner is not None else self._text(text)

    def _text(self, text: str) -> str:
        if not text:
            return ""
        plain = text.replace("-", "").lower() if _ID.fullmatch(text) else text
        digest = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()
        return f"<str {len(text)} #{self._numbers.setdefault(digest, len(self._numbers) + 1)}>"

    def _moment(self, value: float) -> str:
        """Of seconds since 1970, or of milliseconds where those would be absurd."""
        if not abs(value) < _FAR:
            return "<time>"
        after = (value / 1000 if abs(value) > _FAR / 1000 else value) - self._began_at
        return f"<time {after:+.0f} s>" if abs(after) <= _DAY else "<time>"

    def _secret(self, text: str) -> str:
        """Which of the configured secrets it is, and what may be wrong with its form."""
        known = next((number for number, secret in enumerate(self._secrets, 1) if secret and secret in text), "unknown")
        described = describe_secret(text, expected=None, key=b"recording", bearer=True)
        kind = SecretKind.LITERAL if known != "unknown" else described.kind
        return f"<secret {known} {'; '.join((kind, *described.oddities))}>"

    def _is_foreign(self, value: object) -> bool:
        """Whether it is a span of somebody else's trace."""
        return isinstance(value, dict) and _trace_of(value) not in {"", *self._ours}


def _trace_of(row: Mapping[str, Any]) -> str:
    """The trace that an object belongs to by its fields; empty if to none."""
    named = next((row[name] for name in ("trace_id", "traceId") if isinstance(row.get(name), str)), "")
    return named.replace("-", "").lower() if _ID.fullmatch(named) else ""


def _rows(body: object) -> Iterator[Mapping[str, Any]]:
    """Everything in a body that belongs to a trace."""
    if isinstance(body, dict) and _trace_of(body):
        yield body
    elif isinstance(body, dict | list):
        for each in body.values() if isinstance(body, dict) else body:
            yield from _rows(each)


def _json_in(text: str) -> dict[str, Any] | list[Any] | None:
    """The object or list that a text is; None if it is something else."""
    if text[:1] not in ("{", "[") or len(text) > _LONGEST_JSON:
        return None
    try:
        inner: dict[str, Any] | list[Any] = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return inner


def _moment_in(text: str) -> float | None:
    """A number, or a moment of ISO 8601; None for anything else."""
    try:
        return float(text) if text.isdigit() else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


# --- the directory ----------------------------------------------------------------------------------------------------


class CannotRecord(Exception):
    """Why a directory cannot be recorded into, for people."""


class Recorder:
    """Gets every exchange by `record`, and writes its outline down."""

    def __init__(self, settings: Settings, directory: Path, *, clock: Clock) -> None:
        """Raises CannotRecord. A directory that holds an earlier recording is taken, and the earlier one removed."""
        _prepare(directory)
        self._settings = settings
        self._directory = directory
        self._began_at = clock.now()
        secrets = sorted(set(secrets_of(settings)), key=len, reverse=True)
        self._outline = Outline(secrets, self._began_at)
        self.count = 0
        self.problem: str | None = None

    def record(self, exchange: Exchange) -> None:
        """Write one exchange down; what cannot be written is a `problem`, and never one of whoever asked."""
        self.count += 1
        self._write(f"{self.count:04}-{exchange.service.value}.json", self._outline.exchange(exchange))

    def close(self, report: Mapping[str, Any] | None = None) -> None:
        """Write the index, with the answers of a report if there is one."""
        numbers = {str(name): f"target-{number}" for number, name in enumerate(self._settings.targets, 1)}
        index = {
            "recording": KIND,
            "format": FORMAT,
            "version": VERSION,
            "date": datetime.fromtimestamp(self._began_at, UTC).isoformat(timespec="seconds"),
            "exchanges": self.count,
            "settings": {
                numbers[str(name)]: self._outline.value(target.model_dump(mode="json", include=_PARTS))
                for name, target in self._settings.targets.items()
            },
            "answers": {
                numbers[name]: {
                    slug: f"{each['verdict']}: {self._word(slug, each['answer'])}"
                    for slug, each in target["questions"].items()
                }
                for name, target in (report or {"targets": {}})["targets"].items()
            },
        }
        self._write(INDEX, index)

    def _word(self, slug: str, answer: str) -> str:
        public = slug in ALLOWED["answers"] and _PLAIN_ANSWER.fullmatch(answer)
        return answer if public else f"<str {len(answer)}>"

    def _write(self, name: str, content: dict[str, Any]) -> None:
        try:
            (self._directory / name).write_text(json.dumps(content, indent=1) + "\n")
        except OSError as error:
            self.problem = f"{name} could not be written: {error.strerror or error}"


def _prepare(directory: Path) -> None:
    """Make the directory, or clear an earlier recording out of it. Raises CannotRecord."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = sorted(directory.iterdir())
        foreign = [file for file in found if file.name != INDEX and not _SAMPLE.fullmatch(file.name)]
        if found and (foreign or not _is_recording(directory / INDEX)):
            raise CannotRecord(
                "the directory is not empty and holds no earlier recording. Name a new one, so that your files are not mixed "
                "with it"
            )
        for file in found:
            file.unlink()
        (directory / INDEX).write_text(json.dumps({"recording": KIND, "format": FORMAT}) + "\n")
    except OSError as error:
        raise CannotRecord(error.strerror or "it cannot be written to") from None


def _is_recording(index: Path) -> bool:
    try:
        content = json.loads(index.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("recording") == KIND
