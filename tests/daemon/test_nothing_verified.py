"""A monitor that does not look must not look healthy: every state of `docs/nothing-verified.md`, as it says there."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from monitor.core.model import CheckName
from monitor.core.silence import Silence
from monitor.core.state import Backoff
from monitor.ports import TargetStore
from monitor.web.page import status_page
from tests.daemon.home import DEMO, Home, home
from tests.daemon.test_heartbeat import Pulse
from tests.sampling import sample

ROOT = Path(__file__).parents[2]
MINUTE = 60.0
Makes = Callable[[Home, Pulse], Awaitable[None]]


def off(*checks: str) -> dict[str, Any]:
    """A configuration without these checks."""
    return {"targets": {"demo": {"checks": {check: {"enabled": False} for check in checks}}}}


def breaks(fault: str, minutes: float = 15) -> Makes:
    """Something out there is broken for a while."""

    async def make(it: Home, _: Pulse) -> None:
        await it.sandbox.break_(fault)
        await it.clock.advance(minutes * MINUTE)

    return make


def passes(minutes: float) -> Makes:
    """Nothing happens."""

    async def make(it: Home, _: Pulse) -> None:
        await it.clock.advance(minutes * MINUTE)

    return make


async def spend_the_budget(it: Home, _: Pulse) -> None:
    """As a day with many tokens does."""
    target_store = it.daemon.target_store(DEMO)
    assert target_store is not None
    target_store._state = replace(target_store.state, budget=replace(target_store.state.budget, input_tokens=10**9))
    await it.clock.advance(30 * MINUTE)


async def spend_it_in_an_incident(it: Home, pulse: Pulse) -> None:
    """The fast cadence may spend it."""
    await it.sandbox.break_("exporter_disabled")
    await it.clock.advance(MINUTE)
    await spend_the_budget(it, pulse)
    assert it.state().incident is not None


async def hold_the_canaries(it: Home, _: Pulse) -> None:
    """A 429 whose incident is not confirmed: one look of it."""
    target_store = it.daemon.target_store(DEMO)
    assert target_store is not None
    target_store._state = replace(target_store.state, backoff=Backoff(until=it.clock.now() + 1800, step=1800))
    await it.clock.advance(20 * MINUTE)


def forgets(*jobs: str) -> Makes:
    """A job is lost, as by a bug of ours."""

    async def make(it: Home, _: Pulse) -> None:
        for job in jobs:
            it.schedule.drop(f"demo:{job}")
        await it.clock.advance(30 * MINUTE)

    return make


async def stand_still(it: Home, pulse: Pulse) -> None:
    """No job runs any more."""
    await it.schedule.stop(0)
    pulse.alive = False
    await it.clock.advance(30 * MINUTE)


async def crash(it: Home, _: Pulse) -> None:
    """A bug of ours in one check."""
    it.schedule.every("demo:gateway", 15, partial(it.daemon._watches[DEMO]._run, Crashing()))
    await it.clock.advance(3 * MINUTE)


async def silence_it(it: Home, _: Pulse) -> None:
    """A window that never ends."""
    await it.daemon.set_silences((Silence(id="always"),))
    await it.sandbox.break_("exporter_disabled")
    await it.clock.advance(10 * MINUTE)


class Crashing:
    """A check with a bug."""

    name = CheckName.GATEWAY

    async def look(self, _: TargetStore) -> None:
        """Crash."""
        raise ZeroDivisionError


EVERY = ("config", "gateway", "canary", "arrival", "control", "origin")
STATES: dict[str, tuple[dict[str, Any], Makes]] = {
    "no check is enabled": (off(*EVERY), passes(30)),
    "`canary` is disabled, and `arrival` with it: the page does not say that traces arrive": (
        off("canary"),
        passes(30),
    ),
    "`arrival` is disabled: the page does not say that traces arrive": (off("arrival", "control"), passes(30)),
    "the day's budget is spent": ({}, spend_the_budget),
    "the budget is spent while an incident is open": ({}, spend_it_in_an_incident),
    "the gateway answers 429": ({}, breaks("rate_limited_retry_after", 30)),
    "a pause that lasts, and no fault explains it": ({}, hold_the_canaries),
    "the gateway does not answer, so no canary is sent": ({}, breaks("gateway_unreachable")),
    "the gateway refuses the canary": ({}, breaks("canary_rejected")),
    "the configuration may not be read (permanent: notified once)": ({}, breaks("blind")),
    "Traceloop cannot be read": ({}, breaks("read_api_garbled", 25)),
    "a check crashes again and again": ({}, crash),
    "a check has not run recently": ({}, forgets("config")),
    "traces are awaited and nobody looks for them": ({}, forgets("arrival")),
    "the scheduler does not run": ({}, stand_still),
    "the severity of what is broken is `none`": (
        {"alerting": {"severity": {"exporter_disabled": "none", "trace_missing": "none", "export_failing": "none"}}},
        breaks("exporter_disabled", 3),
    ),
    "what is broken is silenced": ({}, silence_it),
}


def documented() -> dict[str, tuple[str, str, str]]:
    """The rows of the table."""
    text = (ROOT / "docs" / "nothing-verified.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (\w+) \| (\w+) \| (\S+) \|$", text, re.MULTILINE)
    return {state: (status, heartbeat, notified) for state, status, heartbeat, notified in rows if state != "state"}


def test_every_state_is_listed_and_every_one_listed_is_produced() -> None:
    """None is documented and not tested, none tested and not documented."""
    assert documented().keys() == STATES.keys()


@pytest.mark.parametrize("state", sample(STATES, every=9))
async def test_a_state_in_which_nothing_is_verified_is_seen(state: str) -> None:
    """On the page, by the heartbeat, or by whoever is notified: as documented, and never by nobody."""
    more, make = STATES[state]
    async with home(**more) as it:
        await it.clock.advance(10 * MINUTE)
        pulse = Pulse(it)
        await make(it, pulse)
        report = it.daemon.report()
        status = report["targets"]["demo"]["verdict"]
        beats = "beats" if await pulse.beats() else "withheld"
        notified = next((str(notice.incident.diagnosis.fault) for notice in it.notifier.notices), "—")
        assert (status, beats, notified) == documented()[state], pulse.heartbeat.problem
        page = status_page(report, it.daemon.state, troubles=(), version="1", now=it.clock.now())
        assert "All traces arrive" not in page
