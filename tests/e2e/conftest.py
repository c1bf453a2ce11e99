"""What the end-to-end tests share: one sandbox, and one Phoenix without authentication, each in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import PhoenixProcess, SandboxProcess, phoenix_running, sandbox_running


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a module's programs keep their files and logs."""
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="module")
def sandbox(directory: Path) -> Iterator[SandboxProcess]:
    """A healthy sandbox."""
    with sandbox_running(directory) as process:
        yield process


@pytest.fixture(scope="session")
def open_phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhoenixProcess]:
    """Without authentication, as it starts by default."""
    with phoenix_running(tmp_path_factory.mktemp("phoenix") / "open", authenticates=False) as process:
        yield process
