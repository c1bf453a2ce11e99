"""What the control plane may say of logging, global settings and data routing; shapes of truefoundry-sdk, and others."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.gateway_policies import (
    Condition,
    ConditionField,
    GatewayPolicy,
    GatewayPolicyKind,
    GatewayRule,
    LoggingMode,
)
from monitor.ports import Garbled, Refused, Unreachable
from monitor.redaction import Redactor
from monitor.truefoundry.policies import read_gateway_policy
from tests.core.build import quick
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply
from tests.truefoundry.test_control_plane import TOKEN, plane_at

LOGGING, GLOBAL, ROUTING = GatewayPolicyKind
MODEL, SUBJECT, METADATA = ConditionField
AUTHOR = {"subjectId": "u1", "subjectType": "user", "subjectSlug": "jane@acme.example"}


def envelope(kind: GatewayPolicyKind, manifest: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """As the SDK documents it."""
    return {
        "tenantName": "acme",
        "type": kind.value,
        "manifest": {"type": kind.value, **manifest},
        "createdBySubject": AUTHOR,
        "updatedAt": "2027-01-15T07:59:00.000Z",
        **more,
    }


def logging(**more: Any) -> dict[str, Any]:
    """One logging configuration."""
    return envelope(LOGGING, {"name": "quiet", "log": False, **more})


def seen(body: object, kind: GatewayPolicyKind) -> GatewayPolicy:
    """What is read of a body."""
    return read_gateway_policy(body, kind, Redactor([TOKEN]))


def only_rule(body: object, kind: GatewayPolicyKind = LOGGING) -> GatewayRule:
    """The one rule there is."""
    (rule,) = seen(body, kind).rules
    return rule


def routing(*conditions: object, **more: Any) -> dict[str, Any]:
    """A data routing configuration with one destination."""
    storage = {"type": "customer-managed", "storage_integration_fqn": "acme:s3:traces"}
    destination = {"name": "eu", "storage": storage, "when": [*conditions], **more}
    return envelope(ROUTING, {"destinations": [destination], "default": {"storage": {"type": "controlplane-managed"}}})


def test_a_logging_rule_is_read() -> None:
    """By its name: whether it is off, and what it concerns; who changed it and when."""
    when = {
        "subjects": {"in": ["user:a", "team:b"]},
        "models": {"in": ["*"], "not_in": ["m"]},
        "metadata": {"team": "ml"},
    }
    found = seen(logging(when=when, redact_with={"presets": ["email"]}), LOGGING)
    assert found == GatewayPolicy(
        kind=LOGGING,
        rules=(
            GatewayRule(
                name="quiet",
                off=True,
                conditions=(
                    Condition(matter=SUBJECT, inside=("user:a", "team:b")),
                    Condition(matter=MODEL, inside=("*",), outside=("m",)),
                    Condition(matter=METADATA, key="team", inside=("ml",)),
                ),
            ),
        ),
        updated_at=START - 60,
        updated_by="jane@acme.example",
    )
    assert only_rule(logging(log=True)) == GatewayRule(name="quiet")


@pytest.mark.parametrize(
    "body",
    [
        [logging(), logging(name="loud", log=True)],
        {"data": [logging(), logging(name="loud", log=True)], "pagination": {"total": 2}},
        envelope(LOGGING, {"rules": [{"id": "quiet", "log": False}, {"name": "loud", "log": True}]}),
    ],
    ids=["list", "page", "rules"],
)
def test_several_logging_configurations_are_read_however_they_are_shown(body: object) -> None:
    """How they are shown is not documented."""
    assert [(rule.name, rule.off) for rule in seen(body, LOGGING).rules] == [("quiet", True), ("loud", False)]


def test_the_newest_of_several_says_who_changed_it() -> None:
    """Whoever did it last."""
    newer = logging() | {"updatedAt": "2027-01-15T08:00:00Z", "createdBySubject": {"subjectSlug": "sam"}}
    found = seen([logging(), newer, logging()], LOGGING)
    assert (found.updated_at, found.updated_by) == (START, "sam")


@pytest.mark.parametrize(
    "when",
    [
        {"subjects": ["user:a"]},
        {"subjects": {"in": ["user:a"], "not_in": None}},
        {"subjects": {"in": ["user:a"]}, "models": None, "metadata": None},
    ],
)
def test_a_plain_list_is_a_list_to_be_in(when: object) -> None:
    """As the gateway's older rules have it; null is as good as absent."""
    assert only_rule(logging(when=when)).conditions == (Condition(matter=SUBJECT, inside=("user:a",)),)


@pytest.mark.parametrize(
    "when",
    [
        {"subjects": {"in": []}},
        {"subjects": {"in": [1]}},
        {"subjects": {"condition": "in", "values": ["user:a"]}},
        {"subjects": "user:a"},
        {"models": {"not_in": "m"}},
        {"metadata": ["team"]},
        {"metadata": {"team": 3}},
        {"headers": {"x-env": "prod"}},
        {"models": {"in": ["m"] * 201}},
    ],
    ids=str,
)
def test_a_condition_of_another_form_is_not_understood(when: object) -> None:
    """The rule is kept: whether it concerns anybody is not known."""
    (condition,) = only_rule(logging(when=when)).conditions
    assert not condition.understood


def test_the_logging_mode_is_read() -> None:
    """`header_controlled` in both its forms; not set is none."""
    modes = {
        (word, default): seen(
            envelope(GLOBAL, {"logging_settings": {"type": word, "log_body_by_default": default}}), GLOBAL
        ).mode
        for word, default in (
            ("always", None),
            ("never", None),
            ("header_controlled", True),
            ("header_controlled", False),
        )
    }
    assert [*modes.values()] == [LoggingMode.ALWAYS, LoggingMode.NEVER, LoggingMode.OPT_OUT, LoggingMode.OPT_IN]
    assert seen(envelope(GLOBAL, {"logging_settings": "never"}), GLOBAL).mode is LoggingMode.NEVER
    assert seen(envelope(GLOBAL, {"retry_settings": {}}), GLOBAL).mode is None


def test_destinations_are_read_in_their_order_less_those_that_are_off() -> None:
    """By what must hold for a request to go there."""
    found = routing(
        {"field": "metadata", "key": "region", "operator": "IN", "value": ["eu", "uk"]},
        {"field": "created_by", "operator": "IN", "value": ["user:a"]},
    )
    others = routing({"field": "model", "value": ["x"]})["manifest"]["destinations"]
    found["manifest"]["destinations"] += [{**others[0], "name": "x"}, {**others[0], "name": "off", "enabled": False}]
    rules = seen(found, ROUTING).rules
    assert [rule.name for rule in rules] == ["eu", "x"]
    assert rules[0].conditions == (
        Condition(matter=METADATA, key="region", inside=("eu", "uk")),
        Condition(matter=SUBJECT, inside=("user:a",)),
    )
    assert [condition.understood for condition in rules[1].conditions] == [False]


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "metadata", "key": "region", "operator": "NOT_IN", "value": ["eu"]},
        {"field": "metadata", "operator": "IN", "value": ["eu"]},
        {"field": "created_by", "operator": "IN", "value": "user:a"},
        {"field": "created_by", "operator": "IN"},
        "everybody",
    ],
    ids=str,
)
def test_a_routing_condition_of_another_form_is_not_understood(condition: object) -> None:
    """It neither holds nor fails."""
    assert [each.understood for each in only_rule(routing(condition), ROUTING).conditions] == [False]
    body = routing()
    body["manifest"]["destinations"][0]["when"] = None
    assert [each.understood for each in only_rule(body, ROUTING).conditions] == [False]


def test_no_destinations_are_none() -> None:
    """Absent or null: everything goes to the default one."""
    assert seen(envelope(ROUTING, {"default": {"storage": {"type": "controlplane-managed"}}}), ROUTING).rules == ()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (LOGGING, envelope(GLOBAL, {})),
        (LOGGING, envelope(LOGGING, {"name": "no word on logging"})),
        (LOGGING, logging(log="false")),
        (LOGGING, logging(when=["x"])),
        (LOGGING, envelope(LOGGING, {"rules": {"a": 1}})),
        (LOGGING, envelope(LOGGING, {"rules": [{"log": True}] * 101})),
        (LOGGING, [logging(), "and more"]),
        (LOGGING, [logging()] * 101),
        (LOGGING, "quiet"),
        (GLOBAL, [envelope(GLOBAL, {})]),
        (GLOBAL, envelope(GLOBAL, {"logging_settings": {"type": "sometimes"}})),
        (GLOBAL, envelope(GLOBAL, {"logging_settings": {"type": "header_controlled"}})),
        (GLOBAL, envelope(GLOBAL, {"logging_settings": 3})),
        (ROUTING, envelope(ROUTING, {"destinations": "eu"})),
        (ROUTING, envelope(ROUTING, {"destinations": [{"storage": {}}]})),
        (ROUTING, {"type": ROUTING.value, "manifest": []}),
    ],
)
def test_what_is_of_another_shape_is_not_understood(kind: GatewayPolicyKind, body: object) -> None:
    """Nothing is concluded from it."""
    with pytest.raises(Garbled):
        seen(body, kind)


def test_words_are_foreign() -> None:
    """Redacted and clamped, like everything that is shown or kept."""
    rule = only_rule(logging(name=f"a{TOKEN}", when={"models": {"in": [f"Bearer {TOKEN}", "x" * 500]}}))
    assert TOKEN not in repr(rule)
    assert len(str(rule.conditions[0])) < 200


@pytest.mark.parametrize("kind", GatewayPolicyKind)
@pytest.mark.parametrize(
    ("reply", "form"),
    [
        (Reply({"message": "not found"}, status=404), "404"),
        (Reply(None), "null"),
        (Reply({}), "empty"),
        (Reply([]), "empty"),
        (Reply({"data": []}), "empty"),
        (Reply(b""), "empty"),
        (Reply(b"", status=204), "empty"),
        (Reply({"manifest": None}), "empty"),
    ],
)
async def test_none_at_all_is_an_answer(kind: GatewayPolicyKind, reply: Reply, form: str) -> None:
    """In whatever form."""
    remote = Remote(FakeClock(), reply)
    assert await plane_at(remote).read_gateway_policy(kind, timeout=5) == GatewayPolicy(kind=kind, form=form)
    assert remote.asked[0].path == f"/api/svc/v1/llm-gateway/config/{kind.value}"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply({"message": "no"}, status=403), Refused),
        (Reply({"message": "who?"}, status=401), Refused),
        (Reply({"message": "Invalid gateway config type"}, status=400), Garbled),
        (Reply(b"oops", status=502), Unreachable),
        (Reply(b"<html>"), Garbled),
        (Reply(hang=True), Unreachable),
    ],
)
async def test_what_is_not_shown_is_nobodys_fault(reply: Reply, error: type[Exception]) -> None:
    """It is raised, and means that nothing is known."""
    clock = FakeClock()
    asking = asyncio.ensure_future(plane_at(Remote(clock, reply)).read_gateway_policy(LOGGING, timeout=5))
    await clock.run_until(asking.done)
    with pytest.raises(error):
        await asking


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "manifest",
                    "when",
                    "log",
                    "rules",
                    "in",
                    "not_in",
                    "subjects",
                    "metadata",
                    "destinations",
                    "name",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@quick
@given(kind=st.sampled_from(GatewayPolicyKind), manifest=JSON)
def test_whatever_is_sent_is_read_or_not_understood(kind: GatewayPolicyKind, manifest: object) -> None:
    """Nothing else can happen."""
    try:
        found = seen({"type": kind.value, "manifest": manifest}, kind)
    except Garbled:
        return
    assert found.kind is kind
