"""`trace-monitor explain`: what a fault means and what to do about it; the runbook in the terminal."""

import argparse
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator

from monitor.cli import UsageError
from monitor.cli.common import OK
from monitor.cli.parser import did_you_mean
from monitor.cli.table import use_colour
from monitor.core.backend import TRACELOOP
from monitor.core.faults import FAULTS
from monitor.web.texts import runbook_text, runbooks

_WIDEST, _NARROWEST = 100, 40
_NO_BREAK = "\N{NO-BREAK SPACE}"
_ITEM = re.compile(r"(?P<mark>-|\d+\.) +(?P<text>.*)")
_INLINE = re.compile(
    r"(?P<code>`[^`]+`)"
    r"|\[(?P<text>[^\]]+)\]\((?P<href>[^()\s]+)\)"
    r"|<(?P<url>https://[^\s<>]+)>"
    r"|(?P<stars>\*\*?)(?P<stressed>[^*]+)(?P=stars)"
)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `explain`."""
    parser = subparsers.add_parser("explain")
    parser.add_argument(
        "fault",
        nargs="?",
        metavar="FAULT",
        help="its name, or that of an alert about the monitor; default: list all faults",
    )
    parser.add_argument("--config", metavar="PATH", help="ignored: nothing is configured here")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a runbook, or the list of faults."""
    name = arguments.fault
    if name is None:
        print("\n".join(_list_faults()))
        return OK
    if name not in runbooks():
        meant = did_you_mean(name.replace("-", "_"), runbooks())
        raise UsageError(f"explain: there is no fault {name!r}{meant}\n`trace-monitor explain` lists them")
    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns))
    print("\n".join(to_text(runbook_text(name), width=width, bold=use_colour(sys.stdout))))
    return OK


def _list_faults() -> Iterator[str]:
    """A line per fault, the most upstream first; as the runbooks, it speaks of Traceloop."""
    faults = [TRACELOOP.fill(row) for row in FAULTS.values()]
    rows = [("fault", "component", "severity", "meaning")]
    rows += [(row.fault, row.component, row.severity_text.partition(",")[0], row.title) for row in faults]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row[:3], widths, strict=True)), row[3]])


def to_text(markdown: str, *, width: int, bold: bool) -> Iterator[str]:
    """Markdown as lines for a terminal: headings at the margin, the rest below them, links written out.

    Code blocks and tables stay as they are.
    """
    for number, block in enumerate(re.split(r"\n{2,}", markdown.strip())):
        lines = block.splitlines()
        if number:
            yield ""
        if block.startswith("#"):
            for line in _wrap(block.lstrip("# "), width):
                yield f"\x1b[1m{line}\x1b[0m" if bold else line
        elif block.startswith(("|", "```")):
            yield from (f"  {line}" for line in lines if not line.startswith("```"))
        else:
            yield from _paragraph(lines, width)


def _paragraph(lines: list[str], width: int) -> Iterator[str]:
    """A paragraph, or a list: a line that begins no item belongs to the one before."""
    flows: list[tuple[str, str]] = []  # what each begins with, and its text
    for line in lines:
        if item := _ITEM.match(line):
            flows.append((f"  {item['mark']} ", item["text"]))
        elif flows:
            flows[-1] = (flows[-1][0], f"{flows[-1][1]} {line.strip()}")
        else:
            flows.append(("  ", line))
    for begin, text in flows:
        yield from _wrap(text, width, begin)


def _wrap(text: str, width: int, begin: str = "") -> Iterator[str]:
    """Code keeps its backticks, which show where a command ends, and is not broken across lines."""

    def plain(found: re.Match[str]) -> str:
        if found["text"]:
            return found["text"] if found["href"] == found["text"] else f"{found['text']} ({found['href']})"
        if found["code"]:
            return found["code"].replace(" ", _NO_BREAK)
        return str(found["url"] or found["stressed"])

    lines = textwrap.wrap(
        _INLINE.sub(plain, text),
        width,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (line.replace(_NO_BREAK, " ") for line in lines)
