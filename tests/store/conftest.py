"""A path for the file of the state, and a store that is open on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.store.sqlite import SqliteStore
from tests.store.disk import a_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state is kept."""
    return tmp_path / "state.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    """Open, on a fresh file."""
    store = a_store(path)
    await store.open()
    yield store
    await store.close()
