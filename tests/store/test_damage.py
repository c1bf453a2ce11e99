"""A state file that is damaged: whatever it is, the program starts, keeps what can be read, and says what became of the rest."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.core.inputs import Acknowledged
from monitor.core.model import CheckName, TargetName, passing
from monitor.core.silence import Silence
from monitor.core.state import Budget, CheckState, LastLook, State, TargetState
from monitor.store import StoreError
from monitor.store.sqlite import SqliteStore
from tests.fakes.clock import START, FakeClock

QUOTED = "never-quoted-word"
NAMES = [TargetName(f"target-{number}") for number in range(8)]
PAGE = 4096


def a_store(path: Path) -> SqliteStore:
    """Not open yet."""
    return SqliteStore(path, clock=FakeClock(), keep_history=1e9)


def a_state(name: TargetName) -> TargetState:
    """Some pages long, with words that no message may repeat."""
    last = LastLook(at=START, took=0.1, result=passing(QUOTED * 300))
    return TargetState(
        target=name, check_states={CheckName.CONFIG: CheckState(last=last)}, budget=Budget(day=20833, sent=7)
    )


SILENCES = tuple(Silence(id=f"silence-{number}", comment=QUOTED) for number in range(3))
WHOLE = State(targets={name: a_state(name) for name in NAMES}, silences=SILENCES)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, bytes]:
    """A file, the log beside it that holds one target more, and the fingerprint key."""
    path = tmp_path_factory.mktemp("kept") / "state.db"

    async def write() -> tuple[bytes, bytes, bytes]:
        store = a_store(path)
        await store.open()
        for state in WHOLE.targets.values():
            await store.save(state)
        await store.save_silences(SILENCES)
        for second in range(50):
            at = START + second
            store.record(NAMES[0], Acknowledged(at=at, incident_id="i", by=QUOTED), at)
        await store.save(a_state(NAMES[0]))
        key = store.fingerprint_key()
        await store.close()
        content = path.read_bytes()
        again = a_store(path)
        await again.open()
        await again.save(a_state(TargetName("later")))
        log = log_beside(path).read_bytes()
        await again.close()
        return content, log, key

    return asyncio.run(write())


def log_beside(path: Path) -> Path:
    """Where SQLite writes ahead."""
    return path.with_name(f"{path.name}-wal")


def set_aside(path: Path) -> list[bytes]:
    """What lies beside it under a name that says that it is damaged."""
    return [found.read_bytes() for found in path.parent.glob(f"{path.name}.corrupt-*")]


async def opened(path: Path) -> tuple[State, str | None, bytes]:
    """What a new process remembers, what it says was lost, its key."""
    store = a_store(path)
    await store.open()
    state, loss, key = await store.load(), store.loss, store.fingerprint_key()
    await store.save(a_state(NAMES[0]))
    assert store.problem is None
    assert len(await store.history()) <= 50
    await store.close()
    return state, loss, key


def intact(state: State) -> int:
    """How many targets are as they were."""
    return sum(state.targets.get(name) == known for name, known in WHOLE.targets.items())


@pytest.mark.parametrize("positions", [30, pytest.param(200, marks=pytest.mark.thorough)])
async def test_a_byte_that_flips_costs_one_record_at_most(
    kept: tuple[bytes, bytes, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture, positions: int
) -> None:
    """At many positions: it starts, keeps everything else, sets aside what was damaged, and quotes nothing of it."""
    content, _, key = kept
    caplog.set_level(logging.DEBUG)
    for number in range(positions):
        position = number * len(content) // positions + number % 7
        flipped = bytearray(content)
        flipped[position] ^= 0xFF if number % 2 else 0x01
        path = tmp_path / f"{number}.db"
        path.write_bytes(flipped)
        state, loss, found = await opened(path)
        assert intact(state) >= len(NAMES) - 1, position
        assert len(set(state.silences) & set(SILENCES)) >= len(SILENCES) - 1, position
        assert found == key or content.find(key) <= position < content.find(key) + len(key) or loss, position
        assert set_aside(path) == ([flipped] if loss is not None else []), position
        assert len(state.targets) == len(NAMES) or loss is not None, position
    assert QUOTED not in caplog.text


@pytest.mark.parametrize("first", [range(16), range(16, 100), range(100, 400)], ids=["magic", "header", "tables"])
async def test_a_damaged_first_page_costs_nothing(
    kept: tuple[bytes, bytes, bytes], tmp_path: Path, first: range
) -> None:
    """Where the tables begin is known without it."""
    content, _, key = kept
    for position in first[:: max(1, len(first) // 25)]:
        flipped = bytearray(content)
        flipped[position] ^= 0xFF
        path = tmp_path / f"{position}.db"
        path.write_bytes(flipped)
        state, _, found = await opened(path)
        assert state == WHOLE, position
        assert found == key, position


async def test_a_file_that_ends_at_any_page_keeps_what_is_before(
    kept: tuple[bytes, bytes, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also in the middle of one."""
    content, _, key = kept
    keys, state = [], State()
    for end in [
        *range(0, len(content) - 5 * PAGE, 3 * PAGE + PAGE // 2),
        *range(len(content) - 5 * PAGE, len(content), PAGE),
    ]:
        path = tmp_path / f"{end}.db"
        path.write_bytes(content[:end])
        state, loss, found = await opened(path)
        assert (loss is None) == (end == 0), end
        assert state.targets.keys() <= WHOLE.targets.keys(), end
        keys.append(found == key)
    assert keys[-1]
    assert sum(keys) > len(keys) / 2
    assert intact(state) >= len(NAMES) - 1
    assert QUOTED not in caplog.text


async def test_what_a_killed_process_left_in_its_log_is_carried_over(
    kept: tuple[bytes, bytes, bytes], tmp_path: Path
) -> None:
    """The newest state is there and not in the file yet."""
    content, log, key = kept
    path = tmp_path / "state.db"
    flipped = bytearray(content)
    flipped[content.find(b'"target":"target-3"')] = 0xFF
    path.write_bytes(flipped)
    log_beside(path).write_bytes(log)
    state, loss, found = await opened(path)
    assert state.targets[TargetName("later")] == a_state(TargetName("later"))
    assert intact(state) >= len(NAMES) - 1
    assert found == key
    assert loss is not None


@pytest.mark.parametrize(
    "make",
    [
        "CREATE TABLE invoices (id)",
        "CREATE TABLE meta (id)",
        "PRAGMA application_id = 252006675",
        "PRAGMA user_version = 4",
        "CREATE VIEW targets AS SELECT 1",
        "CREATE VIRTUAL TABLE words USING fts5(text)",
    ],
)
async def test_other_peoples_databases_are_left_alone(tmp_path: Path, make: str) -> None:
    """They are not damaged: nobody touches them, and the path in the configuration is wrong."""
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(make)
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        await a_store(path).open()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"sent":7', '"sent":7e999'),
        lambda text: text.replace(QUOTED, "\\ud83d", 1),
        lambda text: text.replace('"took":0.1', '"took":"long"'),
        lambda text: text.replace('"target":"target-0"', '"target":"target-1"'),
        lambda text: text[:-9],
        lambda text: text[:0],
    ],
    ids=["a number too large", "half a character", "no number", "of another target", "cut", "empty"],
)
async def test_a_record_that_makes_no_sense_costs_nobody_else(
    kept: tuple[bytes, bytes, bytes], tmp_path: Path, change: Callable[[str], str]
) -> None:
    """A document is read in part if it can be, and what is read can be shown anywhere."""
    path = tmp_path / "state.db"
    path.write_bytes(kept[0])
    with closing(sqlite3.connect(path)) as connection:
        (document,) = connection.execute("SELECT document FROM targets WHERE name = 'target-0'").fetchone()
        assert change(document) != document
        connection.execute("UPDATE targets SET document = ? WHERE name = 'target-0'", (change(document),))
        connection.commit()
    state, loss, key = await opened(path)
    others = [name for name in NAMES if name != NAMES[0]]
    assert [state.targets[name] for name in others] == [WHOLE.targets[name] for name in others]
    assert key == kept[2]
    str(state).encode()
    assert loss is not None or replace(state.targets[NAMES[0]], check_states={}) == replace(
        a_state(NAMES[0]), check_states={}
    )
