"""The command line as a whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.cli import MODULES, main
from monitor.version import VERSION
from tests.settings.samples import MINIMAL

Out = pytest.CaptureFixture[str]


def test_every_command_explains_itself(capsys: Out) -> None:
    """`--help` after each, exit 0."""
    for command in MODULES:
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert end.value.code == 0
        assert f"usage: trace-monitor {command}" in capsys.readouterr().out


def test_without_a_command_all_are_named(capsys: Out) -> None:
    """Exit 2; with --help 0."""
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert [command for command in MODULES if command not in out] == []


def test_a_command_that_is_none_is_refused(capsys: Out) -> None:
    """With what there is."""
    with pytest.raises(SystemExit) as end:
        main(["chekc"])
    assert end.value.code == 2
    assert "invalid choice: 'chekc'" in capsys.readouterr().err


def test_the_version_is_the_programs(capsys: Out) -> None:
    """For bug reports."""
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"trace-monitor {VERSION}\n"


def test_only_the_command_that_is_asked_for_is_loaded() -> None:
    """So that it starts quickly: a health check every few seconds needs neither protobuf nor the sandbox."""
    code = "import sys; from monitor.cli import _parser; _parser(['healthcheck']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    for foreign in ("google.protobuf", "slack_sdk", "apscheduler", "starlette", "monitor.sandbox", "monitor.daemon"):
        assert foreign not in loaded


def test_a_reader_that_has_read_enough_is_no_error(tmp_path: Path) -> None:
    """`trace-monitor config show | head`: no traceback, exit 0."""
    file = tmp_path / "config.yaml"
    file.write_text(MINIMAL)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "monitor", "config", "show", "--config", str(file)]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
