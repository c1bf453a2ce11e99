"""`doctor` before Phoenix: it asks what Phoenix can answer, and speaks of it by its name."""

import json
import re
from pathlib import Path

import pytest

from monitor.cli.doctor_text import render
from monitor.core import backend
from monitor.doctor.report import QUESTIONS
from monitor.sandbox import BackendKind
from tests.doctor.harness import harness

PHOENIX, OPEN = BackendKind.PHOENIX, BackendKind.OPEN_PHOENIX
PLACE = re.compile(r"\{(?!since\})[a-z_]+\}")
NOT_ASKED = {"trace_route", "warehouse_lag", "trace_scope", "other_environments", "environment"}
"""A quick route and environments, which Phoenix does not have."""


@pytest.mark.parametrize("kind", [PHOENIX, OPEN])
async def test_a_healthy_phoenix_passes(kind: BackendKind, tmp_path: Path) -> None:
    """With authentication and without; what it does not show stays open and is no fault; a recording holds no key."""
    async with harness(backend=kind) as it:
        report = await it.report(record=tmp_path / "recorded")
        secret = it.sandbox.world.credentials.key
    target = report["targets"]["demo"]
    asked = target["questions"]
    assert (target["verdict"], target["backend"], target["check"]["verdict"]) == ("pass", "Phoenix", "pass")
    assert not NOT_ASKED & asked.keys()
    assert {asked[slug]["verdict"] for slug in ("service_name", "resource_attributes")} == {"unknown"}
    assert not [slug for slug, each in asked.items() if each["verdict"] == "fail"]
    assert asked["attribute_filter"]["summary"].startswith(
        "The documented read API finds the canary's trace by `trace_id`, `attribute`, `name`."
    )
    text = render(report, colour=False)
    assert "\nPhoenix\n" in text
    assert "\nThe canary's trace in Phoenix\n" in text
    said = (text + json.dumps(report, ensure_ascii=False)).replace("//traceloop", "//host")
    assert "Traceloop" not in said
    assert "{" not in text.replace("{phoenix", "")
    recorded = "".join(file.read_text() for file in (tmp_path / "recorded").rglob("*") if file.is_file())
    assert "/v1/projects/" in recorded
    assert secret not in recorded


async def test_without_authentication_no_key_is_asked_for() -> None:
    """The read API answers without one."""
    async with harness(backend=OPEN) as it:
        answer = (await it.target())["questions"]["warehouse"]
    assert answer["summary"] == "Phoenix's documented read API (/v1/projects/…/spans) answers without a key."


async def test_a_refused_key_is_to_be_made_where_phoenix_makes_them() -> None:
    """By the words of its settings page, and the name of the monitor's setting."""
    async with harness("", "key_rejected", backend=PHOENIX) as it:
        asked = (await it.target())["questions"]
    assert (asked["warehouse"]["verdict"], asked["ingest_key"]["verdict"]) == ("fail", "fail")
    advice = "In Phoenix open Settings → API Keys, create a system key, and put it into the monitor (phoenix.api_key)"
    assert asked["warehouse"]["advice"].startswith(advice)


@pytest.mark.parametrize("breaks", ["key_rejected", "exporter_disabled", "ingest_failing", "gateway_unreachable"])
async def test_no_placeholder_is_left_whatever_is_broken(breaks: str) -> None:
    """In the questions, which are shown where the answer is no pass, and in the answers, for people and for programs."""
    for kind in (PHOENIX, BackendKind.TRACELOOP):
        async with harness("", breaks, backend=kind) as it:
            report = await it.report()
        assert "fail" in [each["verdict"] for each in report["targets"]["demo"]["questions"].values()]
        assert not PLACE.search(render(report, colour=False) + json.dumps(report, ensure_ascii=False))


async def test_what_a_month_costs_counts_against_no_plan_of_phoenix() -> None:
    """TrueFoundry's requests do."""
    async with harness(backend=PHOENIX) as it:
        summary = (await it.target())["questions"]["cost"]["summary"]
    assert summary.endswith("TrueFoundry's free plan has 50,000 requests.")


def test_a_question_names_the_backend_at_most() -> None:
    """A question names the backend, and nothing that only its answer knows."""
    for question in QUESTIONS:
        for traits in (backend.TRACELOOP, backend.PHOENIX):
            assert "{" not in traits.name_in(question.text)
