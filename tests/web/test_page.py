import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.incident import Incident
from monitor.core.model import Fault, TargetName
from monitor.core.silence import Silence
from monitor.core.state import State, TargetState
from monitor.web.page import Filter, PageContext, runbook_page, status_page, target_page
from monitor.web.panel import About
from monitor.web.texts import STYLE, ago_text, time_text
from tests.core.build import POLICY
from tests.fakes.clock import START
from tests.web.site import PROD, Site, a_broken_target, a_state, an_incident, described, resolved


class Reader(HTMLParser):
    """What a person sees: the text, and every tag and attribute that a browser would obey."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._muted = False
        self.feed(page)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note it; a table's cells are apart."""
        self.tags.append(name)
        self.attributes.extend(attributes)
        self._muted = name == "style"
        self.text += " " if name in {"td", "th", "tr", "li", "p", "small", "h2", "span", "strong", "figcaption"} else ""

    def handle_endtag(self, _name: str) -> None:
        """After the style sheet there is text again."""
        self._muted = False

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.text += "" if self._muted else data


def a_page(site: Site) -> Reader:
    """The page that the site shows."""
    html = status_page(site.report, site.state, troubles=site.troubles, version="1.2.3", now=START)
    return Reader(html)


def broken(**fields: Any) -> Site:
    """A site whose one target is broken."""
    incident = an_incident(**fields)
    report = {"verdict": "fail", "targets": {"prod": a_broken_target()}}
    return Site(report=report, state=State(targets={PROD: a_state(incidents=(incident,))}))


def test_a_healthy_target_shows_its_path_its_day_and_its_checks() -> None:
    """Each hop in words, each check with result, reason, age and next run."""
    page = a_page(Site())
    assert "All traces arrive" in page.text
    assert "prod healthy the traces arrive · the last trace took 8.2 s" in page.text
    assert "gateway : ok, answers" in page.text
    assert "Config ✓ pass config says pass 12 s ago" in page.text
    assert "Arrival ✓ pass arrival says pass 12 s ago after each canary" in page.text
    assert "No canary was sent in the last 24 hours." in page.text
    assert "Next" not in page.text.split("Checks")[0]


def test_a_broken_target_says_what_where_since_when_why_and_what_next() -> None:
    """Everything that on-call needs, in the order in which it is needed."""
    page = a_page(broken())
    wanted = (
        "Critical: prod: The gateway's traces exporter is off, for 12 min",
        "prod critical since 07:48 UTC (12 min)",
        "exporter_disabled",
        "export : unknown",
        "Next Switch it on: AI Gateway → Controls → Settings → OTEL Config. Runbook",
        "otel_traces_exporter_config is absent",
        "Also wrong: content_missing",
        "Timeline, notifications, acknowledge, silence",
        "Config ✗ fail",
    )
    places = [page.text.find(words) for words in wanted]
    assert -1 not in places
    assert places == sorted(places)
    assert ("href", "runbooks/exporter_disabled") in page.attributes
    assert ("href", "runbooks/content_missing") in page.attributes
    assert ("href", "incidents/prod-20270115-074800") in page.attributes


def test_who_has_it_and_what_is_muted_is_said() -> None:
    """Acknowledged, silenced, waiting, opened again."""
    site = broken(acked_by="ada", reopened=(START - 60,), waiting="fixed 07:58 by bob, waiting for traces")
    site.state = replace(site.state, silences=(Silence(id="s", target="pr*", ends_at=START + 3600, comment="upgrade"),))
    page = a_page(site)
    notes = "fixed 07:58 by bob, waiting for traces · acknowledged by ada · silenced until 09:00 UTC · opened 2 times"
    assert notes in page.text
    assert "Silenced now pr* any fault until 09:00 UTC · upgrade" in page.text


def test_a_silence_without_an_end_says_so() -> None:
    """One from the configuration may have none."""
    site = broken()
    site.state = replace(site.state, silences=(Silence(id="s", fault=Fault.EXPORTER_DISABLED, author="ada"),))
    page = a_page(site)
    assert "silenced without an end" in page.text
    assert "* exporter_disabled without an end · ada" in page.text


def test_a_silence_that_is_over_is_not_shown() -> None:
    """Only what mutes something now."""
    site = Site()
    site.state = replace(
        site.state, silences=(Silence(id="s", ends_at=START - 1), Silence(id="t", begins_at=START + 9))
    )
    assert "Silenced now" not in a_page(site).text


def test_a_target_that_is_unknown_says_which_check_could_not_see() -> None:
    """Unknown is neither well nor broken."""
    report = {"verdict": "unknown", "targets": {"prod": described("unknown", summary="cannot tell: config")}}
    page = a_page(Site(report=report))
    assert "Unknown: prod: cannot tell: config" in page.text
    assert "Config ? unknown" in page.text
    assert "config: config says unknown" in page.text


def test_the_broken_ones_come_first() -> None:
    """By severity, then by name; and the headline counts them."""
    warning = described("fail", fault="trace_late", severity="warning", summary="late")
    report = {
        "verdict": "fail",
        "targets": {
            "a-well": described(),
            "b-unknown": described("unknown"),
            "c-warning": warning,
            "d-critical": a_broken_target(),
            "e-critical": a_broken_target(),
        },
    }
    page = a_page(Site(report=report))
    assert "Critical: 2 of 5 targets" in page.text
    names = ["d-critical", "e-critical", "c-warning", "b-unknown", "a-well"]
    assert sorted(names, key=lambda name: page.text.rfind(f" {name} ")) == names
    assert "2 critical" in page.text
    assert "1 healthy" in page.text


def test_a_check_that_is_not_enabled_says_so() -> None:
    """A target without a control plane has no `config` check; that is no gap in what is known."""
    target = described()
    del target["checks"]["config"]
    page = a_page(Site(report={"verdict": "pass", "targets": {"prod": target}}))
    assert "Config not enabled" in page.text


def test_a_target_that_never_looked_says_so() -> None:
    """In the first second after the start."""
    page = a_page(Site(state=State()))
    assert "Config ✓ pass config says pass never" in page.text


def test_without_targets_it_says_so() -> None:
    """An empty table would look like a bug."""
    assert "No target is monitored" in a_page(Site(report={"verdict": "pass", "targets": {}}, state=State())).text


def test_the_monitors_own_troubles_stand_on_top() -> None:
    """A monitor that cannot notify anybody is itself an emergency."""
    page = a_page(Site(troubles=("slack cannot be told since 07:49 UTC: `channel_not_found`",)))
    assert "The monitor itself slack cannot be told since 07:49 UTC: channel_not_found" in page.text
    assert "The monitor itself" not in a_page(Site()).text


def test_the_newest_resolved_incidents_are_listed() -> None:
    """Ten of them, newest first, with what became of their canaries."""
    past = tuple(resolved(f"i{number}", 60.0 * number) for number in range(1, 15))
    page = a_page(Site(state=State(targets={PROD: a_state(incidents=past)})))
    assert page.text.count("exporter_disabled (critical) 15 min") == 10
    assert "Resolved recently" in page.text
    assert page.text.find("1 min ago") < page.text.find("2 min ago")
    assert "9 canaries: 6 arrived in time, 2 arrived late (after up to 5 min 10 s), 1 lost" in page.text


def test_it_says_that_it_refreshes_itself_and_runs_no_script() -> None:
    """Whoever does not want it can pause it; a content security policy allows no script."""
    page = a_page(broken())
    assert "refreshed every 30 s · pause" in page.text
    assert ("href", "?refresh=off") in page.attributes
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]


def test_it_is_readable_without_colour_and_without_sight() -> None:
    """Every colour has a word, every column a heading, the table a caption, the page a language."""
    page = a_page(broken())
    for attribute in (("lang", "en"), ("scope", "col"), ("scope", "row")):
        assert attribute in page.attributes
    assert {"caption", "main", "header", "nav", "footer", "h1"} <= set(page.tags)
    assert "prod critical" in page.text


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> `<b>` &amp; {{ 7*7 }} {% raw %} **b** [x](javascript:y) </title>"


def hostile(place: str) -> str:
    """A text that is markup in every language of the page, known by where it stands."""
    return f"{place}:{HOSTILE}"


def test_foreign_text_is_shown_and_never_obeyed() -> None:
    """Wherever the outside can put a word, markup stays text."""
    places = ("name", "fault", "summary", "advice", "because", "also", "caveat", "check", "verdict", "ack", "waiting")
    more = ("glob", "comment", "author", "trouble", "version")
    target = {
        **a_broken_target(),
        **{place: hostile(place) for place in ("fault", "summary", "advice")},
        "because": [hostile("because")],
        "also": [hostile("also")],
        "caveats": [hostile("caveat")],
    }
    target["checks"]["config"] |= {"summary": hostile("check"), "verdict": hostile("verdict")}
    name = TargetName(hostile("name"))
    incident = an_incident(name, id=hostile("incident"), acked_by=hostile("ack"), waiting=hostile("waiting"))
    over = replace(resolved("over", 60.0), target=name)
    acked = replace(incident, acked_by=None)
    silence = Silence(id="s", target=f"*{hostile('glob')}*", comment=hostile("comment"), author=hostile("author"))
    report = {"verdict": "fail", "targets": {name: target, "other": a_broken_target()}}
    states = {
        name: a_state(name, incidents=(over, incident)),
        TargetName("other"): a_state(TargetName("other"), incidents=(acked,)),
    }
    html = status_page(
        report,
        State(targets=states, silences=(silence,)),
        troubles=(hostile("trouble"),),
        version=hostile("version"),
        now=START,
    )
    page = Reader(html)
    assert not {"script", "img", "b"} & set(page.tags)
    assert {name for name, _ in page.attributes} <= KNOWN_ATTRIBUTES
    shown = page.text + " ".join(value or "" for _, value in page.attributes)
    notified = HOSTILE.split("`", maxsplit=1)[0]
    assert [place for place in (*places, *more) if f"{place}:{notified}" not in shown] == []
    for written in ("{{ 7*7 }} {% raw %} **b** [x](javascript:y)", "&amp;"):
        assert page.text.count(written) >= len(places)
    assert not [value for name, value in page.attributes if name == "href" and (value or "").startswith("javascript")]


KNOWN_ATTRIBUTES = {
    "aria-hidden", "aria-label", "aria-labelledby", "charset", "class", "content", "cx", "cy", "d", "data-label", "datetime",
    "height", "href", "id", "lang", "name", "overflow", "preserveaspectratio", "r", "rel", "role", "scope", "title", "viewbox",
    "width", "x", "x1", "x2", "y", "y1", "y2",
}  # fmt: skip


def test_a_runbooks_page_is_made_of_the_same_frame() -> None:
    """The title is the fault's, the style sheet the one of every page."""
    html = runbook_page(Fault.TRACE_LATE)
    assert "<title>trace_late · runbook</title>" in html
    assert f"<style>{STYLE}</style>" in html


def test_what_cannot_be_seen_is_shown_also_where_an_older_version_kept_it() -> None:
    """In a text and in an attribute."""
    target = described(summary="a\ud83d\x1b\u202eb")
    target["checks"]["config"]["summary"] = "\u200b"
    page = a_page(Site(report={"verdict": "pass", "targets": {"prod": target}}))
    assert r"a\ud83d\u001b\u202eb" in page.text
    assert r"✓ pass \u200b" in page.text


@settings(max_examples=50)
@given(text=st.text(), name=st.text())
def test_no_text_adds_a_tag(text: str, name: str) -> None:
    """Whatever is in it, the page has the same elements."""
    target = described("unknown", summary=text)
    expected = a_page(Site(report={"verdict": "unknown", "targets": {"x": described("unknown", summary="s")}}))
    page = a_page(Site(report={"verdict": "unknown", "targets": {name: target}}))
    assert [tag for tag in page.tags if tag != "code"] == [tag for tag in expected.tags if tag != "code"]


def test_an_endless_text_is_cut() -> None:
    """One remote answer cannot push everything else off the page."""
    page = a_page(Site(report={"verdict": "pass", "targets": {"prod": described(summary="x" * 5000)}}))
    assert "x" * 601 not in page.text
    assert "x…" in page.text


def test_fifty_targets_fit() -> None:
    """A page of many targets is built in a moment and stays small."""
    names = [f"target-{number}" for number in range(50)]
    report = {"verdict": "pass", "targets": {name: described() for name in names}}
    states = {TargetName(name): a_state(TargetName(name)) for name in names}
    page = status_page(report, State(targets=states), troubles=(), version="1", now=START)
    assert "All traces arrive, at 50 targets" in page
    assert len(page) < 200_000


def test_a_state_without_its_target_in_the_report_is_left_out() -> None:
    """A retired target is remembered for a day, and not shown."""
    old = TargetName("retired")
    site = Site(state=State(targets={PROD: a_state(), old: TargetState(target=old)}))
    assert "retired" not in a_page(site).text


def test_times_say_how_long_ago_and_when() -> None:
    """The date only where it is not today's; a time ahead is ahead; whoever points at it gets the whole of it."""
    assert ago_text(START - 90, START) == "1 min 30 s ago"
    assert ago_text(START + 90, START) == "in 1 min 30 s"
    assert time_text(START - 720, START) == "07:48 UTC"
    assert time_text(START - 86_400, START) == "2027-01-14 08:00 UTC"
    attributes = a_page(Site()).attributes
    assert ("datetime", "2027-01-15T07:59:48Z") in attributes
    assert ("title", "2027-01-15 07:59 UTC") in attributes


def test_a_healthy_target_says_what_its_canary_does_not_prove() -> None:
    """Escaped, as everything that others have named; without a caveat there is no second line."""
    quiet = described(caveats=["logging is off for <b>x</b> (rule `quiet`)"])
    page = a_page(Site(report={"verdict": "pass", "targets": {"prod": quiet}}, state=State(targets={PROD: a_state()})))
    assert "What the canary does not prove:" in page.text
    assert "logging is off for <b>x</b> (rule quiet)" in page.text
    assert "b" not in page.tags
    plain = a_page(Site(report={"verdict": "pass", "targets": {"prod": described()}}, state=State()))
    assert "does not prove" not in plain.text


def test_a_broken_target_says_it_below_what_is_to_be_done() -> None:
    """What is wrong comes first."""
    site = broken()
    site.report["targets"]["prod"]["caveats"] = ["logging is off for others"]
    site.report["targets"]["prod"]["mentions_wait_for"] = ["config"]
    text = a_page(site).text
    assert text.index("Next Switch") < text.index("What the canary does not prove:")
    assert "Nobody is mentioned until every check has passed once; not yet: config." in text


# --- many targets ----------------------------------------------------------------------------------------------------


def many() -> tuple[dict[str, Any], State, PageContext]:
    """Five targets of two teams, one of them broken and silenced."""
    names = ["eu-1", "eu-2", "us-1", "us-2", "ap-1"]
    targets = {name: a_broken_target() if name == "us-2" else described() for name in names}
    report = {"verdict": "fail", "targets": targets}
    states = {TargetName(name): a_state(TargetName(name)) for name in names}
    incident = an_incident(TargetName("us-2"))
    states[TargetName("us-2")] = a_state(TargetName("us-2"), incidents=(incident,))
    silences = (Silence(id="s", target="us-*", ends_at=START + 3600),)
    about = {TargetName(name): About(labels={"team": "search" if name < "eu-2" else "ml"}) for name in names[:4]}
    return report, State(targets=states, silences=silences), PageContext(about=about)


def listed(chosen: Filter) -> list[str]:
    """The targets that the table shows, in its order."""
    report, state, context = many()
    html = status_page(report, state, troubles=(), version="1", now=START, context=context, chosen=chosen)
    return re.findall(r'<th scope="row"><a href="targets/([^"]+)"', html)


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (Filter(), ["us-2", "ap-1", "eu-1", "eu-2", "us-1"]),
        (Filter(text="EU"), ["eu-1", "eu-2"]),
        (Filter(text="team=ml"), ["us-2", "eu-2", "us-1"]),
        (Filter(status="critical"), ["us-2"]),
        (Filter(status="healthy", text="us"), ["us-1"]),
        (Filter(status="silenced"), ["us-2", "us-1"]),
        (Filter(text="nothing"), []),
        (Filter(group="team"), ["us-2", "eu-2", "us-1", "eu-1", "ap-1"]),
    ],
)
def test_many_targets_are_filtered_and_grouped(chosen: Filter, names: list[str]) -> None:
    """By a part of the name or of a label, by state; a group for each value of a label, those without it last."""
    assert listed(chosen) == names


def test_many_targets_are_a_line_each_and_the_broken_ones_are_shown_with_what_to_do() -> None:
    """With the day and the path of each."""
    report, state, context = many()
    page = Reader(status_page(report, state, troubles=(), version="1", now=START, context=context))
    assert "us-2 critical since 07:48 UTC (12 min)" in page.text
    assert "us-2 critical silenced" in page.text
    assert "us-1 healthy silenced" in page.text, "as the metric says"
    assert "eu-1 healthy silenced" not in page.text
    assert ("aria-label", "no canary in the last 24 hours") in page.attributes
    assert ("aria-label", "Path: gateway ok, TrueFoundry unknown, export unknown, Traceloop ok") in page.attributes
    assert page.text.count("Next Switch") == 1


def test_of_very_many_broken_targets_ten_are_shown_at_length() -> None:
    """Traceloop is down, and everybody notices: the table still has them all."""
    names = [f"t-{number}" for number in range(14)]
    report = {"verdict": "fail", "targets": {name: a_broken_target() for name in names}}
    page = Reader(status_page(report, State(), troubles=(), version="1", now=START))
    assert page.text.count("Next Switch") == 10
    assert "And 4 more, in the table below." in page.text


def affected(name: str, opened: float) -> Incident:
    """Traceloop has refused spans from one target for so many seconds."""
    incident = an_incident(TargetName(name), opened_at=START - opened)
    return replace(incident, diagnosis=replace(incident.diagnosis, fault=Fault.INGEST_FAILING, title="It is refused"))


def test_targets_that_are_affected_together_stand_together() -> None:
    """Where the worst of them stands, below one line that counts and names them; on a page of its own each has that line."""
    incidents = {name: affected(name, ago) for name, ago in (("a-1", 300), ("c-3", 200))}
    incidents["b-2"] = an_incident(TargetName("b-2"))
    state = State(targets={one.target: a_state(one.target, incidents=(one,)) for one in incidents.values()})
    policy = replace(POLICY, backend_url="https://api.traceloop.com")
    context = PageContext(about={one: About(policy=policy) for one in state.targets})
    report: dict[str, Any] = {"verdict": "fail", "targets": {name: a_broken_target() for name in sorted(incidents)}}
    page = Reader(status_page(report, state, troubles=(), version="1", now=START, context=context))
    said = "2 of 3 targets behind this Traceloop are affected: a-1, c-3"
    assert page.text.count(said) == 1
    places = [
        page.text.index(words) for words in (said, "a-1 critical since", "c-3 critical since", "b-2 critical since")
    ]
    assert places == sorted(places)
    own = target_page("c-3", report["targets"]["c-3"], state, version="1", now=START, context=context)
    assert said in Reader(own).text
    assert "behind this" not in target_page("b-2", a_broken_target(), state, version="1", now=START, context=context)


def test_a_collector_in_the_path_is_a_fifth_hop() -> None:
    """In the picture, in its words, and among many targets; without it there are four."""
    context = PageContext(about={PROD: About(policy=replace(POLICY, collector=True))})
    html = status_page(Site().report, Site().state, troubles=(), version="1", now=START, context=context)
    page = Reader(html)
    assert "Collector : unknown, not known" in page.text
    assert re.findall(r'<svg x="([\d.]+)%"', html) == ["10.0", "30.0", "50.0", "70.0", "90.0"]
    without = status_page(Site().report, Site().state, troubles=(), version="1", now=START)
    assert re.findall(r'<svg x="([\d.]+)%"', without) == ["12.5", "37.5", "62.5", "87.5"]
    assert "Collector" not in Reader(without).text
