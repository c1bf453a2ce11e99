"""Does the gateway answer at all? No token, no cost."""

from dataclasses import dataclass

from monitor.checks.verdicts import failure, judge_unreachable
from monitor.connectivity import Witnesses
from monitor.core.inputs import Observation
from monitor.core.model import Blindness, Charge, CheckName, Fault, Finding, Phases, Scalar, Service, passing, unknown
from monitor.core.suspicions import step_for_silence
from monitor.ports import Clock, Gateway, Journal, Ping, Unreachable

_REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 300, 400, 500


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class GatewayCheck:
    """Asks the gateway's health path; before it blames the gateway it asks whether our own network works."""

    name = CheckName.GATEWAY

    gateway: Gateway
    witness: Witnesses
    clock: Clock
    endpoint: str

    async def look(self, journal: Journal) -> None:
        """Ask once and report."""
        began, started = self.clock.now(), self.clock.monotonic()
        certificate = None
        try:
            ping = await self.gateway.ping(timeout=journal.policy.cadences[self.name].deadline)
        except Unreachable as error:
            finding = await judge_unreachable_gateway(error, self.witness)
        else:
            finding = judge_ping(ping)
            if ping.certificate_expires_at is not None:
                certificate = (self.endpoint, ping.certificate_expires_at)
        took = self.clock.monotonic() - started
        await journal.absorb(
            Observation(check=self.name, at=began, took=took, finding=finding, certificate=certificate)
        )


def judge_ping(ping: Ping) -> Finding:
    """Reachable is any answer but a redirect or the gateway's own 5xx; Cloudflare's 1010 says nothing about the gateway."""
    evidence = {"status": ping.status, **_timings(ping.phases)}
    if ping.blocked:
        return unknown("Cloudflare refuses the monitor (error 1010)", Blindness.BLOCKED, evidence)
    if _REDIRECT <= ping.status < _CLIENT_ERROR:
        redirects = f"the gateway redirects (HTTP {ping.status})"
        return failure(Charge(fault=Fault.GATEWAY_UNREACHABLE, summary=redirects), evidence)
    if ping.status >= _SERVER_ERROR:
        answers = f"the gateway answers HTTP {ping.status}"
        return failure(Charge(fault=Fault.GATEWAY_UNREACHABLE, summary=answers), evidence)
    return passing(f"the gateway answers (HTTP {ping.status})", evidence)


async def judge_unreachable_gateway(error: Unreachable, witness: Witnesses) -> Finding:
    """The gateway gave no HTTP answer."""
    charge = Charge(fault=Fault.GATEWAY_UNREACHABLE, summary=str(error), step=step_for_silence(error.kind))
    evidence = {"kind": error.kind, **_timings(error.phases)}
    return await judge_unreachable(
        error, charge, evidence, service=Service.GATEWAY, called="the gateway", witness=witness
    )


def _timings(phases: Phases) -> dict[str, Scalar]:
    """The phases as evidence: those that the metrics show are of the canary's request."""
    return {f"{name}_seconds": round(took, 3) for name, took in phases.items()}
