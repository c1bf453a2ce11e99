# ruff: noqa: T201 - it prints
"""`make release-check TAG=v1.2.3`: whether version, changelog and tag agree, and what the release notes are.

Without a tag only what must hold at all times is checked. With one, the notes go to stdout, for the release's page.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from monitor.version import VERSION

ROOT = Path(__file__).parents[1]
_HEADING = re.compile(r"^## \[(.+?)\](?: - (\S+))?$", re.MULTILINE)


def sections(changelog: str) -> dict[str, tuple[str, str]]:
    """By version, newest first: the date, and the text."""
    found = list(_HEADING.finditer(changelog))
    ends = [following.start() for following in found[1:]] + [len(changelog)]
    return {
        heading[1]: (heading[2] or "", changelog[heading.end() : end].strip())
        for heading, end in zip(found, ends, strict=True)
    }


def problems(changelog: str, version: str, tag: str | None = None) -> Iterator[str]:
    """What is wrong, each in a sentence that says what to do."""
    parts = sections(changelog)
    released = [name for name in parts if name != "Unreleased"]
    numbers = [tuple(map(int, name.split("."))) for name in released if re.fullmatch(r"\d+\.\d+\.\d+", name)]
    if len(numbers) != len(released):
        yield "CHANGELOG.md: a heading is `## [1.2.3] - 2026-01-31`, with a semantic version"
    if numbers != sorted(set(numbers), reverse=True) or "Unreleased" in list(parts)[1:]:
        yield "CHANGELOG.md: the newest version comes first, below `## [Unreleased]`"
    if undated := [name for name in released if not re.fullmatch(r"\d{4}-\d\d-\d\d", parts[name][0])]:
        yield f"CHANGELOG.md: no date after {', '.join(undated)}"
    if released[:1] != [version]:
        yield f"monitor/version.py says {version}, the newest version in CHANGELOG.md is {released[0] if released else 'none'}"
    if tag is not None and tag != f"v{version}":
        yield f"the tag is {tag}, monitor/version.py says {version}: tag v{version}"
    if tag is not None and parts.get("Unreleased", ("", ""))[1]:
        yield "CHANGELOG.md: what is unreleased must move below the heading of the version"


def main(tag: str | None) -> int:
    """Print what is wrong, or the notes."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    found = list(problems(changelog, VERSION, tag))
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print(sections(changelog)[VERSION][1] if tag else f"version and changelog: {VERSION}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
