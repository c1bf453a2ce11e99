"""What the guides have people type and read is real: commands parse and run, messages are those of the program."""

import ast
import os
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from monitor.cli import main, parser_of
from tests.cli.live import LiveSandbox, live_sandbox
from tests.quotations import GOLDEN, quoted

ROOT = Path(__file__).parents[1]
GUIDES = sorted({*(ROOT / "docs").glob("*.md"), *(ROOT / "monitor" / "runbooks").glob("*.md"), ROOT / "README.md"})
EVERY_GUIDE = pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
STARTED = ROOT / "docs" / "getting-started.md"

Out = pytest.CaptureFixture[str]

# --- commands --------------------------------------------------------------------------------------------------------

_PLACEHOLDERS = {"TARGET": "prod", "FAULT": "trace_late", "COMMAND": "check"}
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def commands(markdown: str) -> Iterator[list[str]]:
    """Every command line of the program in a page, as words and without what a shell does with its output.

    A heading only names a command, and what has brackets or dots only shows the form.
    """
    blocks = "\n".join(_FENCE.findall(markdown)).replace("\\\n", " ")
    text = re.sub(r"^#.*$", "", _FENCE.sub("", markdown), flags=re.MULTILINE)
    written = re.findall(r"^ *trace-monitor (.+)$", blocks, re.MULTILINE) + re.findall(r"`trace-monitor ([^`]+)`", text)
    for line in dict.fromkeys(" ".join(each.split()) for each in written):
        command = re.split(r" (?:>|\||&&) ", line)[0]
        if not re.search(r"[\[\]…]", command):
            yield [_PLACEHOLDERS.get(word, word) for word in shlex.split(command, comments=True)]


@EVERY_GUIDE
def test_every_command_parses(page: Path, capsys: Out) -> None:
    """By the parsers of the program itself; a group of commands alone, such as `trace-monitor silence`, names it."""
    refused = []
    for words in commands(page.read_text()):
        try:
            if words[0] not in {"--version", "--help"}:
                parser_of(words[0]).parse_args(words)
        except SystemExit as end:
            names_a_group = "following arguments are required: COMMAND" in capsys.readouterr().err and len(words) == 1
            refused += [words] if end.code and not names_a_group else []
    assert refused == []


_OFFLINE = {"config", "expected", "explain", "completion", "--version", "--help"}


@EVERY_GUIDE
def test_every_command_that_needs_no_network_works(page: Path, tmp_path: Path, capsys: Out) -> None:
    """With the configuration of the guide for those who get started, where it is looked for."""
    configure(tmp_path)
    here = Path.cwd()
    os.chdir(tmp_path)
    failed = []
    try:
        for words in commands(page.read_text()):
            if words[0] in _OFFLINE or words[-1] == "--help":
                code = run(words)
                failed += [words] if code else []
                assert capsys.readouterr().out
    finally:
        os.chdir(here)
    assert failed == []


def run(words: list[str]) -> int:
    """The exit code of a command; argparse exits by itself."""
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


def configure(directory: Path, change: tuple[str, str] = ("", "")) -> str:
    """The configuration of the guide as a file, with files of secrets; `change`: one text in it for another."""
    secrets = {
        "tfy-token": "tfy_0123456789abcdef",
        "traceloop-key": "tl_0123456789abcdef",
        "slack-token": "xoxb-1-2-abcdef",
    }
    for name, secret in secrets.items():
        (directory / name).write_text(secret)
    blocks = re.findall(r"^```yaml\n(.*?)^```", STARTED.read_text(), re.MULTILINE | re.DOTALL)
    (configuration,) = (block for block in blocks if block.startswith("targets:"))
    changed = configuration.replace("/etc/trace-monitor/secrets", str(directory)).replace(*change)
    path = directory / "trace-monitor.yaml"
    path.write_text(changed)
    return str(path)


# --- messages --------------------------------------------------------------------------------------------------------


@cache
def golden() -> str:
    """All that Slack shows."""
    return "\n".join(page.read_text() for page in sorted(GOLDEN.glob("*.txt")))


@cache
def literals() -> frozenset[str]:
    """Every text that is written in the program."""
    trees = (ast.parse(module.read_text()) for module in (ROOT / "monitor").rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return frozenset(node.value for node in nodes if isinstance(node.value, str))


def pieces(markdown: str) -> Iterator[str]:
    """The messages quoted in a page; one that leaves something out (…) in its parts."""
    for quotation in quoted(markdown):
        yield from filter(None, (piece.strip() for piece in quotation.split("…")))


@pytest.mark.parametrize("page", [page for page in GUIDES if page != STARTED], ids=lambda page: page.name)
def test_every_quoted_message_is_one_of_the_program(page: Path) -> None:
    """Slack shows it, or it is written in the code; those of the first steps are provoked below."""
    said = golden()
    assert [
        text for text in pieces(page.read_text()) if text not in said and not any(text in one for one in literals())
    ] == []


MISTAKES = [
    ("traceloop-key", "slack-token"),
    ("environment: prd", 'environment: "${ENV}"'),
    ("model:", "tokn:"),
    ("<!subteam^S0123>", "@oncall"),
]
"""What people get wrong in the configuration: a text of the guide's, and what they have instead."""


def test_the_first_steps_quote_what_is_seen(tmp_path: Path, capsys: Out) -> None:
    """Each mistake of the guide is made, against the sandbox, and every message that it quotes is then printed."""
    for change in (("", ""), *MISTAKES):
        run(["config", "validate", "--config", configure(tmp_path, change)])
    with live_sandbox() as sandbox:
        for check, test, faults in SCENES:
            try_out(sandbox, tmp_path, check, test, faults)
    out, err = capsys.readouterr()
    seen = out + err + " ".join(one for one in literals() if "admin_token" in one)
    assert [text for text in pieces(STARTED.read_text()) if text not in seen] == []


SCENES = [
    ([], True, []),
    (["--only", "config"], False, ["control_plane_forbidden"]),
    (["--only", "config"], False, ["wrong_environment"]),
    (["--only", "canary"], False, ["canary_rejected"]),
    (None, True, ["slack_channel_not_found"]),
    (None, True, ["slack_invalid_auth"]),
]
"""What `check` is asked for, or None; whether `notify test` is run; and what is wrong meanwhile."""


def try_out(sandbox: LiveSandbox, directory: Path, check: list[str] | None, test: bool, faults: list[str]) -> None:
    """Run the commands of the guide while something is wrong."""
    sandbox.reset()
    for fault in faults:
        sandbox.break_(fault)
    file = sandbox.file(directory)
    if check is not None:
        run(["check", "--config", file, *check])
    if test:
        run(["notify", "test", "--config", file])
