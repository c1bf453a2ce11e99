"""What every test of a command shares."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.telemetry.logging import QUIET
from tests.cli.live import LiveSandbox, live_sandbox, live_site
from tests.web.site import ADMIN, READ, Site


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


@pytest.fixture
def site() -> Site:
    """What the daemon shows; nobody may read without a token."""
    site = Site(read_token=READ)
    site.report["targets"] = dict.fromkeys(("prod", "prod-eu", "prod-us"), site.report["targets"]["prod"])
    return site


@pytest.fixture
def url(site: Site) -> Iterator[str]:
    """Where it listens."""
    with live_site(site) as listening:
        yield listening


@pytest.fixture
def admin(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A person with the admin's token in the environment, and no configuration at all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACE_MONITOR_URL", url)
    monkeypatch.setenv("TRACE_MONITOR_ADMIN_TOKEN", ADMIN)
    return url
