"""Whether the gateway answers at all."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.checks.gateway import GatewayCheck, judge_ping
from monitor.core.inputs import Observation
from monitor.core.model import CheckName, Fault, Phases, Service, UnknownReason
from monitor.core.state import Cadence
from monitor.ports import Ping, Unreachable
from tests.checks.bench import Diary, FakeConnectivity, ScriptedGateway, says
from tests.core.build import POLICY
from tests.fakes.clock import START, FakeClock


async def _look(
    health: Ping | Unreachable, *, another_answers: bool = True
) -> tuple[Observation, ScriptedGateway, FakeConnectivity]:
    clock, gateway, connectivity = FakeClock(), ScriptedGateway(health=health), FakeConnectivity(another_answers)
    diary = Diary(clock)
    await GatewayCheck(gateway, connectivity, clock, endpoint="gateway").look(diary)
    return diary.only(Observation), gateway, connectivity


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
        ({"status": 403, "blocked": True}, ("unknown", UnknownReason.BLOCKED)),
        ({"status": 503, "blocked": True}, ("unknown", UnknownReason.BLOCKED)),
    ],
)
async def test_reachable_is_any_answer_but_a_redirect_or_a_5xx(ping: dict[str, Any], said: tuple[Any, ...]) -> None:
    """Cloudflare's 1010 says nothing about the gateway, and no HTTP answer needs another service's."""
    seen, _, connectivity = await _look(Ping(**ping))
    assert says(seen.result) == said
    assert connectivity.asked == []


@pytest.mark.parametrize("kind", ["dns", "connect", "tls", "timeout", "reset", "protocol"])
async def test_silence_is_the_gateways_when_another_service_answers(kind: str) -> None:
    """Without one that does, our own network is the suspect."""
    seen, _, connectivity = await _look(Unreachable("gw: nobody answers", kind=kind))
    assert says(seen.result) == ("fail", Fault.GATEWAY_UNREACHABLE)
    assert seen.result.evidence["kind"] == kind
    assert seen.result.suspicions[0].facts == ("another service answers the monitor, so its own network works",)
    assert not seen.result.suspicions[0].conclusive
    assert connectivity.asked == [Service.GATEWAY]
    doubted, _, _ = await _look(Unreachable("gw: nobody answers", kind=kind), another_answers=False)
    assert says(doubted.result) == ("unknown", UnknownReason.NO_WITNESS)
    assert "the monitor's own network is the suspect" in doubted.result.summary


@pytest.mark.parametrize(
    ("kind", "reason", "said"),
    [
        ("denied", UnknownReason.UNREACHABLE, "the gateway was not asked: 169.254.0.1 is never asked"),
        ("shortage", UnknownReason.SHORTAGE, "the gateway was not asked: the monitor is out of file descriptors"),
        ("proxy", UnknownReason.PROXY, "the gateway was not asked: our proxy refuses the connection to gw (403)"),
        ("starved", UnknownReason.STARVED, "the gateway may have answered: the monitor itself did not run for 4 s"),
    ],
)
async def test_what_the_monitor_kept_itself_from_accuses_nobody(kind: str, reason: UnknownReason, said: str) -> None:
    """Whatever else answers: that our network lives proves neither the way through our proxy nor a free descriptor."""
    seen, _, connectivity = await _look(Unreachable(said.partition(": ")[2], kind=kind))
    assert (says(seen.result), seen.result.summary) == (("unknown", reason), said)
    assert connectivity.asked == []


async def test_it_is_asked_within_its_own_timeout() -> None:
    """`checks.gateway.timeout` is the deadline of the request."""
    clock, gateway = FakeClock(), ScriptedGateway()
    cadences = {**POLICY.cadences, CheckName.GATEWAY: Cadence(every=15, every_while_failing=5, deadline=2.5)}
    await GatewayCheck(gateway, FakeConnectivity(), clock, endpoint="gateway").look(
        Diary(clock, replace(POLICY, cadences=cadences))
    )
    assert gateway.pings == [2.5]


async def test_phases_and_certificate_come_along() -> None:
    """How long each part took is evidence; when the certificate expires is remembered by its endpoint."""
    ping = Ping(status=200, phases=Phases(connect=0.0123456, tls=0.04), certificate_expires_at=START + 86_400)
    seen, _, _ = await _look(ping)
    assert seen.result.evidence == {"status": 200, "connect_seconds": 0.012, "tls_seconds": 0.04}
    assert seen.certificate == ("gateway", START + 86_400)
    assert seen.at == START


async def test_the_phases_of_a_canary_stay_those_of_a_canary() -> None:
    """`canary_phase_seconds` is of the last canary's request: a ping every 15 seconds does not overwrite it."""
    seen, _, _ = await _look(Ping(status=200, phases=Phases(connect=0.01)))
    assert seen.phases == {}


async def test_the_phases_of_silence_show_how_far_it_came() -> None:
    """A black hole has a `connect` and nothing after it."""
    seen, _, _ = await _look(Unreachable("no answer", kind="timeout", phases=Phases(resolve=0.002, connect=5.0)))
    assert seen.result.evidence == {"kind": "timeout", "resolve_seconds": 0.002, "connect_seconds": 5.0}


def test_a_gateway_that_redirects_is_asked_at_the_wrong_url() -> None:
    """Its pods have nothing to do with that."""
    (suspicion,) = judge_ping(Ping(status=302)).suspicions
    assert suspicion.step == "Check `gateway.url`: what answers there redirects, as a login page or a proxy does."
