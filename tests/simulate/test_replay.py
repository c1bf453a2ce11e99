"""What was recorded, judged and reported once more: by the thresholds of then it is the same story, by others another one."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitor.core.incident import Reason
from monitor.core.inputs import Acknowledged
from monitor.core.state import State
from monitor.settings import Loaded, parse
from monitor.simulate.replay import replay
from monitor.simulate.simulation import Report
from monitor.simulate.slack import ShownIn
from monitor.store.snapshot import Snapshot
from tests.fakes.clock import START
from tests.scenarios.house import DEMO, MENTION, MINUTE, House, house, merge

TOLERANCE = 90.0
"""Seconds: of looks that say the same only the first, the last and the number are recorded."""

Line = tuple[float, str]


@dataclass(frozen=True)
class Past:
    """What a daemon recorded, and what stood in Slack."""

    configuration: dict[str, Any]
    snapshot: Snapshot
    notified: list[Line]

    def loaded(self, **more: Any) -> Loaded:
        """The configuration, with other thresholds."""
        return parse(json.dumps(merge(self.configuration, more)), {}, Path.cwd())


async def recorded(*troubles: tuple[str, float], ack: float | None = None) -> Past:
    """A daemon's past: each thing is broken for so many minutes, and half an hour is well after it."""
    async with house() as home:
        await home.advance(15 * MINUTE)
        for fault, minutes in troubles:
            await home.break_(fault)
            if ack is not None:
                await home.advance(ack * MINUTE)
                await acknowledge(home)
            await home.advance((minutes - (ack or 0.0)) * MINUTE)
            await home.fix(fault)
            await home.advance(30 * MINUTE)
        return await past_of(home)


async def acknowledge(home: House) -> None:
    """Somebody takes what is open."""
    target_store, incident = home.daemon.target_store(DEMO), home.incident
    assert target_store is not None
    assert incident is not None
    await target_store.apply(Acknowledged(at=home.clock.now(), incident_id=incident.id, by="ada"), durable=True)


async def past_of(home: House) -> Past:
    """What there is to know of it later."""
    configuration = merge(merge(home.sandbox.configuration(), {"alerting": {"slack": {"mention": MENTION}}}), home.more)
    snapshot = Snapshot(
        state=State(targets={DEMO: home.state}),
        fingerprint_key=home.store.fingerprint_key(),
        history=await home.store.history(limit=100_000),
    )
    texts = [(message.at, (message.versions or [message.text])[0]) for message in home.messages]
    return Past(configuration, snapshot, [(at, text.partition("\n")[0]) for at, text in texts])


async def replayed(past: Past, **more: Any) -> Report:
    """Judge and report it once more."""
    found = await asyncio.to_thread(replay, past.loaded(**more), past.snapshot, (DEMO,), START)
    assert found is not None
    return found


def lines(found: Report) -> list[Line]:
    """The first line of each new text, and when it came."""
    return [
        (dispatching.until, shown.text.partition("\n")[0])
        for dispatching in found.simulation.attempts
        for shown in dispatching.shown
        if shown.place is not ShownIn.EDIT
    ]


@pytest.mark.timeout(180)  # hours of a whole daemon
@pytest.mark.parametrize(
    "troubles",
    [
        pytest.param([("exporter_disabled", 20)], marks=pytest.mark.thorough),
        [("gateway_unreachable", 3), ("gateway_unreachable", 50)],
        pytest.param([("ingest_failing_swallows", 30)], marks=pytest.mark.thorough),
        pytest.param([("trace_not_created", 40)], marks=pytest.mark.thorough),
        pytest.param([("wrong_environment", 30)], marks=pytest.mark.thorough),
        pytest.param([("trace_mislabelled", 30)], marks=pytest.mark.thorough),
        pytest.param([("provider_failing", 30)], marks=pytest.mark.thorough),
        pytest.param([("trace_incomplete", 30)], marks=pytest.mark.thorough),
        pytest.param([("read_api_failing", 30)], marks=pytest.mark.thorough),
        pytest.param([("config_drift_rotation", 40)], marks=pytest.mark.thorough),
        pytest.param([("key_rejected", 30)], marks=pytest.mark.thorough),
        pytest.param([("trace_missing_some", 100)], marks=pytest.mark.thorough),
    ],
    ids=lambda troubles: " ".join(fault for fault, _ in troubles),
)
@pytest.mark.thorough
async def test_by_the_thresholds_of_then_it_is_reported_as_it_was(troubles: list[tuple[str, float]]) -> None:
    """The same texts in the same order, each near its moment; the same counts of everything."""
    past = await recorded(*troubles)
    found = await replayed(past)
    assert [line for _, line in lines(found)] == [line for _, line in past.notified]
    assert [at for at, _ in lines(found)] == pytest.approx([at for at, _ in past.notified], abs=TOLERANCE)
    now, then = found.simulation.summary(), found.notified
    assert (now.incidents + now.reopened, now.messages, now.mentions, now.by_reason) == (
        then.incidents,
        then.messages,
        then.mentions,
        then.by_reason,
    )


# --- would this have paged me?

FLAPPING = (("gateway_unreachable", 1.0), ("gateway_unreachable", 1.0))
_flapped: list[Past] = []


async def flapped() -> Past:
    """One past for all that is tried on it: nothing that is replayed changes it."""
    if not _flapped:
        _flapped.append(await recorded(*FLAPPING))
    return _flapped[0]


async def test_more_patience_would_have_paged_nobody() -> None:
    """A minute of failing looks is not enough for twenty of them; what was notified then is counted beside."""
    past = await flapped()
    found = await replayed(past, alerting={"fail_after": 20})
    assert (found.simulation.summary().incidents, found.simulation.summary().mentions) == (0, 0)
    assert found.notified.mentions == 2


async def test_another_severity_mentions_nobody() -> None:
    """It is reported all the same."""
    past = await flapped()
    found = await replayed(past, alerting={"severity": {"gateway_unreachable": "warning"}})
    assert (found.simulation.summary().messages, found.simulation.summary().mentions) == (found.notified.messages, 0)


async def test_a_window_would_have_kept_it_quiet() -> None:
    """Silences of the present configuration count; what they cover is noted."""
    past = await flapped()
    window = {"target": "demo", "from": "2027-01-15T07:00:00Z", "to": "2027-01-16T08:00:00Z"}
    found = await replayed(past, silences=[window])
    assert (found.simulation.summary().incidents, found.simulation.summary().messages) == (2, 0)
    assert len(found.simulation.entries) == 4


@pytest.mark.thorough
async def test_deadlines_of_traces_are_judged_by_when_the_trace_was_there() -> None:
    """Four minutes late: by default a warning; by shorter deadlines lost, by longer ones nothing."""
    past = await recorded(("trace_late", 30))
    assert {each.fault.value for each in (await replayed(past)).simulation.attempts} == {"trace_late"}
    patient = {"checks": {"arrival": {"late_after": "270s"}}}
    assert (await replayed(past, targets={"demo": patient})).simulation.attempts == []
    strict = {"checks": {"arrival": {"look_closer_after": "30s", "late_after": "60s", "missing_after": "120s"}}}
    found = await replayed(past, targets={"demo": strict})
    assert found.simulation.summary().mentions == 1
    assert {each.severity.word for each in found.simulation.attempts} >= {"critical"}


async def test_whoever_took_the_incident_then_takes_it_again() -> None:
    """So no escalation is counted that nobody saw."""
    past = await recorded(("gateway_unreachable", 40), ack=5)
    found = await replayed(past)
    assert Reason.ESCALATED not in found.simulation.summary().by_reason
    assert any("acknowledged by ada" in shown.text for each in found.simulation.attempts for shown in each.shown)


async def test_nothing_recorded_is_nothing_to_report() -> None:
    """Neither of a target that was never looked at, nor of another time."""
    past = await recorded()
    assert replay(past.loaded(), Snapshot(), (DEMO,), START) is None
