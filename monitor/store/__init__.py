"""What outlives the process: the state of every target, silences, the fingerprint key, and a bounded history of inputs.

Losing it is survivable: a fresh start looks at everything again and at worst says once more what was said before.
"""

from dataclasses import dataclass
from typing import Protocol

from monitor.core.inputs import Input, NoticeDelivered
from monitor.core.model import Instant, TargetName
from monitor.core.silence import Silence
from monitor.core.state import State, TargetState


class StoreError(Exception):
    """The state cannot be kept where it is configured to be. Its text is for the operator: which file, why, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An input, and when it was applied. Inputs that say the same are one entry: `times` of them, the last one at `until`."""

    target: TargetName
    given: Input
    at: Instant
    until: Instant
    times: int = 1


class Store(Protocol):
    """Where the state is kept. Only `open` may raise StoreError: once the program runs, it goes on in memory."""

    async def open(self) -> None:
        """Make it ready, waiting a while for a process that has it. Raises StoreError if the state cannot be kept there."""
        ...

    async def load(self) -> State:
        """Everything remembered; what cannot be read is logged and left out."""
        ...

    def fingerprint_key(self) -> bytes:
        """The random key of the fingerprints by which secrets are told apart; the same for as long as the store lives."""
        ...

    async def save(self, state: TargetState) -> None:
        """Keep the state of one target; returns when it cannot be forgotten any more. Calls take effect in their order."""
        ...

    async def save_silences(self, silences: tuple[Silence, ...]) -> None:
        """Keep these silences and no others."""
        ...

    async def forget(self, target: TargetName) -> None:
        """Forget a target; its history stays."""
        ...

    def record(self, target: TargetName, given: Input, at: Instant) -> None:
        """Add to the history, without waiting; that time passed is not kept."""
        ...

    async def history(
        self, *, target: TargetName | None = None, since: Instant | None = None, limit: int = 1000
    ) -> tuple[Recorded, ...]:
        """The newest `limit` entries, oldest first: of one target or all."""
        ...

    async def notices(self, target: TargetName, *, since: Instant, until: Instant) -> tuple[NoticeDelivered, ...]:
        """What notifiers were notified of a target between two moments, oldest first."""
        ...

    @property
    def problem(self) -> str | None:
        """Why nothing is being kept at present, for people; None while all is well."""
        ...

    @property
    def loss(self) -> str | None:
        """What became of a damaged file when it was opened, for people; None if nothing was lost."""
        ...

    async def close(self) -> None:
        """Write what is pending and let go; never takes long."""
        ...
