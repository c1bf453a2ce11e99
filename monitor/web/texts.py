"""How the page writes lengths, moments, foreign text and runbooks; and the templates, which are given all of it.

Every expression of a template is escaped, and what eyes cannot see is shown as its code.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from monitor.core.model import Instant, Seconds
from monitor.core.text import length_text, rfc3339
from monitor.redaction import visible

if TYPE_CHECKING:
    from jinja2 import Environment

STYLE = files("monitor").joinpath("web", "templates", "style.css").read_text(encoding="utf-8")
"""The one style sheet, part of every page; the content security policy names it by its hash."""

_SAFE_LINK = re.compile(r"https://|[A-Za-z_]+(?:#[a-z-]+)?\Z")  # a public page, or another runbook
_LINK_TO_FILE = re.compile(r"\]\((?:\.\./|alerts/)?([A-Za-z_]+)\.md(#[a-z-]+)?\)")
_LONGEST_TEXT = 600
_END_OF_TIME: Instant = 253_402_300_800.0  # the year 10000


def seconds_text(seconds: Seconds | None) -> str:
    """A length of time; a dash where it is not known."""
    return length_text(seconds) if seconds is not None else "–"  # noqa: RUF001 - a dash for what is not known


def ago_text(at: Instant, now: Instant) -> str:
    """`12 min ago`."""
    return f"{length_text(now - at)} ago" if now >= at else f"in {length_text(at - now)}"


def time_text(at: Instant, now: Instant | None = None) -> str:
    """`14:02 UTC` of the day of `now`, else with the date."""
    moment = datetime.fromtimestamp(_in_calendar(at), UTC)
    today = now is not None and datetime.fromtimestamp(now, UTC).date() == moment.date()
    return moment.strftime("%H:%M UTC" if today else "%Y-%m-%d %H:%M UTC")


def _in_calendar(at: Instant) -> Instant:
    """A certificate may end in any year."""
    return min(max(at, 0.0), _END_OF_TIME - 1)


def until_text(end: Instant, now: Instant) -> str:
    """`until 14:02 UTC`."""
    return "without an end" if math.isinf(end) else f"until {time_text(end, now)}"


def clamp(text: object) -> str:
    """Not longer than anybody reads."""
    said = str(text)
    return said if len(said) <= _LONGEST_TEXT else said[: _LONGEST_TEXT - 1] + "…"


def code_spans(text: object) -> list[str]:
    """What stands outside and inside of backticks, by turns; all of it outside if they do not pair."""
    parts = clamp(text).split("`")
    return parts if len(parts) % 2 else ["`".join(parts)]


def sentence_case(text: object) -> str:
    """With a capital letter, where it does not begin with code or a name that has its own spelling."""
    said = str(text)
    return said[:1].upper() + said[1:] if said[:1].isascii() and "_" not in said.split(" ", 1)[0] else said


def _show(value: Any) -> Any:  # noqa: ANN401 - whatever a template says
    """What stands in the place of an expression, before it is escaped: markup that a template made is left alone."""
    return value if hasattr(value, "__html__") else visible(str(value), keep="\n")


# --- runbooks, one per fault and per alert about the monitor: their text for a terminal, and the same as HTML ---------------


@cache
def runbooks() -> Mapping[str, Traversable]:
    """Every runbook by its name: that of a fault, or of an alert (`deploy/prometheus/rules.yml`) that is about no fault."""
    of_faults = files("monitor") / "runbooks"
    found = (file for folder in (of_faults, of_faults / "alerts") for file in folder.iterdir())
    return {file.name.removesuffix(".md"): file for file in found if file.name.endswith(".md")}


def runbook_text(name: str) -> str:
    """A runbook, with links to others by their names; in the files they lead to files. Raises KeyError if there is none."""
    return _LINK_TO_FILE.sub(r"](\1\2)", runbooks()[name].read_text(encoding="utf-8"))


def to_html(markdown: str) -> str:
    """CommonMark as HTML. HTML in it, images, and links that lead anywhere else are text; a heading has its name as id."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - a daemon whose runbooks nobody opens does without

    renderer = MarkdownIt("commonmark", {"html": False}).disable("image")
    renderer.validateLink = lambda url: _SAFE_LINK.match(url) is not None  # type: ignore[method-assign]
    tokens = renderer.parse(markdown)
    for opening, text in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", re.sub(r"[^a-z0-9]+", "-", text.content.lower()).strip("-"))
    return str(renderer.renderer.render(tokens, renderer.options, {}))


# --- pages ---------------------------------------------------------------------------------------------------------------


def render(template: str, **values: object) -> str:
    """One page."""
    return _templates().get_template(template).render(style=STYLE, **values)


@cache
def _templates() -> "Environment":
    """The templates; loaded by the first page that is asked for, so that a daemon whose page nobody opens does without."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("monitor", "web/templates"),
        autoescape=True,
        auto_reload=False,
        finalize=_show,
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "ago": ago_text,
        "capital": sentence_case,
        "clamp": clamp,
        "code_spans": code_spans,
        "duration": length_text,
        "iso": lambda at: rfc3339(_in_calendar(at)),
        "part": lambda text: quote(str(text), safe=""),
        "seconds": seconds_text,
        "time": time_text,
        "until": until_text,
    }
    return environment
