"""What an operator may change while the daemon runs; implements `monitor.web.views.Operations`."""

from collections.abc import Awaitable, Callable

from monitor.core.inputs import Acknowledged
from monitor.core.model import CheckName, TargetName
from monitor.core.silence import Silence
from monitor.daemon.daemon import Daemon
from monitor.ports import Clock
from monitor.web.views import NotFound, Rejected


class LiveOperations:
    """Hands every change to the daemon."""

    def __init__(self, daemon: Daemon, *, clock: Clock, reload: Callable[[], Awaitable[None]]) -> None:
        self._daemon = daemon
        self._clock = clock
        self._reload = reload

    async def run_checks(self, target: TargetName) -> tuple[CheckName, ...]:
        """Have every enabled check of a target look now."""
        if target not in self._daemon.settings.targets:
            raise NotFound(f"there is no target {target!r}; there are: {', '.join(self._daemon.settings.targets)}")
        self._refuse_before_the_start()
        return self._daemon.run_now(target)

    async def reload(self) -> None:
        """Read the configuration again."""
        await self._reload()

    async def acknowledge(self, incident_id: str, by: str) -> None:
        """End reminders and escalation of an open incident until it gets worse."""
        for name in self._daemon.settings.targets:
            target_store = self._daemon.target_store(name)
            incident = target_store.state.incident if target_store is not None else None
            if target_store is not None and incident is not None and incident.id == incident_id:
                now = self._clock.now()
                await target_store.apply(Acknowledged(at=now, incident_id=incident_id, by=by), durable=True)
                return
        raise NotFound(f"there is no open incident {incident_id!r}")

    async def add_silence(self, silence: Silence) -> None:
        """Begin to mute notices."""
        self._refuse_before_the_start()
        others = tuple(each for each in self._daemon.added_silences if each.id != silence.id)
        await self._daemon.set_silences((*others, silence))

    async def expire_silence(self, silence_id: str) -> None:
        """End a silence that was added at run time."""
        added = self._daemon.added_silences
        if not any(silence.id == silence_id for silence in added):
            if any(silence.id == silence_id for silence in self._daemon.silences):
                raise Rejected("this silence is in the configuration: remove it there and reload")
            raise NotFound(f"there is no silence {silence_id!r}")
        await self._daemon.set_silences(tuple(silence for silence in added if silence.id != silence_id))

    def _refuse_before_the_start(self) -> None:
        """While the state file of another process is waited for, what would be changed is not known yet."""
        if not self._daemon.ready:
            raise Rejected("not started yet: what was remembered has not been read")
