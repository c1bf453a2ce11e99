"""The store on a disk that fails, is full or hangs, and with a file that it cannot read: it says so and goes on."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.core.inputs import Acknowledged, Observation
from monitor.core.model import CheckName, TargetName, passing
from monitor.core.silence import Silence
from monitor.core.state import State, TargetState
from monitor.store import StoreError
from monitor.store.sqlite import SqliteStore
from tests.fakes.clock import START
from tests.store.disk import DAY, PROD, STAGING, Impatient, a_state, a_store, content, hang, in_thread, reopened


async def test_a_history_that_cannot_be_read_is_empty_and_said(store: SqliteStore) -> None:
    """Who asks for it over HTTP gets an answer; the page says what is wrong."""
    await store.save(a_state(1))
    await in_thread(store, "DROP TABLE history")
    assert await store.history() == ()
    assert "history" in str(store.problem)


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
