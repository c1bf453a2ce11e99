"""What only the store on disk does: survive, refuse what is not its own, wait for another process, forget in time."""

import asyncio
import logging
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from monitor.core.inputs import Acknowledged
from monitor.core.model import TargetName
from monitor.core.silence import Silence
from monitor.core.state import State
from monitor.store import StoreError
from monitor.store.file import _set_up
from monitor.store.sqlite import SqliteStore
from monitor.store.tables import MIGRATIONS, migrate
from tests.fakes.clock import START, FakeClock
from tests.store.disk import DAY, PROD, a_state, a_store, content, in_thread, reopened


async def test_everything_survives_a_restart(path: Path) -> None:
    """State, silences, history and the fingerprint key are the same in the next process, without a save at the end."""
    first = a_store(path)
    await first.open()
    key = first.fingerprint_key()
    await first.save(a_state(1))
    await first.save_silences((Silence(id="s"),))
    first.record(PROD, Acknowledged(at=START, incident_id="i", by=""), START)
    await first.close()
    second = a_store(path)
    await second.open()
    assert await second.load() == State(targets={PROD: a_state(1)}, silences=(Silence(id="s"),))
    assert [kept.given.at for kept in await second.history()] == [START]
    assert second.fingerprint_key() == key
    await second.close()


async def test_the_file_is_readable_for_its_owner_alone(store: SqliteStore, path: Path) -> None:
    """The fingerprint key is in it, and in its companions."""
    await store.save(a_state(1))
    modes = {companion.name: companion.stat().st_mode & 0o777 for companion in path.parent.iterdir()}
    assert set(modes) >= {"state.db", "state.db-wal", "state.db.lock"}
    assert set(modes.values()) == {0o600}


async def test_it_is_written_as_safely_as_sqlite_can(store: SqliteStore) -> None:
    """A log ahead of the file, synced at each commit, and strictly typed tables."""
    pragmas = {}
    for pragma in ("journal_mode", "synchronous", "busy_timeout"):
        ((pragmas[pragma],),) = await in_thread(store, f"PRAGMA {pragma}")
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5000}
    with pytest.raises(sqlite3.IntegrityError):
        await in_thread(store, "INSERT INTO history VALUES (1, 'k', 't', 'not a time', 0, 1, '{}')")


def test_a_volume_without_shared_memory_gets_a_rollback_journal(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """WAL is not to be had on network volumes; the store says so and works without."""
    with (
        caplog.at_level(logging.INFO),
        closing(sqlite3.connect(f"file:{path}?vfs=unix-dotfile", uri=True, isolation_level=None)) as connection,
    ):
        _set_up(connection, path)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert "rollback journal" in caplog.text


async def test_a_newer_schema_is_refused(path: Path) -> None:
    """A downgrade stops with one sentence and leaves the file as it is."""
    await reopened(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE moods (name TEXT) STRICT")
        connection.execute("PRAGMA user_version = 99")
    before = content(path)
    with pytest.raises(StoreError, match=r"written by a newer version.*schema 99.*state\.path"):
        await a_store(path).open()
    assert content(path) == before


async def test_another_programs_database_is_refused(path: Path) -> None:
    """A path that points at somebody else's file is an error and no place for our tables."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (id)")
    before = content(path)
    with pytest.raises(StoreError, match="another program"):
        await a_store(path).open()
    assert content(path) == before


async def test_an_old_schema_is_brought_up_to_date(path: Path) -> None:
    """Every version's statements are applied in order; an empty file is version 0."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
    await reopened(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_a_migration_that_fails_leaves_the_old_tables(path: Path) -> None:
    """All statements of a version, or none: a half-migrated file would be neither."""
    added = ("ALTER TABLE targets ADD COLUMN mood TEXT", "CREATE TABLE moods (name TEXT) STRICT")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, str(path))
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            migrate(connection, str(path), (*MIGRATIONS, (*added, "INSERT INTO nowhere VALUES (1)")))
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert "mood" not in str(connection.execute("SELECT sql FROM sqlite_schema").fetchall())
        migrate(connection, str(path), (*MIGRATIONS, added))
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)


async def test_history_of_a_newer_version_is_passed_over(store: SqliteStore) -> None:
    """An input that this version does not know is no reason to lose the others."""
    store.record(PROD, Acknowledged(at=START, incident_id="i", by="known"), START)
    await store.save(a_state(1))
    await in_thread(store, "INSERT INTO history VALUES (NULL, 'moonrise', 'prod', 1, 1, 1, '{}')")
    assert [type(kept.given) for kept in await store.history()] == [Acknowledged]


def test_the_fingerprint_key_is_there_once_the_store_is_open(path: Path) -> None:
    """Before that there is none, and none is made up."""
    with pytest.raises(StoreError, match="once the store is open"):
        a_store(path).fingerprint_key()


async def test_two_daemons_do_not_share_a_file(
    store: SqliteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The second one waits for five minutes, says so once, and is given the reason; the first goes on undisturbed."""
    clock = FakeClock()
    second = a_store(path, clock)
    opening = asyncio.ensure_future(second.open())
    await clock.advance(299)
    assert not opening.done()
    assert second.problem == f"{path} is in use by another trace-monitor, waiting until that one ends"
    await clock.advance(2)
    with pytest.raises(StoreError, match="in use by another trace-monitor"):
        await opening
    assert caplog.text.count("in use by another trace-monitor") == 1
    await store.save(a_state(1))
    assert store.problem is None


async def test_the_file_of_a_process_that_is_about_to_end_is_waited_for(store: SqliteStore, path: Path) -> None:
    """A rolling update: the next process has everything that the one before wrote down to its end."""
    clock = FakeClock()
    second = a_store(path, clock)
    opening = asyncio.ensure_future(second.open())
    await clock.advance(20)
    await store.save(a_state(5))
    await store.close()
    await clock.advance(1)
    await opening
    assert second.problem is None
    assert (await second.load()).targets == {PROD: a_state(5)}
    await second.close()


@pytest.mark.usefixtures("store")
async def test_whoever_waits_for_the_file_can_be_stopped(path: Path) -> None:
    """A second process that is asked to end while it waits ends at once, and leaves the file alone."""
    clock = FakeClock()
    second = a_store(path, clock)
    opening = asyncio.ensure_future(second.open())
    await clock.advance(5)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await second.close()
    second._thread._thread.join(10)
    assert not second._thread._thread.is_alive()


async def test_many_saves_are_few_transactions(store: SqliteStore) -> None:
    """Fifty targets that report in one turn of the loop cost the disk one sync or two, not fifty."""
    statements: list[str] = []
    await store._thread.call(lambda: store._connected().set_trace_callback(statements.append))
    await asyncio.gather(*(store.save(a_state(1, TargetName(f"target-{number}"))) for number in range(50)))
    await store._thread.call(lambda: store._connected().set_trace_callback(None))
    assert 1 <= statements.count("COMMIT") <= 3


async def test_old_history_is_forgotten(path: Path) -> None:
    """Entries older than `keep_history` go, within the hour."""
    clock = FakeClock()
    store = a_store(path, clock, keep_history=DAY)
    await store.open()
    for hours in (0, 30, 31):
        clock.jump(hours * 3600)
        store.record(PROD, Acknowledged(at=clock.now(), incident_id="i", by=str(hours)), clock.now())
        await store.save(a_state(hours))
    history = await store.history()
    assert [kept.given.at for kept in history] == [clock.now()]
    await store.close()


async def test_history_of_a_clock_that_was_ahead_is_forgotten_in_time(path: Path) -> None:
    """It is dated by the day on which the clock is right again, or it would stay for as long as that was ahead."""
    clock = FakeClock()
    store = a_store(path, clock, keep_history=DAY)
    await store.open()
    at = START + 400 * DAY
    store.record(PROD, Acknowledged(at=at, incident_id="i", by=""), at)
    await store.save(a_state(1))
    assert [kept.until for kept in await store.history()] == [START]
    clock.jump(DAY + 3601)
    await store.save(a_state(1))
    assert await store.history() == ()
    await store.close()


async def test_a_burst_of_events_is_written_without_a_save(store: SqliteStore) -> None:
    """Nothing piles up in memory while no check reports."""
    for second in range(600):
        store.record(PROD, Acknowledged(at=START + second, incident_id="i", by=""), START + second)
    await store._thread.call(lambda: None)
    assert len(store._pending.entries) < 500


def test_killed_in_the_middle_of_writing_it_remembers_what_it_promised(path: Path) -> None:
    """SIGKILL at two moments: every time the file is readable, and holds at least what `save` had returned for."""
    program = f"""
import asyncio
from pathlib import Path
from monitor.clock import SystemClock
from monitor.core.state import Budget
from monitor.core.state import TargetState
from monitor.core.model import TargetName
from monitor.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path({str(path)!r}), clock=SystemClock(), keep_history=60)
    await store.open()
    remembered = (await store.load()).targets.get("prod")
    number = remembered.budget.sent if remembered else 0
    print("begins", number, store.fingerprint_key().hex(), flush=True)
    while True:
        number += 1
        await store.save(TargetState(target=TargetName("prod"), budget=Budget(sent=number), proofs={{"x" * 3000: 1.0}}))
        print("saved", number, flush=True)

asyncio.run(main())
"""
    promised = 0
    keys: set[str] = set()
    for lines in (40, 2):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            _, begins, key = process.stdout.readline().split()
            keys.add(key)
            assert int(begins) >= promised
            for _ in range(lines):
                promised = int(process.stdout.readline().split()[1])
            process.send_signal(signal.SIGKILL)
            promised = max(promised, *(int(line.split()[1]) for line in process.stdout if line.endswith("\n")), 0)
    state = asyncio.run(reopened(path))
    assert state.targets[PROD].budget.sent >= promised
    assert len(keys) == 1
