"""The store that forgets everything with the process: for tests, and for those who want no file."""

from itertools import count, islice

from monitor.core.inputs import Input, NoticeDelivered
from monitor.core.model import Instant, TargetName
from monitor.core.silence import Silence
from monitor.core.state import State, TargetState
from monitor.ports import Clock
from monitor.store import Recorded
from monitor.store.history import Newest, keep_newest, make_entry, merge, merge_key

_KEY_DIGITS = 64
_ENTRIES = 10_000


class MemoryStore:
    """Implements `monitor.store.Store`; the history holds the newest ten thousand entries."""

    def __init__(self, clock: Clock) -> None:
        self._key = bytes.fromhex(clock.draw_hex(_KEY_DIGITS))
        self._targets: dict[TargetName, TargetState] = {}
        self._silences: tuple[Silence, ...] = ()
        self._history: dict[int, Recorded] = {}  # by number, oldest first
        self._numbers = count()
        self._newest: Newest = {}

    async def open(self) -> None:
        """Nothing to do."""

    async def load(self) -> State:
        """What was saved before."""
        return State(targets=dict(self._targets), silences=self._silences)

    def fingerprint_key(self) -> bytes:
        """Drawn when the store was made."""
        return self._key

    async def save(self, state: TargetState) -> None:
        """Keep it."""
        self._targets[state.target] = state

    async def save_silences(self, silences: tuple[Silence, ...]) -> None:
        """Keep them."""
        self._silences = silences

    async def forget(self, target: TargetName) -> None:
        """Forget it."""
        self._targets.pop(target, None)

    def record(self, target: TargetName, given: Input, at: Instant) -> None:
        """Keep it, or make the entry before longer."""
        new = make_entry(target, given, at)
        if new is None:
            return
        key = merge_key(new)
        number, before = self._newest.get(key, (0, None)) if key is not None else (0, None)
        merged = merge(before, new) if number in self._history else None
        if merged is None:
            number = next(self._numbers)
            self._history.pop(number - _ENTRIES, None)
        self._history[number] = merged or new
        if key is not None:
            keep_newest(self._newest, key, number, merged or new)

    async def history(
        self, *, target: TargetName | None = None, since: Instant | None = None, limit: int = 1000
    ) -> tuple[Recorded, ...]:
        """As of the protocol."""
        wanted = (
            kept
            for kept in reversed(self._history.values())
            if (target is None or kept.target == target) and (since is None or kept.until >= since)
        )
        return tuple(islice(wanted, limit))[::-1]

    async def notices(self, target: TargetName, *, since: Instant, until: Instant) -> tuple[NoticeDelivered, ...]:
        """As of the protocol."""
        kept = (one for one in self._history.values() if one.target == target and since <= one.until <= until)
        return tuple(one.given for one in kept if isinstance(one.given, NoticeDelivered))

    @property
    def problem(self) -> str | None:
        """There is none."""
        return None

    @property
    def loss(self) -> str | None:
        """There is none."""
        return None

    async def close(self) -> None:
        """Nothing to do."""
