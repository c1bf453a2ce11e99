"""`trace-monitor explain`: the runbook in the terminal, and the list of faults."""

import re
import textwrap

import pytest

from monitor.cli import main
from monitor.cli.explain import to_text
from monitor.core.faults import FAULTS
from monitor.web.texts import runbook_text, runbooks
from tests.cli.usage import usage_error

Out = pytest.CaptureFixture[str]


def shown(markdown: str, *, width: int = 60, bold: bool = False) -> str:
    """Markdown as it stands in the terminal."""
    return "\n".join(to_text(textwrap.dedent(markdown), width=width, bold=bold))


def test_without_a_fault_all_are_listed_with_severity_component_and_meaning(capsys: Out) -> None:
    """In the order of the table, the most upstream first; stdout holds nothing else."""
    assert main(["explain"]) == 0
    out, err = capsys.readouterr()
    heading, *rows = (re.split(r" {2,}", line) for line in out.splitlines())
    assert heading == ["fault", "component", "severity", "meaning"]
    assert [row[:3] for row in rows] == [
        [fault.value, entry.component.value, entry.severity_text.partition(",")[0]] for fault, entry in FAULTS.items()
    ]
    assert all(row[3] for row in rows)
    assert ["key_rejected", "traceloop", "critical", "Traceloop rejects the exporter's key"] in rows
    assert err == ""


@pytest.mark.parametrize("fault", sorted(runbooks()))
def test_a_runbook_is_readable_as_plain_text(fault: str, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word of it is there, no markup is left over but the backticks of code, and it fits, unless a command is long."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["explain", fault, "--config", "/nowhere"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"`{fault}`: ")
    assert not re.search(r"\]\(|<https|^#|\x1b|\xa0|\*\w|\w\*", out, re.MULTILINE)
    long = [line for line in out.splitlines() if len(line) > 80 and "https://" not in line]
    assert [line for line in long if not re.fullmatch(r" *`[^`]+`", line)] == []
    written = re.sub(r"\[(\w+)\]\(\1\)|<(https[^>]+)>", r"\1\2", runbook_text(fault))
    words = re.compile(r"[\w/:.`-]+")
    assert words.findall(out.replace("*", "")) == words.findall(written.replace("*", ""))
    assert err == ""


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("key_rejcted", "; did you mean `key_rejected`?"),
        ("TRACE-LATE", "; did you mean `trace_late`?"),
        ("tracemonitordown", "; did you mean `TraceMonitorDown`?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_an_unknown_fault_is_refused_with_a_guess(name: str, hint: str, capsys: Out) -> None:
    """Exit code 2, nothing on stdout."""
    said = usage_error(capsys, "explain", name)
    assert said == f"explain: there is no fault {name!r}{hint}\n`trace-monitor explain` lists them\n"


def test_headings_are_bold_on_a_terminal_only() -> None:
    """The same words stand there without."""
    assert shown("# `a`: b\n\n## What to do\n\ntext", bold=True) == (
        "\x1b[1m`a`: b\x1b[0m\n\n\x1b[1mWhat to do\x1b[0m\n\n  text"
    )
    assert shown("# `a`: b\n\n## What to do\n\ntext") == "`a`: b\n\nWhat to do\n\n  text"


def test_lists_hang_under_their_marks_and_code_is_not_broken() -> None:
    """A line that begins no item belongs to the one before; a command can be copied."""
    assert shown(
        "1. Look at the\n   *token*, then wait for **five** minutes.\n2. Run `trace-monitor check --target T`.",
        width=40,
    ) == ("  1. Look at the token, then wait for\n     five minutes.\n  2. Run\n     `trace-monitor check --target T`.")


def test_tables_and_code_blocks_stay_as_they_are_and_links_are_written_out() -> None:
    """However long their lines are."""
    table = "| a | b |\n|---|---|\n| a long cell of this table | 2 |"
    assert shown(table, width=20) == textwrap.indent(table, "  ")
    assert shown("```\nx  `y` *z*\n```") == "  x  `y` *z*"
    assert shown("[t](https://x.y), [blind](blind), <https://x.y>") == "  t (https://x.y), blind, https://x.y"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("key_rejected", "Phoenix's `/v1/projects/…/spans`"),
        ("volume_loss", "Phoenix has no quota"),
        ("config_drift", "Phoenix refuses"),
    ],
)
def test_what_is_different_with_phoenix_is_said(fault: str, said: str, capsys: Out) -> None:
    """A runbook is one text for both backends, so it names both."""
    assert main(["explain", fault]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
