"""Measure how long it takes until somebody is called, at the defaults and at the worst moments. `make time-to-mention`.

The whole daemon against the whole sandbox on a fake clock, as in the tests. Prints the table that `docs/time-to-mention.md` holds;
exits 1 if a promise is broken.
"""

import asyncio
import logging
import sys
from dataclasses import dataclass

from monitor.core.model import Seconds
from tests.scenarios.promptness import PROMISES, Promise, cases, measure

_PREFACE = """\
# How long until somebody is called

Written by `make docs` from what `make time-to-mention` measures: the whole daemon at its defaults against the sandbox on a fake
clock, from the moment when something breaks until Slack has the message that calls. Each is broken at four moments between two
runs of the check that finds it; the worst of them counts. Where canaries are needed, the budget for the faster ones is not spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One promise, and the longest that it took."""

    promise: Promise
    worst: Seconds


async def measure_all() -> list[Row]:
    """The longest of every promise."""
    return [
        Row(promise=one, worst=max([await measure(one, broken, phase) for broken, phase in cases(one)]))
        for one in PROMISES
    ]


def write(rows: list[Row]) -> str:
    """The whole document."""
    lines = [f"| {row.promise.title} | {_said(row.promise.at_most)} | {_said(row.worst)} |" for row in rows]
    table = "\n".join(("| what breaks | promised | measured, worst |", "|---|---|---|", *lines))
    return f"{_PREFACE}\n\n{table}\n"


def _said(seconds: Seconds) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" + (f" {rest} s" if rest else "")  # noqa: PLR2004


def main() -> int:
    """Measure, print, judge."""
    logging.disable(logging.CRITICAL)
    rows = asyncio.run(measure_all())
    sys.stdout.write(write(rows))
    return judge(rows)


def judge(rows: list[Row]) -> int:
    """The exit code: 0 if every promise is kept; which is not is said."""
    broken = [row for row in rows if row.worst > row.promise.at_most]
    for row in broken:
        sys.stderr.write(f"broken: {row.promise.title}: {row.worst:.0f} s, promised {row.promise.at_most:.0f} s\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
