"""What is in force when nobody says otherwise, built in or made from other settings."""

from tests.settings.samples import MINIMAL, complaints, prod, settings, with_target

DAY = 86400


def test_the_built_in_cadences() -> None:
    """How often each check looks, and how long it waits."""
    checks = prod().checks
    config, gateway, canary = checks.config, checks.gateway, checks.canary
    assert (config.every, config.every_while_failing, config.timeout) == (60, 15, 15)
    assert (gateway.every, gateway.every_while_failing, gateway.timeout, gateway.path) == (15, 5, 5, "/health")
    assert (canary.every, canary.every_while_failing, canary.timeout) == (300, 60, 60)
    assert (checks.control.every, checks.control.every_while_failing, checks.origin.every) == (1800, 120, 3600)


def test_the_built_in_canary() -> None:
    """What it asks for and what it may cost."""
    canary = prod().checks.canary
    assert (canary.prompt, canary.max_tokens, canary.max_per_day, canary.max_tokens_per_day) == (None, 16, 500, 50_000)
    assert (dict(canary.parameters), dict(canary.metadata)) == ({}, {})


def test_the_built_in_deadlines_of_a_trace() -> None:
    """Closer look, late, missing, settled, losses."""
    arrival = prod().checks.arrival
    assert (arrival.look_closer_after, arrival.late_after, arrival.missing_after, arrival.settle) == (60, 180, 300, 360)
    assert (arrival.complete_spans, arrival.loss_of) == (None, (3, 12))


def test_every_check_is_enabled() -> None:
    """Six of them."""
    checks = prod().checks
    every = (checks.config, checks.gateway, checks.canary, checks.arrival, checks.control, checks.origin)
    assert all(check.enabled for check in every)


def test_the_built_in_expectation_is_the_integration_guides() -> None:
    """https://www.truefoundry.com/docs/ai-gateway/traceloop."""
    expected = prod().expected
    assert (expected.protocol, expected.endpoint) == ("http", "https://api.traceloop.com/v1/traces")
    assert (expected.encoding, expected.metrics_exporter, expected.service_name) == (
        "proto",
        "disabled",
        "tfy-llm-gateway",
    )
    assert (expected.exclude_request_data, expected.filters) == (None, ())
    assert (dict(expected.headers), dict(expected.resource_attributes)) == ({}, {})


def test_the_built_in_rhythm_of_telling() -> None:
    """When something is settled, reopened, repeated, escalated."""
    alerting = settings().alerting
    assert (alerting.fail_after, alerting.pass_after, alerting.blind_after) == (2, 2, 600)
    assert (alerting.reopen_within, alerting.escalate_after) == (1800, 1800)
    assert list(alerting.remind_every) == [4 * 3600, 8 * 3600, 24 * 3600]
    assert (dict(alerting.severity), alerting.self_test.every, alerting.self_test.channel) == ({}, None, None)


def test_no_notifier_is_built_in() -> None:
    """Nobody is told until somebody says whom."""
    alerting = settings().alerting
    slack, webhook = alerting.slack, alerting.webhook
    assert (slack.bot_token, slack.channel, slack.webhook_url, slack.mention) == (None, None, None, None)
    assert slack.api_url == "https://slack.com/api/"
    assert (alerting.alertmanager.urls, dict(alerting.alertmanager.labels)) == ((), {})
    assert (webhook.url, webhook.secret) == (None, None)


def test_the_built_in_operation() -> None:
    """Loopback only, no links, no TLS, thirty days of history."""
    read = settings()
    server, http = read.server, read.http
    assert (server.host, server.port, server.external_url) == ("127.0.0.1", 9797, None)
    assert (server.admin_token, server.read_token, server.tls_cert, server.tls_key) == (None, None, None, None)
    assert (http.ca_file, http.proxy, http.no_proxy, http.deny_link_local, http.allow_http) == (
        None,
        None,
        None,
        True,
        False,
    )
    assert (read.heartbeat.url, read.heartbeat.every) == (None, 60)
    assert (read.state.path, read.state.keep_history) == ("./trace-monitor.db", 30 * DAY)
    assert (read.log.level, read.log.format, read.silences) == ("info", "auto", ())


def test_the_gateways_address_comes_from_the_control_plane() -> None:
    """{control_plane.url}/api/llm, whatever slashes there are at the end."""
    assert prod().gateway.url == "https://acme.truefoundry.cloud/api/llm"
    assert prod(MINIMAL.replace(".cloud,", ".cloud//,")).gateway.url == "https://acme.truefoundry.cloud/api/llm"
    given = MINIMAL.replace("gateway: {", "gateway: {url: 'https://gateway.truefoundry.ai/', ")
    assert prod(given).gateway.url == "https://gateway.truefoundry.ai"
    assert prod(MINIMAL.replace("gateway: {", "gateway: {url: null, ")).gateway.url.endswith("/api/llm")


def test_the_gateways_token_is_the_control_planes() -> None:
    """Unless it has one of its own."""
    assert prod().gateway.token.get() == "tfy-Secret-1"
    assert prod(MINIMAL.replace("gateway: {", "gateway: {token: own, ")).gateway.token.get() == "own"


def test_the_endpoint_comes_from_traceloops_address() -> None:
    """{traceloop.url}/v1/traces; a configured one is taken as it stands, because it is compared as it stands."""
    moved = MINIMAL.replace("traceloop: {", "traceloop: {url: https://tl.example.com/, ")
    assert prod(moved).expected.endpoint == "https://tl.example.com/v1/traces"
    given = with_target("expected: {endpoint: https://collector.example.com/v1/traces/}")
    assert prod(given).expected.endpoint == "https://collector.example.com/v1/traces/"


def test_a_targets_channel_and_mention_are_the_global_ones() -> None:
    """Null means as for all, also in the target; an empty text means nobody."""
    slack = "alerting: {slack: {bot_token: x, channel: C1, mention: '<!here>'}}\n"
    assert prod(MINIMAL + slack).alerting.channel == "C1"
    assert prod(MINIMAL + slack).alerting.mention == "<!here>"
    own = with_target("alerting: {channel: C2, mention: '', max_severity: warning}") + slack
    assert (prod(own).alerting.channel, prod(own).alerting.mention) == ("C2", "")
    assert prod(own).alerting.max_severity.word == "warning"
    null = with_target("alerting: {channel: null, mention: null}") + slack
    assert (prod(null).alerting.channel, prod(null).alerting.mention) == ("C1", "<!here>")


def test_without_a_control_plane_there_is_neither_config_nor_origin() -> None:
    """Even if they were asked for: there is nobody to ask."""
    text = """
targets:
  prod:
    gateway: {url: https://gw.example.com, token: t, model: m}
    traceloop: {api_key: k, environment: prd}
    checks: {config: {enabled: true}}
"""
    checks = prod(text).checks
    assert (checks.config.enabled, checks.origin.enabled, checks.gateway.enabled) == (False, False, True)
    defaults = prod(text.replace("    checks: {config: {enabled: true}}\n", "")).checks
    assert (defaults.config.enabled, defaults.origin.enabled) == (False, False)


def test_without_canaries_no_arrival_is_checked() -> None:
    """Nothing would arrive; then no model is needed either."""
    text = with_target("checks: {canary: {enabled: false}}").replace("{model: openai-main/gpt-4o-mini}", "{}")
    checks = prod(text).checks
    assert (checks.canary.enabled, checks.arrival.enabled, checks.control.enabled) == (False, False, True)


def test_what_follows_from_a_mistake_is_not_told_besides() -> None:
    """A wrong control plane makes a wrong gateway; one complaint is enough."""
    assert complaints(MINIMAL.replace("https://acme", "acme")) == [
        "config.yaml:3: targets.prod.control_plane.url: is not a URL; allowed: https://host[:port][/path], or http://"
    ]


def test_without_control_plane_the_gateway_must_be_given() -> None:
    """The complaint says what the default would have been made of."""
    text = "targets: {prod: {gateway: {model: m}, traceloop: {api_key: k, environment: prd}}}"
    refused = complaints(text)
    assert [line.split(": ")[1] for line in refused] == ["targets.prod.gateway.url", "targets.prod.gateway.token"]
    assert refused[0].endswith("its default would be {control_plane.url}/api/llm")
    null = text.replace("{model: m}", "{model: m, url: null, token: null}")
    assert [line.split("; give")[0] for line in complaints(null)] == [line.split("; give")[0] for line in refused]


def test_labels_are_named_as_prometheus_wants_them() -> None:
    """Other characters become `_`, and values may be written without quotes."""
    target = prod(with_target("labels: {team: ml-platform, app.kubernetes.io/name: gw, 2nd: 5, ready: true}"))
    assert target.labels == {"team": "ml-platform", "app_kubernetes_io_name": "gw", "_2nd": "5", "ready": "true"}


def test_a_severity_can_be_overridden_by_its_word() -> None:
    """Critical, warning or none, per fault."""
    severity = settings(
        MINIMAL + "alerting: {severity: {trace_late: none, rate_limited: Critical}}\n"
    ).alerting.severity
    assert {fault.value: level.word for fault, level in severity.items()} == {
        "trace_late": "none",
        "rate_limited": "critical",
    }
