import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from monitor.core.inputs import KeyTried
from monitor.core.model import TargetName
from monitor.core.state import Budget, State, TargetState
from monitor.store.codec import encode_target
from monitor.store.snapshot import Snapshot, load_snapshot
from monitor.store.sqlite import SqliteStore
from tests.fakes.clock import START, FakeClock

PROD = TargetName("prod")
SAVED = TargetState(target=PROD, budget=Budget(day=1, sent=3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state is kept."""
    return tmp_path / "state.db"


def everything(directory: Path) -> dict[str, tuple[int, bytes]]:
    """All files there: when they were written, and what is in them."""
    return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in directory.iterdir()}


async def a_running_daemon(path: Path) -> SqliteStore:
    """A store that has saved something and stays open."""
    store = SqliteStore(path, clock=FakeClock(), keep_history=86_400)
    await store.open()
    await store.save(SAVED)
    return store


def test_without_a_file_there_is_nothing_to_read_and_none_is_made(path: Path) -> None:
    """`check` works on a machine that never ran the daemon, and leaves no trace there."""
    assert load_snapshot(path) == Snapshot()
    assert load_snapshot(path / "below" / "nothing") == Snapshot()
    assert list(path.parent.iterdir()) == []


def read_in_another_process(path: Path) -> tuple[str, ...]:
    """As `check` does: what it remembers of prod, and the fingerprint key."""
    program = f"""
from pathlib import Path
from monitor.store.codec import encode_target
from monitor.store.codec import encode_target
from monitor.store.snapshot import load_snapshot
snapshot = load_snapshot(Path({str(path)!r}))
print(encode_target(snapshot.state.targets["prod"]), snapshot.fingerprint_key.hex())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return tuple(done.stdout.split())


async def test_it_reads_beside_the_running_daemon_and_touches_nothing(path: Path) -> None:
    """Also what is still in the log alone; the daemon's files stay as they are, to the byte."""
    store = await a_running_daemon(path)
    before = everything(path.parent)
    assert read_in_another_process(path) == (encode_target(SAVED), store.fingerprint_key().hex())
    assert everything(path.parent) == before
    await store.save(TargetState(target=PROD))
    assert store.problem is None
    await store.close()


async def test_the_history_is_read_as_far_back_as_asked(path: Path) -> None:
    """None of it unless it is asked for; nothing is written, as ever."""
    store = await a_running_daemon(path)
    for at in (10.0, 20.0, 30.0):
        store.record(PROD, KeyTried(at=START + at, accepted=False), START + at)
    await store.close()
    before = everything(path.parent)
    assert load_snapshot(path).history == ()
    assert [entry.at for entry in load_snapshot(path, history_since=START + 20).history] == [START + 20, START + 30]
    assert everything(path.parent) == before


async def test_bytes_that_are_no_text_are_not_quoted(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged document costs what it says, and is nowhere shown."""
    store = await a_running_daemon(path)
    store.record(PROD, KeyTried(at=START, accepted=False), START)
    await store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE targets SET document = CAST(X'68756e7465723280' AS TEXT)")
        connection.execute("UPDATE history SET document = CAST(X'68756e7465723280' AS TEXT)")
    snapshot = load_snapshot(path, history_since=START)
    assert (snapshot.problem, snapshot.state.targets, snapshot.history) == (None, {}, ())
    assert "hunter2" not in caplog.text


async def test_it_reads_what_a_daemon_left_behind_and_touches_nothing(path: Path) -> None:
    """After a clean end there is one file, in WAL mode; reading it makes no companions."""
    store = await a_running_daemon(path)
    await store.close()
    before = everything(path.parent)
    assert load_snapshot(path).state == State(targets={PROD: SAVED})
    assert everything(path.parent) == before


async def test_it_reads_what_a_killed_daemon_left_behind(path: Path, tmp_path: Path) -> None:
    """The log that nobody merged is read as well."""
    store = await a_running_daemon(path)
    left = tmp_path / "left"
    left.mkdir()
    for file in path.parent.glob("state.db*"):
        shutil.copy(file, left)
    await store.close()
    before = everything(left)
    assert load_snapshot(left / "state.db").state == State(targets={PROD: SAVED})
    assert everything(left) == before


async def test_a_log_without_its_index_is_a_problem_and_no_stale_answer(path: Path, tmp_path: Path) -> None:
    """Somebody copied file and log alone: the newest state cannot be told, so none is."""
    store = await a_running_daemon(path)
    left = tmp_path / "left"
    left.mkdir()
    for name in ("state.db", "state.db-wal"):
        shutil.copy(path.with_name(name), left)
    await store.close()
    before = everything(left)
    snapshot = load_snapshot(left / "state.db")
    assert snapshot.state == State()
    assert "cannot be read" in (snapshot.problem or "")
    assert everything(left) == before


async def test_it_reads_a_file_with_a_rollback_journal(path: Path) -> None:
    """As on a network volume."""
    store = await a_running_daemon(path)
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    before = everything(path.parent)
    assert load_snapshot(path).state == State(targets={PROD: SAVED})
    assert everything(path.parent) == before


async def test_it_reads_from_a_directory_where_nothing_can_be_created(path: Path) -> None:
    """A snapshot of a volume that is mounted read-only."""
    store = await a_running_daemon(path)
    await store.close()
    (path.parent / "state.db.lock").unlink()
    path.parent.chmod(0o500)
    try:
        assert load_snapshot(path).state == State(targets={PROD: SAVED})
    finally:
        path.parent.chmod(0o700)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no database at all" * 100, "file is not a database"),
        (b"", None),
    ],
    ids=["junk", "empty"],
)
def test_a_file_that_is_none_of_ours_is_a_problem_and_no_error(path: Path, content: bytes, problem: str | None) -> None:
    """`check` says so and goes on without memory; nothing is moved or repaired here."""
    path.write_bytes(content)
    snapshot = load_snapshot(path)
    assert snapshot.state == State()
    assert snapshot.fingerprint_key is None
    assert problem is None or problem in (snapshot.problem or "")
    assert path.read_bytes() == content
    assert len(list(path.parent.iterdir())) == 1


def test_a_newer_file_is_a_problem_and_no_error(path: Path) -> None:
    """`check` of an older version beside a newer daemon."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute(f"PRAGMA application_id = {0x544D4F4E}")
    assert "newer version" in (load_snapshot(path).problem or "")
