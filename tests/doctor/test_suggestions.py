"""Which settings are suggested, and that what is suggested can be pasted."""

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.doctor_text import snippet
from monitor.doctor.about_backend import suggest_deadlines
from monitor.settings import parse
from monitor.settings.target import ArrivalCheck
from tests.doctor.harness import harness
from tests.scenarios.house import merge

DEFAULT = ArrivalCheck()
TRACED = {"gateway.trace_id": "feedback", "checks.arrival.complete_spans": 3}


async def suggested(variant: str = "", *faults: str, content: bool | None = None, **more: Any) -> dict[str, Any]:
    """The settings that are suggested."""
    async with harness(variant, *faults, content=content, **more) as it:
        target = await it.target()
        return {path: each["value"] for path, each in target["suggested_settings"].items()}


def target(**settings: Any) -> dict[str, Any]:
    """Settings of the target."""
    return {"targets": {"demo": settings}}


async def test_what_was_learnt_of_the_trace_is_suggested() -> None:
    """By what it is recognised, and how many spans it has."""
    assert await suggested() == TRACED


async def test_what_is_configured_is_not_suggested() -> None:
    """A tenant that is set up well is suggested nothing."""
    settled = target(gateway={"trace_id": "feedback"}, checks={"arrival": {"complete_spans": 3}})
    assert await suggested(**settled) == {}


@pytest.mark.parametrize(
    ("variant", "trace_id"),
    [("", "feedback"), ("feedback=absent,traceparent=honoured", "traceparent"), ("traceparent=honoured", "feedback")],
)
async def test_the_trace_id_is_taken_from_where_it_is_sure(variant: str, trace_id: str) -> None:
    """The gateway's own word before ours."""
    assert (await suggested(variant))["gateway.trace_id"] == trace_id


async def test_an_environment_by_another_name_is_corrected() -> None:
    """The slug as Traceloop returns it."""
    given = await suggested(**target(traceloop={"environment": "production", "other_environments": None}))
    assert given["traceloop.environment"] == "prd"


@pytest.mark.parametrize("content", [True, False])
async def test_whether_content_is_there_is_suggested_to_be_watched(content: bool) -> None:
    """Where nobody has decided yet."""
    given = await suggested(content=content, **target(expected={"exclude_request_data": None}))
    assert given["expected.exclude_request_data"] is not content


async def test_a_leak_is_never_suggested_to_be_expected() -> None:
    """Who pastes what is suggested must not make an alarm quiet."""
    assert "expected.exclude_request_data" not in await suggested("", "config_drift_content")


async def test_added_resource_attributes_are_suggested_to_be_expected() -> None:
    """Those that arrive as the exporter is set to add them: they prove that the configuration is in force."""
    given = await suggested(**target(expected={"resource_attributes": None}))
    assert given["expected.resource_attributes"] == {"deployment.environment": "sandbox"}
    lost = await suggested("", "trace_mislabelled_attributes", **target(expected={"resource_attributes": None}))
    assert "expected.resource_attributes" not in lost


async def test_another_service_name_may_be_meant() -> None:
    """It is suggested with a reservation."""
    async with harness("", "trace_mislabelled") as it:
        given = (await it.target())["suggested_settings"]["expected.service_name"]
        assert given == {
            "value": "unknown_service",
            "why": "the name that the gateway uses; set it only if that is intended",
        }


async def test_deadlines_suit_what_was_measured() -> None:
    """An index that lags for 160 s leaves the defaults too little room."""
    assert await suggested("index_lag=160s") == {
        **TRACED,
        "checks.arrival.look_closer_after": "3m30s",
        "checks.arrival.late_after": "4m30s",
        "checks.arrival.missing_after": "7m",
        "checks.arrival.settle": "8m",
    }


@pytest.mark.parametrize("measured", [0.0, 5.0, 48.0])
def test_nothing_is_tightened(measured: float) -> None:
    """One measurement is no distribution."""
    assert suggest_deadlines(DEFAULT, measured) == ()


@pytest.mark.parametrize("measured", [49.0, 60.0, 100.0, 170.0, 300.0, 3000.0])
def test_suggested_deadlines_leave_room_and_keep_their_order(measured: float) -> None:
    """Look closer, late, missing: each later than the one before; and a suggestion once taken is not made again."""
    values = {each.setting.rpartition(".")[2]: str(each.value) for each in suggest_deadlines(DEFAULT, measured)}
    configuration = {"targets": {"demo": merge(_TARGET, {"checks": {"arrival": values}})}}
    arrival = parse(json.dumps(configuration), {}, Path("/")).settings.targets["demo"].checks.arrival  # type: ignore[index]
    assert measured < arrival.look_closer_after < arrival.late_after < arrival.missing_after
    assert values
    assert suggest_deadlines(arrival, measured) == ()


_TARGET: dict[str, Any] = {
    "gateway": {"url": "https://gateway.example", "token": "tfy_secretsecret", "model": "a/b"},
    "traceloop": {"api_key": "tl_secretsecret", "environment": "prd"},
}


def test_the_snippet_is_a_piece_of_configuration() -> None:
    """Nested by path, each line with its reason; YAML that says what was suggested."""
    text = snippet(
        {
            "prod-eu": {
                "gateway.trace_id": {"value": "feedback", "why": "it is named"},
                "checks.arrival.complete_spans": {"value": 3, "why": "so many"},
                "checks.arrival.settle": {"value": "6m30s", "why": "it takes long"},
                "expected.exclude_request_data": {"value": False, "why": "content is there"},
                "expected.service_name": {"value": "no: such # thing", "why": "so it is called"},
                "expected.resource_attributes": {"value": {"env": "prod", "on": "yes"}, "why": "they arrive"},
            }
        }
    )
    assert text.startswith("targets:\n  prod-eu:\n    checks:\n      arrival:\n        complete_spans: 3  # so many\n")
    settings = parse(text + _rest(), {}, Path("/")).settings
    found = settings.targets["prod-eu"]  # type: ignore[index]
    assert (found.gateway.trace_id, found.checks.arrival.complete_spans, found.checks.arrival.settle) == (
        "feedback",
        3,
        390.0,
    )
    assert (found.expected.exclude_request_data, found.expected.service_name) == (False, "no: such # thing")
    assert dict(found.expected.resource_attributes) == {"env": "prod", "on": "yes"}


def test_a_section_stands_once_in_whatever_order_its_settings_were_suggested() -> None:
    """The loader refuses a key that is there twice."""
    suggested: dict[str, dict[str, Any]] = {
        "expected.exclude_request_data": {"value": False, "why": "content is there"},
        "gateway.trace_id": {"value": "feedback", "why": "it is named"},
        "expected.service_name": {"value": "llm", "why": "so it is called"},
    }
    text = snippet({"prod": suggested, "staging": suggested})
    settings = parse(text + _rest(), {}, Path("/")).settings
    assert {target.expected.service_name for target in settings.targets.values()} == {"llm"}
    assert text.count("expected:") == 2


def _rest() -> str:
    return f"defaults: {json.dumps(_TARGET)}\n"


def test_no_suggestion_is_no_snippet() -> None:
    """Nothing to paste."""
    assert snippet({}) == ""
