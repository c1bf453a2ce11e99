"""From the settings to the policy that the core judges by."""

import dataclasses
from typing import Any

import pytest

from monitor.core.backend import PHOENIX
from monitor.core.gateway_policies import Profile
from monitor.core.model import CheckName, Fault, Severity
from monitor.core.pace import may_send
from monitor.core.state import DAY, Budget, Cadence, Policy, TraceIdMode
from monitor.daemon.policy import at_once, enabled_checks, policy_of
from tests.daemon.test_compose import NO_CONTROL_PLANE
from tests.settings.samples import prod, settings, with_target

KEY = b"k" * 32
HOUR = 3600.0
C = CheckName

EVERYTHING = (
    with_target(
        "expected: {endpoint: 'https://otelcol:4318/v1/traces',"
        " service_name: my-gateway, exclude_request_data: true, resource_attributes: {env: prd}}",
        "checks:",
        "  config: {every: 50s, every_while_failing: 10s, timeout: 9s}",
        "  gateway: {every: 20s, every_while_failing: 4s, timeout: 3s}",
        "  canary: {every: 10m, every_while_failing: 90s, timeout: 45s, max_tokens: 8, max_per_day: 300,"
        " max_tokens_per_day: 40000}",
        "  arrival: {look_closer_after: 30s, late_after: 2m, missing_after: 4m, settle: 7m, complete_spans: 3,"
        " loss_of: [2, 9]}",
        "  control: {every: 20m, every_while_failing: 3m}",
        "  origin: {every: 2h}",
        "alerting: {max_severity: warning}",
    ).replace(
        "gateway: {model: openai-main/gpt-4o-mini}",
        "gateway: {model: m, trace_id: feedback, metrics_url: 'http://gw:8787'}\n"
        "    path: collector\n"
        "    collector: {metrics_url: 'http://otelcol:8888'}",
    )
    + """\
alerting:
  fail_after: 3
  pass_after: 4
  blind_after: 11m
  reopen_within: 0s
  remind_every: [1h]
  escalate_after: 20m
  severity: {trace_late: critical, provider_failing: none}
"""
)


def policy(text: str = EVERYTHING) -> Policy:
    """Of the one target."""
    loaded = settings(text)
    return policy_of(next(iter(loaded.targets.values())), loaded.alerting, KEY)


def test_every_cadence_is_the_operators() -> None:
    """`arrival` keeps time with the canaries; whoever waits for a trace may take as long as it may be missing."""
    assert policy().cadences == {
        C.CONFIG: Cadence(every=50, every_while_failing=10, deadline=9),
        C.GATEWAY: Cadence(every=20, every_while_failing=4, deadline=3),
        C.CANARY: Cadence(every=600, every_while_failing=90, deadline=45),
        C.ARRIVAL: Cadence(every=600, every_while_failing=90, deadline=240),
        C.CONTROL: Cadence(every=1200, every_while_failing=180, deadline=240),
    }
    assert C.VOLUME not in policy().cadences
    assert policy().origin == Cadence(every=7200, every_while_failing=120, deadline=60)


def test_what_looks_beside_the_checks_looks_hourly() -> None:
    """Every two minutes while something is wrong; only where there is somebody to ask, who may be asked."""
    hourly = (3600.0, 120.0)
    made = policy()
    assert [
        (each.every, each.every_while_failing) for each in (made.gateway_policies, made.pipeline_counters) if each
    ] == [hourly] * 2
    assert policy(with_target()).pipeline_counters is None
    assert policy(with_target("checks: {config: {enabled: false}}")).gateway_policies is None
    assert policy(NO_CONTROL_PLANE).gateway_policies is None


def test_a_canary_is_known_before_it_is_sent() -> None:
    """Its model, and what its metadata says of every canary; a nonce that the operator has set is none."""
    assert policy(with_target("checks: {canary: {metadata: {team: ml}}}")).profile == Profile(
        model="openai-main/gpt-4o-mini",
        metadata={"tfy_monitor": "canary", "team": "ml"},
        nonces=frozenset({"probe_id"}),
    )
    mine = policy(with_target("checks: {canary: {metadata: {probe_id: mine}}}")).profile
    assert (mine.metadata, mine.nonces) == ({"tfy_monitor": "canary", "probe_id": "mine"}, frozenset())


def test_the_account_is_taken_from_both_tokens() -> None:
    """Who sends and who asks; the tokens themselves are not kept."""
    accounts = {
        policy(text).account
        for text in (
            with_target(),
            with_target().replace("tfy-Secret-1", "tfy-Secret-9"),
            with_target().replace("gateway: {", "gateway: {token: tfy-Secret-8, "),
            NO_CONTROL_PLANE,
        )
    }
    assert len(accounts) == 4
    assert all(len(account) == 8 for account in accounts)
    assert policy(with_target()).account == policy(with_target()).account


def test_every_threshold_is_the_operators() -> None:
    """Nothing of the settings is forgotten on the way."""
    made = policy()
    arrival = made.arrival
    assert (arrival.look_closer_after, arrival.late_after, arrival.missing_after, arrival.settle) == (30, 120, 240, 420)
    assert (arrival.complete_spans, arrival.loss_of) == (3, (2, 9))
    limits = made.limits
    assert (limits.max_per_day, limits.max_tokens_per_day, limits.every, limits.max_tokens) == (300, 40_000, 600, 8)
    alerting = made.alerting
    assert (alerting.fail_after, alerting.pass_after, alerting.blind_after, alerting.reopen_within) == (3, 4, 660, 0)
    assert (alerting.remind_every, alerting.escalate_after) == ((3600,), 1200)
    assert alerting.severity == {Fault.TRACE_LATE: Severity.CRITICAL, Fault.PROVIDER_FAILING: Severity.NONE}
    assert (made.max_severity, made.trace_id) == (Severity.WARNING, TraceIdMode.FEEDBACK)
    labels = made.labels
    assert (labels.service_name, labels.resource_attributes, labels.content) == ("my-gateway", {"env": "prd"}, False)
    assert made.expected.rules


def test_no_field_of_the_policy_is_left_to_chance() -> None:
    """Each differs from its default here: a new field that nobody sets is noticed."""
    made = policy()
    plain = {field.name: field for field in dataclasses.fields(Policy)}
    untouched = [
        name
        for name, field in plain.items()
        if field.default is not dataclasses.MISSING and getattr(made, name) == field.default
    ]
    assert untouched == ["backend"]  # which is of another kind here
    with_phoenix = with_target().replace(
        "traceloop: {api_key: tl_Secret_2, environment: prd}", "phoenix: {url: 'https://p'}"
    )
    assert policy(with_phoenix).backend is PHOENIX


@pytest.mark.parametrize(
    ("lines", "by_collector"),
    [
        (["path: collector", "expected: {endpoint: 'https://otelcol:4318/v1/traces'}"], True),
        (["path: collector", "expected: {endpoint: 'https://API.traceloop.com:443/v1/traces'}"], False),
        (["path: collector", "expected: {endpoint: 'otelcol:4317', protocol: grpc}"], True),
        (["path: collector"], False),
        (["expected: {endpoint: 'https://otelcol:4318/v1/traces'}"], False),
    ],
)
def test_the_test_span_goes_through_the_collector_where_that_is_the_endpoint(
    lines: list[str], by_collector: bool
) -> None:
    """And not where the exporter is meant to send to the backend itself, which a Collector then has to precede by other means."""
    assert policy(with_target(*lines)).test_span_by_collector is by_collector


def test_the_fast_cadence_is_never_slower_than_the_regular_one() -> None:
    """Whatever is configured."""
    text = with_target("checks: {gateway: {every: 3s, every_while_failing: 10s}}")
    assert policy(text).cadences[C.GATEWAY] == Cadence(every=3, every_while_failing=3, deadline=5)


def test_checks_that_are_switched_off_have_no_cadence() -> None:
    """Without canaries there is nothing to arrive."""
    made = policy(with_target("checks: {canary: {enabled: false}, config: {enabled: false}, origin: {enabled: false}}"))
    assert set(made.cadences) == {C.GATEWAY, C.CONTROL}
    assert made.origin is None


def test_without_max_tokens_none_are_reserved() -> None:
    """It is not known then what a canary costs."""
    limits = policy(with_target("checks: {canary: {max_tokens: null}}")).limits
    almost_spent = Budget(day=100, sent=1, input_tokens=limits.max_tokens_per_day - 1)
    assert may_send(almost_spent, limits, 100 * DAY + HOUR, fast=True)


def test_the_credential_is_known_by_its_fingerprint_alone() -> None:
    """A route is proven with one key; the key itself is not in the policy."""
    made: Any = policy()
    assert len(made.credential) == 8
    assert "tl_Secret_2" not in repr(made)
    assert "tfy-Secret-1" not in repr(made)


def test_one_look_is_enough_for_a_single_pass() -> None:
    """Nothing to be patient about; everything else stays."""
    made = settings(EVERYTHING).alerting
    once = at_once(made)
    assert (once.fail_after, once.pass_after, once.blind_after) == (1, 1, 0.0)
    assert once.model_copy(update={"fail_after": 3, "pass_after": 4, "blind_after": 660.0}) == made


def test_enabled_checks_are_those_with_a_cadence() -> None:
    """What the metrics and the page expect."""
    checks = prod(with_target("checks: {control: {enabled: false}}")).checks
    assert enabled_checks(checks) == {C.CONFIG, C.GATEWAY, C.CANARY, C.ARRIVAL}


def test_counting_may_take_as_long_as_everybody_who_is_asked_for_it() -> None:
    """Control plane, metrics page and backend, one after the other: a slow service is no crash of the check."""
    text = with_target("checks: {volume: {enabled: true, every: 30m, timeout: 20s}}")
    assert policy(text).cadences[C.VOLUME] == Cadence(every=1800, every_while_failing=1800, deadline=60)
