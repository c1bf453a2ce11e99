"""The runbooks that are shipped with the program, one per fault and per alert about the monitor: their text, and the same as HTML."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise

_SAFE_LINK = re.compile(r"https://|[A-Za-z_]+(?:#[a-z-]+)?\Z")  # a public page, or another runbook
_LINK_TO_FILE = re.compile(r"\]\((?:\.\./|alerts/)?([A-Za-z_]+)\.md(#[a-z-]+)?\)")


@cache
def runbooks() -> Mapping[str, Traversable]:
    """Every runbook by its name: that of a fault, or of an alert (`deploy/prometheus/rules.yml`) that is about no fault."""
    of_faults = files("monitor") / "runbooks"
    found = (file for folder in (of_faults, of_faults / "alerts") for file in folder.iterdir())
    return {file.name.removesuffix(".md"): file for file in found if file.name.endswith(".md")}


def runbook_text(name: str) -> str:
    """A runbook, with links to others by their names; in the files they lead to files. Raises KeyError if there is none."""
    return _LINK_TO_FILE.sub(r"](\1\2)", runbooks()[name].read_text(encoding="utf-8"))


def runbook_html(name: str) -> str:
    """A runbook, to be put into a page."""
    return to_html(runbook_text(name))


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
