"""The law of the sandbox's dialects: whatever nobody knows for sure, a healthy gateway is nothing to tell about."""

import pytest

from monitor.core.canary import Outcome
from monitor.core.model import CheckName
from monitor.sandbox import SWITCHES, Dialect
from tests.scenarios.house import house

WORDS = [(name, str(value)) for name, switch in SWITCHES.items() for value in switch.values]
SEEN_IN: float = 660.0
"""Two regular canaries and a control span, and time for each to be judged."""


@pytest.mark.parametrize(("switch", "word"), WORDS, ids=str)
async def test_healthy_in_any_dialect_tells_nothing(switch: str, word: str) -> None:
    """Every value of every switch: no message, no incident, no trace counted missing, no check that fails."""
    async with house(Dialect().vary({switch: word})) as home:
        await home.advance(SEEN_IN)
        assert home.told == []
        assert home.state.incidents == ()
        assert Outcome.MISSING not in {canary.outcome for canary in home.state.canaries}
        assert not home.state.confirmed
        assert home.state.trend(CheckName.CONFIG).ever_passed
