"""However it hangs, it ends within its grace; asked twice, at once."""

import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cli.live import live_sandbox
from tests.process.program import HANGING_RESOLVER, LOUD, ONLY_GATEWAY, Program, running, until

NOWHERE: dict[str, Any] = {
    "control_plane": {"url": "https://nobody.invalid", "token": "tfy-hanging-0001"},
    "gateway": {"url": "https://gateway.invalid", "model": "m"},
    "traceloop": {"url": "https://traceloop.invalid", "api_key": "tl_hanging_0001", "environment": "prd"},
}
"""A target whose every name hangs in the resolver."""

GRACE = 5.0


@pytest.fixture
def directories(tmp_path: Path) -> tuple[Path, Path]:
    """One for each of two programs."""
    made = (tmp_path / "polite", tmp_path / "impatient")
    for each in made:
        each.mkdir()
    return made


def test_hanging_names_and_a_silent_slack_keep_nobody(directories: tuple[Path, Path]) -> None:
    """SIGTERM is exit code 0 within the grace; a second one ends it at once."""
    hanging = {"targets": {"demo": {"checks": ONLY_GATEWAY}, "hanging": NOWHERE}}
    polite, impatient = directories
    with (
        live_sandbox() as sandbox,
        running(sandbox.file(polite, LOUD, hanging), polite, wrapper=HANGING_RESOLVER, words=(str(GRACE),)) as first,
        running(sandbox.file(impatient, LOUD, hanging), impatient, wrapper=HANGING_RESOLVER, words=("60",)) as second,
    ):
        assert first.url
        assert second.url
        sandbox.break_("slack_silent")
        sandbox.break_("gateway_unreachable")
        for program in (first, second):
            until(partial(program.metric, "notices_pending", notifier="slack"), what="a notice")
        began = time.monotonic()
        for program in (first, second):
            program.process.send_signal(signal.SIGTERM)
        until(lambda: second.logged("asked to stop"))
        assert _not_ready(second)
        assert second.ends(signal.SIGTERM, within=2.0) == -signal.SIGTERM
        assert first.process.wait(GRACE) == 0
        assert time.monotonic() - began < GRACE
        assert "Traceback" not in first.printed
        assert (
            first.logged("stopped with undelivered notifications; they are delivered after the next start") is not None
        )


def _not_ready(program: Program) -> bool:
    """While it drains, it says so to whoever balances load."""
    try:
        program.get("/readyz")
    except OSError as refused:
        return "503" in str(refused)
    return False
