"""The pages of incidents and silences, and their forms: who may change what, from where, and what is shown again."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from monitor.core.canary import Outcome
from monitor.core.incident import Incident, Losses, Notified, Reason, TimelineEntry
from monitor.core.inputs import NoticeDelivered
from monitor.core.model import Fault, Severity, TargetName
from monitor.core.silence import Silence
from monitor.core.state import DAY, State
from monitor.web.panel import About
from monitor.web.views import NotFound, Rejected
from tests.core.build import a_canary
from tests.fakes.clock import START
from tests.web.site import ADMIN, PROD, READ, Site, a_broken_target, a_state, an_incident, resolved
from tests.web.test_page import Reader

OWN = {"sec-fetch-site": "same-origin"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
DASH = "\N{EN DASH}"
HERE = "prod-20270115-074800"


def broken(**fields: Any) -> Site:
    """A site whose one target is broken."""
    state = State(targets={PROD: a_state(incidents=(an_incident(**fields),))})
    return Site(report={"verdict": "fail", "targets": {"prod": a_broken_target()}}, state=state)


async def post(site: Site, path: str, headers: Any = OWN, **fields: str) -> httpx.Response:
    """Send a form as a browser does."""
    async with site.client() as client:
        return await client.post(path, content=urlencode(fields), headers={**FORM, **headers})


# --- acknowledge and silence -----------------------------------------------------------------------------------------


async def test_an_incident_is_acknowledged_by_the_form() -> None:
    """Then the page says so; the token is in no address and in no cookie."""
    site = broken()
    answer = await post(site, f"/incidents/{HERE}/acknowledge", by="ada", token=f" {ADMIN} ")
    assert (answer.status_code, answer.headers["location"]) == (303, f"../{HERE}?done=acknowledged")
    assert site.done == [("ack", HERE, "ada")]
    assert "set-cookie" not in answer.headers
    page = Reader((await site.get(f"/incidents/{HERE}?done=acknowledged")).text)
    assert "Acknowledged: no reminder and no escalation until it gets worse." in page.text


async def test_a_silence_is_made_by_the_form() -> None:
    """From the incident's page or from that of the silences."""
    site = broken()
    fields = {"target": "prod", "fault": "exporter_disabled", "for": "7200", "comment": "upgrade", "author": "ada"}
    answer = await post(site, "/silences", token=ADMIN, **fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "silences?done=silenced")
    ((_, silence),) = site.done
    assert isinstance(silence, Silence)
    assert silence == Silence(
        id=silence.id,
        target="prod",
        fault=Fault.EXPORTER_DISABLED,
        begins_at=START,
        ends_at=START + 7200,
        comment="upgrade",
        author="ada",
    )


async def test_a_silence_is_ended_by_the_form() -> None:
    """One of the configuration says why it cannot be."""
    site = broken()
    site.state = replace(site.state, silences=(Silence(id="s", ends_at=START + 60),))
    answer = await post(site, "/silences/s/expire", token=ADMIN)
    assert (answer.status_code, answer.headers["location"]) == (303, "../../silences?done=expired")
    assert site.done == [("expire", "s")]
    site.refuse = Rejected("this silence is in the configuration")
    answer = await post(site, "/silences/s/expire", token=ADMIN)
    assert answer.status_code == 422
    assert "This silence is in the configuration" in answer.text
    assert 'href="../../silences"' in answer.text


FORMS = [f"/incidents/{HERE}/acknowledge", "/silences", "/silences/s/expire"]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("token", ["", "guessed-token-987", READ, ADMIN[:-1], f"{ADMIN}x"])
async def test_only_the_admin_token_will_do(path: str, token: str) -> None:
    """The page is shown again with what was typed, but for the token."""
    site = broken()
    answer = await post(site, path, token=token, by="ada", target="prod", **{"for": "3600"})
    assert answer.status_code == 403
    assert "This is not the admin token" in answer.text
    assert site.done == []
    assert not token or token not in answer.text


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": "http://monitor"},
        {"origin": "http://evil.example"},
        {"origin": "http://monitor.evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "monitor"},
        {"origin": ""},
    ],
)
async def test_a_form_of_another_site_changes_nothing(path: str, headers: dict[str, str]) -> None:
    """Even with the right token: somebody may have been tricked into typing it."""
    site = broken()
    answer = await post(site, path, headers, token=ADMIN, by="ada", target="prod", **{"for": "3600"})
    assert answer.status_code == 403
    assert "This form was not sent by a page of this monitor." in answer.text
    assert site.done == []


@pytest.mark.parametrize("origin", ["http://monitor", "https://monitor", "https://public.example"])
async def test_a_browser_without_fetch_metadata_says_its_origin(origin: str) -> None:
    """Over plain http to another host; behind a proxy by the address that others see."""
    site = broken()
    site.external_url = "https://public.example/monitor"
    answer = await post(site, f"/incidents/{HERE}/acknowledge", {"origin": origin}, token=ADMIN, by="ada")
    assert answer.status_code == 303


@pytest.mark.parametrize("path", FORMS)
async def test_without_an_admin_token_configured_nothing_changes(path: str) -> None:
    """And the pages say so instead of showing forms."""
    site = broken()
    site.admin_token = None
    answer = await post(site, path, token="")
    assert answer.status_code == 403
    assert "server.admin_token is not configured" in answer.text
    assert site.done == []
    for page in (f"/incidents/{HERE}", "/silences"):
        text = (await site.get(page)).text
        assert "Nothing can be changed here" in text
        assert 'type="password"' not in text


@pytest.mark.parametrize("path", FORMS)
async def test_whoever_may_not_read_may_not_try_tokens(path: str) -> None:
    """The read token guards the forms as well."""
    site = broken()
    site.read_token = READ
    assert (await post(site, path, token=ADMIN)).status_code == 401


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"target": "prdo", "for": "3600"}, 400, "No target matches"),
        ({"target": "prod", "for": ""}, 400, "must be a number of seconds"),
        ({"target": "prod", "for": "x" * 50}, 400, "must be a number of seconds"),
        ({"target": "prod", "for": "3600", "fault": "nothing"}, 400, "must be one of"),
        ({"target": "prod", "for": "3600", "comment": "x" * 501}, 400, "at most 500"),
    ],
)
async def test_what_was_typed_wrongly_is_shown_again(fields: dict[str, str], status: int, words: str) -> None:
    """With the reason; nobody types it twice."""
    site = broken()
    answer = await post(site, "/silences", token=ADMIN, author="ada <b>", **fields)
    assert answer.status_code == status
    page = Reader(answer.text)
    assert words in page.text
    assert ("value", "ada <b>") in page.attributes
    assert site.done == []


async def test_a_body_that_is_no_form_is_an_error_and_no_crash() -> None:
    """Junk, too many fields, too long."""
    site = broken()
    async with site.client() as client:
        for content, status in ((b"\xff\xfe=%zz&&&", 403), (b"a=1&" * 100, 400), (b"x" * 70_000, 413)):
            answer = await client.post("/silences", content=content, headers={**FORM, **OWN})
            assert answer.status_code == status
            assert ("the form has more than 20 fields" in answer.text) is (status == 400)
    assert site.done == []


async def test_an_acknowledgement_that_is_refused_says_why() -> None:
    """The incident was resolved meanwhile."""
    site = broken()
    site.refuse = NotFound("there is no open incident of that id")
    answer = await post(site, f"/incidents/{HERE}/acknowledge", token=ADMIN, by="ada")
    assert answer.status_code == 404
    assert "There is no open incident of that id" in answer.text


# --- the page of an incident -----------------------------------------------------------------------------------------


def a_notice(incident: Incident, notifier: str, reason: Reason, at: float, *, mention: bool = False) -> NoticeDelivered:
    """What the history holds of a notification."""
    notified = Notified(
        reason=reason,
        fault=incident.diagnosis.fault,
        severity=Severity.CRITICAL,
        at=at,
        mentioned_at=at if mention else None,
    )
    return NoticeDelivered(at=at, incident_id=incident.id, notifier=notifier, notified=notified)


async def test_an_incident_shows_its_timeline_who_was_notified_and_its_canaries() -> None:
    """Everything that is remembered of it, in order."""
    entries = (
        TimelineEntry(at=START - 720, fault=Fault.EXPORTER_DISABLED, severity=Severity.CRITICAL, text="opened"),
        TimelineEntry(at=START - 60, fault=Fault.EXPORTER_DISABLED, severity=Severity.CRITICAL, text="still open"),
    )
    incident = an_incident(timeline=entries, acked_by="ada", acked_at=START - 300, began_at=START - 800)
    incident = replace(
        incident, notified={"webhook": a_notice(incident, "webhook", Reason.OPENED, START - 700).notified}
    )
    canaries = (
        a_canary(1, sent_at=START - 900, answered_at=START - 900, outcome=Outcome.ARRIVED),
        a_canary(2, sent_at=START - 600, answered_at=START - 600, outcome=Outcome.MISSING),
    )
    site = broken()
    site.state = State(targets={PROD: replace(a_state(incidents=(incident,)), canaries=canaries)})
    site.notices = (
        a_notice(incident, "slack", Reason.OPENED, START - 715, mention=True),
        replace(a_notice(incident, "slack", Reason.OPENED, START - 715, mention=True), at=START - 400),  # an edit
        a_notice(incident, "slack", Reason.REMINDER, START - 100),
        replace(a_notice(incident, "slack", Reason.OPENED, START - 50), incident_id="another"),
    )
    page = Reader((await site.get(f"/incidents/{HERE}")).text)
    wanted = (
        "The gateway's traces exporter is off",
        "open for 12 min",
        "2027-01-15 07:48 UTC opened exporter_disabled, critical",
        "still open",
        "Acknowledged by ada",
        "2027-01-15 07:48 UTC slack opened yes",
        f"2027-01-15 07:48 UTC webhook opened {DASH}",
        f"2027-01-15 07:58 UTC slack reminder {DASH}",
        "1 remembered",
        f"missing {DASH} {canaries[1].trace_id}",
    )
    places = [page.text.find(words) for words in wanted]
    assert -1 not in places, dict(zip(wanted, places, strict=True))
    assert places == sorted(places)
    assert page.text.count("slack") == 2
    assert "Your name" in page.text
    assert "Ends reminders" not in page.text  # it is acknowledged


async def test_a_resolved_incident_says_what_became_of_its_canaries() -> None:
    """How many and which; there is nothing left to be done."""
    losses = Losses(sent=9, late=1, lost=1, longest_delay=310.0, late_ids=("ab" * 16,), lost_ids=("cd" * 16,))
    over = replace(resolved("over", 60.0), losses=losses, closed_because="traces arrive again")
    site = Site(state=State(targets={PROD: a_state(incidents=(over,))}))
    page = Reader((await site.get("/incidents/over")).text)
    assert "resolved 2027-01-15 07:59 UTC after 15 min" in page.text
    assert "Resolved because traces arrive again" in page.text
    assert "9 canaries: 7 arrived in time, 1 arrived late (after 5 min 10 s), 1 lost" in page.text
    assert f"Lost: {'cd' * 16}" in page.text
    assert f"Late: {'ab' * 16}" in page.text
    assert "Admin token" not in page.text
    assert "Nobody has been notified of it." in page.text


async def test_an_incident_of_a_target_that_is_gone_is_still_shown() -> None:
    """Its status is not known any more."""
    gone = TargetName("gone")
    incident = an_incident(gone, closed_at=START - 60, closed_because="no longer monitored")
    site = Site()
    site.state = State(targets={PROD: a_state(), gone: a_state(gone, incidents=(incident,))})
    answer = await site.get(f"/incidents/{incident.id}")
    assert answer.status_code == 200
    assert "no longer monitored" in answer.text


async def test_an_incident_whose_check_is_switched_off_is_not_shown_as_healthy() -> None:
    """Nobody has seen it end."""
    over = replace(resolved("over", 60.0), closed_because="no longer checked: checks.volume is off")
    answer = await Site(state=State(targets={PROD: a_state(incidents=(over,))})).get("/incidents/over")
    assert '<span class="pill unknown">' in answer.text
    assert "counts as resolved: no longer checked: checks.volume is off" in Reader(answer.text).text.lower()


@pytest.mark.parametrize("path", ["/incidents/nothing", "/targets/nothing", "/runbooks/nothing"])
async def test_what_is_not_there_is_a_page_for_a_browser_and_json_for_a_script(path: str) -> None:
    """404 for both."""
    page = await Site().get(path, accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert page.status_code == 404
    assert "<h1>Not Found</h1>" in page.text
    assert (await Site().get(path)).headers["content-type"] == "application/problem+json"


# --- the pages of a target and of the silences -----------------------------------------------------------------------


async def test_the_page_of_a_target_has_everything_and_its_past() -> None:
    """With the incidents that are over."""
    state = State(targets={PROD: a_state(incidents=(resolved("i", 60.0),))})
    page = Reader((await Site(state=state).get("/targets/prod")).text)
    assert "prod healthy the traces arrive" in page.text
    assert "exporter_disabled (warning)" in page.text or "exporter_disabled (critical)" in page.text
    assert ("href", "../incidents/i") in page.attributes


async def test_what_expires_soon_stands_out_on_the_page_of_its_target() -> None:
    """A certificate two weeks before its end, a token one."""
    site = Site()
    target = replace(site.state.targets[PROD], certificates={"gateway": START + 8 * DAY, "otlp": START + 15 * DAY})
    site.state = State(targets={PROD: target})
    site.about = {PROD: About(token_expiries={"gateway": START + 8 * DAY, "control_plane": START + 6 * DAY})}
    html = (await site.get("/targets/prod")).text
    assert re.findall(r'<dt>([^<]+)</dt><dd class="soon">', html) == [
        "Token of control plane",
        "Certificate of gateway",
    ]


async def test_every_silence_is_listed_with_when_it_mutes() -> None:
    """Active, to come, over; those of the configuration cannot be ended here."""
    silences = (
        Silence(id="a", target="pr*", ends_at=START + 3600, comment="upgrade"),
        Silence(id="b", begins_at=START + 60, ends_at=START + 120, fault=Fault.BLIND),
        Silence(id="c", ends_at=START - 60),
    )
    site = Site(state=State(targets={PROD: a_state()}, silences=silences))
    site.configured = (silences[1],)
    page = Reader((await site.get("/silences?target=prod&fault=blind")).text)
    assert "pr* any active until 09:00 UTC upgrade" in page.text
    assert f"* blind from 08:01 UTC {DASH} {DASH} in the configuration" in page.text
    assert "* any over" in page.text
    assert page.text.count("Expire this silence") == 2
    assert ("value", "prod") in page.attributes
