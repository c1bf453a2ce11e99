"""The OpenAPI document: what a real daemon answers is what it says, and whatever it allows is answered as it says."""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from pydantic import TypeAdapter
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from monitor.core.model import CheckName, TargetName
from monitor.core.silence import Silence
from monitor.core.state import State
from monitor.daemon.status import describe, describe_incident
from monitor.web import models
from monitor.web.openapi import document
from monitor.web.payloads import describe_silence
from tests.core.build import POLICY, Story
from tests.core.paths import EVERY_FAULT, healthy
from tests.fakes.clock import START
from tests.web.site import ADMIN, PROD, Site, a_state, resolved


def status_of(story: Story) -> dict[str, Any]:
    """What the daemon says of a target at the end of its story."""
    incidents = [describe_incident(one) for one in story.state.incidents]
    return {**describe({"prod": (story.state, POLICY)}, story.now, live=True), "incidents": incidents}


def check(kind: Any, payload: Any) -> None:
    """Nothing is missing, nothing is more, and every moment is there in both ways."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind, config=None)
    adapter.validate_python(payload)
    assert json.loads(adapter.dump_json(adapter.validate_python(payload))) == json.loads(json.dumps(payload))


@pytest.mark.parametrize("story", [healthy, *(one for _, one, *_ in EVERY_FAULT)])
def test_the_status_object_is_what_the_document_says(story: Any) -> None:
    """Of a healthy target and of each fault, key by key."""
    check(models.StatusPayload, status_of(story()))


def test_incidents_and_silences_are_what_the_document_says() -> None:
    """Open, resolved, one-off, weekly."""
    check(models.IncidentPayload, describe_incident(resolved("i", 60.0)))
    for silence in (Silence(id="s", ends_at=START + 60), Silence(id="t", begins_at=START, comment="c", author="ada")):
        check(models.SilencePayload, describe_silence(silence, START))


def test_the_document_says_what_a_silence_may_be_made_of() -> None:
    """As far as a schema cannot say it: what excludes what, and between which moments."""
    said = document()["components"]["schemas"]["SilenceBody"]["description"]
    assert "either `weekly` alone, or `to` or `for`" in said
    assert "`from` from 1970 to ten years ahead" in said


def test_every_moment_is_there_in_both_ways() -> None:
    """Unix seconds, and RFC 3339 beside them."""
    said = describe_incident(resolved("i", 60.0))
    assert (said["opened_at"], said["opened_time"]) == (START - 960, "2027-01-15T07:44:00Z")
    assert (said["closed_at"], said["closed_time"]) == (START - 60, "2027-01-15T07:59:00Z")
    silence = describe_silence(Silence(id="s", ends_at=START), START)
    assert (silence["from"], silence["from_time"], silence["to"], silence["to_time"]) == (
        None,
        None,
        START,
        "2027-01-15T08:00:00Z",
    )


def test_every_route_of_the_api_is_in_the_document() -> None:
    """And no other."""
    paths = set(document()["paths"])
    assert {path for path in paths if path.startswith("/api")} == {
        "/api/v1/status",
        "/api/v1/incidents",
        "/api/v1/incidents/{id}/ack",
        "/api/v1/checks/{target}/run",
        "/api/v1/silences",
        "/api/v1/silences/{id}",
    }
    assert paths - {path for path in paths if path.startswith("/api")} == {"/-/reload", "/readyz"}
    assert document()["components"]["schemas"]["CheckName"]["enum"] == [check.value for check in CheckName]


async def test_it_is_served() -> None:
    """As JSON, to whoever may read."""
    answer = await Site().get("/api/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == json.loads(json.dumps(document()))


# --- schemathesis ----------------------------------------------------------------------------------------------------


class Patient(Site):
    """A site that keeps what it is given, so that what was added can be read and ended."""

    def _do(self, *what: object) -> None:
        match what:
            case ("silence", Silence() as silence):
                self.state = State(targets=self.state.targets, silences=(silence,))


def a_site() -> Patient:
    """With something of everything."""
    story = healthy()
    site = Patient(report=status_of(story), incidents=[describe_incident(resolved("i", 60.0))])
    site.state = State(
        targets={PROD: a_state(PROD), TargetName("eu"): story.state}, silences=(Silence(id="s", ends_at=START + 60),)
    )
    return site


SCHEMA = schemathesis.openapi.from_asgi(
    "/api/openapi.json", a_site().app(), config=SchemathesisConfig.from_dict({"base-url": "http://monitor"})
)


# The token is always sent (who may do what is tested in `test_app`), and a silence needs an end, which a schema cannot say.
NOT_ASKED = [ignored_auth, positive_data_acceptance]


@SCHEMA.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_document_allows_is_answered_as_it_says(case: schemathesis.Case[Any]) -> None:
    """And what it does not allow is refused: statuses, media types, schemas, methods, authorization."""
    case.call_and_validate(headers={"authorization": f"Bearer {ADMIN}"}, excluded_checks=NOT_ASKED)
