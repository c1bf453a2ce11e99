"""`trace-monitor completion`: a static script that a real shell completes with."""

import shutil
import subprocess
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from monitor.cli import main
from monitor.core.model import Fault

ASK = """
source "$1"; shift
COMP_WORDS=(trace-monitor "$@"); COMP_CWORD=$#
_trace_monitor
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the script of each shell."""
    directory = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        with (directory / shell).open("w") as file, redirect_stdout(file):
            assert main(["completion", shell]) == 0
    return directory


def bash(scripts: Path, script: str, *words: str, cwd: Path | None = None) -> list[str]:
    """What a real bash prints."""
    command = ["bash", "--norc", "-c", script, "bash", str(scripts / "bash"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_takes_the_script(scripts: Path) -> None:
    """And knows afterwards how `trace-monitor` is completed."""
    said = bash(scripts, 'source "$1"; complete -p trace-monitor')
    assert said == ["complete", "-F", "_trace_monitor", "trace-monitor"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["st"], ["status"]),
        (["co"], ["config", "completion"]),
        (["silence", ""], ["add", "list", "expire", "--help"]),
        (["silence", "add", "--fa"], ["--fault"]),
        (["silence", "add", "--all", "--fault", "trace_l"], ["trace_late"]),
        (["check", "--format", ""], ["table", "json"]),
        (["check", "--format", "json", "--fa"], ["--fail-on"]),
        (["explain", "key"], ["key_rejected"]),
        (["demo", "--fault", "exporter_dis"], ["exporter_disabled"]),
        (["completion", ""], ["bash", "zsh", "fish", "--help", "--config"]),
        (["check", "--timeout", ""], []),
        (["ack", "prod-1", "--by", ""], []),
        (["silence", "add", "--by", ""], []),
        (["sandbox", "--host", ""], []),
        (["nonsense", "--fo"], []),
    ],
)
def test_bash_completes(scripts: Path, words: list[str], offered: list[str]) -> None:
    """Commands, options and their values."""
    found = bash(scripts, ASK, *words)
    assert [word for word in found if word in offered or word.startswith(words[-1])] == found
    assert set(offered) <= set(found)
    assert len(found) >= len(offered)
    assert bool(found) is bool(offered)


def test_bash_completes_files_where_a_file_is_wanted(scripts: Path, tmp_path: Path) -> None:
    """After `--config`, and nowhere else."""
    (tmp_path / "prod.yaml").touch()
    assert bash(scripts, ASK, "run", "--config", "pr", cwd=tmp_path) == ["prod.yaml"]
    assert bash(scripts, ASK, "run", "pr", cwd=tmp_path) == []


def test_every_fault_can_be_completed(scripts: Path) -> None:
    """Where one is asked for."""
    assert {fault.value for fault in Fault} <= set(bash(scripts, ASK, "explain", ""))


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_take_theirs(scripts: Path, shell: str) -> None:
    """As far as there is such a shell here."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    subprocess.run([shell, "-n", str(scripts / shell)], check=True)


def test_fish_shows_what_a_command_is_for(scripts: Path) -> None:
    """A line for each word, under the condition that its command stands before it."""
    lines = (scripts / "fish").read_text().splitlines()
    assert (
        "complete -c trace-monitor -n '__fish_use_subcommand' -a 'explain' -d 'explain a fault and what to do about it'"
        in lines
    )
    add = "__fish_seen_subcommand_from silence; and __fish_seen_subcommand_from add"
    assert any(
        line.startswith(f"complete -c trace-monitor -n '{add}' -l fault -x -a 'gateway_unreachable ") for line in lines
    )


def test_zsh_runs_what_bash_runs(scripts: Path) -> None:
    """By its own module for that (https://zsh.sourceforge.io/Doc/Release/Completion-System.html)."""
    zsh, of_bash = (scripts / "zsh").read_text(), (scripts / "bash").read_text()
    assert zsh.endswith(of_bash)
    assert "bashcompinit" in zsh.removesuffix(of_bash)
