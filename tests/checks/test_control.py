"""Whether Traceloop itself takes in a span: one of our own, sent past the gateway."""

from typing import Any

import pytest

from monitor.checks.config import ConfigCheck
from monitor.checks.control import SERVICE_NAME, ControlCheck, judge_ingest
from monitor.connectivity import Certificates
from monitor.core.backend import BACKEND
from monitor.core.config_memory import ConfigSeen
from monitor.core.inputs import ControlSent
from monitor.core.model import CheckName, Fault, Service, UnknownReason
from monitor.core.state import TargetState
from monitor.ports import IngestAnswer, Unreachable
from tests.checks.bench import PROD, Diary, FakeConnectivity, says
from tests.core.build import OURS, THEIRS, Story, manifest, policy
from tests.fakes.backend import FakeBackend, FakeIngest
from tests.fakes.clock import START, FakeClock
from tests.fakes.control_plane import FakeControlPlane

ACCEPTED = (None, None)


class Bench:
    """A control check and everything around it."""

    def __init__(self, state: TargetState | None = None) -> None:
        self.clock, self.ingest, self.connectivity = FakeClock(), FakeIngest(), FakeConnectivity()
        self.diary = Diary(self.clock, state=state)
        self.certificates = Certificates()

    async def look(self) -> ControlSent:
        """Let it look."""
        attributes = {"gateway_trace_monitor.target": PROD}
        await ControlCheck(self.ingest, self.connectivity, self.clock, attributes, self.certificates).look(self.diary)
        return self.diary.only(ControlSent)

    @property
    def confirmed(self) -> set[Fault]:
        """What is believed."""
        return set(self.diary.state.confirmed)


async def test_after_a_refusal_the_gateways_key_is_looked_at_again() -> None:
    """Only what is read after the 401 shows whether the gateway holds the refused one."""
    for key, confirmed in ((OURS, {Fault.KEY_REJECTED}), (THEIRS, {Fault.CONFIG_DRIFT})):
        bench = Bench(Story().config().state)
        await bench.clock.advance(3)
        control_plane = FakeControlPlane(ConfigSeen(config=manifest(key=key)))
        config = ConfigCheck(control_plane, FakeBackend(), bench.clock, bench.certificates)
        bench.ingest.answer = IngestAnswer(status=401)
        await ControlCheck(bench.ingest, bench.connectivity, bench.clock, {}, bench.certificates, config.reread).look(
            bench.diary
        )
        assert bench.confirmed == confirmed


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 200}, ACCEPTED),
        ({"status": 202}, ACCEPTED),
        ({"status": 204}, ACCEPTED),
        ({"status": 200, "message": "a warning"}, ACCEPTED),
        ({"status": 200, "rejected": 1, "message": "quota"}, ("fail", Fault.INGEST_FAILING)),
        ({"status": 301}, ("fail", Fault.INGEST_FAILING)),
        ({"status": 307}, ("fail", Fault.INGEST_FAILING)),
        ({"status": 400}, ("fail", Fault.INGEST_FAILING)),
        ({"status": 402}, ("fail", Fault.INGEST_FAILING)),
        ({"status": 403}, ("fail", Fault.INGEST_FAILING)),
        ({"status": 404}, ("fail", Fault.INGEST_FAILING)),
        ({"status": 415}, ("fail", Fault.INGEST_FAILING)),
        ({"status": 500}, ("fail", Fault.INGEST_FAILING)),
        ({"status": 503}, ("fail", Fault.INGEST_FAILING)),
        # Whose key a 401 refuses is judged where the gateway's is known.
        ({"status": 401}, ("unknown", UnknownReason.REFUSED)),
        ({"status": 429, "retry_after": 30.0}, ("unknown", UnknownReason.REFUSED)),
        ({"status": 403, "blocked": True}, ("unknown", UnknownReason.BLOCKED)),
        ({"status": 401, "blocked": True}, ("unknown", UnknownReason.BLOCKED)),
        ({"status": 503, "blocked": True}, ("unknown", UnknownReason.BLOCKED)),
    ],
)
def test_every_answer_of_the_endpoint_has_one_meaning(answer: dict[str, Any], said: tuple[Any, ...]) -> None:
    """401: the key. Other 4xx, 3xx, 5xx: does not take in. 429 or a Cloudflare page: unknown. 2xx: wait for the read."""
    result = judge_ingest(IngestAnswer(**answer))
    assert (says(result) if result is not None else ACCEPTED) == said


async def test_what_is_sent_is_a_span_of_our_own() -> None:
    """Its own service name, so that nobody takes it for the gateway's, and ids that are new each time."""
    bench = Bench()
    await bench.look()
    sent = bench.ingest.sent[0]
    assert (sent.service_name, sent.at) == (SERVICE_NAME, START)
    assert sent.service_name != "tfy-llm-gateway"
    assert sent.attributes == {"gateway_trace_monitor.target": "prod"}
    assert (len(sent.trace_id), len(sent.span_id)) == (32, 16)


async def test_an_accepted_span_has_no_verdict_yet() -> None:
    """It is to be read back; the check has not looked until then."""
    bench = Bench()
    given = await bench.look()
    assert (given.result, given.control.accepted, given.control.judged) == (None, True, False)
    assert bench.diary.state.controls == (given.control,)
    assert bench.diary.state.check_state(CheckName.CONTROL).last is None
    assert bench.diary.committed[-1].controls == (given.control,)


async def test_a_partial_success_is_a_rejection() -> None:
    """HTTP 200 that rejects the span did not take it in; the OpenTelemetry SDK would call it a success."""
    bench = Bench()
    bench.ingest.answer = IngestAnswer(status=200, rejected=1, message="quota exceeded")
    given = await bench.look()
    assert given.result is not None
    assert given.result.summary == f"{BACKEND} rejects a test span (partial success): quota exceeded"
    assert (given.control.accepted, given.control.judged) == (False, True)


@pytest.mark.parametrize(("key", "confirmed"), [(OURS, {Fault.KEY_REJECTED}), ("Bearer ****", set())])
async def test_a_refused_key_settles_where_the_gateway_holds_the_same(key: str, confirmed: set[Fault]) -> None:
    """A 401 of the documented endpoint, and the gateway's header read literally; else it may be the monitor's alone."""
    bench = Bench(Story().config(manifest(key=key)).state)
    bench.ingest.answer = IngestAnswer(status=401)
    assert (await bench.look()).key_refused
    assert bench.confirmed == confirmed


async def test_a_challenge_page_refuses_no_key() -> None:
    """Cloudflare's 401 or 403 is not Traceloop's word."""
    bench = Bench(Story().config(manifest()).state)
    bench.ingest.answer = IngestAnswer(status=401, blocked=True)
    given = await bench.look()
    assert not given.key_refused
    assert (bench.confirmed, bench.diary.state.key_refused_at) == (set(), None)


@pytest.mark.parametrize(
    ("kind", "another_answers", "said"),
    [
        *((kind, True, ("fail", Fault.INGEST_FAILING)) for kind in ("dns", "connect", "tls", "timeout", "reset")),
        ("timeout", False, ("unknown", UnknownReason.NO_WITNESS)),
        ("denied", True, ("unknown", UnknownReason.UNREACHABLE)),
        ("shortage", True, ("unknown", UnknownReason.SHORTAGE)),
    ],
)
async def test_silence_is_traceloops_when_another_service_answers(
    kind: str, *, another_answers: bool, said: tuple[Any, ...]
) -> None:
    """Without one our own network is the suspect; what the monitor kept itself from accuses nobody, whoever answers."""
    bench = Bench()
    bench.ingest.error = Unreachable("nobody answers", kind=kind)
    bench.connectivity.another_answers = another_answers
    given = await bench.look()
    assert given.result is not None
    assert says(given.result) == said
    assert [suspicion.stops_export for suspicion in given.result.suspicions] == [True] * (said[0] == "fail")
    assert bench.connectivity.asked == ([] if kind in ("denied", "shortage") else [Service.OTLP])
    assert bench.diary.state.controls[-1].accepted is None


async def test_a_span_that_may_have_been_taken_proves_no_refusal() -> None:
    """After a 429 it is not known whether Traceloop would have taken it in."""
    bench = Bench()
    bench.ingest.answer = IngestAnswer(status=429)
    await bench.look()
    assert bench.diary.state.controls[-1].accepted is None


async def test_it_takes_two_refusals_to_settle() -> None:
    """Nothing of the endpoint's but a known key is conclusive."""
    bench = Bench()
    bench.ingest.answer = IngestAnswer(status=503)
    check = ControlCheck(bench.ingest, bench.connectivity, bench.clock, {}, bench.certificates)
    await check.look(bench.diary)
    assert bench.confirmed == set()
    await check.look(bench.diary)
    assert bench.confirmed == {Fault.INGEST_FAILING}


async def test_the_certificate_of_the_endpoint_is_dated() -> None:
    """It is Traceloop's."""
    bench = Bench()
    bench.certificates.note(Service.OTLP, START + 86_400)
    await bench.look()
    assert bench.diary.state.certificates == {"traceloop": START + 86_400}


async def test_where_nobody_judges_it_it_is_not_believed() -> None:
    """A check that was switched off while it was under way settles nothing."""
    bench = Bench()
    bench.diary.policy = policy(without=(CheckName.CONTROL,))
    bench.ingest.answer = IngestAnswer(status=503)
    await bench.look()
    assert bench.diary.state.check_state(CheckName.CONTROL).last is None
