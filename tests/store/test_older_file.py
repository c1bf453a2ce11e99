"""A state file that an earlier version has written: nothing that is open is lost, and what cannot be used any more is said."""

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from monitor.core.inputs import Acknowledged
from monitor.core.model import (
    CheckName,
    Fault,
    Severity,
    Suspicion,
    TargetName,
    UnknownReason,
    failing,
    passing,
    unknown,
)
from monitor.core.state import Backoff, CheckState, LastLook, Recovery, TargetState
from monitor.store.codec import decode_target, encode_target, is_sound_target
from monitor.store.snapshot import load_snapshot
from monitor.store.sqlite import SqliteStore
from tests.fakes.clock import START, FakeClock
from tests.store.values import any_value_of

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
    assert incident.notified["slack"].severity is Severity.CRITICAL
    assert incident.notified["slack"].receipt == {"channel": "C0PROD", "ts": "1800000020.000100"}
    assert incident.notified["slack"].mentioned_at == START + 20
    assert set(target.confirmed) == {Fault.GATEWAY_UNREACHABLE}
    assert target.check_state(CheckName.GATEWAY).fails == 2
    suspicion = Suspicion(fault=Fault.GATEWAY_UNREACHABLE, summary="no answer")
    look = LastLook(at=START + 20, took=0.1, result=failing(suspicion))
    assert target.check_state(CheckName.GATEWAY).last == look
    assert target.check_state(CheckName.CANARY).result == passing("the gateway served it")
    assert target.check_state(CheckName.CANARY).ever_passed
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
    """A cause that was fixed and waits for traces, a gateway that asked to wait, losses that were notified."""
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


EARLIER = {
    "backoff": "hold",
    "check_states": "trends",
    "counters_read_at": "hop_looked_at",
    "gateway_policies": "switches",
    "gateway_policies_read_at": "switches_looked_at",
    "notified": "told",
    "pipeline_counters": "hop",
    "possibly": "perhaps",
    "recovery": "mend",
    "suspicion": "charge",
    "timeline": "passages",
    "transient_loss": "gap",
    "unknown_reason": "blindness",
}
"""Under which names an earlier version kept what has these names now."""


def under_earlier_names(document: Any) -> Any:
    """A document as that version wrote it."""
    if isinstance(document, dict):
        return {EARLIER.get(key, key): under_earlier_names(value) for key, value in document.items()}
    return [under_earlier_names(item) for item in document] if isinstance(document, list) else document


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(state=any_value_of(TargetState))
def test_whatever_it_holds_is_read_under_the_present_names(state: TargetState) -> None:
    """Incidents, what notifiers know of them, what the checks believe: nothing is lost to a renamed field."""
    document = json.loads(encode_target(state))
    del document["version"]
    # What is drawn includes words of the source: as a key of a receipt, an earlier name would be taken for the field's.
    assume(not any(f'"{earlier}": ' in json.dumps(document) for earlier in EARLIER.values()))
    older = json.dumps(under_earlier_names(document))
    assert repr(decode_target(older)) == repr(state)


def test_the_newest_look_is_what_its_result_says() -> None:
    """Which had its fields beside the moment: here of a look that could not see, and of one that was cut."""
    dark = {
        "verdict": "unknown",
        "summary": "403",
        "blindness": "refused",
        "permanent": True,
        "evidence": {"status": 403},
    }
    trends = {"config": {"last": {"at": START, "took": 0.5, **dark}}, "canary": {"last": {"verdict": "pass"}}}
    state = decode_target(json.dumps({"target": "prod", "trends": trends}))
    result = unknown("403", UnknownReason.REFUSED, {"status": 403}, permanent=True)
    assert state.check_states == {CheckName.CONFIG: CheckState(last=LastLook(at=START, took=0.5, result=result))}


@pytest.mark.parametrize(("at", "sound"), [(START, True), ("noon", False)])
def test_whether_it_is_sound_is_judged_by_what_stands_under_its_own_names(at: object, sound: bool) -> None:
    """Else nothing of a trend would be looked at, and a damaged one left out without a copy of the file."""
    trend = {"last": {"at": at, "took": 0.5, "verdict": "pass", "summary": ""}}
    document = json.dumps({"target": "prod", "trends": {"config": trend}})
    assert is_sound_target("prod", document) is sound


def test_a_snapshot_of_it_has_the_state_and_no_history(path: Path) -> None:
    """`check` and `simulate` beside a daemon that has not been upgraded yet."""
    snapshot = load_snapshot(path, history_since=0.0)
    assert (snapshot.problem, snapshot.history, set(snapshot.state.targets)) == (None, (), {PROD})
