"""`check` for people: a line per check, the differences, the verdict, the advice. Colour only on a terminal."""

import os
from collections.abc import Iterator
from typing import Any, TextIO

_COLOURS = {"pass": "32", "fail": "31", "unknown": "33"}


def use_colour(stream: TextIO) -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR asks not to (https://no-color.org)."""
    return stream.isatty() and "NO_COLOR" not in os.environ


def render(report: dict[str, Any], *, colour: bool) -> str:
    """The whole report."""
    parts = ["\n".join(_target(name, target, colour=colour)) for name, target in report["targets"].items()]
    return "\n\n".join(parts) + "\n"


def _target(name: str, target: dict[str, Any], *, colour: bool) -> Iterator[str]:
    verdict = target["verdict"]
    fault = f"  {target['fault']} ({target['severity']})" if target["fault"] else ""
    yield f"{name}  {paint(verdict.upper(), verdict, colour=colour)}{fault}"
    for check, look in target["checks"].items():
        yield _line(check, look, colour=colour)
    yield ""
    yield f"  {target['summary']}"
    for sentence in target["because"][1:]:
        yield f"    - {sentence}"
    if target["also"]:
        yield f"  also wrong: {', '.join(target['also'])}"
    if target["advice"]:
        yield f"  next step: {target['advice']}"
    for caveat in target.get("caveats", ()):  # an older daemon says none
        yield f"  not proven: {caveat}"
    if target["trace_id"]:
        yield f"  trace: {target['trace_id']}"


def _line(check: str, look: dict[str, Any], *, colour: bool) -> str:
    verdict = paint(f"{look['verdict']:<7}", look["verdict"], colour=colour)
    seconds = look.get("duration_seconds")
    took = f"{seconds * 1000:6.0f} ms" if seconds is not None else " " * 9
    return f"  {check:<8} {verdict} {took}  {look['summary']}"


def paint(text: str, verdict: str, *, colour: bool) -> str:
    """A text in the colour of a verdict; the text says the same without it."""
    return f"\x1b[{_COLOURS[verdict]}m{text}\x1b[0m" if colour else text
