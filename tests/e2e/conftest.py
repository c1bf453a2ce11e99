"""What the end-to-end tests share: one sandbox, in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import SandboxProcess, sandbox_running


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a module's programs keep their files and logs."""
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="module")
def sandbox(directory: Path) -> Iterator[SandboxProcess]:
    """A healthy sandbox."""
    with sandbox_running(directory) as process:
        yield process
