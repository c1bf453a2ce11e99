import asyncio
import base64
import hashlib
import logging
import re
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from monitor.core.model import Fault
from monitor.core.silence import Silence
from monitor.core.state import State
from monitor.web.payloads import LONGEST_BODY
from monitor.web.views import NotFound, Rejected
from tests.fakes.clock import START
from tests.web.site import ADMIN, PROD, READ, Site, a_state, described

TO_READ = [
    "/",
    "/targets/prod",
    "/silences",
    "/metrics",
    "/runbooks/blind",
    "/api/openapi.json",
    "/api/v1/status",
    "/api/v1/incidents",
    "/api/v1/silences",
]
TO_CHANGE = [
    ("POST", "/api/v1/incidents/i/ack"),
    ("POST", "/api/v1/checks/prod/run"),
    ("POST", "/api/v1/silences"),
    ("DELETE", "/api/v1/silences/s"),
    ("POST", "/-/reload"),
]
HEALTH = ["/healthz", "/readyz"]


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"authorization": f"Bearer {token}"}


def basic(password: str, user: str = "anybody") -> dict[str, str]:
    """The header that a browser makes."""
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def problem(status: int, detail: str) -> dict[str, Any]:
    """An error as of RFC 9457, with the key that older scripts read."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "error": detail}


class TestReading:
    """What is shown, and to whom."""

    @pytest.mark.parametrize("path", TO_READ + HEALTH)
    async def test_everything_is_open_without_a_read_token(self, path: str) -> None:
        """On loopback nobody wants to type one."""
        assert (await Site().get(path)).status_code == 200

    @pytest.mark.parametrize("path", TO_READ)
    async def test_a_read_token_closes_all_but_health(self, path: str) -> None:
        """Bearer, or Basic with the token as password; the admin's token does as well."""
        site = Site(read_token=READ)
        assert (await site.get(path)).status_code == 401
        for headers in (bearer(READ), basic(READ), bearer(ADMIN), {"authorization": f"bearer  {READ} "}):
            assert (await site.get(path, **headers)).status_code == 200

    @pytest.mark.parametrize("path", HEALTH)
    async def test_health_needs_no_token(self, path: str) -> None:
        """Orchestrators have none."""
        assert (await Site(read_token=READ).get(path)).status_code == 200

    @pytest.mark.parametrize(
        "authorization",
        [
            "",
            "Bearer",
            "Bearer ",
            f"Bearer {READ}x",
            f"Bearer {READ[:-1]}",
            f"Token {READ}",
            READ,
            "Basic !!!",
            "Basic " + base64.b64encode(b"\xff\xfe").decode(),
            "Basic " + base64.b64encode(READ.encode()).decode(),
            "Basic " + base64.b64encode(f"{READ}:".encode()).decode(),
            "Bearer gl\u00fcck",
        ],
    )
    async def test_a_wrong_token_is_refused_with_a_challenge(self, authorization: str) -> None:
        """Whatever is wrong with it; and a browser asks for it."""
        async with Site(read_token=READ).client() as client:
            answer = await client.get("/", headers={b"authorization": authorization.encode("latin-1")})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
        assert READ not in answer.text

    async def test_a_rotated_token_counts_at_once(self) -> None:
        """The old one is refused with the next request."""
        site = Site(read_token=READ)
        async with site.client() as client:
            assert (await client.get("/", headers=bearer(READ))).status_code == 200
            site.read_token = "another-token-987"
            assert (await client.get("/", headers=bearer(READ))).status_code == 401

    async def test_healthz_says_whether_loop_and_schedule_turn(self) -> None:
        """503 makes the orchestrator restart the process."""
        assert (await Site().get("/healthz")).text == "ok\n"
        answer = await Site(healthy=False).get("/healthz")
        assert (answer.status_code, answer.text) == (503, "the scheduler does not run\n")

    async def test_readyz_names_the_condition_that_is_not_met(self) -> None:
        """Configured, restored, running, not draining: all of them or 503."""
        assert (await Site().get("/readyz")).json()["ready"] is True
        answer = await Site(ready={"configured": True, "not_draining": False}).get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"ready": False, "conditions": {"configured": True, "not_draining": False}}

    async def test_the_metrics_come_in_the_form_that_was_asked_for(self) -> None:
        """The Accept header is handed on, the content type as well."""
        answer = await Site().get("/metrics", accept="application/openmetrics-text")
        assert answer.text == "asked for application/openmetrics-text"
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"

    async def test_the_status_is_the_report(self) -> None:
        """As it is, but for numbers that JSON does not have."""
        site = Site(report={"verdict": "pass", "targets": {"prod": described(arrival_seconds=float("inf"))}})
        answer = (await site.get("/api/v1/status")).json()
        assert answer["targets"]["prod"]["arrival_seconds"] is None
        assert answer["targets"]["prod"]["checks"]["config"]["verdict"] == "pass"

    async def test_incidents_can_be_narrowed_to_the_open_ones(self) -> None:
        """All of them otherwise; junk in the question is an error and no guess."""
        site = Site(incidents=[{"id": "a", "open": True}, {"id": "b", "open": False}])
        assert len((await site.get("/api/v1/incidents")).json()["incidents"]) == 2
        for wanted in ("true", "1", "TRUE"):
            assert (await site.get(f"/api/v1/incidents?open={wanted}")).json() == {
                "incidents": [{"id": "a", "open": True}]
            }
        assert (await site.get("/api/v1/incidents?open=maybe")).status_code == 400

    async def test_silences_are_listed_with_whether_they_mute_now(self) -> None:
        """One, or all."""
        active, over = Silence(id="a", fault=Fault.BLIND, ends_at=START + 60), Silence(id="b", ends_at=START - 60)
        site = Site(state=State(targets={PROD: a_state()}, silences=(active, over)))
        listed = (await site.get("/api/v1/silences")).json()["silences"]
        assert [(one["id"], one["fault"], one["active"]) for one in listed] == [
            ("a", "blind", True),
            ("b", None, False),
        ]
        assert (await site.get("/api/v1/silences/a")).json() == listed[0]
        assert (await site.get("/api/v1/silences/c")).status_code == 404

    @pytest.mark.parametrize(
        "name",
        [
            "nothing",
            "../style",
            "..%2F..%2Fversion",
            "BLIND",
            "blind.md",
            "alerts",
            "alerts%2FTraceMonitorDown",
            "__init__",
        ],
    )
    async def test_there_are_runbooks_of_faults_and_alerts_alone(self, name: str) -> None:
        """No other file can be reached."""
        assert (await Site().get(f"/runbooks/{name}")).status_code == 404


NOT_ASCII = [
    "Bearer caf\u00e9",
    "Basic caf\u00e9",
    "Basic caf\u00e9=",
    "B\u00e4sic eA==",
    "\u00e9",
    f"Bearer {READ}\u00ff",
]
"""As bytes of Latin-1 on the wire, which HTTP lets a header hold."""


@pytest.mark.parametrize("said", NOT_ASCII)
async def test_an_authorization_outside_ascii_is_a_wrong_one_at_every_guarded_route(said: str) -> None:
    """Refused like any other, and no bug of ours: a broken client must not fill the log with tracebacks."""
    site, raw = Site(read_token=READ), [(b"authorization", said.encode("latin-1"))]
    async with site.client() as client:
        for method, path in [("GET", path) for path in TO_READ] + TO_CHANGE:
            assert (await client.request(method, path, headers=raw)).status_code == 401, (method, path)
    assert site.done == []


class TestChanging:
    """What may be changed, and by whom."""

    @pytest.mark.parametrize(("method", "path"), TO_CHANGE)
    async def test_nothing_can_be_changed_without_an_admin_token_configured(self, method: str, path: str) -> None:
        """403 whatever is sent: there is no token that would do."""
        site = Site(admin_token=None)
        async with site.client() as client:
            for headers in ({}, bearer(ADMIN), bearer("")):
                answer = await client.request(method, path, headers=headers)
                assert answer.status_code == 403
                assert "admin_token" in answer.json()["error"]
        assert site.done == []

    @pytest.mark.parametrize(("method", "path"), TO_CHANGE)
    async def test_only_the_admin_token_as_bearer_will_do(self, method: str, path: str) -> None:
        """Basic is refused, for a browser sends it by itself; the read token is known and not enough."""
        site = Site(read_token=READ)
        async with site.client() as client:
            for headers in ({}, bearer("wrong"), basic(ADMIN)):
                answer = await client.request(method, path, headers=headers)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="trace-monitor"')
            assert (await client.request(method, path, headers=bearer(READ))).status_code == 403
        assert site.done == []

    async def test_one_token_for_both_may_do_both(self) -> None:
        """Whoever configures the same value twice has one kind of user."""
        assert (await Site(read_token=ADMIN).change("POST", "/-/reload")).status_code == 200

    async def test_checks_are_run_at_once(self) -> None:
        """Accepted, with the names of those that look now."""
        site = Site()
        answer = await site.change("POST", "/api/v1/checks/prod/run")
        assert (answer.status_code, answer.json()) == (202, {"target": "prod", "checks": ["config", "gateway"]})
        assert site.done == [("run", "prod")]

    async def test_an_unknown_target_is_not_found(self) -> None:
        """With the sentence of whoever looked for it."""
        answer = await Site().change("POST", "/api/v1/checks/nowhere/run")
        assert (answer.status_code, answer.json()) == (404, problem(404, "no target is called nowhere"))

    async def test_a_reload_is_done_or_refused_with_its_reason(self) -> None:
        """A bad configuration changes nothing."""
        site = Site()
        assert (await site.change("POST", "/-/reload")).json() == {"reloaded": True}
        site.refuse = Rejected("trace-monitor.yaml:3: targets.prod.gateway.url: is not a URL")
        answer = await site.change("POST", "/-/reload")
        assert (answer.status_code, answer.json()["error"][:20]) == (422, "trace-monitor.yaml:3")
        assert site.done == [("reload",)]

    @pytest.mark.parametrize(
        ("body", "by"),
        [(None, "the admin token"), ({}, "the admin token"), ({"by": "ada"}, "ada"), ({"by": "  "}, "the admin token")],
    )
    async def test_an_incident_is_acknowledged_by_somebody(self, body: dict[str, str] | None, by: str) -> None:
        """Slack shows who has it."""
        site = Site()
        answer = await site.change("POST", "/api/v1/incidents/prod-1/ack", json=body)
        assert answer.json() == {"acknowledged": "prod-1", "by": by}
        assert site.done == [("ack", "prod-1", by)]

    async def test_a_silence_that_covers_no_target_is_refused(self) -> None:
        """It would mute nothing; the answer says which targets there are."""
        site = Site()
        for target in ("prdo", "staging-*", ""):
            answer = await site.change("POST", "/api/v1/silences", json={"target": target, "for": 60})
            assert answer.status_code == 400
            assert answer.json()["error"].endswith("; there are: prod") or target == ""
        assert site.done == []

    async def test_a_silence_is_added_and_expired(self) -> None:
        """It comes back with its id, by which it can be ended."""
        site = Site()
        body = {"target": "prod*", "fault": "trace_late", "for": 7200, "comment": "upgrade", "author": "ada"}
        answer = await site.change("POST", "/api/v1/silences", json=body)
        assert answer.status_code == 201
        made = answer.json()
        assert {**body, **made} == {
            **body,
            "id": made["id"],
            "from": START,
            "from_time": "2027-01-15T08:00:00Z",
            "to": START + 7200,
            "to_time": "2027-01-15T10:00:00Z",
            "weekly": None,
            "active": True,
            "covers": ["prod"],
        }
        ((_, silence),) = site.done
        assert isinstance(silence, Silence)
        assert silence.id == made["id"]
        site.state = State(silences=(silence,))
        assert (await site.change("DELETE", f"/api/v1/silences/{silence.id}")).json() == {"expired": silence.id}
        assert site.done[1:] == [("expire", silence.id)]

    async def test_an_unknown_silence_cannot_be_expired_and_a_configured_one_may_not(self) -> None:
        """404, and whatever reason the program has."""
        site = Site(state=State(silences=(Silence(id="s"),)))
        assert (await site.change("DELETE", "/api/v1/silences/other")).status_code == 404
        site.refuse = Rejected("it is in the configuration")
        assert (await site.change("DELETE", "/api/v1/silences/s")).status_code == 422


class TestBodies:
    """What may be sent."""

    @pytest.mark.parametrize(
        ("content", "status", "words"),
        [
            (b"{", 400, "not JSON"),
            (b"\xff", 400, "not JSON"),
            (b"[" * 50_000, 400, "not JSON"),
            (b"[]", 400, "must be a JSON object"),
            (b'{"by": 7}', 400, "`by` must be a text"),
            (b'{"by": "a\\u0007b"}', 400, "printable"),
            (b'{"by": "' + b"x" * 200 + b'"}', 400, "at most 100"),
            (b'{"who": "ada"}', 400, "unknown: `who`; allowed: by"),
            (b'{"by": "' + b"x" * LONGEST_BODY + b'"}', 413, "longer than"),
        ],
    )
    async def test_a_bad_body_is_one_readable_error(self, content: bytes, status: int, words: str) -> None:
        """And nothing is done."""
        site = Site()
        answer = await site.change("POST", "/api/v1/incidents/i/ack", content=content)
        assert answer.status_code == status
        assert words in answer.json()["error"]
        assert site.done == []

    async def test_a_body_that_never_comes_is_given_up(self) -> None:
        """A slow client holds no connection for ever."""
        site = Site()

        async def drip() -> Any:
            yield b'{"by": '
            await site.clock.sleep(3600)

        asking = asyncio.create_task(site.change("POST", "/api/v1/incidents/i/ack", content=drip()))
        await site.clock.run_until(asking.done)
        assert asking.result().status_code == 408


class TestEveryAnswer:
    """What holds for all of them."""

    @pytest.mark.parametrize("path", [*TO_READ, *HEALTH, "/nowhere", "/runbooks/nothing"])
    async def test_it_can_do_no_harm_in_a_browser(self, path: str) -> None:
        """No script, no frame, no sniffing, no cache, no referrer for others, no form to others; nobody learns what serves it."""
        headers = (await Site().get(path)).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "form-action 'self'" in policy
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers

    async def test_the_underline_of_a_link_leaves_the_name_of_a_fault_legible(self) -> None:
        """An underline through the `_` shows `config drift`; and a short form beside a long one is not stretched."""
        style = (await Site().get("/")).text
        assert "a.slug { text-underline-offset: 0.36em; }" in style
        assert ".act { display: grid; align-content: start;" in style

    async def test_the_style_sheet_is_the_one_that_the_policy_names(self) -> None:
        """Else a browser would show the page unstyled."""
        answer = await Site().get("/")
        found = re.search(r"<style>(.*)</style>", answer.text, re.DOTALL)
        assert found is not None
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("POST", "/", {"GET", "HEAD"}),
            ("DELETE", "/metrics", {"GET", "HEAD"}),
            ("GET", "/-/reload", {"POST"}),
            ("PUT", "/api/v1/silences", {"GET", "HEAD", "POST"}),
            ("POST", "/api/v1/silences/s", {"GET", "HEAD", "DELETE"}),
        ],
    )
    async def test_a_wrong_method_is_answered_with_the_right_ones(
        self, method: str, path: str, allowed: set[str]
    ) -> None:
        """405 with all of them."""
        answer = await Site().change(method, path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == allowed

    @pytest.mark.parametrize("path", ["/nowhere", "/api/v1/status/", "/api/v2/status", "/api/v1/checks//run"])
    async def test_what_is_not_there_is_404_and_never_a_redirect(self, path: str) -> None:
        """As JSON, like every other error."""
        answer = await Site().get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() == problem(404, "Not Found")

    @pytest.mark.parametrize("path", [*TO_READ, "/api/v1/silences"])
    async def test_head_is_answered_like_get(self, path: str) -> None:
        """Uptime checks use it."""
        async with Site().client() as client:
            assert (await client.head(path)).status_code == 200

    async def test_a_bug_is_answered_without_its_details(self, caplog: pytest.LogCaptureFixture) -> None:
        """The traceback is the log's; the answer has the security headers all the same."""
        site = Site(report={"verdict": "pass"})
        with caplog.at_level(logging.ERROR):
            answer = await site.get("/")
        assert (answer.status_code, answer.json()) == (500, problem(500, "internal error"))
        assert answer.headers["x-frame-options"] == "DENY"

    async def test_what_the_program_says_is_not_there_is_404(self) -> None:
        """An acknowledge for an incident that is long forgotten."""
        site = Site(refuse=NotFound("there is no open incident of that id"))
        answer = await site.change("POST", "/api/v1/incidents/i/ack")
        assert (answer.status_code, answer.json()["error"]) == (404, "there is no open incident of that id")


async def test_httpx_reads_the_answers() -> None:
    """A plain client sees plain JSON with its media type."""
    answer: httpx.Response = await Site().get("/api/v1/status")
    assert answer.headers["content-type"] == "application/json"
    assert answer.text.endswith("}\n")
