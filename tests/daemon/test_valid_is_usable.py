"""Whatever `config validate` accepts, `run` accepts: everything that it is made of can be constructed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.cli.config import cost_lines
from monitor.core.model import Fault, TargetName
from monitor.core.silence import silenced_until
from monitor.core.state import State
from monitor.daemon.compose import Deps, assemble, secrets_of, silences_of
from monitor.daemon.compose_notifiers import notifiers_of, places_of
from monitor.daemon.policy import enabled_checks, policy_of
from monitor.http.network import Proxies
from monitor.redaction import Redactor
from monitor.settings import ConfigError, parse
from monitor.settings.coherence import monthly_cost
from monitor.settings.expected import form, manifest_yaml
from monitor.settings.show import show
from monitor.settings.values import called
from monitor.telemetry.gauges import Expected, Monitored, View
from monitor.telemetry.metrics import Metrics
from tests.fakes.clock import FakeClock
from tests.fakes.remote import Remote, Reply

NOWHERE = Path("/nowhere")
TEXTS = st.sampled_from(["", "x", "a b", "ü", "C1", "'", "<", "x" * 300, "*", "{}", "0", "null"]) | st.text(max_size=8)
URLS = st.sampled_from(
    [
        "https://a.example",
        "https://a.example/v1/traces",
        "https://a.example:443/api/v2/alerts",
        "http://127.0.0.1:1/api/llm/chat/completions",
        "https://[::1]:8443/x",
        "https://[::1",
        "https://a.example:99999",
        "https://a..example",
        "https://é.example",
        "https://169.254.169.254",
    ]
)
PROXIES = st.sampled_from(
    ["http://p.example:3128", "http://u:p@p.example", "http://", "http://[::1", "http://p:99999", "https://p", "p:3128"]
)
MENTIONS = st.lists(st.sampled_from(["<!here>", "<@U012345678>", "<!subteam^S0123>", "@x"]), max_size=24).map(" ".join)
SECRETS = st.sampled_from(["tl_1", '"tl_1"', "Bearer k", "${K}", "xoxb-1", "a b", "", "k" * 200])
ZONES = st.sampled_from(["Europe/Berlin", "UTC", "Pacific/Kiritimati", "../x"])
MOMENTS = st.sampled_from(["2030-01-01T00:00:00Z", "9999-12-31T23:59:59", "0001-01-01T00:00:00", "2029-01-01T00:00:00"])
NUMBERS = st.sampled_from([0, 1, 2, 3, 12, 16, 500, 50000, 10**9, -1])
DURATIONS = st.sampled_from(["0s", "1ms", "1s", "5s", "1m", "5m", "1h", "30d", "3650d", 300])


T = "targets.a."
C = T + "checks.canary."
ODD: dict[str, st.SearchStrategy[Any]] = {
    T + "gateway.url": URLS,
    T + "gateway.token": SECRETS,
    T + "gateway.model": TEXTS,
    T + "gateway.metrics_url": URLS,
    T + "collector.metrics_url": URLS,
    T + "path": st.sampled_from(["collector", "none"]),
    T + "traceloop.url": URLS,
    T + "traceloop.api_key": SECRETS,
    T + "traceloop.environment": TEXTS,
    T + "traceloop.other_environments": st.dictionaries(TEXTS, st.just({"api_key": "k"}), max_size=2),
    T + "control_plane": st.fixed_dictionaries({"url": URLS, "token": SECRETS}),
    T + "expected.endpoint": URLS | st.just("h:443"),
    T + "expected.protocol": st.just("grpc"),
    T + "expected.headers": st.dictionaries(TEXTS | st.just("authorization"), SECRETS | TEXTS, max_size=2),
    T + "expected.resource_attributes": st.dictionaries(TEXTS, TEXTS, max_size=2),
    T + "expected.filters": st.lists(st.fixed_dictionaries({"key": TEXTS, "value": st.lists(TEXTS)}), max_size=2),
    T + "expected.service_name": TEXTS,
    T + "alerting.channel": TEXTS,
    T + "alerting.mention": MENTIONS,
    T + "alerting.max_severity": st.sampled_from(["critical", "warning", "none"]),
    T + "labels": st.dictionaries(TEXTS | st.sampled_from(["team", "check", "Team"]), TEXTS, max_size=3),
    T + "checks.config": st.fixed_dictionaries({"every": DURATIONS, "timeout": DURATIONS}),
    T + "checks.gateway": st.fixed_dictionaries({"every": DURATIONS, "path": st.sampled_from(["/", "/a?b", "x"])}),
    T + "checks.arrival": st.fixed_dictionaries(
        {"late_after": DURATIONS, "missing_after": DURATIONS, "settle": DURATIONS, "enabled": st.booleans()}
    ),
    T + "checks.arrival.loss_of": st.lists(NUMBERS, max_size=3),
    T + "checks.origin.every": DURATIONS,
    C + "enabled": st.just(value=False),
    C + "every": DURATIONS,
    C + "prompt": TEXTS,
    C + "max_tokens": NUMBERS | st.none(),
    C + "max_per_day": NUMBERS,
    C + "max_tokens_per_day": NUMBERS,
    C + "parameters": st.dictionaries(TEXTS, st.none() | st.booleans() | st.floats() | TEXTS, max_size=2),
    C + "metadata": st.dictionaries(TEXTS, TEXTS, max_size=2),
    "alerting.fail_after": NUMBERS,
    "alerting.remind_every": st.lists(DURATIONS, max_size=3),
    "alerting.reopen_within": DURATIONS,
    "alerting.slack": st.fixed_dictionaries(
        {"bot_token": SECRETS, "channel": TEXTS}, optional={"mention": MENTIONS, "api_url": URLS}
    ),
    "alerting.slack.webhook_url": URLS,
    "alerting.slack.mention": MENTIONS,
    "alerting.alertmanager": st.fixed_dictionaries(
        {"urls": st.lists(URLS, max_size=2), "labels": st.dictionaries(TEXTS, TEXTS, max_size=2)}
    ),
    "alerting.webhook": st.fixed_dictionaries({"url": URLS, "secret": SECRETS}),
    "heartbeat": st.fixed_dictionaries({"url": URLS, "every": DURATIONS}),
    "http.allow_http": st.booleans(),
    "http.proxy": PROXIES,
    "http.no_proxy": TEXTS,
    "server.external_url": URLS,
    "silences": st.lists(
        st.fixed_dictionaries({"target": TEXTS, "tz": ZONES, "to": MOMENTS}, optional={"from": MOMENTS})
        | st.fixed_dictionaries(
            {"weekly": st.fixed_dictionaries({"tz": ZONES, "days": st.sampled_from(["sat", "x"])})}
        ),
        max_size=2,
    ),
}
BASE: dict[str, Any] = {
    T + "gateway": {"url": "https://a.example", "token": "t", "model": "m"},
    T + "traceloop": {"api_key": "tl_1", "environment": "prd"},
}


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """A configuration of dotted paths; a later one goes into what an earlier one has put there."""
    root: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        node = root
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = value
    return root


CONFIGURATIONS = (
    st.lists(st.sampled_from(sorted(ODD)), unique=True, max_size=5)
    .flatmap(lambda paths: st.fixed_dictionaries({path: ODD[path] for path in sorted(paths)}))
    .map(lambda odd: nested(json.loads(json.dumps({**BASE, **odd}))))
)


@hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(CONFIGURATIONS)
def test_what_is_valid_can_be_constructed(configuration: dict[str, Any]) -> None:
    """Routes, adapters, policies, windows, proxies, metrics, and what the commands print of it."""
    construct(configuration)


@pytest.mark.thorough
@hypothesis_settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(CONFIGURATIONS)
def test_whatever_is_valid_can_be_constructed(configuration: dict[str, Any]) -> None:
    """The same for many more configurations."""
    construct(configuration)


def construct(configuration: dict[str, Any]) -> None:
    """Make everything of a configuration that is valid."""
    try:
        loaded = parse(json.dumps(configuration), {}, NOWHERE)
    except ConfigError:
        event("refused")
        return
    event("valid")
    settings = loaded.settings
    clock = FakeClock()
    remote = Remote(clock, Reply(b""))
    redactor = Redactor(secrets_of(settings))
    deps = Deps(clock=clock, http=remote.http, redactor=redactor)
    notifiers_of(settings, deps)
    places_of(settings, deps)
    for name, target in settings.targets.items():
        assemble(name, target, settings, deps, key=b"k" * 32, publish=lambda _event: None)
        policy_of(target, settings.alerting, b"k" * 32)
        assert cost_lines(monthly_cost(target), target.backend.traits)
        assert manifest_yaml(target)
        assert form(target)
        assert called(target.alerting.mention)
    silenced_until(silences_of(settings), TargetName("a"), Fault.BLIND, clock.now())
    Proxies(proxy=settings.http.proxy, no_proxy=settings.http.no_proxy, environ={}).proxy_of("https://a.example")
    monitored = {
        name: Monitored(checks=enabled_checks(target.checks), labels=target.labels)
        for name, target in settings.targets.items()
    }
    metrics = Metrics(clock=clock, version="0", view=lambda: View(state=State()))
    metrics.expect(Expected(targets=monitored, notifiers=("slack",)))
    assert show(loaded)
