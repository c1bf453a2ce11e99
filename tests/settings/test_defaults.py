"""What is in force when nobody says otherwise, built in or made from other settings."""

from monitor.core.model import Severity
from tests.settings.samples import MINIMAL, complaints, loaded, prod, settings, with_target

BUILT_IN = {
    "alerting": {
        "fail_after": 2,
        "pass_after": 2,
        "blind_after": 600,
        "reopen_within": 1800,
        "remind_every": (4 * 3600, 8 * 3600, 24 * 3600),
        "escalate_after": 1800,
        "severity": {},
        "self_test": {"every": None, "channel": None},
        "slack": {
            "bot_token": None,
            "app_token": None,
            "buttons": {"users": (), "groups": ()},
            "channel": None,
            "webhook_url": None,
            "mention": None,
            "api_url": "https://slack.com/api/",
        },
        "alertmanager": {"urls": (), "labels": {}},
        "webhook": {"url": None, "secret": None},
    },
    "silences": (),
    "heartbeat": {"url": None, "every": 60},
    "server": {
        "host": "127.0.0.1",
        "port": 9797,
        "external_url": None,
        "admin_token": None,
        "read_token": None,
        "tls_cert": None,
        "tls_key": None,
    },
    "http": {"ca_file": None, "proxy": None, "no_proxy": None, "deny_link_local": True, "allow_http": False},
    "state": {"path": "./trace-monitor.db", "keep_history": 30 * 86400},
    "log": {"level": "info", "format": "auto"},
}
BUILT_IN_FOR_A_TARGET = {
    "expected": {  # https://www.truefoundry.com/docs/ai-gateway/traceloop
        "protocol": "http",
        "endpoint": "https://api.traceloop.com/v1/traces",
        "encoding": "proto",
        "headers": {},
        "metrics_exporter": "disabled",
        "exclude_request_data": None,
        "resource_attributes": {},
        "filters": (),
        "service_name": "tfy-llm-gateway",
    },
    "checks": {
        "config": {"enabled": True, "every": 60, "every_while_failing": 15, "timeout": 15},
        "gateway": {"enabled": True, "every": 15, "every_while_failing": 5, "timeout": 5, "path": "/health"},
        "canary": {
            "enabled": True,
            "every": 300,
            "every_while_failing": 60,
            "timeout": 60,
            "prompt": None,
            "decoy": "none",
            "max_tokens": 16,
            "parameters": {},
            "metadata": {},
            "max_per_day": 500,
            "max_tokens_per_day": 50_000,
        },
        "arrival": {
            "enabled": True,
            "look_closer_after": 60,
            "late_after": 180,
            "missing_after": 300,
            "settle": 360,
            "complete_spans": None,
            "loss_of": (3, 12),
        },
        "control": {"enabled": True, "every": 1800, "every_while_failing": 120},
        "origin": {"enabled": True, "every": 3600},
        "volume": {
            "enabled": False,
            "every": 900,
            "delay": 600,
            "min_ratio": 0.9,
            "min_requests": 50,
            "timeout": 30,
        },
    },
    "alerting": {"channel": None, "mention": None, "max_severity": Severity.CRITICAL},
    "labels": {},
}


def test_what_is_built_in() -> None:
    """Every setting that the operator leaves out has the value of the contract."""
    assert settings().model_dump(exclude={"targets"}) == BUILT_IN
    assert prod().model_dump(include=set(BUILT_IN_FOR_A_TARGET)) == BUILT_IN_FOR_A_TARGET


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


def test_no_test_spans_are_sent_to_an_endpoint_for_grpc() -> None:
    """They go by HTTP: posted to a port for gRPC they would be lost, and the endpoint be accused of it."""
    collector = with_target("expected: {protocol: grpc, endpoint: 'otelcol.example.com:4317'}")
    assert not prod(collector).checks.control.enabled
    assert prod(collector.replace("grpc", "http").replace("'otelcol", "'https://otelcol")).checks.control.enabled
    (warning,) = (each for each in loaded(collector).warnings if "grpc" in each)
    assert warning.endswith("test spans are sent by HTTP, so `control` is off")


def test_what_follows_from_a_mistake_is_not_reported_besides() -> None:
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
