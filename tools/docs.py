"""Write every page of `docs/` that is made from the code: `make docs`.

With `--check` it writes nothing and shows which are not current: `make docs-current`.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from difflib import unified_diff
from inspect import getdoc
from pathlib import Path

from monitor.core import incident_lifecycle
from monitor.core.incident_lifecycle import TRANSITIONS, Phase
from tools import (
    commands_reference,
    configuration_reference,
    diagnosis_matrix,
    diagnosis_table,
    metrics_reference,
    simulate_examples,
    slack_picture,
    time_to_mention,
)

DOCS = Path(__file__).parents[1] / "docs"


def write_incident_lifecycle() -> str:
    """The diagram and the table of an incident's transitions as they stand in the code."""
    essay = (getdoc(incident_lifecycle) or "").partition("\n\n")[2]
    moves = [(before, trigger, after) for before, row in TRANSITIONS.items() for trigger, after in row.items()]
    arrows = [
        f"    {'[*]' if before is Phase.NONE else before} --> {after}: {trigger}"
        for before, trigger, after in moves
        if after is not Phase.NONE
    ]
    rows = [f"| {before} | {trigger} | {after} |" for before, trigger, after in moves]
    return "\n".join(
        (
            "# The life of an incident",
            "",
            "Written by `make docs` from `monitor/core/incident_lifecycle.py`: change it there.",
            "",
            essay,
            "",
            "```mermaid",
            "stateDiagram-v2",
            *arrows,
            "```",
            "",
            "| an incident that is | when | becomes |",
            "|---|---|---|",
            *rows,
            "",
        )
    )


def write_matrix() -> str:
    """What the daemon says of every way to break the sandbox. Raises SystemExit where it says something else than it should."""
    entries = diagnosis_matrix.look_at_all()
    if diagnosis_matrix.judge(entries):
        sys.exit(1)
    return diagnosis_matrix.write(entries)


def write_times() -> str:
    """How long it takes until somebody is called. Raises SystemExit where that is longer than promised."""
    rows = asyncio.run(time_to_mention.measure_all())
    if time_to_mention.judge(rows):
        sys.exit(1)
    return time_to_mention.write(rows)


PAGES: Mapping[str, Callable[[], str]] = {
    "diagnosis.md": diagnosis_table.write,
    "images/slack.svg": lambda: slack_picture.draw(slack_picture.first_message(slack_picture.FAULT)),
    "incident-lifecycle.md": write_incident_lifecycle,
    "configuration.md": configuration_reference.write,
    "metrics.md": metrics_reference.write,
    "commands.md": commands_reference.write,
    "simulate.md": lambda: simulate_examples.renewed((DOCS / "simulate.md").read_text(encoding="utf-8")),
    "diagnosis-matrix.md": write_matrix,
    "time-to-mention.md": write_times,
}
"""What makes each page; the last two let the whole daemon run."""


def main() -> int:
    """Write or compare; 1 if a page is not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, show what would change")
    checking = parser.parse_args().check
    logging.disable(logging.CRITICAL)
    outdated = False
    for name, write in PAGES.items():
        page, text = DOCS / name, write()
        if not checking:
            page.write_text(text, encoding="utf-8")
            continue
        there = page.read_text(encoding="utf-8")
        diff = unified_diff(
            there.splitlines(keepends=True), text.splitlines(keepends=True), f"docs/{name}", "what it should be"
        )
        sys.stdout.writelines(diff)
        outdated |= there != text
    sys.stdout.write("some pages are not current: run make docs\n" if outdated else "docs: ok\n")
    return int(outdated)


if __name__ == "__main__":
    sys.exit(main())
