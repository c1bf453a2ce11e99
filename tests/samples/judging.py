"""What the real adapters and checks make of one answer, in a few words: nothing else of the program takes part."""

from collections.abc import Awaitable, Callable, Mapping

from monitor.checks.canary import judge_answer
from monitor.checks.config import judge_comparison
from monitor.checks.control import judge_ingest
from monitor.checks.gateway import judge_ping
from monitor.checks.verdicts import cannot_see
from monitor.core.drift import compare
from monitor.core.model import CheckResult, TraceId
from monitor.core.trace import Labels, Route, SpanFact, TraceSeen, judge_completeness, judge_labels
from monitor.notifiers.slack import Destination, Frame, Pace, SlackBot
from monitor.otlp import OtlpIngest, SpanReader
from monitor.ports import CanaryRequest, ControlRequest, Gone, PortError, Refused, Undeliverable
from monitor.redaction import Redactor
from monitor.traceloop import TraceloopReader
from monitor.truefoundry import TrueFoundryControlPlane, TrueFoundryGateway
from tests.core.build import KEY, expectation
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply
from tests.notifiers import notices

TOKEN = "tfy_0123456789abcdef0123456789abcdef"
TRACELOOP_KEY = "tl_0123456789abcdef0123456789abcdef"
TRACE = TraceId("019ab2a96d50707fa3090c1b7201d5bd")
LABELS = Labels(service_name="tfy-llm-gateway", resource_attributes={"environment": "production"}, content=False)
_EXPORTERS = f"Bearer {TRACELOOP_KEY}"
_TIMEOUT = 10.0

Judge = Callable[[Remote], Awaitable[str]]


def redactor() -> Redactor:
    """One that knows every secret that is sent here."""
    return Redactor([TOKEN, TRACELOOP_KEY, _EXPORTERS])


async def judge(kind: str, reply: Reply) -> str:
    """In a few words."""
    try:
        return await JUDGES[kind](Remote(FakeClock(), reply))
    except PortError as error:
        return f"unknown: {cannot_see(error, 'see').unknown_reason}"


def _in_words(result: CheckResult, passed: str = "pass") -> str:
    return str(result.fault or (f"unknown: {result.unknown_reason}" if result.unknown_reason else passed))


def _gateway(remote: Remote) -> TrueFoundryGateway:
    return TrueFoundryGateway(
        remote.http, remote.url, lambda: TOKEN, path="/health", redactor=redactor(), clock=remote.clock
    )


async def _completion(remote: Remote) -> str:
    answer = await _gateway(remote).complete(CanaryRequest(prompt="ping", model="m", max_tokens=16, timeout=_TIMEOUT))
    return _in_words(judge_answer(answer, gateway_answers=True))


async def _health(remote: Remote) -> str:
    return _in_words(judge_ping(await _gateway(remote).ping(timeout=_TIMEOUT)))


def _plane(remote: Remote) -> TrueFoundryControlPlane:
    return TrueFoundryControlPlane(
        remote.http,
        remote.url,
        lambda: TOKEN,
        expected_headers=lambda: {"Authorization": _EXPORTERS},
        fingerprint_key=KEY,
        redactor=redactor(),
        clock=remote.clock,
    )


async def _config(remote: Remote) -> str:
    answer = await _plane(remote).read_export_config(timeout=_TIMEOUT)
    if answer.seen is None:
        return f"nothing: {answer.form}"
    if answer.seen.config.off:
        return "exporter_disabled"
    return _in_words(judge_comparison(compare(expectation(_EXPORTERS), answer.seen.config), answer.seen), "as expected")


async def _session(remote: Remote) -> str:
    return "known" if await _plane(remote).token_works(timeout=_TIMEOUT) else "not known"


async def _own_store(remote: Remote) -> str:
    spans = await _plane(remote).find_spans(TRACE, since=START, destination=None, timeout=_TIMEOUT)
    return f"there: {len(spans)} spans" if spans else "not there"


def _reader(remote: Remote) -> TraceloopReader:
    return TraceloopReader(
        remote.http, remote.url, lambda: TRACELOOP_KEY, spans=SpanReader(redactor()), clock=remote.clock
    )


def _tree(route: Route, spans: tuple[SpanFact, ...]) -> str:
    if not spans:
        return "not there"
    shape = judge_completeness(TraceSeen(route=route, at=START, spans=spans), own_parent="", wanted=None)
    return f"{'whole' if shape.complete else 'part'}: {len(spans)} span{'s' * (len(spans) > 1)}"


async def _trace(remote: Remote) -> str:
    try:
        spans = await _reader(remote).read_trace(TRACE, nonce="gtm-1", timeout=_TIMEOUT)
    except Gone:
        return "closed"
    except Refused as error:
        if error.blocked or error.status not in (401, 403):
            raise
        return "closed"
    return _tree(Route.TRACE, spans)


async def _warehouse(remote: Remote) -> str:
    spans = await _reader(remote).read_window(
        since=START - 60, until=START, trace_id=TRACE, nonce="gtm-1", timeout=_TIMEOUT
    )
    labels = judge_labels(TraceSeen(route=Route.WAREHOUSE, at=START, spans=spans), LABELS)
    words = "leaked" if labels.leaked else "mislabelled" if labels.mislabelled else "well labelled"
    tree = _tree(Route.WAREHOUSE, spans)
    return f"{tree}, {words}" if spans else tree


async def _ingest(remote: Remote) -> str:
    headers = {"Authorization": _EXPORTERS}
    ingest = OtlpIngest(
        remote.http, f"{remote.url}/v1/traces", lambda: headers, redactor=redactor(), clock=remote.clock
    )
    request = ControlRequest(trace_id=TRACE, span_id="a2d6b882aa15be55", at=START, service_name="monitor")
    answer = await ingest.send(request, timeout=1.0)
    if answer.status == 401 and not answer.blocked:
        return "key refused"
    result = judge_ingest(answer)
    return "accepted" if result is None else _in_words(result)


async def _slack(remote: Remote) -> str:
    bot = SlackBot(
        http=remote.http,
        clock=remote.clock,
        token=lambda: "xoxb-1-token",
        destination=Destination(channel="C123ABC456"),
        frame=Frame(redact=redactor().redact),
        api_url=f"{remote.url}/api/",
        pace=Pace(remote.clock),
    )
    try:
        await bot.deliver(notices.opened())
    except Undeliverable as error:
        return "never" if error.permanent else "perhaps" if error.unknown else "later"
    return "delivered"


JUDGES: Mapping[str, Judge] = {
    "completion": _completion,
    "health": _health,
    "config": _config,
    "session": _session,
    "own_store": _own_store,
    "trace": _trace,
    "warehouse": _warehouse,
    "ingest": _ingest,
    "slack": _slack,
}
"""By the folder that the samples are in."""
