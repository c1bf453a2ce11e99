"""Does the gateway answer at all? No token, no cost."""

from dataclasses import dataclass

from monitor.checks.verdicts import judge_unreachable
from monitor.connectivity import ConnectivityProbe
from monitor.core.inputs import Observation
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    Phases,
    Scalar,
    Service,
    Suspicion,
    UnknownReason,
    failing,
    passing,
    unknown,
)
from monitor.core.suspicions import STEP_FOR_REDIRECT, step_for_silence
from monitor.ports import Clock, Gateway, Ping, TargetStore, Unreachable

_REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 300, 400, 500


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class GatewayCheck:
    """Asks the gateway's health path; before it blames the gateway it asks whether our own network works."""

    name = CheckName.GATEWAY

    gateway: Gateway
    connectivity: ConnectivityProbe
    clock: Clock
    endpoint: str

    async def look(self, target_store: TargetStore) -> None:
        """Ask once and report."""
        began, started = self.clock.now(), self.clock.monotonic()
        certificate = None
        try:
            ping = await self.gateway.ping(timeout=target_store.policy.cadences[self.name].deadline)
        except Unreachable as error:
            result = await judge_unreachable_gateway(error, self.connectivity)
        else:
            result = judge_ping(ping)
            if ping.certificate_expires_at is not None:
                certificate = (self.endpoint, ping.certificate_expires_at)
        took = self.clock.monotonic() - started
        await target_store.apply(
            Observation(check=self.name, at=began, took=took, result=result, certificate=certificate)
        )


def judge_ping(ping: Ping) -> CheckResult:
    """Reachable is any answer but a redirect or the gateway's own 5xx; Cloudflare's 1010 says nothing about the gateway."""
    evidence = {"status": ping.status, **_timings(ping.phases)}
    if ping.blocked:
        return unknown("Cloudflare rejects the monitor (error 1010)", UnknownReason.BLOCKED, evidence)
    if _REDIRECT <= ping.status < _CLIENT_ERROR:
        redirects = f"the gateway redirects (HTTP {ping.status})"
        suspicion = Suspicion(fault=Fault.GATEWAY_UNREACHABLE, summary=redirects, step=STEP_FOR_REDIRECT)
        return failing(suspicion, evidence=evidence)
    if ping.status >= _SERVER_ERROR:
        answers = f"the gateway answers HTTP {ping.status}"
        return failing(Suspicion(fault=Fault.GATEWAY_UNREACHABLE, summary=answers), evidence=evidence)
    return passing(f"the gateway answers (HTTP {ping.status})", evidence)


async def judge_unreachable_gateway(error: Unreachable, connectivity: ConnectivityProbe) -> CheckResult:
    """The gateway gave no HTTP answer."""
    suspicion = Suspicion(fault=Fault.GATEWAY_UNREACHABLE, summary=str(error), step=step_for_silence(error.kind))
    evidence = {"kind": error.kind, **_timings(error.phases)}
    return await judge_unreachable(
        error, suspicion, evidence, service=Service.GATEWAY, called="the gateway", connectivity=connectivity
    )


def _timings(phases: Phases) -> dict[str, Scalar]:
    """The phases as evidence: those that the metrics show are of the canary's request."""
    return {f"{name}_seconds": round(took, 3) for name, took in phases.items()}
