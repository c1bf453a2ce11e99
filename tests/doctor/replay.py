"""Plays a recording to the real adapters: a `Transport` that answers as was recorded, in the recorded time.

The program under test draws other ids than the one that was recorded. So a request is matched by its form, the ids in it are
matched with those of the sample one by one, and the answer is given with the ids of the present run.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from monitor.doctor.recording.disguise import ID
from monitor.doctor.recording.feedback import recode
from monitor.http import Reply, Request, Stopwatch
from monitor.ports import Unreachable
from monitor.settings import Settings, parse
from monitor.truefoundry import FEEDBACK_HEADER
from tests.fakes.clock import FakeClock

_RELATED = ("traceparent", "x-tfy-metadata")
Sample = dict[str, Any]


class Replay:
    """The recording in a directory."""

    def __init__(self, directory: Path, *, seed: int = 7) -> None:
        self.index = json.loads((directory / "index.json").read_text())
        self.clock = FakeClock(start=self.index["started_at"], seed=seed, threads=False)
        self.settings: Settings = parse(json.dumps(self.index["settings"]), {}, directory).settings
        self._samples: list[Sample] = [json.loads(file.read_text()) for file in sorted(directory.glob("[0-9]*.json"))]
        self._unplayed = list(range(len(self._samples)))
        self._live: dict[str, str] = {}  # by recorded id

    @asynccontextmanager
    async def open(self, request: Request, watch: Stopwatch) -> AsyncIterator[Reply]:
        """As `Transport.open`."""
        sample = self._choose(request)
        watch.begin("processing")
        if sample.get("failure") == "timeout":
            await asyncio.Event().wait()
        await self.clock.sleep(sample["took"])
        if "failure" in sample:
            raise Unreachable(f"{request.place}: as recorded", kind=sample["failure"])
        answer = sample["answer"]
        yield Reply(
            status=answer["status"],
            headers=self._headers(answer),
            chunks=_chunks(self._body(answer)),
            certificate_expires_at=answer["certificate_expires_at"],
        )

    def _choose(self, request: Request) -> Sample:
        """The first sample of this form that was not played yet and whose ids can be those of the request."""
        form, ids = _form_of(request), _ids_of(request)
        for place in self._unplayed:
            sample = self._samples[place]
            credential = sample["request"]["credential"]
            if (
                _recorded_form(sample) == form
                and credential == _credential(request)
                and self._agree(_recorded_ids(sample), ids)
            ):
                self._unplayed.remove(place)
                return sample
        # Two that look at the same time may ask once more, or in another order: a refusal is the same for both.
        again = [sample for sample in self._samples if _recorded_form(sample) == form and "answer" in sample]
        if again and again[-1]["answer"]["status"] >= 400:
            return again[-1]
        raise Unreachable(f"{request.place}: nothing of the kind was recorded", kind="dns")

    def _agree(self, recorded: list[str], present: list[str]) -> bool:
        if len(recorded) != len(present):
            return False
        known = dict(self._live)
        for one, other in zip(recorded, present, strict=True):
            if known.setdefault(one, other) != other:
                return False
        self._live = known
        return True

    def _headers(self, answer: Sample) -> dict[str, str]:
        headers = dict(answer["headers"])
        named = headers.get(FEEDBACK_HEADER)
        if named is not None:
            headers[FEEDBACK_HEADER] = recode(named, self._named_anew) or named
        return headers

    def _body(self, answer: Sample) -> bytes:
        if answer["flaw"] or answer.get("unreadable"):
            return _rejection(answer) if answer.get("rejected_spans") else b'{"cut'
        if "json" in answer:
            return json.dumps(self._as_present(answer["json"]), ensure_ascii=False).encode()
        if answer["blocked"]:
            return b"error code: 1010"
        return str(answer.get("text", "")).encode()

    def _as_present(self, content: object) -> object:
        text = json.dumps(content, ensure_ascii=False)
        return json.loads(ID.sub(lambda match: self._live.get(match.group(), match.group()), text))

    def _named_anew(self, content: object) -> object:
        """An id that an answer names is asked for as it was recorded: no other request may be taken for that one."""
        for match in ID.finditer(json.dumps(content)):
            self._live.setdefault(match.group(), match.group())
        return self._as_present(content)

    @property
    def unplayed(self) -> list[Sample]:
        """What was recorded and not asked for."""
        return [self._samples[place] for place in self._unplayed]


def _credential(request: Request) -> str | None:
    return request.headers.get("Authorization", "").removeprefix("Bearer ") or None


def _rejection(answer: Sample) -> bytes:
    rejected = ExportTracePartialSuccess(rejected_spans=answer["rejected_spans"])
    return ExportTraceServiceResponse(partial_success=rejected).SerializeToString()


async def _chunks(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


def _form_of(request: Request) -> tuple[str, str, tuple[str, ...]]:
    url = urlsplit(request.url)
    return request.method, f"{url.netloc}{ID.sub('*', url.path)}", _names(parse_qsl(url.query))


def _recorded_form(sample: Sample) -> tuple[str, str, tuple[str, ...]]:
    request = sample["request"]
    url = urlsplit(request["url"])
    return request["method"], f"{url.netloc}{ID.sub('*', url.path)}", _names(request["query"].items())


def _names(query: Any) -> tuple[str, ...]:
    """The names of the parameters; of `filters` also what they filter by."""
    return tuple(sorted(name if name != "filters" else f"{name}: {json.loads(text)[0]['id']}" for name, text in query))


def _ids_of(request: Request) -> list[str]:
    url = urlsplit(request.url)
    headers = {name.lower(): text for name, text in request.headers.items()}
    is_json = headers.get("content-type") == "application/json"
    body = (request.body or b"").decode("utf-8", "replace") if is_json else ""
    parts = [
        url.path,
        *(text for _, text in parse_qsl(url.query)),
        *(headers.get(name, "") for name in _RELATED),
        body or "",
    ]
    return list(_ids(parts))


def _recorded_ids(sample: Sample) -> list[str]:
    request = sample["request"]
    headers = (request["headers"].get(name, "") for name in _RELATED)
    parts = [urlsplit(request["url"]).path, *request["query"].values(), *headers, json.dumps(request["json"])]
    return list(_ids(parts))


def _ids(parts: list[str]) -> Iterator[str]:
    for part in parts:
        yield from (match.group() for match in ID.finditer(part))
