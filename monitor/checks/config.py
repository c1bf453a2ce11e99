"""Is the gateway still set to export what it should, where it should?"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from monitor.checks.verdicts import CONTROL_PLANE, cannot_see
from monitor.connectivity import Certificates
from monitor.core.config_memory import ConfigSeen, unmask_removal
from monitor.core.drift import Comparison, compare
from monitor.core.inputs import KeyTried, Observation
from monitor.core.key import carries_our_key, refute_headers, refuted_headers
from monitor.core.model import (
    CheckName,
    CheckResult,
    Instant,
    Scalar,
    Seconds,
    Service,
    UnknownReason,
    failing,
    passing,
    unknown,
)
from monitor.core.suspicions import drift, gone, off
from monitor.core.text import count_text
from monitor.ports import Clock, ControlPlane, PortError, Refused, TargetStore, TraceBackend

_PROBE_TIMEOUT: Seconds = 5.0
_READ = (
    "gateway-controls:ListGatewayControls"  # https://github.com/truefoundry/tfy-ai-gateway-skills, access-management.md
)

Reread = Callable[[TargetStore, Instant], Awaitable[None]]
"""Reads the configuration again if what is known of it is older than a moment, and would be judged by."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ConfigCheck:
    """Reads `gateway-otel-config` and compares it field by field."""

    name = CheckName.CONFIG

    control_plane: ControlPlane
    backend: TraceBackend
    clock: Clock
    certificates: Certificates
    _rereading: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def reread(self, target_store: TargetStore, since: Instant) -> None:
        """The backend has refused the monitor's key: check again whether the gateway carries the same one, if it did before that."""
        async with self._rereading:
            if carries_our_key(target_store.state, since) is None:
                await self.look(target_store)

    async def look(self, target_store: TargetStore) -> None:
        """Read, compare, report."""
        began, started = self.clock.now(), self.clock.monotonic()
        timeout = target_store.policy.cadences[self.name].deadline
        seen: ConfigSeen | None = None
        try:
            answer = await self.control_plane.read_export_config(timeout=timeout)
        except PortError as error:
            result = cannot_see(error, "read the export configuration", asked=CONTROL_PLANE, permission=_READ)
        else:
            if answer.seen is None:
                result = await self._judge_nothing(answer.form, timeout)
            else:
                seen, result = await self._judge(answer.seen, target_store)
        took = self.clock.monotonic() - started
        certificate = self.certificates.of(Service.CONTROL_PLANE, "control_plane")
        await target_store.apply(
            Observation(check=self.name, at=began, took=took, result=result, config=seen, certificate=certificate)
        )

    async def _judge_nothing(self, form: str, timeout: Seconds) -> CheckResult:
        """Nothing was parsed: off, if another call with the same token answers; else we just cannot see."""
        try:
            works = await self.control_plane.token_works(timeout=timeout)
        except PortError as error:
            return cannot_see(error, f"see whether the export configuration was deleted ({form})", asked=CONTROL_PLANE)
        if not works:
            summary = f"the answer is {form}, but the session endpoint rejects the token too"
            return unknown(summary, UnknownReason.REFUSED, attempted="read the export configuration", permanent=True)
        return failing(gone(form), evidence={"form": form, "differences": 1})

    async def _judge(self, read: ConfigSeen, target_store: TargetStore) -> tuple[ConfigSeen, CheckResult]:
        """A manifest was read: what counts of it, and what that says."""
        if read.config.off:
            return read, failing(off(), evidence={"differences": 1, **_who(read)})
        unmasked = unmask_removal(target_store.state.config, read)
        seen = refute_headers(unmasked, read, target_store.state, target_store.policy, self.clock.now())
        comparison = compare(target_store.policy.expected, seen.config)
        if comparison.other_key:  # ask a documented route whether the monitor's is still valid
            now = self.clock.now()
            try:
                await self.backend.try_key(timeout=_PROBE_TIMEOUT)
            except Refused as error:
                if error.unauthorized:
                    await target_store.apply(KeyTried(at=now, accepted=False))
            except PortError:
                pass  # not known; the drift is reported as it is
            else:
                await target_store.apply(KeyTried(at=now, accepted=True))
        refuted = refuted_headers(seen, target_store.policy.expected)
        at_once = seen is not unmasked or unmasked is read
        return seen, judge_comparison(comparison, seen, refuted, at_once=at_once)


def judge_comparison(
    comparison: Comparison, seen: ConfigSeen, refuted: tuple[str, ...] = (), *, at_once: bool = True
) -> CheckResult:
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
    if comparison.differences:
        return failing(drift(comparison, at_once=at_once), evidence=evidence)
    unseen = [path for path in comparison.not_comparable if path not in refuted]
    left_out = f"; not comparable: {', '.join(unseen)}" if unseen else ""
    if refuted:
        left_out += f"; shown in another form than in use (masked): {', '.join(refuted)}"
    return passing(
        f"{count_text(len(comparison.equal), 'field is', 'fields are')} as expected{left_out}",
        evidence,
        conclusive=not refuted,
    )


def _who(seen: ConfigSeen) -> dict[str, Scalar]:
    return {"changed_by": seen.updated_by, "changed_at": seen.updated_at}
