"""Write what the example timelines print into docs/simulate.md. `make docs`."""

import re
from pathlib import Path

from monitor.simulate.output import as_text
from monitor.simulate.simulate import simulate
from monitor.simulate.timeline import read_timeline

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "simulate.md"
EXAMPLES = ROOT / "docs" / "examples"

_ID = re.compile(r"\b[0-9a-f]{32}\b")
_PRINTED = re.compile(r"(<!-- printed: (?P<name>[a-z-]+\.yaml) -->\n)```text\n.*?```\n", re.DOTALL)


def printed(name: str) -> str:
    """What an example prints."""
    return as_text(simulate(read_timeline(EXAMPLES / name, name)))


def shown(page: str) -> dict[str, str]:
    """What the page says an example prints, by its name."""
    return {
        match["name"]: match[0].partition("```text\n")[2].removesuffix("```\n") for match in _PRINTED.finditer(page)
    }


def without_ids(text: str) -> str:
    """The same whatever digits were drawn."""
    return _ID.sub("(id)", text)


def renewed(page: str) -> str:
    """The page with what the examples print now."""
    return _PRINTED.sub(lambda match: f"{match[1]}```text\n{printed(match['name'])}```\n", page)
