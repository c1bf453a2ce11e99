"""Does the gateway answer at all? No token, no cost."""

from monitor.checks.blindness import our_own
from monitor.core.inputs import Observation
from monitor.core.model import (
    Blindness,
    Charge,
    CheckName,
    Fault,
    Finding,
    Phases,
    Scalar,
    Service,
    failing,
    passing,
    unknown,
)
from monitor.core.suspicions import step_for_silence
from monitor.ports import Clock, Gateway, Journal, Ping, Unreachable, Witness

_REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 300, 400, 500


class GatewayCheck:
    """Asks the gateway's health path; before it blames the gateway it asks for a witness."""

    name = CheckName.GATEWAY

    def __init__(self, gateway: Gateway, witness: Witness, clock: Clock, endpoint: str) -> None:
        self._gateway = gateway
        self._witness = witness
        self._clock = clock
        self._endpoint = endpoint

    async def look(self, journal: Journal) -> None:
        """Ask once and report."""
        began, started = self._clock.now(), self._clock.monotonic()
        certificate = None
        try:
            ping = await self._gateway.ping(timeout=journal.policy.cadences[self.name].deadline)
        except Unreachable as error:
            finding = await blame_or_doubt(error, self._witness)
        else:
            finding = judge_ping(ping)
            if ping.certificate_expires_at is not None:
                certificate = (self._endpoint, ping.certificate_expires_at)
        took = self._clock.monotonic() - started
        await journal.absorb(
            Observation(check=self.name, at=began, took=took, finding=finding, certificate=certificate)
        )


def judge_ping(ping: Ping) -> Finding:
    """Reachable is any answer but a redirect or the gateway's own 5xx; Cloudflare's 1010 says nothing about the gateway."""
    evidence = {"status": ping.status, **_timings(ping.phases)}
    if ping.blocked:
        return unknown("Cloudflare refuses the monitor (error 1010)", Blindness.BLOCKED, evidence)
    if _REDIRECT <= ping.status < _CLIENT_ERROR:
        charge = Charge(fault=Fault.GATEWAY_UNREACHABLE, summary=f"the gateway redirects (HTTP {ping.status})")
        return failing(charge.summary, charge, evidence=evidence)
    if ping.status >= _SERVER_ERROR:
        charge = Charge(fault=Fault.GATEWAY_UNREACHABLE, summary=f"the gateway answers HTTP {ping.status}")
        return failing(charge.summary, charge, evidence=evidence)
    return passing(f"the gateway answers (HTTP {ping.status})", evidence)


def _timings(phases: Phases) -> dict[str, Scalar]:
    """The phases as evidence: those that the metrics show are of the canary's request."""
    return {f"{name}_seconds": round(took, 3) for name, took in phases.items()}


async def blame_or_doubt(error: Unreachable, witness: Witness) -> Finding:
    """No HTTP answer: the gateway's fault if another service answers, else our own network is the suspect."""
    evidence = {"kind": error.kind, **_timings(error.phases)}
    if (ours := our_own(error, "the gateway", evidence)) is not None:
        return ours
    if not await witness.vouch(Service.GATEWAY):
        summary = f"no answer from the gateway ({error}), nor from anything else: our own network is the suspect"
        return unknown(summary, Blindness.NO_WITNESS, evidence)
    charge = Charge(
        fault=Fault.GATEWAY_UNREACHABLE,
        summary=str(error),
        step=step_for_silence(error.kind),
        facts=("another service answers the monitor: its own network works",),
    )
    return failing(charge.summary, charge, evidence=evidence)
