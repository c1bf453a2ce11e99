"""What do the gateway's other configurations say? Evidence for the diagnosis, and caveats; not a check of its own."""

from monitor.core.gateway_policies import SwitchKind, SwitchSeen
from monitor.core.inputs import SwitchesLooked
from monitor.core.model import CheckName, Instant, Seconds
from monitor.core.pace import switches_are_due
from monitor.core.state import Policy, TargetState
from monitor.ports import Clock, ControlPlane, Garbled, Journal, PortError, Refused, Unreachable

_TIMEOUT: Seconds = 15.0
_FORBIDDEN = frozenset({401, 403})


class SwitchesLook:
    """Reads logging, global settings and data routing, and reports what could be read."""

    def __init__(self, control_plane: ControlPlane, clock: Clock) -> None:
        self._control_plane = control_plane
        self._clock = clock

    @property
    def serves(self) -> frozenset[CheckName]:
        """What it is evidence for."""
        return frozenset({CheckName.CONFIG, CheckName.CANARY})

    def is_due(self, state: TargetState, policy: Policy, now: Instant) -> bool:
        """Whether it is time."""
        return switches_are_due(state, policy, now)

    async def look(self, journal: Journal) -> None:
        """Read each; what is hidden from us, or not understood, is reported as such, and accuses nobody."""
        seen: list[SwitchSeen] = []
        hidden: list[SwitchKind] = []
        for kind in SwitchKind:
            try:
                seen.append(await self._control_plane.read_switch(kind, timeout=_TIMEOUT))
            except PortError as error:
                hidden += [kind] if _hides(error) else []
                if isinstance(error, Unreachable):  # who does not answer is not waited for three times
                    break
        await journal.absorb(SwitchesLooked(at=self._clock.now(), seen=tuple(seen), hidden=tuple(hidden)))


def _hides(error: PortError) -> bool:
    """Whether it is not ours to see, or not understood; what could not be asked this time may be asked the next."""
    if isinstance(error, Refused):
        return error.status in _FORBIDDEN and not error.blocked
    return isinstance(error, Garbled)
