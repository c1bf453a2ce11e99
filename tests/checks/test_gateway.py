"""Whether the gateway answers at all."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.checks.gateway import GatewayCheck
from monitor.core.inputs import Observation
from monitor.core.model import Blindness, CheckName, Fault, Phases, Service
from monitor.core.state import Cadence
from monitor.ports import Ping, Unreachable
from tests.checks.bench import Diary, FakeWitness, ScriptedGateway, says
from tests.core.build import POLICY
from tests.fakes.clock import START, FakeClock


async def _look(
    health: Ping | Unreachable, *, vouches: bool = True
) -> tuple[Observation, ScriptedGateway, FakeWitness]:
    clock, gateway, witness = FakeClock(), ScriptedGateway(health=health), FakeWitness(vouches)
    diary = Diary(clock)
    await GatewayCheck(gateway, witness, clock, endpoint="gateway").look(diary)
    return diary.only(Observation), gateway, witness


@pytest.mark.parametrize(
    ("ping", "said"),
    [
        ({"status": 200}, ("pass", None)),
        ({"status": 204}, ("pass", None)),
        ({"status": 400}, ("pass", None)),
        ({"status": 401}, ("pass", None)),
        ({"status": 403}, ("pass", None)),
        ({"status": 404}, ("pass", None)),
        ({"status": 429}, ("pass", None)),
        ({"status": 300}, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ({"status": 301}, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ({"status": 302}, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ({"status": 308}, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ({"status": 500}, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ({"status": 502}, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ({"status": 530}, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ({"status": 403, "blocked": True}, ("unknown", Blindness.BLOCKED)),
        ({"status": 503, "blocked": True}, ("unknown", Blindness.BLOCKED)),
    ],
)
async def test_reachable_is_any_answer_but_a_redirect_or_a_5xx(ping: dict[str, Any], said: tuple[Any, ...]) -> None:
    """Cloudflare's 1010 says nothing about the gateway, and no HTTP answer needs a witness."""
    seen, _, witness = await _look(Ping(**ping))
    assert says(seen.finding) == said
    assert witness.asked == []


@pytest.mark.parametrize("kind", ["dns", "connect", "tls", "timeout", "reset", "protocol"])
async def test_silence_is_the_gateways_when_another_service_answers(kind: str) -> None:
    """Without one that does, our own network is the suspect."""
    seen, _, witness = await _look(Unreachable("gw: nobody answers", kind=kind))
    assert says(seen.finding) == ("fail", Fault.GATEWAY_UNREACHABLE)
    assert seen.finding.evidence["kind"] == kind
    assert seen.finding.charges[0].facts == ("another service answers the monitor: its own network works",)
    assert not seen.finding.charges[0].conclusive
    assert witness.asked == [Service.GATEWAY]
    doubted, _, _ = await _look(Unreachable("gw: nobody answers", kind=kind), vouches=False)
    assert says(doubted.finding) == ("unknown", Blindness.NO_WITNESS)
    assert "our own network is the suspect" in doubted.finding.summary


@pytest.mark.parametrize(
    ("kind", "reason", "said"),
    [
        ("denied", Blindness.UNREACHABLE, "the gateway was not asked: 169.254.0.1 is never asked"),
        ("shortage", Blindness.SHORTAGE, "the gateway was not asked: the monitor is out of file descriptors"),
        ("proxy", Blindness.PROXY, "the gateway was not asked: our proxy refuses the connection to gw (403)"),
        ("starved", Blindness.STARVED, "the gateway may have answered: the monitor itself did not run for 4 s"),
    ],
)
async def test_what_the_monitor_kept_itself_from_accuses_nobody(kind: str, reason: Blindness, said: str) -> None:
    """Whatever else answers: that our network lives proves neither the way through our proxy nor a free descriptor."""
    seen, _, witness = await _look(Unreachable(said.partition(": ")[2], kind=kind))
    assert (says(seen.finding), seen.finding.summary) == (("unknown", reason), said)
    assert witness.asked == []


async def test_it_is_asked_within_its_own_timeout() -> None:
    """`checks.gateway.timeout` is the deadline of the request."""
    clock, gateway = FakeClock(), ScriptedGateway()
    cadences = {**POLICY.cadences, CheckName.GATEWAY: Cadence(every=15, every_while_failing=5, deadline=2.5)}
    await GatewayCheck(gateway, FakeWitness(), clock, endpoint="gateway").look(
        Diary(clock, replace(POLICY, cadences=cadences))
    )
    assert gateway.pings == [2.5]


async def test_phases_and_certificate_come_along() -> None:
    """How long each part took is evidence; when the certificate expires is remembered by its endpoint."""
    ping = Ping(status=200, phases=Phases(connect=0.0123456, tls=0.04), certificate_expires_at=START + 86_400)
    seen, _, _ = await _look(ping)
    assert seen.finding.evidence == {"status": 200, "connect_seconds": 0.012, "tls_seconds": 0.04}
    assert seen.certificate == ("gateway", START + 86_400)
    assert seen.at == START


async def test_the_phases_of_a_canary_stay_those_of_a_canary() -> None:
    """`canary_phase_seconds` is of the last canary's request: a ping every 15 seconds does not overwrite it."""
    seen, _, _ = await _look(Ping(status=200, phases=Phases(connect=0.01)))
    assert seen.phases == {}


async def test_the_phases_of_silence_tell_how_far_it_came() -> None:
    """A black hole has a `connect` and nothing after it."""
    seen, _, _ = await _look(Unreachable("no answer", kind="timeout", phases=Phases(resolve=0.002, connect=5.0)))
    assert seen.finding.evidence == {"kind": "timeout", "resolve_seconds": 0.002, "connect_seconds": 5.0}
