"""The command line as a whole."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.cli import main, parser_of
from monitor.cli.commands import COMMANDS, NAMES
from monitor.cli.completion import walk
from monitor.version import VERSION
from tests.cli.usage import usage_error
from tests.settings.samples import MINIMAL

Out = pytest.CaptureFixture[str]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: Out) -> None:
    """`--help` after each: what it does, an example that can be typed, what every exit code means, exit 0."""
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: trace-monitor {command}" in out
    assert COMMANDS[command].description in " ".join(out.split())
    for example in COMMANDS[command].examples:
        assert f"\n  trace-monitor {example}\n" in out
    for code, meaning in COMMANDS[command].exits.items():
        assert f"\n  {code}  {meaning}\n" in out


@pytest.mark.parametrize("example", [example for command in COMMANDS.values() for example in command.examples])
def test_every_example_is_understood(example: str) -> None:
    """By the parser of its command."""
    words = shlex.split(example.partition(" && ")[0].partition(" > ")[0].partition(" | ")[0])
    assert parser_of(words[0]).parse_args(words).run


def test_the_table_knows_every_command_that_there_is() -> None:
    """And no other: `silence add` too."""
    with_parsers = {each.command for each in walk("", parser_of(*NAMES)) if each.command}
    assert with_parsers == set(COMMANDS)


def test_the_overview_has_every_command_in_a_group(capsys: Out) -> None:
    """Set up, run, operate, try out; exit 0."""
    assert main(["--help"]) == 0
    out, err = capsys.readouterr()
    assert [name for name in NAMES if f"\n  {name} " not in out] == []
    groups = [line for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert groups == ["set up:", "run:", "operate:", "try out:"]
    assert err == ""


def test_without_a_command_one_is_asked_for(capsys: Out) -> None:
    """Exit 2, on stderr."""
    assert main([]) == 2
    assert capsys.readouterr() == (
        "",
        "trace-monitor: a command is needed\n`trace-monitor --help` lists the commands\n",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("chekc", "there is no command 'chekc'; did you mean `check`?"),
        ("Status", "there is no command 'Status'; did you mean `status`?"),
        ("frobnicate", "there is no command 'frobnicate'\n"),
        ("--config x.yaml run", "--config belongs after the command: trace-monitor run --config …"),
        ("check --taget prod", "unrecognized arguments: --taget prod; did you mean `--target`?"),
        ("check --format jsn", "did you mean `json`?"),
        ("silence ad", "did you mean `add`?"),
        ("silence add --all --for 2h --fault trace_lat", "did you mean `trace_late`?"),
        ("config vaildate", "did you mean `validate`?"),
        ("demo --fault key_rejcted", "; did you mean `key_rejected`?"),
        ("run now", "unrecognized arguments: now\n"),
    ],
)
def test_a_mistyped_word_is_refused_with_what_was_meant(words: str, said: str, capsys: Out) -> None:
    """Commands, options and values alike; exit 2, nothing on stdout."""
    assert said in usage_error(capsys, *words.split())


def test_a_long_list_of_choices_is_pointed_to_and_not_printed(capsys: Out) -> None:
    """More than a hundred faults are no message; a short list is."""
    said = usage_error(capsys, "demo", "--fault", "key_rejcted").splitlines()[-1]
    assert "choose from" not in said
    assert said.endswith("; `trace-monitor demo --help` lists what there is; did you mean `key_rejected`?")
    assert len(said) < 200
    assert "choose from" in usage_error(capsys, "check", "--format", "jsn")


def test_an_error_shows_the_usage_of_its_own_command(capsys: Out) -> None:
    """Not that of the whole program."""
    assert usage_error(capsys, "check", "--taget", "x").startswith("usage: trace-monitor check ")


def test_the_version_is_the_programs(capsys: Out) -> None:
    """For bug reports."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"trace-monitor {VERSION}\n"


HEAVY = (
    "httpx",
    "pydantic",
    "yaml",
    "slack_sdk",
    "google.protobuf",
    "apscheduler",
    "starlette",
    "jinja2",
    "asyncio",
    "ssl",
)


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        ("--help", {"monitor.cli", "monitor.cli.commands"}),
        ("--version", {"monitor.cli", "monitor.cli.commands", "monitor.version"}),
        ("chekc", {"monitor.cli", "monitor.cli.commands", "monitor.cli.parser"}),
        (
            "healthcheck --url http://127.0.0.1:1",
            {"monitor.cli", "monitor.cli.commands", "monitor.cli.parser", "monitor.cli.healthcheck"},
        ),
    ],
)
def test_what_must_be_quick_loads_little(words: str, ours: set[str]) -> None:
    """No library, and of the program itself only this: an import that creeps in costs every start, which no clock shows reliably."""
    code = "import sys; from monitor.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *words.split()], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {name for name in loaded if name.startswith("monitor.")} == ours
    assert [name for name in HEAVY if name in loaded] == []


def test_only_the_command_that_is_asked_for_is_loaded() -> None:
    """So that the daemon starts quickly and small."""
    code = "import sys; from monitor.cli import parser_of; parser_of('explain'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    for foreign in (
        "google.protobuf",
        "slack_sdk",
        "apscheduler",
        "monitor.sandbox",
        "monitor.daemon",
        "monitor.cli.run",
    ):
        assert foreign not in loaded


@pytest.mark.parametrize(
    ("words", "targets", "code"),
    [("config show", 1, 0), ("check --only gateway", 1, 3), ("check --only gateway", 60, 3)],
    ids=["everything is printed at the end", "a check that cannot tell", "more than a buffer holds"],
)
def test_a_reader_that_has_read_enough_changes_nothing(words: str, targets: int, code: int, tmp_path: Path) -> None:
    """`trace-monitor check | head`: no traceback, and the exit code that it would have had."""
    file = tmp_path / "config.yaml"
    target = MINIMAL.removeprefix("targets:\n  prod:\n").replace("https://acme.truefoundry.cloud", "http://127.0.0.1:9")
    file.write_text("targets:\n" + "".join(f"  prod-{number}:\n{target}" for number in range(targets)))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "monitor", *words.split(), "--config", str(file)]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
