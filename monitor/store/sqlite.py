"""The state in one SQLite file: one connection in one thread, a document per target, many saves in one transaction."""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from monitor.core.inputs import Input, NoticeDelivered
from monitor.core.model import Instant, Seconds, TargetName
from monitor.core.silence import Silence
from monitor.core.state import State, TargetState
from monitor.ports import Clock
from monitor.store import Recorded, StoreError
from monitor.store.codec import encode_silence, encode_target
from monitor.store.file import StateFile, StateInUse
from monitor.store.history import HistoryTable, make_entry
from monitor.store.tables import FINGERPRINT_KEY, read_fingerprint_key, read_state

_log = logging.getLogger(__name__)

T = TypeVar("T")

_KEY_DIGITS = 64
_PATIENCE: Seconds = 10.0
"""A disk that takes longer is as good as broken: whoever waits goes on in memory."""

WAITS_FOR: Seconds = 300.0
"""How long the file of another process is waited for: an orchestrator gives the one before half a minute to end."""

_TRIES_EVERY: Seconds = 1.0

_PRUNE_EVERY: Seconds = 3600.0
_ENTRIES_AT_ONCE = 500
"""So many entries are written without being asked when nobody saves anything meanwhile."""

_ENTRIES_KEPT = 20_000
"""So many wait in memory while nothing can be written; then the oldest are lost."""


@dataclass(slots=True)
class _Batch:
    """What is to be written in one transaction, and who waits for it."""

    targets: dict[TargetName, str | None] = field(default_factory=dict)  # None: to be forgotten
    silences: dict[str, str] | None = None
    entries: list[Recorded] = field(default_factory=list)
    waiters: list[Future[None]] = field(default_factory=list)


class SqliteStore:
    """Implements `monitor.store.Store`. History older than `keep_history` seconds is forgotten."""

    def __init__(self, path: Path, *, clock: Clock, keep_history: Seconds) -> None:
        self._clock = clock
        self._keep_history = keep_history
        self._file = StateFile(path)
        self._thread = DatabaseThread("trace-monitor state")
        self._connection: sqlite3.Connection | None = None
        self._table: HistoryTable | None = None
        self._key = b""
        self._pruned_at: Instant | None = None
        self._problem: str | None = None
        self._closed = False
        # Between the loop's thread and ours:
        self._lock = threading.Lock()
        self._pending = _Batch()
        self._submitted = False

    async def open(self) -> None:
        """Lock, check and migrate the file; what can be read of a damaged one is carried over. Raises StoreError.

        A file that another process has is waited for: in a rolling update the one before is about to end.
        """
        self._thread.start()
        try:
            await self._open_when_free()
        except BaseException:  # also when nobody waits any longer
            self._closed = True
            self._thread.stop()
            raise
        self._problem = None

    async def load(self) -> State:
        """Everything remembered. Raises StoreError if the file cannot be read after all."""

        def load() -> State:
            try:
                return read_state(self._connected())
            except sqlite3.Error as error:
                raise StoreError(f"cannot read the state from {self._file.path}: {error}") from error

        return await self._thread.call(load)

    def fingerprint_key(self) -> bytes:
        """Made once per file."""
        if not self._key:
            raise StoreError("the fingerprint key is known only once the store is open")
        return self._key

    async def save(self, state: TargetState) -> None:
        """Written and synced; or, after a failure that was logged, kept in memory for the next attempt."""
        document = encode_target(state)
        await self._put(lambda batch: batch.targets.update({state.target: document}))

    async def save_silences(self, silences: tuple[Silence, ...]) -> None:
        """As `save`."""
        documents = {silence.id: encode_silence(silence) for silence in silences}

        def change(batch: _Batch) -> None:
            batch.silences = documents

        await self._put(change)

    async def forget(self, target: TargetName) -> None:
        """As `save`."""
        await self._put(lambda batch: batch.targets.update({target: None}))

    def record(self, target: TargetName, given: Input, at: Instant) -> None:
        """Written with the next save, or when many have come together."""
        new = make_entry(target, given, at)
        if new is None:
            return
        with self._lock:
            self._pending.entries.append(new)
            del self._pending.entries[:-_ENTRIES_KEPT]
            many = len(self._pending.entries) >= _ENTRIES_AT_ONCE
        if many and self._problem is None:
            self._submit()

    async def history(
        self, *, target: TargetName | None = None, since: Instant | None = None, limit: int = 1000
    ) -> tuple[Recorded, ...]:
        """As of the protocol; nothing while the file cannot be read."""
        return await self._read(lambda table: table.read(target=target, since=since, limit=limit))

    async def notices(self, target: TargetName, *, since: Instant, until: Instant) -> tuple[NoticeDelivered, ...]:
        """As of the protocol; nothing while the file cannot be read."""
        return await self._read(lambda table: table.notices(target=target, since=since, until=until))

    async def _read(self, ask: Callable[[HistoryTable], tuple[T, ...]]) -> tuple[T, ...]:
        """Ask the history, with what was recorded until now."""

        def read() -> tuple[T, ...]:
            self._write()
            try:
                return ask(self._history())
            except sqlite3.Error as error:
                self._complain(str(error))
                return ()

        return () if self._closed else await self._thread.call(read)

    @property
    def problem(self) -> str | None:
        """Why nothing is written at present."""
        return self._problem

    @property
    def loss(self) -> str | None:
        """What became of a damaged file."""
        return self._file.loss

    async def close(self) -> None:
        """Write what is pending, close the file. A disk that hangs is left behind."""
        if self._closed or not self._key:
            return
        self._closed = True
        try:
            async with self._clock.timeout(_PATIENCE):
                await self._thread.call(self._close)
        except TimeoutError:
            _log.error("%s could not be closed in time; what was saved before is safe", self._file.path)
        self._thread.stop()

    # --- in the loop's thread

    async def _open_when_free(self) -> None:
        gives_up_at = self._clock.monotonic() + WAITS_FOR
        while True:
            try:
                return await self._thread.call(self._open)
            except StateInUse as error:
                if self._clock.monotonic() >= gives_up_at:
                    raise
                if self._problem is None:
                    self._problem = f"{self._file.path} is in use by another trace-monitor, waiting until that one ends"
                    _log.warning("%s; giving up after %.0f s", error, WAITS_FOR)
            await self._clock.sleep(_TRIES_EVERY)

    async def _put(self, change: Callable[[_Batch], None]) -> None:
        """Add to the next transaction and wait until it is durable, or has failed."""
        if self._closed:
            return
        waiter: Future[None] = Future()
        with self._lock:
            change(self._pending)
            self._pending.waiters.append(waiter)
        self._submit()
        try:
            async with self._clock.timeout(_PATIENCE):
                await asyncio.wrap_future(waiter)
        except TimeoutError:
            self._complain(f"no answer from the disk within {_PATIENCE:.0f} s")

    def _submit(self) -> None:
        with self._lock:
            submitted, self._submitted = self._submitted, True
        if not submitted:
            self._thread.submit(self._write)

    # --- in the database thread

    def _open(self) -> None:
        connection = self._file.open(self._clock.now())
        try:
            fresh = bytes.fromhex(self._clock.draw_hex(_KEY_DIGITS))
            connection.execute("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)", (FINGERPRINT_KEY, fresh))
            self._key = read_fingerprint_key(connection) or fresh
        except sqlite3.Error as error:
            connection.close()
            self._file.release()
            raise StoreError(f"cannot write the state to {self._file.path}: {error}") from error
        self._connection = connection
        self._table = HistoryTable(connection)
        self._leave_events_behind()

    def _leave_events_behind(self) -> None:
        try:
            gone = self._history().forget_events()
        except sqlite3.Error:  # a disk that is full: with the next start
            return
        if gone:
            _log.warning(
                "%s was written by an earlier version, whose history (%d entries) cannot be replayed by this one and is dropped; "
                "everything else is kept",
                self._file.path,
                gone,
            )

    def _close(self) -> None:
        self._write()
        self._connected().close()
        self._file.release()

    def _write(self) -> None:
        """Everything pending in one transaction. If that fails, it stays pending, and nobody is kept waiting."""
        with self._lock:
            batch, self._pending, self._submitted = self._pending, _Batch(), False
        try:
            self._commit(batch)
        except sqlite3.Error as error:
            self._put_back(batch)
            self._complain(str(error))
        except Exception as error:  # noqa: BLE001 - nobody may wait for ever, and what comes later must be written
            batch.entries.clear()  # the states are written anew with the next looks; an entry would fail again and again
            self._put_back(batch)
            _log.exception("writing to %s failed", self._file.path)
            self._complain(type(error).__name__)
        else:
            if self._problem is not None:
                _log.warning("%s can be written again", self._file.path)
            self._problem = None
        finally:
            for waiter in batch.waiters:
                if waiter.set_running_or_notify_cancel():
                    waiter.set_result(None)

    def _commit(self, batch: _Batch) -> None:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        try:
            _write_targets(connection, batch.targets)
            if batch.silences is not None:
                connection.execute("DELETE FROM silences")
                silences = batch.silences.items()
                connection.executemany("INSERT INTO silences (id, document) VALUES (?, ?)", silences)
            self._history().write(batch.entries)
            self._prune()
            connection.execute("COMMIT")
        except BaseException:
            self._history().roll_back()
            self._pruned_at = None
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _prune(self) -> None:
        now = self._clock.now()
        if self._pruned_at is None or not 0 <= now - self._pruned_at < _PRUNE_EVERY:
            self._history().prune(now - self._keep_history, now)
            self._pruned_at = now

    def _put_back(self, batch: _Batch) -> None:
        """What could not be written, under what has come since."""
        with self._lock:
            self._pending.targets = batch.targets | self._pending.targets
            if self._pending.silences is None:
                self._pending.silences = batch.silences
            self._pending.entries = (batch.entries + self._pending.entries)[-_ENTRIES_KEPT:]

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("the state file is not open")
        return self._connection

    def _history(self) -> HistoryTable:
        if self._table is None:
            raise sqlite3.ProgrammingError("the state file is not open")
        return self._table

    # --- in either

    def _complain(self, why: str) -> None:
        """Say once that nothing is written."""
        if self._problem is None:
            _log.error("%s cannot be written (%s): continuing in memory and retrying", self._file.path, why)
        self._problem = why


def _write_targets(connection: sqlite3.Connection, targets: dict[TargetName, str | None]) -> None:
    for name, document in targets.items():
        if document is None:
            connection.execute("DELETE FROM targets WHERE name = ?", (name,))
        else:
            connection.execute("INSERT OR REPLACE INTO targets (name, document) VALUES (?, ?)", (name, document))


class DatabaseThread:
    """Does one piece of work after the other, in the order given.

    A daemon thread and no ThreadPoolExecutor: the interpreter waits for the threads of those when it ends, and a disk that
    hangs would keep the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """Have something done without waiting; what it raises is logged."""
        self._work.put(work)

    async def call(self, work: Callable[[], T]) -> T:
        """Have something done and wait for what it returns or raises. It is done even if nobody waits any more."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
            else:
                if future.set_running_or_notify_cancel():
                    future.set_result(result)

        self.submit(run)
        return await asyncio.wrap_future(future)

    def stop(self) -> None:
        """End after what has been given so far."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:  # noqa: BLE001 - whoever comes later would wait for ever for a thread that has ended
                _log.exception("the database thread continues after an error")
