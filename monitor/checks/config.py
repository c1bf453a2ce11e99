"""Is the gateway still set to export what it should, where it should?"""

import asyncio
from collections.abc import Awaitable, Callable

from monitor.checks.blindness import CONTROL_PLANE, cannot_see
from monitor.checks.certificates import Certificates
from monitor.core.drift import Comparison, ConfigSeen, compare, unmask_removal
from monitor.core.inputs import KeyTried, Observation
from monitor.core.key import carries_our_key, refute_headers, refuted_headers
from monitor.core.model import (
    Blindness,
    CheckName,
    Finding,
    Instant,
    Scalar,
    Seconds,
    Service,
    failing,
    passing,
    unknown,
)
from monitor.core.suspicions import drift, gone, off
from monitor.ports import Clock, ControlPlane, Journal, PortError, Refused, TraceBackend

_PROBE_TIMEOUT: Seconds = 5.0


Reread = Callable[[Journal, Instant], Awaitable[None]]
"""Reads the configuration again if what is known of it is older than a moment, and would be judged by."""


class ConfigCheck:
    """Reads `gateway-otel-config` and compares it field by field."""

    name = CheckName.CONFIG

    def __init__(
        self, control_plane: ControlPlane, backend: TraceBackend, clock: Clock, certificates: Certificates
    ) -> None:
        self._control_plane = control_plane
        self._backend = backend
        self._clock = clock
        self._certificates = certificates
        self._rereading = asyncio.Lock()

    async def reread(self, journal: Journal, since: Instant) -> None:
        """Traceloop has refused our key: look again whether the gateway carries the same one, if it did before that."""
        async with self._rereading:
            if carries_our_key(journal.state, since) is None:
                await self.look(journal)

    async def look(self, journal: Journal) -> None:
        """Read, compare, report."""
        began, started = self._clock.now(), self._clock.monotonic()
        timeout = journal.policy.cadences[self.name].deadline
        seen, finding = await self._read(journal, timeout)
        took = self._clock.monotonic() - started
        certificate = self._certificates.of(Service.CONTROL_PLANE, "control_plane")
        await journal.absorb(
            Observation(check=self.name, at=began, took=took, finding=finding, config=seen, certificate=certificate)
        )

    async def _read(self, journal: Journal, timeout: Seconds) -> tuple[ConfigSeen | None, Finding]:
        try:
            answer = await self._control_plane.read_export_config(timeout=timeout)
        except PortError as error:
            return None, cannot_see(error, "read the gateway's export configuration", asked=CONTROL_PLANE)
        if answer.seen is None:
            return None, await self._judge_nothing(answer.form, timeout)
        if answer.seen.config.off:
            return answer.seen, _judge_off(answer.seen)
        unmasked = unmask_removal(journal.state.config, answer.seen)
        seen = refute_headers(unmasked, answer.seen, journal.state, journal.policy, self._clock.now())
        comparison = compare(journal.policy.expected, seen.config)
        if comparison.other_key:
            await self._try_key(journal)
        refuted = refuted_headers(seen, journal.policy.expected)
        at_once = seen is not unmasked or unmasked is answer.seen
        return seen, judge_comparison(comparison, seen, refuted, at_once=at_once)

    async def _judge_nothing(self, form: str, timeout: Seconds) -> Finding:
        """Nothing was parsed: off, if another call with the same token answers; else we just cannot see."""
        try:
            works = await self._control_plane.token_works(timeout=timeout)
        except PortError as error:
            return cannot_see(error, f"tell whether the configuration is gone ({form})", asked=CONTROL_PLANE)
        if not works:
            summary = f"the configuration reads as {form}, but the token is not accepted by the session endpoint either"
            return unknown(summary, Blindness.REFUSED, permanent=True)
        charge = gone(form)
        return failing(charge.summary, charge, evidence={"form": form, "differences": 1})

    async def _try_key(self, journal: Journal) -> None:
        """The gateway carries another key: ask a documented route whether ours is still the valid one."""
        now = self._clock.now()
        try:
            await self._backend.try_key(timeout=_PROBE_TIMEOUT)
        except Refused as error:
            if error.unauthorized:
                await journal.absorb(KeyTried(at=now, accepted=False))
        except PortError:
            return  # not known; the drift is told as it stands
        else:
            await journal.absorb(KeyTried(at=now, accepted=True))


def _who(seen: ConfigSeen) -> dict[str, Scalar]:
    return {"changed_by": seen.updated_by, "changed_at": seen.updated_at}


def _judge_off(seen: ConfigSeen) -> Finding:
    charge = off()
    return failing(charge.summary, charge, evidence={"differences": 1, **_who(seen)})


def judge_comparison(
    comparison: Comparison, seen: ConfigSeen, refuted: tuple[str, ...] = (), *, at_once: bool = True
) -> Finding:
    """What a comparison says: any difference is a failure, what cannot be compared is only listed.

    `refuted`: what the arrival of traces has shown to be in use otherwise; a pass that rests on that is not conclusive, nor is a
    difference that rests on an older look (not `at_once`).
    """
    evidence: dict[str, Scalar] = {
        "equal": len(comparison.equal),
        "differences": len(comparison.differences),
        "not_comparable": ", ".join(comparison.not_comparable) or None,
        **({"shown_otherwise": ", ".join(refuted)} if refuted else {}),
        **_who(seen),
    }
    if not comparison.differences:
        unseen = [path for path in comparison.not_comparable if path not in refuted]
        left_out = f"; not comparable: {', '.join(unseen)}" if unseen else ""
        if refuted:
            left_out += f"; shown otherwise than in use (masked?): {', '.join(refuted)}"
        return passing(f"{len(comparison.equal)} fields are as expected{left_out}", evidence, conclusive=not refuted)
    charge = drift(comparison, at_once=at_once)
    return failing(charge.summary, charge, evidence=evidence)
