"""A store on disk, and what a test does to it from outside."""

import threading
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from monitor.clock import SystemClock
from monitor.core.model import TargetName
from monitor.core.state import Budget, State, TargetState
from monitor.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock

PROD, STAGING = TargetName("prod"), TargetName("staging")
DAY = 86_400.0


class Impatient(SystemClock):
    """Ten seconds are a hundredth of one."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """As of the clock, a thousand times faster."""
        return super().timeout(seconds / 1000)


def a_store(path: Path, clock: FakeClock | None = None, keep_history: float = 30 * DAY) -> SqliteStore:
    """Not open yet."""
    return SqliteStore(path, clock=clock or FakeClock(), keep_history=keep_history)


def a_state(sent: int, target: TargetName = PROD) -> TargetState:
    """A state with a number to be recognised by."""
    return TargetState(target=target, budget=Budget(day=1, sent=sent))


async def reopened(path: Path) -> State:
    """What a new process would remember."""
    store = a_store(path)
    await store.open()
    state = await store.load()
    await store.close()
    return state


async def in_thread(store: SqliteStore, statement: str) -> list[tuple[object, ...]]:
    """Do something to the store's own connection."""
    return await store._thread.call(lambda: store._connected().execute(statement).fetchall())


def hang(store: SqliteStore) -> threading.Event:
    """Keep the store's thread busy until this is set."""
    released = threading.Event()

    def wait() -> None:
        released.wait()

    store._thread.submit(wait)
    return released


def content(path: Path) -> bytes:
    """The whole file."""
    return path.read_bytes()
