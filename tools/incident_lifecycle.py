"""Write `docs/incident-lifecycle.md`: the diagram and the table of transitions as they stand in the code. `make docs`."""

import sys
from inspect import getdoc

from monitor.core import incident_lifecycle
from monitor.core.incident_lifecycle import TRANSITIONS, Phase


def write() -> str:
    """The whole document."""
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


if __name__ == "__main__":
    sys.stdout.write(write())
