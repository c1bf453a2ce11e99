"""What every test of a command shares."""

import logging
from collections.abc import Iterator

import pytest

from monitor.telemetry.logging import QUIET
from tests.cli.live import LiveSandbox, live_sandbox


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command sets up the logging of its process; here that is everybody's."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    yield
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(capture=False)


@pytest.fixture(autouse=True)
def no_environment_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be a user of the program."""
    for name in ("TRACE_MONITOR_CONFIG", "TRACE_MONITOR_URL", "TRACE_MONITOR_ADMIN_TOKEN", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def running() -> Iterator[LiveSandbox]:
    """One for all tests of a module."""
    with live_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: LiveSandbox) -> Iterator[LiveSandbox]:
    """Healthy at the beginning of each test."""
    yield running
    running.reset()
