"""The runbooks that are shipped with the program, one per fault."""

from functools import cache
from importlib.resources import files

from monitor.core.model import Fault
from monitor.web.html import document, tag
from monitor.web.markdown import render
from monitor.web.style import style


@cache
def runbook_page(fault: Fault) -> str:
    """The page of one fault's runbook; links to other runbooks are relative."""
    source = files("monitor").joinpath("runbooks", f"{fault.value}.md").read_text(encoding="utf-8")
    back = tag("p", tag("a", "← status", href="../"), class_="back")
    return document(f"{fault.value} · runbook", tag("main", back, render(source), class_="runbook"), style=style())
