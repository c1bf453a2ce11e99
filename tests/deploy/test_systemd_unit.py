"""The unit for systemd: systemd knows its options, and it starts and stops the program as the program wants it."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from monitor.cli import parser_of
from monitor.daemon.service import GRACE
from monitor.settings.load import GLOBAL

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "trace-monitor.service"


class _AsWritten(configparser.RawConfigParser):
    """Names of options as they stand in the file."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture
def service() -> dict[str, str]:
    """The options of the service."""
    parser = _AsWritten()
    parser.read_string(UNIT.read_text())
    return dict(parser["Service"])


def test_it_runs_the_program_with_the_configuration_that_other_commands_find(service: dict[str, str]) -> None:
    """So `trace-monitor status` needs no `--config`."""
    program, command, *options = service["ExecStart"].split()
    assert program == "/opt/trace-monitor/bin/trace-monitor"
    assert command == "run"
    assert Path(parser_of(command).parse_args([command, *options]).config) == GLOBAL


def test_it_is_reloaded_stopped_and_started_again_as_the_program_wants_it(service: dict[str, str]) -> None:
    """SIGHUP reloads; it stops within its own time; it is started again whatever ended it."""
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["Restart"] == "always"
    assert float(service["TimeoutStopSec"].removesuffix("s")) > GRACE


def test_it_writes_only_its_state(service: dict[str, str]) -> None:
    """In the directory that systemd makes for it, as a user of its own."""
    directory = f"/var/lib/{service['StateDirectory']}/"
    assert re.fullmatch(rf"TRACE_MONITOR_STATE__PATH={directory}[\w.-]+", service["Environment"])
    assert service["User"] not in {"", "root"}
    assert (service["ProtectSystem"], service["NoNewPrivileges"], service["PrivateTmp"]) == ("strict", "yes", "yes")


def test_systemd_knows_every_option(tmp_path: Path) -> None:
    """It ignores what it does not know, and says so."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd here")
    program = shutil.which("true") or "/bin/true"

    def said(text: str) -> str:
        file = tmp_path / UNIT.name
        file.write_text(re.sub(r"(?<=^ExecStart=)\S+", program, text, flags=re.MULTILINE))
        done = subprocess.run([analyze, "verify", "--man=no", file], capture_output=True, text=True, check=False)
        return "\n".join(line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line)

    assert said(UNIT.read_text()) == ""
    assert "Restarts" in said(UNIT.read_text().replace("Restart=", "Restarts="))
