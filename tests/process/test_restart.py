"""Killed at any moment, it goes on where it was."""

import json
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.live import LiveSandbox, live_sandbox
from tests.process.program import LOUD, ONLY_GATEWAY, running, until


def _roots(sandbox: LiveSandbox) -> list[str]:
    """The first lines of what stands in the channel itself, as they read now."""
    return [message["text"].splitlines()[0] for message in sandbox.messages if message.get("thread_ts") is None]


def _replies(sandbox: LiveSandbox) -> list[str]:
    return [message["text"].splitlines()[0] for message in sandbox.messages if message.get("thread_ts") is not None]


def test_an_incident_outlives_the_process_that_opened_it(tmp_path: Path) -> None:
    """SIGKILL: the next process knows it, notifies nobody again, and its resolve lands in the same thread."""
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
            sandbox.fix()
            until(lambda: "resolved" in _roots(sandbox)[0], what="a resolve")
            assert second.incident is None
            until(lambda: any("resolved" in reply for reply in _replies(sandbox)), what="a reply")
            assert second.ends(signal.SIGINT) == 0
        assert len(_roots(sandbox)) == 1
        for program in (first, second):
            assert "Traceback" not in program.printed


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _readiness(port: int) -> tuple[int, Any] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)
    except OSError:
        return None


@pytest.mark.thorough
def test_a_rolling_update_waits_for_the_process_before(tmp_path: Path) -> None:
    """The second process says what it waits for, is alive and not ready meanwhile, and goes on when the first has ended."""
    with live_sandbox() as sandbox:
        more = {"targets": {"demo": {"checks": ONLY_GATEWAY}}}
        file, port = sandbox.file(tmp_path, LOUD, more), _free_port()
        changed = json.loads(Path(file).read_text()) | {"server": {"port": port}}
        other = tmp_path / "other.yaml"
        other.write_text(json.dumps(changed))
        with running(file, tmp_path) as first:
            assert first.url
            with running(str(other), tmp_path) as second:
                status, notified = until(lambda: _readiness(port), what="an answer")
                assert (status, notified["conditions"]["state restored"]) == (503, False)
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                    assert answer.status == 200
                until(lambda: "in use by another trace-monitor" in second.printed, what="a reason")
                assert second.process.poll() is None
                assert first.ends() == 0
                assert second.url.endswith(str(port))
                assert _readiness(port) == (200, until(lambda: _readiness(port))[1])
                assert second.ends() == 0
            assert "Traceback" not in second.printed


@pytest.mark.thorough
def test_a_process_that_waits_for_another_can_be_stopped(tmp_path: Path) -> None:
    """It ends at once and well, as any other."""
    with live_sandbox() as sandbox:
        file = sandbox.file(tmp_path, LOUD, {"targets": {"demo": {"checks": ONLY_GATEWAY}}})
        with running(file, tmp_path) as first:
            assert first.url
            with running(file, tmp_path) as second:
                until(lambda: "in use by another trace-monitor" in second.printed, what="a reason")
                assert second.ends() == 0, second.printed
            assert "Traceback" not in second.printed
            assert first.process.poll() is None
