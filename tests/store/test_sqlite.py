"""What only the store on disk does: survive, refuse, move aside, go on in memory."""

import asyncio
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.core.inputs import Acknowledged, Observation
from monitor.core.model import CheckName, TargetName, passing
from monitor.core.silence import Silence
from monitor.core.state import Budget, State, TargetState
from monitor.store import StoreError
from monitor.store.file import _set_up
from monitor.store.sqlite import SqliteStore
from monitor.store.tables import MIGRATIONS, migrate
from tests.fakes.clock import START, FakeClock

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state is kept."""
    return tmp_path / "state.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    """Open, on a fresh file."""
    store = a_store(path)
    await store.open()
    yield store
    await store.close()


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


async def test_a_history_that_cannot_be_read_is_empty_and_said(store: SqliteStore) -> None:
    """Who asks for it over HTTP gets an answer; the page says what is wrong."""
    await store.save(a_state(1))
    await in_thread(store, "DROP TABLE history")
    assert await store.history() == ()
    assert "history" in str(store.problem)


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


@pytest.mark.parametrize("error", [OverflowError("too large"), UnicodeError("no text"), KeyError("a bug")])
async def test_no_error_ends_the_thread_of_the_database(
    store: SqliteStore, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is raised there: nobody waits for ever, and what is saved later is written."""

    def fail() -> None:
        raise error

    store._thread.submit(fail)
    assert (await asyncio.wait_for(store.load(), 5)).targets == {}
    await asyncio.wait_for(store.save(a_state(2)), 5)
    assert (await asyncio.wait_for(store.load(), 5)).targets == {PROD: a_state(2)}
    assert "continues after an error" in caplog.text


async def test_a_value_that_the_database_cannot_hold_stands_in_nobodys_way(store: SqliteStore) -> None:
    """It is lost, and what comes after it is written."""
    store.record(TargetName("\ud83d"), Acknowledged(at=START, incident_id="i", by=""), START)
    await asyncio.wait_for(store.save(a_state(1)), 5)
    assert "UnicodeEncodeError" in str(store.problem)
    await store.save(a_state(2))
    assert str(store.problem) == "None"
    assert (await store.load()).targets == {PROD: a_state(2)}


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"this is no database" * 500),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(path.read_bytes()[:100] + os.urandom(9000)),
    ],
    ids=["never one", "cut off", "overwritten"],
)
async def test_a_corrupt_file_is_moved_aside(
    path: Path, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon starts with a fresh file and a loud warning that names the old one, which is kept as it is."""
    first = a_store(path)
    await first.open()
    for number in range(20):
        await first.save(a_state(1, TargetName(f"target-{number}-{'x' * 40}")))
    await first.close()
    damage(path)
    broken = content(path)
    second = a_store(path)
    await second.open()
    assert await second.load() == State()
    await second.save(a_state(7))
    await second.close()
    assert (await reopened(path)).targets == {PROD: a_state(7)}
    (aside,) = path.parent.glob("state.db.corrupt-*")
    assert aside.read_bytes() == broken
    assert aside.name == "state.db.corrupt-20270115T080000Z"
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    assert str(aside) in caplog.text


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("missing/state.db", "No such file or directory"),
        ("a-file/state.db", "Not a directory"),
        ("a-directory", "Is a directory"),
    ],
)
async def test_an_impossible_path_is_one_readable_error(tmp_path: Path, where: str, why: str) -> None:
    """The operator reads which file, why, and which setting."""
    os.close(os.open(tmp_path / "a-file", os.O_CREAT))
    os.mkdir(tmp_path / "a-directory")  # noqa: PTH102 - pathlib's would be blamed for blocking
    with pytest.raises(StoreError, match=rf"cannot keep the state in .*{where}: {why}.*state\.path"):
        await a_store(tmp_path / where).open()


async def test_a_read_only_directory_is_one_readable_error() -> None:
    """As in a container whose root file system is read-only and that was given no volume."""
    with pytest.raises(StoreError, match=r"cannot keep the state in /proc/self/state\.db"):
        await a_store(Path("/proc/self/state.db")).open()


def test_a_full_disk_at_the_start_is_one_readable_error(path: Path) -> None:
    """The process may write four kilobytes and no more."""
    program = f"""
import asyncio, resource
from pathlib import Path
from monitor.clock import SystemClock
from monitor.store import StoreError
from monitor.store.sqlite import SqliteStore
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    asyncio.run(SqliteStore(Path({str(path)!r}), clock=SystemClock(), keep_history=1).open())
except StoreError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"cannot keep the state in {path}: ")
    assert done.stderr == ""


async def test_a_disk_that_fills_up_is_reported_once_and_nothing_is_lost(
    store: SqliteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Saving goes on in memory, the page can say so, and what was missed is written when there is room again."""
    await store.save(a_state(1))
    await in_thread(store, "PRAGMA max_page_count = 1")
    await store.save(TargetState(target=STAGING, proofs={"x" * 20_000: 1.0}))
    await store.save(a_state(2))
    store.record(PROD, Acknowledged(at=START, incident_id="i", by=""), START)
    await store.save_silences((Silence(id="s"),))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "continuing in memory" in caplog.text
    assert "full" in str(store.problem)
    await in_thread(store, "PRAGMA max_page_count = 100000")
    await store.save(a_state(3))
    assert store.problem is None
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert len(await store.history()) == 1
    await store.close()
    state = await reopened(path)
    assert state.targets[PROD] == a_state(3)
    assert STAGING in state.targets
    assert state.silences == (Silence(id="s"),)


async def test_looks_are_merged_only_into_what_was_really_written(store: SqliteStore) -> None:
    """After a transaction that was undone the next look begins an entry of its own."""

    def look(at: float) -> None:
        look = Observation(check=CheckName.GATEWAY, at=at, took=0, result=passing("well"))
        store.record(PROD, look, at)

    await in_thread(store, "PRAGMA max_page_count = 1")
    look(START)
    store.record(PROD, Acknowledged(at=START, incident_id="i", by="x" * 20_000), START)
    await store.save(a_state(1))
    assert store.problem
    await in_thread(store, "PRAGMA max_page_count = 100000")
    look(START + 1)
    assert [kept.times for kept in await store.history() if isinstance(kept.given, Observation)] == [2]


async def test_a_disk_that_hangs_holds_up_nobody(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After ten seconds the caller goes on, and closing takes no longer; what was saved is written if the disk comes back."""
    store = SqliteStore(path, clock=Impatient(), keep_history=DAY)
    await store.open()
    hanging = hang(store)
    await store.save(a_state(1))
    assert store.problem == "no answer from the disk within 10 s"
    await store.close()
    assert "could not be closed in time" in caplog.text
    hanging.set()
    await asyncio.to_thread(store._thread._thread.join)
    assert (await reopened(path)).targets == {PROD: a_state(1)}


async def test_a_caller_that_gives_up_does_not_undo_the_save(store: SqliteStore) -> None:
    """A check that is cancelled while its state is being written has still been applied."""
    hanging = hang(store)
    saving = asyncio.create_task(store.save(a_state(1)))
    await asyncio.sleep(0)
    saving.cancel()
    await asyncio.gather(saving, return_exceptions=True)
    hanging.set()
    await store.save(a_state(1, STAGING))
    assert set((await store.load()).targets) == {PROD, STAGING}


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


async def test_one_unreadable_document_loses_nobody_else(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A target that cannot be read begins afresh, with an error in the log that names it."""
    store = a_store(path)
    await store.open()
    await store.save(a_state(1))
    await store.save(a_state(2, STAGING))
    await store.save_silences((Silence(id="s"), Silence(id="t")))
    await in_thread(store, "UPDATE targets SET document = '{\"half' WHERE name = 'prod'")
    await in_thread(store, "UPDATE silences SET document = '[]' WHERE id = 's'")
    await store.close()
    assert await reopened(path) == State(targets={STAGING: a_state(2, STAGING)}, silences=(Silence(id="t"),))
    assert "damaged" in caplog.text
    assert "1 targets, 1 silences, 0 entries of the history, the fingerprint key; nothing of prod" in caplog.text
    assert '"half' not in caplog.text


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
