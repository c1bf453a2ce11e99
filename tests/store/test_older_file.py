"""A state file that an earlier version has written: nothing that is open is lost, and what cannot be used any more is said."""

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from monitor.core.inputs import Acknowledged
from monitor.core.model import CheckName, Fault, Severity, TargetName
from monitor.core.state import Backoff, Recovery
from monitor.store.codec import decode_target
from monitor.store.snapshot import load_snapshot
from monitor.store.sqlite import SqliteStore
from tests.fakes.clock import START, FakeClock

PROD = TargetName("prod")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The gateway was down, Slack was told, a trace was awaited, and a silence was added."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "older.sql").read_text())
    return path


async def test_what_was_open_stays_open(path: Path) -> None:
    """The incident, what Slack knows of it, what the checks believe, the canary, the budget, the silence, the key."""
    store = SqliteStore(path, clock=FakeClock(), keep_history=86_400.0)
    await store.open()
    state = await store.load()
    target = state.targets[PROD]
    incident = target.incident
    assert incident is not None
    assert (incident.id, incident.diagnosis.fault) == ("prod-20270115-080020", Fault.GATEWAY_UNREACHABLE)
    assert incident.told["slack"].severity is Severity.CRITICAL
    assert incident.told["slack"].receipt == {"channel": "C0PROD", "ts": "1800000020.000100"}
    assert incident.told["slack"].mentioned_at == START + 20
    assert set(target.confirmed) == {Fault.GATEWAY_UNREACHABLE}
    assert target.trend(CheckName.GATEWAY).fails == 2
    assert target.trend(CheckName.CANARY).ever_passed
    assert [canary.pending for canary in target.canaries] == [True]
    assert target.budget.sent == 1
    assert [(silence.id, silence.author) for silence in state.silences] == [("s1", "ada")]
    assert store.fingerprint_key() == bytes([15] * 32)
    assert store.loss is None
    await store.close()


async def test_a_history_of_events_is_left_behind_and_said_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It cannot be applied; what is recorded from now on can."""
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        store = SqliteStore(path, clock=FakeClock(), keep_history=86_400.0)
        await store.open()
        assert await store.history() == ()
        await store.close()
    (said,) = caplog.messages
    assert "whose history (7 entries) cannot be replayed" in said
    store = SqliteStore(path, clock=FakeClock(), keep_history=86_400.0)
    await store.open()
    store.record(PROD, Acknowledged(at=START, incident_id="i", by="ada"), START)
    assert len(await store.history()) == 1
    await store.close()


def test_what_had_another_name_then_is_read_under_its_present_one() -> None:
    """A cause that was mended and waits for traces, a gateway that asked to wait, losses that were told."""
    canary = {"id": "c", "sent_at": 1, "sent_id": "ab", "span_id": "cd", "nonce": "n", "gap": True}
    older = {
        "target": "prod",
        "mend": {"fault": "exporter_disabled", "at": START, "by": "ada"},
        "hold": {"until": START + 60, "step": 600},
        "canaries": [canary],
    }
    state = decode_target(json.dumps(older))
    assert state.recovery == Recovery(fault=Fault.EXPORTER_DISABLED, at=START, by="ada")
    assert state.backoff == Backoff(until=START + 60, step=600)
    assert state.canaries[0].transient_loss


def test_a_snapshot_of_it_has_the_state_and_no_history(path: Path) -> None:
    """`check` and `simulate` beside a daemon that has not been upgraded yet."""
    snapshot = load_snapshot(path, history_since=0.0)
    assert (snapshot.problem, snapshot.history, set(snapshot.state.targets)) == (None, (), {PROD})
