"""What is written for people says the same as the code."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from monitor.core.backend import TRACELOOP
from monitor.core.faults import FAULTS, FaultRow
from monitor.core.incident import Reason
from monitor.core.model import CheckName, Fault
from monitor.core.path import TRIAGE
from monitor.daemon.heartbeat import FORGIVEN_FOR, TEST_AGAIN_AFTER
from monitor.sandbox import FAULTS as WAYS
from monitor.settings.model import Alerting
from tests.quotations import OUTDATED
from tests.scenarios.promptness import PROMISES
from tests.web.site import READ, Site
from tools import (
    commands_reference,
    configuration_reference,
    diagnosis_matrix,
    metrics_reference,
    time_to_mention,
)
from tools.diagnosis_matrix import Entry
from tools.diagnosis_table import write
from tools.docs import write_incident_lifecycle
from tools.time_to_mention import Row

ROOT = Path(__file__).parents[1]


def test_the_written_diagnosis_is_current() -> None:
    """`make docs` writes it anew."""
    assert (ROOT / "docs" / "diagnosis.md").read_text() == write()


@pytest.mark.parametrize("reference", [configuration_reference, metrics_reference, commands_reference])
def test_a_written_reference_is_current(reference: ModuleType) -> None:
    """`make docs` writes it anew."""
    page = f"{reference.__name__.rpartition('.')[2].removesuffix('_reference')}.md"
    assert (ROOT / "docs" / page).read_text() == reference.write()


def test_the_drawn_life_of_an_incident_is_current() -> None:
    """Each transition of the table is an arrow of the diagram."""
    drawn = write_incident_lifecycle()
    assert (ROOT / "docs" / "incident-lifecycle.md").read_text() == drawn
    arrows = re.findall(r"^    (\S+) --> (\w+): ", drawn, re.MULTILINE)
    assert {("open", "recovering"), ("recovering", "resolved"), ("resolved", "open"), ("[*]", "open")} <= set(arrows)


@pytest.mark.parametrize("rule", [TRACELOOP.fill(row) for row in FAULTS.values()], ids=lambda rule: str(rule.fault))
def test_the_written_diagnosis_says_everything_of_a_rule(rule: FaultRow) -> None:
    """When, how much of it, why, what it explains, what to do, and where more stands."""
    section = write().split(f"\n### `{rule.fault}`\n", 1)[1].split("\n### ", 1)[0]
    for word in ("title", "component", "severity_text", "when", "settles", "because", "advice"):
        assert str(getattr(rule, word)) in section, word
    explained = set(re.findall(r"\(#(\w+)\)", section))
    assert explained == {str(fault) for fault in rule.explains}
    (runbook,) = re.findall(r"\]\((\.\./monitor/runbooks/\w+\.md)\)", section)
    assert (ROOT / "docs" / runbook).exists()


def test_the_written_diagnosis_shows_the_whole_triage() -> None:
    """Nine pairs of answers, each with the name that the loss gets."""
    triage = write().split("\n## Which hop lost a trace\n", 1)[1].split("\n## ", 1)[0]
    named = re.findall(r"^\| .* \| \[`(\w+)`\]\(#\w+\) \|$", triage, re.MULTILINE)
    assert named == [str(place.fault) for place in TRIAGE.values()]


def test_the_written_diagnosis_lists_every_fault_as_the_table_has_it() -> None:
    """Name, order, component, severity and title."""
    rows = re.findall(r"^\| \[`(\w+)`\]\(#\1\) \| (.+?) \| (.+?) \| (.+?) \|$", write(), re.MULTILINE)
    assert rows == [
        (str(one.fault), str(one.component), one.severity_text, TRACELOOP.name_in(one.title)) for one in FAULTS.values()
    ]


def test_the_alerting_guide_explains_every_reason() -> None:
    """Each once, and the numbers are those of the code."""
    text = " ".join((ROOT / "docs" / "alerting.md").read_text().split())
    listed = re.findall(r"\| `(\w+)` \| [^|]+ \| [^|]+ \| [^|]+ \|", text)
    assert sorted(listed) == sorted(reason for reason in Reason if reason is not Reason.TEST)
    alerting = Alerting()
    assert list(alerting.remind_every) == [4 * 3600, 8 * 3600, 24 * 3600]
    assert "still critical after 4 h, 8 h and each further 24 h (`remind_every`)" in text
    assert [alerting.escalate_after, FORGIVEN_FOR, TEST_AGAIN_AFTER] == [1800, 300, 300]
    assert "critical for `escalate_after` (30 min)" in text
    assert "after five minutes in which a notifier cannot be reached" in text
    assert "is tested again every five minutes" in text


LISTED = re.findall(
    r"^\| `([A-Z]+) ([^`]+)` \| (none|read|admin|form) \|", (ROOT / "docs" / "http-api.md").read_text(), re.MULTILINE
)


def test_the_api_page_lists_every_route() -> None:
    """As the code registers them."""
    code = "".join(module.read_text() for module in (ROOT / "monitor" / "web").glob("*.py"))
    routes = set(re.findall(r"(?:\bRoute|_by_method)\(\s*\"(/[^\"]*)\"", code))
    assert {path for _, path, _ in LISTED} == routes


@pytest.mark.parametrize(("method", "path", "token"), LISTED)
async def test_a_route_asks_for_the_token_that_the_api_page_says(method: str, path: str, token: str) -> None:
    """Nothing without one, but for the checks of health; and the read token changes nothing, by a form neither."""
    site = Site(read_token=READ)
    path = path.replace("/runbooks/{name}", "/runbooks/blind").format(id="1", target="prod", name="prod")
    async with site.client() as client:
        without = (await client.request(method, path)).status_code
        reading = (await client.request(method, path, headers={"authorization": f"Bearer {READ}"})).status_code
    assert without == (200 if token == "none" else 401)
    assert reading in {"none": {200}, "read": {200, 404}, "admin": {403}, "form": {403, 404}}[token]
    assert site.done == []


def test_the_matrix_shows_every_way_to_break_the_sandbox_and_all_on_the_diagonal() -> None:
    """Slack is not monitored; `make docs-current` sees whether it is still true."""
    matrix = (ROOT / "docs" / "diagnosis-matrix.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| .* \| (.+) \|$", matrix.split("## Every variant")[1], re.MULTILINE)
    assert [name for name, _ in listed] == [name for name in WAYS if not name.startswith("slack_")]
    assert all(re.fullmatch(r"`\w+`", said) for _, said in listed)
    for place, (name, row) in enumerate(re.findall(r"^\| \d+ \| `(\w+)` \|(.*)\|$", matrix, re.MULTILINE)):
        shown = [column for column, count in enumerate(row.split("|")) if count.strip()]
        assert shown == ([] if name == "volume_loss" else [place])  # which nothing causes at the defaults


def test_the_matrix_can_fail(capsys: pytest.CaptureFixture[str]) -> None:
    """What stands beside the diagonal is said, shown and counted against it."""
    right = Entry(breaks="trace_late", about="late", broken="trace_late", said="trace_late", busy="trace_late")
    wrong = Entry(breaks="export_failing", about="lost", broken="export_failing", said="trace_missing", busy="blind")
    assert diagnosis_matrix.judge([right]) == 0
    assert diagnosis_matrix.judge([right, wrong]) == 1
    assert capsys.readouterr().err == (
        "beside the diagonal: export_failing: trace_missing, busy blind instead of export_failing\n"
    )
    assert "**`trace_missing`**, busy **`blind`**, instead of `export_failing`" in diagnosis_matrix.write(
        [right, wrong]
    )


def test_the_times_can_fail(capsys: pytest.CaptureFixture[str]) -> None:
    """A promise that is broken is named."""
    promise = PROMISES[0]
    assert time_to_mention.judge([Row(promise=promise, worst=promise.at_most)]) == 0
    assert time_to_mention.judge([Row(promise=promise, worst=promise.at_most + 1)]) == 1
    assert promise.title in capsys.readouterr().err


def test_the_written_times_show_every_promise() -> None:
    """And that it is kept."""
    written = (ROOT / "docs" / "time-to-mention.md").read_text()
    assert re.findall(r"^\| (.+?) \| .+ \| .+ \|$", written, re.MULTILINE)[1:] == [one.title for one in PROMISES]


def test_the_guide_to_the_code_names_what_is_there() -> None:
    """Every file, and every name that follows a file's, stands in the tree."""
    guide = (ROOT / "docs" / "reading.md").read_text()
    missing = []
    text = ""
    for word in re.findall(r"`([^`]+)`", guide):
        if word.endswith(".py"):
            path = ROOT / word
            text = path.read_text() if path.is_file() else ""
            missing += [word] if not text else []
        elif word.isidentifier() and text and not re.search(rf"(?:class|def) {word}\b", text):
            missing.append(word)
    assert missing == []


PLAIN = [
    page
    for page in (
        *sorted((ROOT / "docs").glob("*.md")),
        ROOT / "deploy/prometheus/README.md",
        ROOT / "deploy/examples/full.yaml",
    )
    if page.name
    not in {"commands.md", "reading.md", "simulate.md"}  # for people who change it; what the program prints
]


@pytest.mark.parametrize("page", PLAIN, ids=lambda page: page.name)
def test_a_page_is_in_plain_english(page: Path) -> None:
    """The field's words, not this house's earlier ones; menus as people click them."""
    assert OUTDATED.findall(page.read_text()) == []
    assert "Controls, Settings" not in page.read_text()


def test_the_index_has_every_page() -> None:
    """Each page of `docs/` is linked from it."""
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs" / "README.md").read_text()))
    assert linked == {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}


WRITTEN = sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md"), *ROOT.glob("*.md")])


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    """Links lead to files, `make` has the targets, and files in backticks exist; a decision may name what was there then."""
    text = page.read_text()
    links = {page.parent / link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)}
    named = set(re.findall(r"`((?:monitor|tests|tools|docs|deploy|requirements)/[\w./-]+)`", text))
    places = links | ({ROOT / name for name in named} if page.parent.name != "decisions" else set())
    assert [place for place in places if not place.exists()] == []
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z][a-z0-9-]+)", text, re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_link_points_to_within_a_page_is_there(page: Path) -> None:
    """A heading of that name, in this page or in the other."""
    missing = []
    for link, anchor in re.findall(r"\]\(([^)#:\s]*)#([\w-]+)\)", page.read_text()):
        other = page.parent / link if link else page
        headings = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
        missing += [f"{link}#{anchor}"] if anchor not in anchors else []
    assert missing == []


def test_the_configuration_reference_holds_files_that_are_no_secrets_twins_and_the_words_of_a_choice() -> None:
    """`x_file` is left out only where `x` is there; a choice is its words."""
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert "| `ca_file` | text |" in text
    assert "| `decoy` | `none`, `email`, `jwt`, `card` |" in text
    assert "`api_key_file`" not in text


def test_the_readme_counts_and_names_every_fault() -> None:
    """And every check."""
    text = (ROOT / "README.md").read_text()
    assert len(Fault) == 21
    assert "Twenty-one faults" in text
    for fault in Fault:
        assert f"[`{fault}`](monitor/runbooks/{fault}.md)" in text
    for check in CheckName:
        assert f"| `{check}` |" in text


def test_no_page_installs_the_program_by_a_name_that_is_not_published() -> None:
    """Anybody could take it on an index."""
    for file in WRITTEN:
        assert not re.search(r"pipx? install ['\"]?gateway-trace-monitor", file.read_text()), file
