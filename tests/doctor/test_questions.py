"""Each open question is answered right in every variant that it is about, and by what is broken, or it stays open."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.core.drift import AUTHORIZATION
from monitor.core.secret import describe_secret
from monitor.doctor.questions import Answer
from monitor.doctor.report import QUESTIONS, SECTIONS
from monitor.doctor.snapshot import Answered, Snapshot
from monitor.sandbox import SWITCHES
from tests.doctor.harness import answers, harness
from tests.sampling import sample

PASS, FAIL, UNKNOWN = "pass", "fail", "unknown"


def ask(slug: str, seen: Snapshot) -> Answer:
    """One question."""
    return next(question for question in QUESTIONS if question.slug == slug).answer(seen)


BY_VARIANT = [
    ("header_values=literal", "header_values", "literal", PASS),
    ("header_values=masked", "header_values", "masked", PASS),
    ("header_values=reference", "header_values", "reference", PASS),
    ("header_values=absent", "header_values", "absent", PASS),
    ("off=absent", "absent_exporter", "404", PASS),
    ("off=null", "absent_exporter", "404", PASS),
    ("off=404", "absent_exporter", "404", PASS),
    ("off=200-null", "absent_exporter", "null", PASS),
    ("trace_route=open", "trace_route", "open", PASS),
    ("trace_route=401", "trace_route", "401", PASS),
    ("trace_route=404", "trace_route", "404", PASS),
    ("trace_scope=environment", "trace_scope", "environment", PASS),
    ("trace_scope=project", "trace_scope", "project", PASS),
    ("feedback=base64", "feedback_header", "present", PASS),
    ("feedback=base64-unpadded", "feedback_header", "present", PASS),
    ("feedback=base64url", "feedback_header", "present", PASS),
    ("feedback=base64url-unpadded", "feedback_header", "present", PASS),
    ("feedback=nested", "feedback_header", "present", PASS),
    ("feedback=absent", "feedback_header", "absent", PASS),
    ("feedback=base64", "trace_id", "feedback", PASS),
    ("feedback=absent", "trace_id", "nonce", PASS),
    ("feedback=absent,filters=silent", "trace_id", "nonce", FAIL),
    ("feedback=absent,traceparent=honoured", "trace_id", "traceparent", PASS),
    ("traceparent=ignored", "traceparent", "ignored", PASS),
    ("traceparent=honoured", "traceparent", "honoured", PASS),
    ("feedback=absent,traceparent=ignored", "traceparent", "ignored", PASS),
    ("feedback=absent,traceparent=honoured", "traceparent", "honoured", PASS),
    ("metadata=string", "metadata", "text", PASS),
    ("metadata=map", "metadata", "text", PASS),
    ("metadata=flat", "metadata", "flat", PASS),
    ("metadata=flat", "attribute_filter", "attribute", PASS),
    ("filters=attributes", "attribute_filter", "metadata", PASS),
    ("filters=trace-id", "attribute_filter", "trace_id", PASS),
    ("filters=ignored", "attribute_filter", "none", UNKNOWN),
    ("filters=silent", "attribute_filter", "span_name", PASS),
    ("filters=refused", "attribute_filter", "span_name", PASS),
    ("own_store=prompt", "own_store", "shown", PASS),
    ("own_store=lagging", "own_store", "shown", PASS),
    ("own_store=forbidden", "own_store", "403", UNKNOWN),
    ("own_store=hidden", "own_store", "not shown", UNKNOWN),
    ("ingest_answer=empty", "ingest_answer", "empty", PASS),
    ("ingest_answer=protobuf", "ingest_answer", "protobuf", PASS),
    ("ingest_answer=json", "ingest_answer", "json", PASS),
    ("json_ingest=refused", "json_ingest", "refused", PASS),
    ("json_ingest=accepted", "json_ingest", "accepted", PASS),
    ("index_lag=0s", "deadlines", "suitable", PASS),
    ("index_lag=2s", "deadlines", "suitable", PASS),
    ("index_lag=60s", "deadlines", "too tight", UNKNOWN),
    ("index_lag=160s", "deadlines", "too tight", UNKNOWN),
    ("warehouse=together", "warehouse_lag", "together", PASS),
    ("warehouse=behind", "warehouse_lag", "behind", PASS),
    ("trace_route=404", "warehouse_lag", "skipped", UNKNOWN),
    ("naming=llm", "naming", "llm", PASS),
    ("naming=gen_ai", "naming", "gen_ai", PASS),
    ("naming=tfy", "naming", "tfy", PASS),
    ("error_bodies=envelope", "no_token", "401 envelope", PASS),
    ("error_bodies=openai", "no_token", "401 openai", PASS),
    ("error_bodies=text", "no_token", "401 text", PASS),
    ("error_bodies=empty", "no_token", "401 empty", PASS),
    ("refusals=traced", "refused_request", "traced", PASS),
    ("refusals=named-only", "refused_request", "not traced", PASS),
    ("refusals=untraced", "refused_request", "not traced", PASS),
    ("logging_off=bodies", "trace_arrives", "yes", PASS),  # no rule is off, so nothing depends on it
    ("logging_off=traces", "trace_arrives", "yes", PASS),
    ("other_settings=envelope", "other_configs", "yes", PASS),
    ("other_settings=list", "other_configs", "yes", PASS),
    ("other_settings=forbidden", "other_configs", "403", UNKNOWN),
    ("span_metrics=ai_gateway", "gateway_answers", "open", PASS),
    ("span_metrics=llm_gateway", "gateway_answers", "open", PASS),
    ("span_metrics=absent", "gateway_answers", "open", PASS),
]


@pytest.mark.parametrize("variant", sample(sorted({variant for variant, *_ in BY_VARIANT}), every=4))
async def test_a_variant_shows_in_its_answer(variant: str) -> None:
    """What the facts leave open is settled by asking; and nothing is broken in any variant but one."""
    async with harness(variant) as it:
        target = await it.target()
        given = answers(target)
    expected = {slug: (answer, verdict) for each, slug, answer, verdict in BY_VARIANT if each == variant}
    assert {slug: given[slug] for slug in expected} == expected
    broken = {slug for slug, (_, verdict) in given.items() if verdict == FAIL}
    assert broken == {slug for slug, (_, verdict) in expected.items() if verdict == FAIL}
    assert target["check"]["verdict"] == PASS


def test_every_value_of_every_switch_is_asked_about() -> None:
    """A switch that is added to the sandbox has to be added above."""
    asked = {part for variant, *_ in BY_VARIANT for part in variant.split(",")}
    assert {f"{name}={value}" for name, switch in SWITCHES.items() for value in switch.values} <= asked


BY_FAULT = {
    "gateway_unreachable": {
        "gateway_answers": ("gateway_unreachable", FAIL),
        "canary_served": ("gateway_unreachable", FAIL),
    },
    "gateway_unreachable_black_hole": {
        "gateway_answers": ("gateway_unreachable", FAIL),
        "reachable": ("not all", UNKNOWN),
        "models_listed": ("timeout", UNKNOWN),
    },
    "gateway_unreachable_ingress": {"no_token": ("503", UNKNOWN), "refused_request": ("503", UNKNOWN)},
    "gateway_unreachable_redirect": {"no_token": ("302", UNKNOWN), "feedback_header": ("skipped", UNKNOWN)},
    "gateway_refused": {"models_listed": ("401", FAIL), "canary_served": ("gateway_refused", FAIL)},
    "rate_limited": {"canary_served": ("rate_limited", FAIL), "refused_request": ("429", UNKNOWN)},
    "canary_rejected": {"models_listed": ("none", UNKNOWN), "canary_served": ("canary_rejected", FAIL)},
    "canary_rejected_guardrail_input": {"canary_served": ("canary_rejected", FAIL)},
    "provider_failing": {"canary_served": ("provider_failing", FAIL), "span_count": ("skipped", UNKNOWN)},
    "trace_not_created": {"trace_arrives": ("missing", FAIL), "own_store": ("not shown", UNKNOWN)},
    "exporter_disabled": {
        "config_matches": ("off", FAIL),
        "absent_exporter": ("exporter absent", PASS),
        "header_values": ("skipped", UNKNOWN),
        "trace_arrives": ("missing", FAIL),
    },
    "config_drift": {"config_matches": ("no", FAIL)},
    "config_drift_no_authorization": {"config_matches": ("no", FAIL), "header_values": ("no headers", PASS)},
    "config_drift_rotation": {"config_matches": ("no", FAIL), "warehouse": ("401", FAIL)},
    "wrong_environment": {"trace_arrives": ("other environment", FAIL)},
    "content_leaked": {"content": ("leaked", FAIL)},
    "content_missing": {"content": ("missing", FAIL)},
    "content_leaked_credential": {"credentials": ("found", FAIL)},
    "export_failing": {"trace_arrives": ("missing", FAIL), "own_store": ("shown", PASS)},
    "trace_incomplete": {"trace_arrives": ("incomplete", FAIL), "refused_request": ("not seen", UNKNOWN)},
    "trace_late": {"trace_arrives": ("late", FAIL)},
    "trace_mislabelled": {"service_name": ("unknown_service", FAIL)},
    "trace_mislabelled_attributes": {"resource_attributes": ("missing", FAIL)},
    "key_rejected": {
        "warehouse": ("401", FAIL),
        "ingest_key": ("401", FAIL),
        "trace_route": ("401", UNKNOWN),
        "trace_arrives": ("not seen", UNKNOWN),
    },
    "ingest_failing": {"ingest_key": ("ingest_failing", FAIL), "json_ingest": ("503", UNKNOWN)},
    "ingest_failing_swallows": {"ingest_key": ("accepted", PASS), "control_shown": ("never shown", FAIL)},
    "ingest_failing_rejects": {"ingest_key": ("ingest_failing", FAIL)},
    "ingest_throttled": {"ingest_key": ("refused", UNKNOWN)},
    "read_api_failing": {
        "warehouse": ("500", UNKNOWN),
        "trace_route": ("500", UNKNOWN),
        "trace_arrives": ("not seen", UNKNOWN),
    },
    "read_api_gone": {"warehouse": ("404", UNKNOWN)},
    "read_api_throttled": {"trace_route": ("429", UNKNOWN)},
    "read_api_page": {"warehouse": ("garbled", UNKNOWN)},
    "blind": {
        "blocked": ("yes", FAIL),
        "control_plane_token": ("blocked", UNKNOWN),
        "gateway_answers": ("blocked", UNKNOWN),
    },
    "control_plane_unreachable": {"control_plane_token": ("connect", UNKNOWN), "config_matches": ("skipped", UNKNOWN)},
    "control_plane_failing": {"config_readable": ("503", UNKNOWN)},
    "control_plane_reshaped": {"control_plane_token": ("not told", UNKNOWN)},
    "control_plane_forbidden": {
        "config_readable": ("403", FAIL),
        "control_plane_token": ("accepted", PASS),
        "absent_exporter": ("skipped", UNKNOWN),
        "other_configs": ("403", UNKNOWN),
    },
    "control_plane_signed_out": {"control_plane_token": ("not known", FAIL), "config_readable": ("401", FAIL)},
    "own_store_failing": {"own_store": ("500", UNKNOWN)},
    "routed": {"store_destination": ("another", PASS), "own_store": ("shown", PASS)},
    "own_store_empty": {"own_store": ("not shown", UNKNOWN)},
    "slack_invalid_auth": {"slack": ("refused", FAIL)},
    "slack_silent": {"slack": ("error", UNKNOWN)},
}


@pytest.mark.parametrize("fault", sample(BY_FAULT, every=4))
async def test_what_is_broken_is_answered_right(fault: str) -> None:
    """By the questions that it concerns."""
    async with harness("", fault) as it:
        given = answers(await it.target())
        assert {slug: given[slug] for slug in BY_FAULT[fault]} == BY_FAULT[fault]


async def test_every_answer_says_all_that_people_need() -> None:
    """Whatever is broken: a sentence, and advice where something has to be done."""
    for fault in ("exporter_disabled", "gateway_refused", "key_rejected", "control_plane_forbidden", "blind"):
        async with harness("", fault) as it:
            for slug, given in (await it.target())["questions"].items():
                assert given["summary"].endswith((".", ")")), slug
                assert given["summary"][0].isupper(), slug
                assert given["advice"] or given["verdict"] != FAIL, slug


async def test_a_header_shown_otherwise_than_in_use_is_no_drift() -> None:
    """A hash of the key, say: our trace has arrived with what is really in use."""
    async with harness() as it:
        await it.target()
        seen = it.seen[-1]
        assert seen.export_config is not None
        assert seen.exporter is not None
        hashed = describe_secret(
            "Bearer 5f4dcc3b5aa765d61d8327deb882cf99", expected="Bearer ours", key=b"k", bearer=True
        )
        fields = {**seen.exporter.config.fields, AUTHORIZATION: hashed}
        shown = replace(seen.exporter, config=replace(seen.exporter.config, fields=fields), updated_at=None)
        answer = Answered(replace(seen.export_config, seen=shown))
        arrived = replace(seen, config=answer, state=replace(seen.state, config=None))
        assert (ask("config_matches", arrived).answer, ask("header_values", arrived).answer) == ("yes", "otherwise")
        lost = replace(arrived, state=replace(arrived.state, canaries=()))
        assert (ask("config_matches", lost).answer, ask("header_values", lost).answer) == ("no", "literal")


@pytest.mark.parametrize(
    ("held", "answers_"),
    [
        ({"unproven": ("tfy.output",)}, {True: "not proven", False: "not proven", None: "not proven"}),
        ({"redacted": True}, {True: "redacted", False: "redacted", None: "redacted"}),
        ({}, {True: "absent", False: "missing", None: "absent"}),
    ],
)
async def test_a_name_of_content_is_no_content(held: dict[str, Any], answers_: dict[bool | None, str]) -> None:
    """What is named like content and holds nothing of ours is not called a leak, and content that was redacted not missing."""
    async with harness() as it:
        await it.target()
        seen = it.seen[-1]
        spans = Answered(tuple(replace(span, **{"content": (), **held}) for span in seen.facts))
        for excluded, answer in answers_.items():
            expected = seen.target.expected.model_copy(update={"exclude_request_data": excluded})
            target = seen.target.model_copy(update={"expected": expected})
            assert ask("content", replace(seen, spans=spans, target=target)).answer == answer


async def test_after_a_rotation_the_monitor_is_to_be_given_the_new_key() -> None:
    """Traceloop refuses ours, and the gateway has another one: to set that back would stop the export."""
    async with harness("", "config_drift_rotation") as it:
        given = (await it.target())["questions"]["config_matches"]
        assert given["advice"].startswith("Give the monitor the key that the exporter carries now")
        assert "it was probably rotated" in given["summary"]
        assert "no trace arrives" not in given["summary"]
        unread = replace(it.seen[-1], window=None)
        assert ask("config_matches", unread).advice == given["advice"]  # the checks were refused, too


async def test_a_refusal_before_the_newest_span_does_not_explain_what_became_of_it() -> None:
    """The ingest has taken the key again since, or fails otherwise now."""
    async with harness("", "ingest_failing") as it:
        await it.target()
        seen = it.seen[-1]
        assert seen.control is not None
        for after, answer in ((-1.0, "ingest_failing"), (0.0, "401")):
            state = replace(seen.state, key_refused_at=seen.control.sent_at + after)
            assert ask("ingest_key", replace(seen, state=state)).answer == answer


async def test_a_missing_permission_says_which_and_where() -> None:
    """So that somebody who has never seen the dashboard can grant it."""
    async with harness("", "control_plane_forbidden") as it:
        advice = (await it.target())["questions"]["config_readable"]["advice"]
        assert "gateway-controls:ListGatewayControls" in advice
        assert "open Access Management, create a custom role (resource type: tenant)" in advice


@pytest.mark.parametrize(
    ("configured", "answer"), [("Production", ("prd", PASS)), ("prod", ("prd", PASS)), ("stg", ("prd", FAIL))]
)
async def test_an_environment_is_known_by_its_label_too(configured: str, answer: tuple[str, str]) -> None:
    """As `check` knows it: what is the same by another word is no mistake."""
    async with harness(targets={"demo": {"traceloop": {"environment": configured, "other_environments": {}}}}) as it:
        assert answers(await it.target())["environment"] == answer


async def test_a_null_exporter_differs_from_a_missing_one() -> None:
    """When it is off, that can be seen."""
    for variant, answer in (("off=null", "exporter null"), ("off=404", "404"), ("off=200-null", "null")):
        async with harness(variant, "exporter_disabled") as it:
            assert answers(await it.target())["absent_exporter"] == (answer, PASS)


def test_a_slug_names_one_question() -> None:
    """And each question stands in one section, settled by a function of its own."""
    slugs = [question.slug for question in QUESTIONS]
    assert len(set(slugs)) == len(slugs) == sum(len(section.questions) for section in SECTIONS)
    assert all(question.judge.__module__.startswith("monitor.doctor.about_") for question in QUESTIONS)


def test_the_documentation_lists_every_question() -> None:
    """Those that decide the exit code in bold; and none that is not asked."""
    text = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    table = text[text.index("| about |") : text.index("`--format json`")]
    listed = set(
        re.findall(r"[a-z_]+", " ".join(row.split("|")[2] for row in table.splitlines() if row.startswith("| ")))
    )
    asked = {question.slug for question in QUESTIONS} - {"control_plane"}  # asked only where there is none
    assert asked <= listed
    assert listed - asked <= {"questions", "needed"}
    assert set(re.findall(r"\*\*([a-z_]+)\*\*", table)) == {each.slug for each in QUESTIONS if each.needed} | {"needed"}
