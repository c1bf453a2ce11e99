"""Draw the first Slack message of a golden text as an SVG for the README: `docs/images/slack.svg`. `make docs`."""

import re
import textwrap
from collections.abc import Iterator
from html import escape

from tools.golden import FOLDER

FAULT = "config_drift"
_WIDTH, _COLUMNS, _LINE, _MARGIN = 860, 96, 22, 20
_BUTTON = re.compile(r"\[([^]]*)\]\([^)]*\)")
_MARK = re.compile(r"\*([^*]+)\*|`([^`]+)`")
_PREFACE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"
     aria-label="{label}">
<style>
text {{ font: 15px -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: #1d1c1d; white-space: pre }}
.bold {{ font-weight: 700 }} .code {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 13px; fill: #b3124a }}
.button {{ font-weight: 700 }} .small {{ font-size: 13px; fill: #616061 }}
</style>
<rect width="{width}" height="{height}" rx="8" fill="#ffffff" stroke="#dddddd"/>"""


def first_message(fault: str) -> str:
    """The message that opens the incident, without the heading of the golden text."""
    text = (FOLDER / f"{fault}.txt").read_text(encoding="utf-8")
    return text.split("=== ")[1].split("\n", 1)[1].strip()


def draw(message: str) -> str:
    """The whole picture."""
    lines = list(_lines(message))
    height = 2 * _MARGIN + _LINE * len(lines)
    label = escape(message.split("\n", maxsplit=1)[0].replace("*", "").replace("`", ""), quote=True)
    drawn = [_PREFACE.format(width=_WIDTH, height=height, label=label)]
    for number, line in enumerate(lines):
        drawn.append(_text(line, _MARGIN + _LINE * number + 16))
    return "\n".join(filter(None, drawn)) + "\n</svg>\n"


def _lines(message: str) -> Iterator[str]:
    for line in message.split("\n"):
        if line == "```":
            continue
        if line.startswith("trace-monitor "):  # as Slack shows a block of code
            yield from (f"`{part}`" for part in textwrap.wrap(line, _COLUMNS, break_on_hyphens=False))
            continue
        line = re.sub(r"<!subteam\^\w+>", "@oncall-ml", line)  # noqa: PLW2901 - as Slack shows a mention
        yield from textwrap.wrap(line, _COLUMNS, break_long_words=False) or [""]


def _text(line: str, y: int) -> str:
    if not line:
        return ""
    if line.startswith("["):
        button = escape(_BUTTON.sub(r"▢ \1", line))
        return f'<text x="{_MARGIN}" y="{y}" class="button">{button}</text>'
    small = ' class="small"' if line.startswith("(") else ""
    return f'<text x="{_MARGIN}" y="{y}"{small}>{_marked(line.strip("()") if small else line)}</text>'


def _marked(line: str) -> str:
    parts, at = [], 0
    for found in _MARK.finditer(line):
        parts.append(escape(line[at : found.start()]))
        kind, said = ("bold", found[1]) if found[1] else ("code", found[2])
        parts.append(f'<tspan class="{kind}">{escape(said.replace("`", ""))}</tspan>')
        at = found.end()
    return "".join(parts) + escape(line[at:])
