"""Break the sandbox in every way it knows, let the daemon say what it is, and print what was broken against what was said.

The whole daemon on a fake clock. `make diagnosis-matrix` prints the matrix that `docs/diagnosis-matrix.md` holds; it exits 1 if
anything is beside the diagonal.
"""

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from monitor.core.model import Fault, Seconds
from monitor.sandbox import FAULTS, Traffic, Variant
from tests.scenarios.house import MINUTE, House, house

NOTHING = "nothing"
_FIRM: Seconds = MINUTE
_PATIENCE: Seconds = 17 * MINUTE
_LONGER = {"trace_missing_some": 95 * MINUTE}
"""One trace of four: it takes a while until three of twelve are lost."""

_HARMLESS = {"read_api_pages"}
"""It harms only who has more traces than one page of them holds."""

_WORDS = {"wrong_environment": {"header_values": "masked"}}
"""Where the key can be read it is a drift."""

QUIET = Traffic()
BUSY = Traffic(requests_per_second=20, spans=3, span_bytes=8_000)
"""Other people's traces too: sixty spans a second of 8 kB, in Traceloop's environment and in TrueFoundry's own store."""

_PREFACE = """\
# Diagnosis matrix

Written by `make docs` from what `make diagnosis-matrix` finds: the sandbox is broken in every way it knows, one way at a time, and
the whole daemon at its defaults reports what it finds. Rows: what we broke. Columns: what was reported. Cells: how many variants.
All are on the diagonal, so each was reported as what it is. `nothing`: what loses no trace of a canary, or only affects a source that
the monitor reads as further evidence.

`volume_loss` is empty because `checks.volume` is off by default. `check_failed` is absent because no fault of a remote service causes
it: it reports a bug in the monitor.

Each variant is tried twice: in an environment that holds only the monitor's traces, and in a busy one with 20 other requests a
second, three spans each with 8 kB of content. Both must be reported alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One way to break the sandbox: what it is called, and what was said, also in a busy environment."""

    breaks: str
    about: str
    broken: str
    said: str
    busy: str

    @property
    def right(self) -> bool:
        """Whether it is on the diagonal, both times."""
        return self.broken == self.said == self.busy


async def look_at(name: str) -> Entry:
    """Break a healthy sandbox in one way, quiet and busy."""
    fault = FAULTS[name]
    named = [str(one) for one in fault.named if name not in _HARMLESS] or [NOTHING]
    said, busy = await diagnose_fault(name), await diagnose_fault(name, traffic=BUSY)
    return Entry(breaks=name, about=fault.about, broken=said if said in named else named[0], said=said, busy=busy)


async def diagnose_fault(name: str, *, traffic: Traffic = QUIET, words: Mapping[str, str] | None = None) -> str:
    """Break a healthy sandbox in one way, and wait until it is named and stays so, or for long enough; what is said then."""
    fault = FAULTS[name]
    named = {str(one) for one in fault.named if name not in _HARMLESS}
    variant = Variant().vary({**_WORDS.get(name, {}), **(words or {})})
    async with house(variant, content=fault.needs_content, traffic=traffic) as home:
        await home.settle_in()
        await home.break_(name)
        return await _wait(home, named, _LONGER.get(name, _PATIENCE))


async def _wait(home: House, named: set[str], patience: Seconds) -> str:
    ends = home.clock.now() + patience
    while home.clock.now() < ends:
        await home.advance(_FIRM)
        if _said(home) in named:
            await home.advance(_FIRM)
            if _said(home) in named:
                break
    return _said(home)


def _said(home: House) -> str:
    return str(home.incident.diagnosis.fault) if home.incident is not None else NOTHING


def look_at_all() -> list[Entry]:
    """Every way to break what is monitored, as many at once as there are processors; Slack is not monitored."""
    with ProcessPoolExecutor(initializer=logging.disable, initargs=(logging.CRITICAL,)) as pool:
        return list(pool.map(_look_at, [name for name in FAULTS if not name.startswith("slack_")]))


def _look_at(name: str) -> Entry:
    return asyncio.run(look_at(name))


def write(entries: Iterable[Entry]) -> str:
    """The whole document."""
    rows = list(entries)
    return "\n\n".join((_PREFACE, _matrix(rows), "## Every variant", _list(rows))) + "\n"


def _matrix(entries: list[Entry]) -> str:
    names = [str(fault) for fault in Fault if fault is not Fault.CHECK_FAILED] + [NOTHING]
    counts = Counter((entry.broken, entry.said) for entry in entries)
    head = "| | broken | " + " | ".join(str(number) for number, _ in enumerate(names, 1)) + " |"
    lines = [
        f"| {number} | `{name}` | " + " | ".join(str(counts[name, said] or "") for said in names) + " |"
        for number, name in enumerate(names, 1)
    ]
    return "\n".join((head, "|---|---|" + "---|" * len(names), *lines))


def _list(entries: list[Entry]) -> str:
    lines = [f"| `{entry.breaks}` | {entry.about} | {_verdict(entry)} |" for entry in entries]
    return "\n".join(("| fault of the sandbox | what happens | reported |", "|---|---|---|", *lines))


def _verdict(entry: Entry) -> str:
    if entry.right:
        return f"`{entry.said}`"
    return f"**`{entry.said}`**, busy **`{entry.busy}`**, instead of `{entry.broken}`"


def main() -> int:
    """Break everything, print, judge."""
    logging.disable(logging.CRITICAL)
    entries = look_at_all()
    sys.stdout.write(write(entries))
    return judge(entries)


def judge(entries: Iterable[Entry]) -> int:
    """The exit code: 0 if all are on the diagonal; what does not is said."""
    wrong = [entry for entry in entries if not entry.right]
    for entry in wrong:
        said = f"{entry.said}, busy {entry.busy}"
        sys.stderr.write(f"beside the diagonal: {entry.breaks}: {said} instead of {entry.broken}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
