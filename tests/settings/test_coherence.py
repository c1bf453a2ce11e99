"""What must hold between settings, what is legal but worth a warning, and what a month costs."""

import sys
from pathlib import Path

import pytest
import trustme

from monitor.settings import parse
from monitor.settings.coherence import monthly_cost
from tests.settings.samples import MINIMAL, complaints, loaded, prod, settings, with_target

SLACK = "alerting: {slack: {bot_token: xoxb-1, channel: C1}}\n"


def test_a_cadence_that_cannot_fit_its_budget_is_an_error_with_the_arithmetic() -> None:
    """86400 s / every > max_per_day."""
    assert complaints(with_target("checks: {canary: {every: 1m}}")) == [
        (
            "config.yaml:6: targets.prod.checks.canary.max_per_day: 86400 s / 60 s = 1440 canaries a day, "
            "which is more than max_per_day: 500; allowed: max_per_day from 1440, or every from 2m53s"
        ),
    ]


def test_a_cadence_that_just_fits_is_allowed() -> None:
    """Exactly as many as the budget."""
    text = with_target("checks: {canary: {every: 200, max_per_day: 432, max_tokens_per_day: 6912}}")
    assert prod(text).checks.canary.max_per_day == 432
    assert len(complaints(text.replace("432", "431"))) == 1
    assert len(complaints(text.replace("6912", "6911"))) == 1


def test_tokens_that_cannot_fit_their_budget_are_an_error_with_the_arithmetic() -> None:
    """That number times max_tokens > max_tokens_per_day."""
    assert complaints(with_target("checks: {canary: {max_tokens: 200}}")) == [
        (
            "config.yaml:6: targets.prod.checks.canary.max_tokens_per_day: 86400 s / 300 s = 288 canaries a day, "
            "288 * 200 max_tokens = 57600 tokens a day, which is more than max_tokens_per_day: 50000; "
            "allowed: max_tokens_per_day from 57600, a longer `every`, or fewer max_tokens"
        ),
    ]


def test_without_max_tokens_the_tokens_are_not_estimated() -> None:
    """Null is not sent, so nothing is known beforehand."""
    text = with_target("checks: {canary: {max_tokens: null, max_tokens_per_day: 1}}")
    assert prod(text).checks.canary.max_tokens is None


def test_a_canary_that_is_never_sent_has_no_budget() -> None:
    """Its cadence does not matter."""
    text = with_target("checks: {canary: {enabled: false, every: 1s}}")
    assert not prod(text).checks.canary.enabled


def test_a_canary_needs_a_model() -> None:
    """The way out stands in the complaint."""
    assert complaints(MINIMAL.replace("{model: openai-main/gpt-4o-mini}", "{trace_id: auto}")) == [
        (
            "config.yaml:4: targets.prod.gateway.model: is missing, and the canary asks it; "
            "give a model such as openai-main/gpt-4o-mini, or `checks.canary.enabled: false`"
        ),
    ]


def test_the_volume_check_needs_somebody_who_counts_requests() -> None:
    """The control plane, or the gateway's own metrics."""
    gateway = "gateway: {url: 'https://g.example', token: t, model: m}"
    text = "targets: {prod: {%s, traceloop: {api_key: tl_1, environment: dev}, checks: {volume: {enabled: true}}}}\n"
    (complaint,) = complaints(text % gateway)
    assert "targets.prod.checks.volume.enabled: needs somebody who counts requests" in complaint
    metered = gateway.replace("model: m", "model: m, metrics_url: 'https://g.example/metrics'")
    assert loaded(text % metered).settings.targets


TOKEN_URLS = {
    "control_plane.url": MINIMAL.replace("https://acme", "http://acme"),
    "gateway.url": MINIMAL.replace("gateway: {", "gateway: {url: http://gw.example.com, "),
    "traceloop.url": MINIMAL.replace("traceloop: {", "traceloop: {url: http://tl.example.com, "),
    "expected.endpoint": with_target("expected: {endpoint: http://collector.example.com/v1/traces}"),
    "alerting.slack.api_url": MINIMAL + SLACK.replace("C1", "C1, api_url: http://slack.example.com/api/"),
    "alerting.webhook.url": MINIMAL + "alerting: {webhook: {url: http://hook.example.com/Secret}}\n",
    "heartbeat.url": MINIMAL + "heartbeat: {url: http://hc.example.com/Secret}\n",
    "alerting.slack.webhook_url": MINIMAL + "alerting: {slack: {webhook_url: http://hooks.example.com/x}}\n",
}


@pytest.mark.parametrize("path", TOKEN_URLS)
def test_a_url_that_receives_a_token_must_be_https(path: str) -> None:
    """Else the token could be read on the way."""
    assert any(
        f"{path}: is not https, but receives a token; allowed: https, a loopback address, or `http.allow_http: true`"
        in line
        for line in complaints(TOKEN_URLS[path])
    )


@pytest.mark.parametrize("path", TOKEN_URLS)
def test_http_can_be_allowed(path: str) -> None:
    """Whoever knows what he does."""
    assert settings(TOKEN_URLS[path] + "http: {allow_http: true}\n").http.allow_http


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:80", "gw.localhost", "127.8.8.8", "LOCALHOST"])
def test_loopback_may_be_plain_http(host: str) -> None:
    """Nothing leaves the machine."""
    assert prod(MINIMAL.replace("https://acme.truefoundry.cloud", f'"http://{host}"')).control_plane is not None


@pytest.mark.parametrize("host", ["10.0.0.1", "gateway", "localhost.example.com", "127.0.0.1.nip.io", "[::2]"])
def test_a_private_network_is_not_loopback(host: str) -> None:
    """Others listen there."""
    assert "is not https" in complaints(MINIMAL.replace("https://acme.truefoundry.cloud", f'"http://{host}"'))[0]


def test_urls_that_receive_no_token_may_be_plain_http() -> None:
    """An Alertmanager, a metrics page, the monitor's own."""
    text = MINIMAL.replace("gateway: {", "gateway: {metrics_url: 'http://gw:8787/metrics', ")
    text = text.replace("    gateway: {", "    collector: {metrics_url: 'http://otelcol:8888'}\n    gateway: {")
    text += "alerting: {alertmanager: {urls: ['http://am:9093/']}}\nserver: {external_url: 'http://monitor/'}\n"
    read = settings(text)
    assert read.alerting.alertmanager.urls == ("http://am:9093",)
    assert read.server.external_url == "http://monitor"


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254",
        "https://169.254.169.254.",
        "https://[fe80::1]",
        "https://[fd00:ec2::254]",
        "https://[::ffff:169.254.169.254]",
        "https://[64:ff9b::a9fe:a9fe]",
        "https://[2002:a9fe:a9fe::1]",
    ],
)
def test_link_local_addresses_are_denied(url: str) -> None:
    """Clouds keep their metadata service there."""
    text = MINIMAL.replace("https://acme.truefoundry.cloud", f'"{url}"')
    assert "is a link-local address, which `http.deny_link_local` forbids" in complaints(text)[0]
    assert settings(text + "http: {deny_link_local: false}\n").targets


@pytest.mark.parametrize("host", ["2852039166", "0xA9FEA9FE", "169.254.43518", "0251.0376.0251.0376", "1", "a.1"])
def test_an_address_in_disguise_is_no_host(host: str) -> None:
    """The resolver would make 169.254.169.254 of it, and the client refuse that: now both do."""
    (line, *_) = complaints(MINIMAL.replace("acme.truefoundry.cloud", host))
    assert line == "config.yaml:3: targets.prod.control_plane.url: is not a URL: its host is not a host name"


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL + 'alerting: {alertmanager: {urls: ["http://169.254.169.254:9093"]}}\n',
        MINIMAL.replace("gateway: {", "gateway: {metrics_url: 'http://169.254.169.254/metrics', "),
    ],
    ids=["alertmanager", "metrics"],
)
def test_link_local_addresses_are_denied_also_where_no_token_is_sent(text: str) -> None:
    """What answers there is nobody that is meant."""
    assert "is a link-local address, which `http.deny_link_local` forbids" in complaints(text)[0]


def test_a_bot_beside_a_webhook_is_an_error() -> None:
    """One of the two posts."""
    text = MINIMAL + "alerting: {slack: {bot_token: xoxb-1, channel: C1, webhook_url: https://hooks.slack.com/x}}\n"
    assert complaints(text) == [
        "config.yaml:6: alerting.slack.webhook_url: is given beside `bot_token`; one of the two is allowed"
    ]
    assert complaints(MINIMAL + SLACK, {"TRACE_MONITOR_ALERTING__SLACK__WEBHOOK_URL": "https://hooks.slack.com/x"}) == [
        (
            "TRACE_MONITOR_ALERTING__SLACK__WEBHOOK_URL: alerting.slack.webhook_url: is given beside `bot_token`; "
            "one of the two is allowed"
        ),
    ]


def test_buttons_hang_on_a_bots_messages() -> None:
    """A webhook's messages cannot be edited, so nobody would see what a press did."""
    (line,) = complaints(MINIMAL + "alerting: {slack: {app_token: xapp-1, buttons: {users: [U123]}}}\n")
    assert "alerting.slack.app_token: is given without `bot_token`" in line


def test_buttons_without_their_library_are_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in an extra, because most do without."""
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    text = MINIMAL + SLACK.replace("C1", "C1, app_token: xapp-1, buttons: {users: [U123]}")
    (line,) = complaints(text)
    assert "alerting.slack.app_token: needs a library that is not installed" in line
    assert "pip install 'gateway-trace-monitor[slack-socket]'" in line
    assert not settings(MINIMAL + SLACK).alerting.slack.pressable


def test_buttons_that_nobody_may_press_are_a_warning_and_not_shown() -> None:
    """Monitoring does not depend on them, so it goes on without."""
    read = loaded(MINIMAL + SLACK.replace("C1", "C1, app_token: xapp-1"))
    assert not read.settings.alerting.slack.pressable
    assert [line for line in read.warnings if "alerting.slack.buttons names nobody" in line]
    named = loaded(MINIMAL + SLACK.replace("C1", "C1, app_token: xapp-1, buttons: {groups: [S123]}"))
    assert named.settings.alerting.slack.pressable
    assert not [line for line in named.warnings if "buttons" in line]
    useless = loaded(MINIMAL + SLACK.replace("C1", "C1, buttons: {users: [W123]}"))
    assert [line for line in useless.warnings if "has no effect without `app_token`" in line]


@pytest.mark.parametrize("who", ["users: [ana]", "users: [S0123]", "groups: [U0123]", "groups: ['<!subteam^S0123>']"])
def test_who_may_press_is_named_by_id(who: str) -> None:
    """A name is anybody's to take; the error says where the id is found."""
    (line,) = complaints(MINIMAL + SLACK.replace("C1", f"C1, app_token: xapp-1, buttons: {{{who}}}"))
    assert "Copy member ID" in line or "Copy group ID" in line


def test_a_channel_without_a_token_is_refused() -> None:
    """Whoever names a channel wants Slack; where secrets are not read, the token may be given elsewhere."""
    text = MINIMAL + "alerting: {slack: {channel: C1}}\n"
    (line,) = complaints(text)
    assert (
        "alerting.slack.bot_token: is missing, so nothing reaches the channel; give `bot_token` (or `webhook_url`)"
        in line
    )
    assert parse(text, {}, Path("/"), open_files=False).settings.alerting.slack.channel == "C1"


def test_a_bot_must_know_its_channel() -> None:
    """The global one, or one of each target."""
    text = "alerting: {slack: {bot_token: xoxb-1}}\n"
    assert complaints(MINIMAL + text)[0].startswith("config.yaml:6: alerting.slack.channel: is missing")
    assert prod(with_target("alerting: {channel: C2}") + text).alerting.channel == "C2"


@pytest.mark.parametrize(
    "line",
    [
        "http: {ca_file: gone.pem}",
        "server: {tls_cert: gone.pem}",
        "server: {tls_key: gone.pem, tls_cert: config.yaml}",
    ],
)
def test_files_of_certificates_must_be_there(line: str) -> None:
    """Better now than at the first request."""
    assert any("names a file that cannot be read" in refused for refused in complaints(f"{MINIMAL}{line}\n"))


@pytest.mark.parametrize("host", ["[::]", "0.0.0.0:9797", "http://0.0.0.0", "*", "a b", "ü"])
def test_what_cannot_be_listened_on_is_refused_at_once(host: str) -> None:
    """A port, a URL, a star: `run` would end with it."""
    assert "server.host: is not an address to listen on" in complaints(f"{MINIMAL}server: {{host: '{host}'}}\n")[0]
    for good in ("::", "0.0.0.0", "localhost", "monitor.example"):
        assert settings(f"{MINIMAL}server: {{host: '{good}'}}\n").server.host == good


def test_a_key_without_its_certificate_is_an_error(tmp_path: Path) -> None:
    """A server cannot use it; the other way round the one file may hold both."""
    pem = trustme.CA().issue_cert("monitor.example").private_key_and_cert_chain_pem.bytes()
    (both := tmp_path / "both.pem").write_bytes(pem)
    alone = f"{MINIMAL}server: {{tls_key: {both}}}\n"
    assert [line.partition("server.")[2] for line in complaints(alone)] == [
        "tls_key: is given without `tls_cert`; both are needed"
    ]
    settings(f"{MINIMAL}server: {{tls_key: {both}, tls_cert: {both}}}\n")
    settings(f"{MINIMAL}server: {{tls_cert: {both}}}\n")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("http: {{ca_file: {junk}}}", "http.ca_file: holds no certificates"),
        ("server: {{tls_cert: {junk}}}", "server.tls_cert: and its key cannot be used"),
        ("server: {{tls_cert: {cert}}}", "server.tls_cert: and its key cannot be used"),
        ("server: {{tls_cert: {cert}, tls_key: {foreign}}}", "server.tls_cert: and its key cannot be used"),
    ],
)
def test_certificates_that_cannot_be_used_are_refused_at_once(line: str, path: str, tmp_path: Path) -> None:
    """What `validate` accepts, `run` accepts: no PEM, no key, the key of another certificate."""
    ca = trustme.CA()
    files = {
        "junk": b"no certificate",
        "cert": b"".join(blob.bytes() for blob in ca.issue_cert("monitor.example").cert_chain_pems),
        "foreign": ca.issue_cert("other.example").private_key_pem.bytes(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    given = line.format(**{name: tmp_path / name for name in files})
    assert any(path in refused for refused in complaints(f"{MINIMAL}{given}\n"))


@pytest.mark.parametrize(
    "notifier",
    [
        SLACK,
        "alerting: {slack: {webhook_url: https://hooks.slack.com/x}}\n",
        "alerting: {alertmanager: {urls: [http://am:9093]}}\n",
        "alerting: {webhook: {url: https://hook.example.com/x}}\n",
    ],
)
def test_no_notifier_at_all_is_one_warning(notifier: str) -> None:
    """It is legal: metrics only."""
    assert loaded(MINIMAL).warnings == (
        "no notifier is configured (alerting.slack, alerting.alertmanager, alerting.webhook): metrics only, nobody is notified",
    )
    assert loaded(MINIMAL + notifier).warnings == ()


def test_doubtful_settings_are_warned_of() -> None:
    """Legal, but hardly meant."""
    text = with_target(
        "expected: {protocol: grpc, endpoint: 'otlp.example.com:443'}",
        "alerting: {channel: C2}",
        f"checks: {{canary: {{metadata: {{x: {'y' * 129}}}}}}}",
    )
    text += "alerting: {slack: {webhook_url: https://hooks.slack.com/x}}\n"
    text += "silences: [{target: other-*, to: 2030-01-01T00:00:00Z}]\n"
    warnings = "\n".join(loaded(text).warnings)
    assert "silences[0].target matches no target" in warnings
    assert "targets.prod: expected.protocol is grpc" in warnings
    assert "targets.prod: alerting.channel has no effect" in warnings
    assert "has a value of more than 128 characters" in warnings


def test_no_order_is_demanded_of_durations() -> None:
    """Whoever wants to be notified of lateness after the loss may be."""
    text = with_target(
        "checks: {arrival: {look_closer_after: 9m, late_after: 8m, missing_after: 1m, settle: 1s}, config: {every: 1s}}"
    )
    text += "alerting: {remind_every: [8h, 4h, 8h], escalate_after: 1s, reopen_within: 0s}\n"
    read = settings(text)
    assert read.alerting.reopen_within == 0
    assert list(read.alerting.remind_every) == [28800, 14400, 28800]
    assert settings(MINIMAL + "alerting: {remind_every: []}\n").alerting.remind_every == ()


def test_a_self_test_that_tests_nothing_is_warned_of() -> None:
    """Without a notifier, or with a channel that nobody can choose; as it is meant it is no doubt."""
    hook = "alerting:\n  slack: {webhook_url: 'https://hooks.slack.com/services/T0/B0/Secret4'}\n  self_test: "
    bot = "alerting:\n  slack: {bot_token: xoxb-Secret-3, channel: C1}\n  self_test: {every: 1d, channel: C9}\n"
    nobody = loaded(MINIMAL + "alerting: {self_test: {every: 1d}}\n").warnings
    assert "alerting.self_test.every has no effect, because no notifier is configured" in nobody
    said = "alerting.self_test.channel has no effect: only a Slack bot can choose a channel"
    assert loaded(MINIMAL + hook + "{every: 1d, channel: C9}\n").warnings == (said,)
    assert loaded(MINIMAL + bot).warnings == loaded(MINIMAL + hook + "{every: 1d}\n").warnings == ()


def test_requests_and_spans_of_the_defaults() -> None:
    """288 canaries of three spans and 48 control spans a day, thirty days."""
    cost = monthly_cost(prod())
    assert (cost.canaries, cost.canaries_at_most, cost.control_spans, cost.spans_per_canary) == (288, 500, 48, 3)
    assert (cost.requests, cost.requests_at_most) == (8640, 15_000)
    assert (cost.spans, cost.spans_at_most) == (27_360, 46_440)


def test_spans_per_canary_are_those_of_a_complete_trace() -> None:
    """If somebody has counted them."""
    assert monthly_cost(prod(with_target("checks: {arrival: {complete_spans: 5}}"))).spans == (288 * 5 + 48) * 30


@pytest.mark.parametrize(
    ("checks", "requests", "spans"),
    [("{canary: {enabled: false}}", 0, 1440), ("{control: {enabled: false}}", 8640, 25_920)],
)
def test_what_is_switched_off_costs_nothing(checks: str, requests: float, spans: float) -> None:
    """Neither canaries nor control spans."""
    cost = monthly_cost(prod(with_target(f"checks: {checks}")))
    assert (cost.requests, cost.spans) == (requests, spans)
