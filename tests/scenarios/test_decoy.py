"""Planted content in the whole daemon: a redaction that does not work is reported by the name of the attribute."""

from typing import Any

import pytest

from monitor.core.model import Fault
from tests.sampling import sample
from tests.scenarios.house import MINUTE, house


def planting(kind: str) -> dict[str, Any]:
    """The configuration of a canary that carries a fake."""
    return {"targets": {"demo": {"checks": {"canary": {"decoy": kind}}}}}


@pytest.mark.parametrize("kind", sample(["email", "jwt", "card"], every=2))
async def test_what_should_have_been_redacted_is_reported_and_no_credential_is_said_to_leak(kind: str) -> None:
    """Content is exported, as expected here, and nothing redacts it."""
    async with house(content=True, **planting(kind)) as home:
        await home.until(lambda: home.incident is not None, limit=10 * MINUTE)
        assert home.incident is not None
        diagnosis = home.incident.diagnosis
        assert diagnosis.fault is Fault.CONTENT_LEAKED
        assert diagnosis.title == "Traces contain what a redaction should have removed"
        assert "`tfy.input" in diagnosis.detail
        assert "redact_with" in diagnosis.next_step


async def test_where_content_is_excluded_nothing_is_found() -> None:
    """The exclusion takes it along."""
    async with house(**planting("email")) as home:
        await home.settle_in()
        await home.advance(15 * MINUTE)
        assert home.story == []
        assert home.sandbox.world.traces()
