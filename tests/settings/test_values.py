"""The kinds of values: durations, URLs, mentions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from monitor.core.config_memory import ConfigMemory, ConfigSeen, remember
from monitor.core.drift import ENDPOINT, ExportConfig, Match, SameUrl
from monitor.http.network import Proxies
from monitor.notifiers.slack import render
from monitor.settings.expected import expected_config
from monitor.settings.show import show
from monitor.settings.values import DAEMON, LONGEST_MENTION, base_url, called, format_duration, parse_duration
from tests.settings.samples import MINIMAL, complaints, loaded, prod, settings, traceloop_of, with_target


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("30d", 2_592_000),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("90", 90),
        ("0.5", 0.5),
        ("0s", 0),
        (" 10s ", 10),
    ],
)
def test_durations_are_seconds_after_parsing(written: str, seconds: float) -> None:
    """With units, or as a number of seconds."""
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        *("", "s", "5x", "1:30", "-5s", "1h1h", "5 minutes", "1e3", "inf", "nan", "true", None, True, 5),
        *(["5s"], "\u0661s", "4000d", "9" * 400 + "s", "1_000", "5m,"),
    ],
    ids=repr,
)
def test_anything_else_is_not_a_duration(written: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(PydanticCustomError):
        parse_duration(written)


@given(st.integers(min_value=0, max_value=300_000_000))
def test_what_is_printed_is_parsed_to_the_same(milliseconds: int) -> None:
    """`config show` prints what the file may say."""
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (60, "1m"), (90, "1m30s"), (86400, "1d"), (5400.5, "1h30m0.5s"), (0.25, "0.25s")]
)
def test_durations_are_printed_short(seconds: float, text: str) -> None:
    """Without units that are zero."""
    assert format_duration(seconds) == text


def test_a_number_in_the_file_is_seconds() -> None:
    """`every: 60` and `every: 60s` are the same."""
    assert settings(MINIMAL + "heartbeat: {every: 45}\n").heartbeat.every == 45.0


KEY = b"k" * 32
BOT = "alerting: {slack: {bot_token: xoxb-1, channel: C1, api_url: '%s'}}\n"


@pytest.mark.parametrize(
    "given",
    [
        "https://api.traceloop.com/v1/traces",
        "https://api.traceloop.com/v1/traces/",
        "https://api.traceloop.com/v1/metrics",
        "https://api.traceloop.com/v2/warehouse/spans",
        "https://api.traceloop.com/",
        "https://api.traceloop.com",
    ],
)
def test_the_endpoint_that_the_guide_prints_is_understood_as_traceloops_url(given: str) -> None:
    """Else /v1/traces/v1/traces would be expected, and following that advice would break a working export."""
    target = prod(MINIMAL.replace("traceloop: {", f"traceloop: {{url: '{given}', "))
    assert traceloop_of(target).url == "https://api.traceloop.com"
    assert target.expected.endpoint == "https://api.traceloop.com/v1/traces"


@pytest.mark.parametrize("below", ["/chat/completions", "/chat/completions/", "/models", "/responses", "/health", "/"])
def test_the_route_of_the_gateway_is_understood_as_its_url(below: str) -> None:
    """As an OpenAI client's error messages show it; a base path stays."""
    given = f"https://gw.example.com/api/llm{below}"
    assert prod(MINIMAL.replace("{model", f"{{url: '{given}', model")).gateway.url == "https://gw.example.com/api/llm"
    given = f"https://gw.example.com/v1{below}"
    assert prod(MINIMAL.replace("{model", f"{{url: '{given}', model")).gateway.url == "https://gw.example.com/v1"


@pytest.mark.parametrize("below", ["/api/svc/v1/session", "/api/llm", "/api/llm/chat/completions", "/api", "/api/"])
def test_the_api_of_the_control_plane_is_understood_as_its_url(below: str) -> None:
    """And the gateway's URL is made of what is left."""
    target = prod(MINIMAL.replace("truefoundry.cloud", f"truefoundry.cloud{below}"))
    assert target.control_plane is not None
    assert target.control_plane.url == "https://acme.truefoundry.cloud"
    assert target.gateway.url == "https://acme.truefoundry.cloud/api/llm"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://slack.com/api/chat.postMessage", "https://slack.com/api/"),
        ("https://slack.com/api/auth.test/", "https://slack.com/api/"),
        ("https://slack.com/api", "https://slack.com/api/"),
        ("https://slack.com", "https://slack.com/api/"),
        ("http://127.0.0.1:9/slack/api", "http://127.0.0.1:9/slack/api/"),
    ],
)
def test_a_method_of_slack_is_understood_as_its_api(given: str, meant: str) -> None:
    """The documentation shows methods only."""
    assert settings(MINIMAL + BOT % given).alerting.slack.api_url == meant


def test_a_webhook_is_not_slacks_api() -> None:
    """It is a secret besides."""
    (line,) = complaints(MINIMAL + BOT % "https://hooks.slack.com/services/T0/B0/Secret")
    assert "alerting.slack.api_url: is an incoming webhook, not Slack's API; give it as `webhook_url`" in line
    assert "Secret" not in line


@pytest.mark.parametrize("below", ["", "/", "/api/v2/alerts", "/api/v2/", "/api/v1/alerts", "/-/ready", "/metrics"])
def test_a_route_of_alertmanager_is_understood_as_its_url(below: str) -> None:
    """With the path that a reverse proxy has put before it."""
    for base in ("http://am:9093", "https://ops.example.com/alertmanager"):
        read = settings(MINIMAL + f"alerting: {{alertmanager: {{urls: ['{base}{below}']}}}}\n")
        assert read.alerting.alertmanager.urls == (base,)


def test_one_alertmanager_in_two_spellings_is_reported_once() -> None:
    """The first spelling stays."""
    given = "['http://am:9093', 'HTTP://AM:9093/api/v2/alerts', 'http://b:80', 'http://b/']"
    read = settings(MINIMAL + f"alerting: {{alertmanager: {{urls: {given}}}}}\n")
    assert read.alerting.alertmanager.urls == ("http://am:9093", "http://b:80")


@pytest.mark.parametrize(
    "below", ["", "/", "/metrics", "/healthz", "/api/v1/status", "/runbooks/blind", "/-/reload", "/api/v1/silences/a1"]
)
def test_a_page_of_the_daemon_is_understood_as_its_url(below: str) -> None:
    """Links in messages are made of it, and so are the requests of `status` and `ack`."""
    given = f"https://ops.example.com/monitor{below}"
    assert settings(MINIMAL + f"server: {{external_url: '{given}'}}\n").server.external_url == given[:31]
    assert base_url(given, DAEMON) == "https://ops.example.com/monitor"


def test_a_base_url_where_the_endpoint_belongs_is_warned_of() -> None:
    """The gateway appends nothing, so nothing would take the spans."""
    said = "targets.prod.expected.endpoint has no path, and the gateway appends none: Traceloop accepts spans at /v1/traces"
    assert said in loaded(with_target("expected: {endpoint: 'https://api.traceloop.com'}")).warnings
    assert said not in loaded(with_target("expected: {endpoint: 'https://otel.example.com/spans'}")).warnings


EQUAL = [
    "https://api.traceloop.com/v1/traces",
    "https://api.traceloop.com:443/v1/traces",
    "https://api.traceloop.com:/v1/traces",
    "HTTPS://API.Traceloop.COM/v1/traces",
    "https://api.traceloop.com/v1/%74races",
    "https://%61pi.traceloop.com/v1/traces",
    "https://api.traceloop.com/v1/./traces",
    "https://api.traceloop.com/x/../v1/traces",
    "https://api.traceloop.com/../v1/traces",
]
OTHER = [
    "http://api.traceloop.com/v1/traces",
    "https://api.traceloop.com:80/v1/traces",
    "https://api.traceloop.com:4430/v1/traces",
    "https://api.traceloop.com/V1/traces",
    "https://api.traceloop.com/v1%2Ftraces",
    "https://api.traceloop.com/v1/traces/",
    "https://api.traceloop.com/v1/traces/.",
    "https://api.traceloop.com/v1//traces",
    "https://api.traceloop.com/v1/traces?x",
    " https://api.traceloop.com/v1/traces",
    "https://api.traceloop.com/v1/traces ",
    "https://user@api.traceloop.com/v1/traces",
    "api.traceloop.com/v1/traces",
    "",
]


@pytest.mark.parametrize("spelling", EQUAL)
def test_two_spellings_of_one_endpoint_are_equal(spelling: str) -> None:
    """Whichever of the two sides uses it; and a new spelling is no change of the configuration."""
    assert all(SameUrl(spelling).accepts(each) is Match.EQUAL for each in EQUAL)
    rules = expected_config(prod(with_target(f"expected: {{endpoint: '{EQUAL[1]}'}}")), KEY).rules
    assert rules[ENDPOINT].accepts(spelling) is Match.EQUAL
    before = ConfigMemory(seen=ConfigSeen(config=ExportConfig(fields={ENDPOINT: EQUAL[0]})), changed_at=5.0)
    after = remember(before, ConfigSeen(config=ExportConfig(fields={ENDPOINT: spelling})), 1000.0)
    assert after.changed_at == 5.0


@pytest.mark.parametrize("other", OTHER)
def test_what_is_no_spelling_of_it_differs(other: str) -> None:
    """The exporter would send elsewhere, or nowhere."""
    assert SameUrl(EQUAL[0]).accepts(other) is Match.DIFFERS


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("OTLP.example.com:443", "otlp.example.com:443"),
        ("https://[2001:DB8::1]:443/%c3%a9", "https://[2001:db8::1]/%C3%A9"),
        ("http://h", "http://h:80/"),
        ("https://u:P@h/a?q=%7e", "https://u:P@H/a?q=~"),
        ("https://h/a/..", "https://h/"),
        ("not a URL", "not a URL"),
    ],
)
def test_addresses_of_every_form_have_one_spelling(one: str, two: str) -> None:
    """GRPC addresses, IPv6, queries, logins."""
    assert SameUrl(one).accepts(two) is Match.EQUAL
    assert SameUrl(two).accepts(one) is Match.EQUAL


MENTIONED = "alerting: {slack: {bot_token: xoxb-1, channel: C1, mention: %s}}\n"


@pytest.mark.parametrize(
    ("given", "mention", "whom"),
    [
        ("<!subteam^S0123>", "<!subteam^S0123>", "the user group S0123"),
        ("<@U0123>", "<@U0123>", "the user U0123"),
        ("<@W0123>", "<@W0123>", "the user W0123"),
        ("<!here>", "<!here>", "everybody who is active in the channel"),
        ("<!channel>", "<!channel>", "everybody in the channel"),
        (" <@U1>,<@U2> ", "<@U1> <@U2>", "the user U1 and the user U2"),
        ("<!subteam^S0123|@oncall>", "<!subteam^S0123>", "the user group S0123"),
        ("", "", "nobody"),
    ],
)
def test_slacks_forms_call_somebody(given: str, mention: str, whom: str) -> None:
    """One or several; an empty text calls nobody."""
    assert prod(MINIMAL + MENTIONED % f"'{given}'").alerting.mention == mention
    assert prod(with_target(f"alerting: {{mention: '{given}'}}")).alerting.mention == mention
    assert called(mention) == whom
    assert called(None) == "nobody"


@pytest.mark.parametrize(
    "given",
    [
        "@oncall",
        "oncall",
        "S0123",
        "U0123",
        "#ops",
        "@here",
        "<here>",
        "<@oncall>",
        "<@S0123>",
        "<!subteam^oncall>",
        "<!everyone>",
        "<@u0123>",
        "&lt;!here&gt;",
        "<!here> please look",
        "<https://example.com>",
    ],
)
def test_a_mention_that_calls_nobody_is_refused(given: str) -> None:
    """Slack posts it as a text, and nobody wakes."""
    for text, path in (
        (MINIMAL + MENTIONED % f"'{given}'", "alerting.slack.mention"),
        (with_target(f"alerting: {{mention: '{given}'}}"), "targets.prod.alerting.mention"),
    ):
        assert any(
            f"{path}: calls nobody, Slack shows it as plain text; allowed: <!subteam^S0123>" in line
            for line in complaints(text)
        )


def test_a_mention_is_as_long_as_a_message_has_room_for() -> None:
    """The settings and the messages keep the same limit, so nothing that is valid fails later."""
    assert render.LONGEST_MENTION == LONGEST_MENTION
    fits = " ".join(["<@U123456>"] * 18)
    assert prod(with_target(f"alerting: {{mention: '{fits}'}}")).alerting.mention == fits
    (line,) = complaints(with_target(f"alerting: {{mention: '{fits} <@U1>'}}"))
    assert "targets.prod.alerting.mention: is longer than the 200 characters that fit a message" in line


def _with_share(written: str) -> str:
    return with_target(f"checks: {{volume: {{enabled: true, min_ratio: {written}}}}}")


def test_a_share_is_a_number_and_no_duration() -> None:
    """The only float of the settings that is none, so it is neither parsed nor shown as one."""
    assert prod(_with_share("0.95")).checks.volume.min_ratio == 0.95
    assert prod(_with_share("1")).checks.volume.min_ratio == 1
    assert "min_ratio: 0.95 " in show(loaded(_with_share("0.95")))


@pytest.mark.parametrize("written", ['"90%"', '"nan"', '"inf"', '"-Infinity"', '"a lot"'])
def test_a_text_that_is_no_share_is_told_the_range(written: str) -> None:
    """Also a text that only float() takes for a number."""
    (complaint,) = complaints(_with_share(written))
    assert "min_ratio: is not a number; allowed: more than 0, at most 1" in complaint


def test_a_word_is_guessed_only_when_it_is_near() -> None:
    """What is not misspelt gets the list alone."""
    (far,) = complaints(with_target("checks: {canary: {decoy: phone}}"))
    assert "did you mean" not in far
    (near,) = complaints(with_target("checks: {canary: {decoy: emial}}"))
    assert "did you mean `email`?" in near


@pytest.mark.parametrize("written", ["0", "-0.5", "1.01", "90", ".nan", ".inf", "90%", "0.9s", "true", "null", "[0.9]"])
def test_what_is_no_share_is_refused(written: str) -> None:
    """More than nothing, at most all of it."""
    (complaint,) = complaints(_with_share(written))
    assert "targets.prod.checks.volume.min_ratio: is " in complaint


def test_an_empty_text_is_no_proxy_whatever_the_environment_says() -> None:
    """Null leaves it to HTTPS_PROXY and its kin."""
    environ = {"HTTPS_PROXY": "http://p:1"}
    for text, proxy in (("''", None), ("null", "http://p:1"), ("'  '", None), ("' http://q:2 '", "http://q:2")):
        http = settings(MINIMAL + f"http: {{proxy: {text}}}\n").http
        assert Proxies(proxy=http.proxy, no_proxy=http.no_proxy, environ=environ).proxy_of("https://a.example") == proxy
    assert '\n  proxy: ""' in show(loaded(MINIMAL + "http: {proxy: ''}\n"))
