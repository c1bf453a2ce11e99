"""The runbooks that are shipped with the program, one per fault: their text, and the same as HTML."""

import re
from importlib.resources import files
from itertools import pairwise

from monitor.core.model import Fault

_SAFE_LINK = re.compile(r"https://|[a-z_]+(?:#[a-z-]+)?\Z")  # a public page, or another runbook


def runbook_text(fault: Fault) -> str:
    """The runbook of a fault, as it was written."""
    return files("monitor").joinpath("runbooks", f"{fault.value}.md").read_text(encoding="utf-8")


def runbook_html(fault: Fault) -> str:
    """The runbook of a fault, to be put into a page."""
    return to_html(runbook_text(fault))


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
