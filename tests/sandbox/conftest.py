"""A healthy sandbox without sockets, on a clock that the test turns."""

from collections.abc import AsyncIterator

import pytest

from monitor.sandbox import Sandbox
from tests.fakes.block_kit import validate_message
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker


@pytest.fixture
def clock() -> FakeClock:
    """Time."""
    return FakeClock()


@pytest.fixture
async def asker(clock: FakeClock) -> AsyncIterator[Asker]:
    """Asks a started sandbox that exports no content."""
    sandbox = Sandbox(clock=clock, check_message=validate_message)
    await sandbox.start()
    yield Asker(sandbox, clock)
    await sandbox.stop()


@pytest.fixture
def sandbox(asker: Asker) -> Sandbox:
    """The sandbox that `asker` asks."""
    return asker.sandbox
