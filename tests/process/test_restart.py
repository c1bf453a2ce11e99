"""Killed at any moment, it goes on where it was."""

import signal
from pathlib import Path

from tests.cli.live import LiveSandbox, live_sandbox
from tests.process.program import LOUD, ONLY_GATEWAY, running, until


def _roots(sandbox: LiveSandbox) -> list[str]:
    """The first lines of what stands in the channel itself, as they read now."""
    return [message["text"].splitlines()[0] for message in sandbox.messages if message.get("thread_ts") is None]


def _replies(sandbox: LiveSandbox) -> list[str]:
    return [message["text"].splitlines()[0] for message in sandbox.messages if message.get("thread_ts") is not None]


def test_an_incident_outlives_the_process_that_opened_it(tmp_path: Path) -> None:
    """SIGKILL: the next process knows it, tells it to nobody again, and its resolve lands in the same thread."""
    with live_sandbox() as sandbox:
        file = sandbox.file(tmp_path, LOUD, {"targets": {"demo": {"checks": ONLY_GATEWAY}}})
        with running(file, tmp_path) as first:
            until(lambda: first.metric("check_verdict", check="gateway", verdict="pass"), what="a pass")
            sandbox.break_("gateway_unreachable")
            until(lambda: len(_roots(sandbox)) == 1, what="an opening")
            opened = until(lambda: first.incident)
            until(lambda: first.metric("notices_pending", notifier="slack") == 0.0)
            first.process.send_signal(signal.SIGKILL)
            assert first.process.wait(5) == -signal.SIGKILL
        assert "gateway_unreachable" in _roots(sandbox)[0]
        with running(file, tmp_path) as second:
            assert until(lambda: second.incident)["id"] == opened["id"]
            until(lambda: (second.metric("checks_total", check="gateway", verdict="fail") or 0.0) >= 2.0)
            assert len(_roots(sandbox)) == 1
            sandbox.mend()
            until(lambda: "resolved" in _roots(sandbox)[0], what="a resolve")
            assert second.incident is None
            until(lambda: any("resolved" in reply for reply in _replies(sandbox)), what="a reply")
            assert second.ends(signal.SIGINT) == 0
        assert len(_roots(sandbox)) == 1
        for program in (first, second):
            assert "Traceback" not in program.printed
