"""The runbooks of faults and alerts, each of one form, true to the table of faults, and rendered as plain safe pages."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.commands import NAMES
from monitor.core.backend import TRACELOOP
from monitor.core.faults import FAULTS
from monitor.core.model import Fault
from monitor.web.page import runbook_page
from monitor.web.texts import runbook_text, runbooks, to_html
from tests.quotations import OUTDATED, quoted, slack_shows
from tests.web.site import Site
from tests.web.test_page import Reader

SECTIONS = [
    "What it means",
    "How the monitor knows",
    "What it explains",
    "What to do",
    "How to prove it is fixed",
    "What not to do",
]
EVERY_FAULT = pytest.mark.parametrize("fault", list(Fault))
SLUGS = {fault.value for fault in Fault}
ALERTS = sorted(runbooks().keys() - SLUGS)


def section(fault: Fault, title: str) -> str:
    """What stands under a heading."""
    return runbook_text(fault).split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def links(text: str) -> set[str]:
    """Where its links lead."""
    return {href or bare for href, bare in re.findall(r"\]\(([^)]+)\)|<(https://[^>]+)>", text)}


def test_there_is_one_per_fault_and_none_besides() -> None:
    """A new fault needs a runbook; a forgotten one is found here."""
    names = {entry.name for entry in files("monitor").joinpath("runbooks").iterdir()}
    assert names == {f"{fault.value}.md" for fault in Fault} | {"alerts"}


@EVERY_FAULT
def test_it_has_the_six_sections_in_their_order(fault: Fault) -> None:
    """At three in the morning one knows where to look."""
    assert re.findall(r"^## (.+)$", runbook_text(fault), re.MULTILINE) == SECTIONS
    for title in SECTIONS:
        assert len(section(fault, title).strip()) > 6, title


@EVERY_FAULT
def test_its_head_is_that_of_the_table_of_faults(fault: Fault) -> None:
    """Slug, title, component and severity, as the table of faults has them."""
    row = TRACELOOP.fill(FAULTS[fault])
    head = f"# `{fault.value}`: {row.title}\n\nComponent: {row.component.value}. Severity: {row.severity_text}.\n\n"
    assert runbook_text(fault).startswith(head)


@EVERY_FAULT
def test_the_messages_it_quotes_are_real(fault: Fault) -> None:
    """Each quotation stands in what Slack shows of this fault, the title of the opening among them."""
    quotations = quoted(runbook_text(fault))
    shown = slack_shows(fault)
    assert [text for text in quotations if text not in shown] == []
    assert f"(`{fault.value}`)" in quotations[0]


@EVERY_FAULT
def test_it_is_in_plain_english(fault: Fault) -> None:
    """The field's words, not this house's earlier ones; menus as people click them."""
    text = runbook_text(fault)
    assert OUTDATED.findall(text) == []
    assert "Controls, Settings" not in text


@EVERY_FAULT
def test_what_it_explains_is_what_the_diagnosis_explains_by_it(fault: Fault) -> None:
    """The linked faults are exactly those of the table."""
    assert links(section(fault, "What it explains")) & SLUGS == {one.value for one in FAULTS[fault].explains}


@EVERY_FAULT
def test_what_to_do_is_a_list_of_steps(fault: Fault) -> None:
    """Numbered, at least two."""
    assert len(re.findall(r"^\d+\. ", section(fault, "What to do"), re.MULTILINE)) >= 2


@EVERY_FAULT
def test_its_links_lead_to_public_pages_or_to_other_runbooks(fault: Fault) -> None:
    """By https, or by a slug that exists."""
    for href in links(runbook_text(fault)):
        assert href.startswith("https://") or href in SLUGS - {fault.value}, href


@EVERY_FAULT
async def test_it_is_served_as_a_page(fault: Fault) -> None:
    """Nothing of the Markdown is left over, the headings are there, and the way back."""
    answer = await Site().get(f"/runbooks/{fault.value}")
    page = Reader(answer.text)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.tags.count("h1") == 1
    assert page.tags.count("h2") == len(SECTIONS)
    assert {"ol", "ul", "code"} <= set(page.tags)
    assert ("href", "../") in page.attributes
    assert not re.search(r"`|\]\(|\*\*|^#", page.text)
    for title in SECTIONS:
        assert title in page.text


@pytest.mark.parametrize("alert", ALERTS)
async def test_that_of_an_alert_is_shorter_and_has_the_same_form(alert: str) -> None:
    """Head, what it means, numbered steps, how to prove it; its links lead on; it is served as a page."""
    text = runbook_text(alert)
    assert re.match(rf"# `{alert}`: .+\n\nComponent: (gateway|monitor)\. Severity: (critical|warning|info)\.\n", text)
    titles = ["What it means", "What to do", "How to prove it is fixed"]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == titles
    assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) >= 2
    assert OUTDATED.findall(text) == []
    assert all(href.startswith("https://") or href in runbooks() for href in links(text))
    answer = await Site().get(f"/runbooks/{alert}")
    page = Reader(answer.text)
    assert answer.status_code == 200
    assert page.tags.count("h2") == len(titles)
    assert not re.search(r"`|\]\(|\*\*|^#", page.text)


def test_commands_are_those_of_the_program() -> None:
    """Every command that a runbook names exists with these words."""
    named = {word for name in runbooks() for word in re.findall(r"`trace-monitor ([a-z]+)", runbook_text(name))}
    assert named
    assert named <= set(NAMES)


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# A `b`", '<h1 id="a-b">A <code>b</code></h1>'),
        ("- a\n- b\n  c", "<ul>\n<li>a</li>\n<li>b\nc</li>\n</ul>"),
        ("[t](https://x.y/z)", '<p><a href="https://x.y/z">t</a></p>'),
        ("[t](trace_late)", '<p><a href="trace_late">t</a></p>'),
        ("<https://x.y>", '<p><a href="https://x.y">https://x.y</a></p>'),
        ("[t](javascript:alert)", "<p>[t](javascript:alert)</p>"),
        ("<javascript:alert>", "<p>&lt;javascript:alert&gt;</p>"),
        ("[t](http://x.y)", "<p>[t](http://x.y)</p>"),
        ("[t](//x.y)", "<p>[t](//x.y)</p>"),
        ("![t](https://x.y)", '<p>!<a href="https://x.y">t</a></p>'),
        ('<script>x</script> & "q"', "<p>&lt;script&gt;x&lt;/script&gt; &amp; &quot;q&quot;</p>"),
        ("<div onclick=x>", "<p>&lt;div onclick=x&gt;</p>"),
        ("`<b>` a*b", "<p><code>&lt;b&gt;</code> a*b</p>"),
    ],
)
def test_markdown_becomes_html_and_html_in_it_text(markdown: str, html: str) -> None:
    """So do images, and links that lead neither to a public page nor to another runbook."""
    assert to_html(markdown) == html + "\n"


@given(st.text(alphabet="ab<>&\"'`*[]()#-1!. \n:/"))
def test_no_markdown_makes_a_tag_of_its_own(markdown: str) -> None:
    """Only what CommonMark knows, whatever is written; and nothing that a browser would load or run."""
    page = Reader(to_html(markdown))
    headings = {f"h{level}" for level in range(1, 7)}
    known = {"p", "ul", "ol", "li", "pre", "code", "strong", "em", "a", "blockquote", "hr", "br"}
    assert set(page.tags) <= known | headings
    assert {name for name, _ in page.attributes} <= {"id", "href", "title", "class", "start"}


def test_a_page_is_made_once() -> None:
    """The file is not read again at each request."""
    assert runbook_page(Fault.BLIND) is runbook_page(Fault.BLIND)


@pytest.mark.parametrize("name", sorted(runbooks()))
def test_links_lead_to_files_in_the_repository_and_to_runbooks_on_the_page(name: str) -> None:
    """A forge follows the file, the page and `explain` the name."""
    file = Path(str(runbooks()[name]))
    for link in re.findall(r"\]\((?!https?://)([^)]*)\)", file.read_text()):
        assert (file.parent / link.partition("#")[0]).is_file(), link
    for link in re.findall(r"\]\((?!https?://)([^)]*)\)", runbook_text(name)):
        assert link.partition("#")[0] in runbooks(), link
