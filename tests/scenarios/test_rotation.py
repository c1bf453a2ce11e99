"""Keys are rotated: who has the new one first decides what it looks like, and nobody is called for our own old key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from monitor.core.model import Fault, Severity
from monitor.sandbox import Variant
from monitor.sandbox.faults import Misbehaviour
from tests.sampling import sample
from tests.scenarios.house import MINUTE, House, house

ROTATED, REVOKED = "config_drift_rotation", "key_rejected"


class Key:
    """The file that holds the monitor's Traceloop key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def give(self, key: str) -> None:
        """Let the monitor have another key."""
        self.path.write_text(key)


@asynccontextmanager
async def keyed(tmp_path: Path, variant: Variant | None = None) -> AsyncIterator[tuple[House, Key]]:
    """A house whose monitor reads its key from a file."""
    key = Key(tmp_path / "key")
    traceloop = {"api_key": None, "api_key_file": str(key.path)}
    async with house(
        variant,
        prepare=lambda home: key.give(home.sandbox.world.credentials.key),
        targets={"demo": {"traceloop": traceloop}},
    ) as home:
        await home.settle_in()
        yield home, key


@pytest.mark.thorough
async def test_the_monitor_was_forgotten(tmp_path: Path) -> None:
    """Rotated at Traceloop and in the gateway: a warning that says what to do, and with the new key it is over."""
    async with keyed(tmp_path) as (home, key):
        await home.break_(ROTATED)
        await home.until_reported("opened", "config_drift", limit=75)
        await home.advance(12 * MINUTE)
        assert home.incident is not None
        assert home.incident.diagnosis.fault is Fault.CONFIG_DRIFT
        assert home.incident.diagnosis.severity is Severity.WARNING
        assert "The Traceloop key was probably rotated, and the monitor has the old one" in home.roots[0].text
        assert "Give the monitor the key that the exporter carries now" in home.roots[0].text
        key.give(home.sandbox.world.credentials.rotated_key)
        await home.until_resolved(10 * MINUTE)
        await home.advance(12 * MINUTE)
        assert home.calls == []
        assert home.story[-1][0] == "resolved"


@pytest.mark.thorough
async def test_the_gateway_had_the_old_key_for_a_while(tmp_path: Path) -> None:
    """As long as it carries the refused key traces are lost, and that calls; given the new one it is a matter of ours."""
    async with keyed(tmp_path) as (home, key):
        await home.break_(REVOKED)
        await home.until_called(limit=9 * MINUTE)
        assert home.incident is not None
        assert home.incident.diagnosis.fault is Fault.KEY_REJECTED
        await home.fix()
        await home.break_(ROTATED)
        await home.until(
            lambda: home.incident is not None and home.incident.diagnosis.fault is Fault.CONFIG_DRIFT, limit=75
        )
        assert home.incident.diagnosis.severity is Severity.WARNING
        await home.advance(2 * MINUTE)
        key.give(home.sandbox.world.credentials.rotated_key)
        await home.until_resolved(12 * MINUTE)
        await home.advance(20 * MINUTE)
        assert len(home.calls) == 1
        assert home.story[-1][0] == "resolved"


async def test_everybody_has_the_new_key_at_once(tmp_path: Path) -> None:
    """What is seen in the minute until the files are read again is delivered to nobody on call, and does not last."""
    async with keyed(tmp_path) as (home, key):
        await home.break_(ROTATED)
        key.give(home.sandbox.world.credentials.rotated_key)
        await home.advance(30 * MINUTE)
        assert home.calls == []
        assert home.incident is None


async def test_the_monitor_had_the_new_key_first(tmp_path: Path) -> None:
    """The gateway carries another key than ours, and ours works: then no trace arrives, and that calls."""
    async with keyed(tmp_path) as (home, key):
        home.sandbox.world.faults.set(REVOKED, (Misbehaviour("rotate_key"),))
        key.give(home.sandbox.world.credentials.rotated_key)
        await home.until_called(limit=2 * MINUTE)


@pytest.mark.parametrize("shown", sample(["masked", "reference"], every=2))
async def test_a_rotation_behind_masked_values(tmp_path: Path, shown: str) -> None:
    """Whose key is the old one cannot be known, and the text says so."""
    async with keyed(tmp_path, Variant().vary({"header_values": shown})) as (home, key):
        await home.break_(ROTATED)
        await home.until_called(limit=9 * MINUTE)
        assert home.incident is not None
        assert home.incident.diagnosis.fault is Fault.KEY_REJECTED
        assert any("the monitor's copy may be the outdated one" in line for line in home.incident.diagnosis.because)
        key.give(home.sandbox.world.credentials.rotated_key)
        await home.until_resolved(12 * MINUTE)
        assert len(home.calls) == 1
