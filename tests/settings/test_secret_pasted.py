"""What is pasted together with a secret: taken off, or refused with the reason, before it is sent anywhere."""

import json
from pathlib import Path

import pytest

from monitor.core.secret import describe_headers
from monitor.settings import expected_headers
from monitor.settings.expected import expected_config
from monitor.settings.secret import (
    HeaderSource,
    SecretSource,
    SlackToken,
    TraceloopKey,
    TrueFoundryToken,
    Unusable,
)
from tests.settings.samples import (
    BY_ENVIRONMENT,
    MINIMAL,
    complaints,
    prod,
    settings,
    traceloop_of,
    with_target,
)

KEY = b"k" * 32

QUOTED = ['"tl_Secret_2"', "'tl_Secret_2'", "`tl_Secret_2`", "\"'tl_Secret_2'\"", ' "tl_Secret_2"\n']
LABELLED = [
    "Bearer tl_Secret_2",
    "bearer  tl_Secret_2\n",
    '"Bearer tl_Secret_2"',
    'Bearer "tl_Secret_2"',
    "Authorization: Bearer tl_Secret_2",
    "'authorization:Bearer tl_Secret_2'",
    "Authorization: Bearer",
]


@pytest.mark.parametrize("pasted", LABELLED)
def test_a_token_is_given_without_the_words_of_its_header(pasted: str, tmp_path: Path) -> None:
    """It is an error that says why, in a file and in a variable, and does not repeat the token."""
    (tmp_path / "key").write_text(pasted)
    variable = "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY"
    for (line,), place in (
        (complaints(MINIMAL.replace("api_key: tl_Secret_2", "api_key_file: key"), cwd=tmp_path), "config.yaml:5"),
        (complaints(MINIMAL, {variable: pasted}), variable),
    ):
        assert line.startswith(f"{place}: targets.prod.traceloop.api_key")
        assert "begins with `Bearer` or `Authorization:`, which belongs to the header; give the secret alone" in line
        assert "Secret" not in line


@pytest.mark.parametrize("pasted", QUOTED)
def test_a_secret_is_sent_and_compared_without_what_was_pasted_with_it(pasted: str, tmp_path: Path) -> None:
    """`docker run --env-file` keeps quotes; a key sent with them is refused, while the gateway's own is well."""
    (tmp_path / "key").write_text(pasted)
    by_file = prod(MINIMAL.replace("api_key: tl_Secret_2", "api_key_file: key"), cwd=tmp_path)
    by_variable = prod("", BY_ENVIRONMENT | {"TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY": pasted})
    for target in (by_file, by_variable):
        assert traceloop_of(target).api_key.get() == "tl_Secret_2"
        assert expected_headers(target) == {"Authorization": "Bearer tl_Secret_2"}
        (found,) = describe_headers({"Authorization": "Bearer tl_Secret_2"}, expected_headers(target), key=KEY).values()
        assert (found.equal, found.oddities) == (True, ())
        assert str(found.fingerprint) in [
            getattr(rule, "fingerprint", None) for rule in expected_config(target, KEY).rules.values()
        ]


@pytest.mark.parametrize("pasted", ['"Bearer tl_x"', "Bearer tl_x ", 'Bearer "tl_x"', "'Bearer  tl_x'"])
def test_a_header_of_ones_own_is_sent_without_decoration_too(pasted: str) -> None:
    """Its scheme stays: it is a part of the value."""
    assert HeaderSource(pasted).get() == "Bearer tl_x"


def test_an_authorization_without_its_scheme_is_refused() -> None:
    """It would be expected of the gateway as it stands, and the gateway blamed for writing `Bearer `."""
    (line,) = complaints(with_target("expected: {headers: {Authorization: tl_Secret_2}}"))
    assert "expected.headers: has an Authorization without a scheme; allowed: `Bearer …` and the like" in line


@pytest.mark.parametrize(
    ("word", "what"), [('""', "is empty"), ("' '", "is empty"), ("Bearer", "begins with"), ('"Bearer "', "begins with")]
)
def test_decoration_alone_is_no_secret(word: str, what: str) -> None:
    """Nothing is left of it."""
    with pytest.raises(Unusable, match=what):
        SecretSource(word)


@pytest.mark.parametrize("odd", ['"tl_x', "tl_x'", 'tl_"x"', "tl_${X}", "tl_****", "tl_<key>", "tl_{{ key }}", "%tl%x"])
@pytest.mark.parametrize("kind", [TrueFoundryToken, TraceloopKey, SlackToken])
def test_what_no_token_holds_is_refused(kind: type[SecretSource], odd: str) -> None:
    """Half a pair of quotes, a mask, a placeholder inside."""
    with pytest.raises(Unusable, match=r"is a placeholder|holds a character that no") as refused:
        kind(odd.replace("tl_", "k-"))
    assert "k-" not in str(refused.value)


@pytest.mark.parametrize(
    "standing", ["${KEY}", "$(KEY)", "$KEY", "{{KEY}}", "<key>", "%KEY%", "%(key)s", "YOUR_API_KEY", "your-token"]
)
def test_a_placeholder_that_nothing_has_replaced_is_no_secret(standing: str) -> None:
    """It would be sent as it stands, or guard the page with a token that everybody can guess."""
    for kind in (SecretSource, TraceloopKey, HeaderSource):
        with pytest.raises(Unusable, match="is a placeholder such as"):
            kind(standing)


@pytest.mark.parametrize("masked", ["********", "*", "xxxxxxxx", "[redacted]", "MASKED"])
def test_a_masked_copy_is_no_secret(masked: str) -> None:
    """`config show` itself prints such."""
    for kind in (SecretSource, HeaderSource):
        with pytest.raises(Unusable, match="is masked"):
            kind(masked)


def test_a_reference_of_truefoundry_is_no_secret() -> None:
    """Only TrueFoundry can resolve it."""
    with pytest.raises(Unusable, match="is a reference that only TrueFoundry can resolve"):
        SecretSource("tfy-secret://acme:group:key")


@pytest.mark.parametrize(
    ("text", "path", "what"),
    [
        (
            MINIMAL.replace("tfy-Secret-1", "xoxb-Secret-3"),
            "control_plane.token",
            "is a Slack token; a TrueFoundry token is needed",
        ),
        (MINIMAL.replace("tfy-Secret-1", "tl_Secret_2"), "control_plane.token", "is a Traceloop key; a TrueF"),
        (MINIMAL.replace("{model", "{token: xapp-1-Secret, model"), "gateway.token", "is a Slack token"),
        (MINIMAL.replace("tl_Secret_2", "xoxp-Secret-3"), "traceloop.api_key", "is a Slack token; a Trace"),
        (MINIMAL.replace("tl_Secret_2", "https://api.traceloop.com"), "traceloop.api_key", "is a URL"),
    ],
)
def test_another_services_token_is_refused_before_it_is_sent(text: str, path: str, what: str) -> None:
    """The service would refuse it, and learn it."""
    lines = complaints(text)
    assert any(f"targets.prod.{path}: {what}" in line for line in lines)
    assert not any("Secret" in line for line in lines)


@pytest.mark.parametrize(
    ("token", "what"),
    [
        ("xapp-1-Secret", "is an app-level token of Slack"),
        ("tl_Secret", "is a Traceloop key"),
        ("eyJhbGciOi.Secret.x", "is a TrueFoundry token; a Slack bot's token (xoxb-) is needed"),
        ("https://hooks.slack.com/services/T0/B0/Secret", "is a URL"),
    ],
)
def test_what_cannot_post_is_no_bot_token(token: str, what: str) -> None:
    """Nobody would be notified of anything."""
    (line,) = complaints(MINIMAL + f"alerting: {{slack: {{bot_token: '{token}', channel: C1}}}}\n")
    assert f"alerting.slack.bot_token: {what}" in line
    assert "Secret" not in line


@pytest.mark.parametrize(
    ("token", "what"),
    [
        (
            "xoxb-Secret",
            "is a bot's or a person's token of Slack, which opens no connection; an app-level token (xapp-)",
        ),
        ("tl_Secret", "is a Traceloop key; an app-level token (xapp-) is needed"),
        ("eyJhbGciOi.Secret.x", "is a TrueFoundry token"),
        ("SecretSecret", "is not an app-level token of Slack"),
    ],
)
def test_what_opens_no_connection_is_no_app_token(token: str, what: str) -> None:
    """No button press would ever come."""
    slack = f"{{bot_token: xoxb-1, channel: C1, app_token: '{token}', buttons: {{users: [U123]}}}}"
    (line,) = complaints(MINIMAL + f"alerting: {{slack: {slack}}}\n")
    assert f"alerting.slack.app_token: {what}" in line
    assert "Secret" not in line


@pytest.mark.parametrize("key", ["tl_0123456789abcdef", "0123456789abcdef" * 6, "a.b-c_d~e+f/g=="])
def test_traceloop_keys_of_any_form_are_taken(key: str) -> None:
    """Older ones have no prefix (https://github.com/traceloop/openllmetry/issues/340)."""
    assert TraceloopKey(key).get() == key


@pytest.mark.parametrize("quote", ['"', "'"])
def test_the_quotes_of_an_env_file_are_no_part_of_a_value(quote: str) -> None:
    """Else the gateway would be asked for a model in quotes, and traces looked for in an environment that is none."""
    environ = {name: f"{quote}{value}{quote}" for name, value in BY_ENVIRONMENT.items()}
    environ["TRACE_MONITOR_ALERTING__REMIND_EVERY"] = f"{quote}4h,8h{quote}"
    environ["TRACE_MONITOR_TARGETS__PROD__LABELS"] = f"{quote}{{team: ml}}{quote}"
    environ["TRACE_MONITOR_LOG__LEVEL"] = f" {quote}debug{quote} "
    read = settings("", environ)
    target = prod("", environ)
    assert (target.gateway.model, traceloop_of(target).environment) == ("openai-main/gpt-4o-mini", "prd")
    assert target.gateway.url == "https://acme.truefoundry.cloud/api/llm"
    assert (read.alerting.remind_every, read.log.level, target.labels) == ((14400, 28800), "debug", {"team": "ml"})


def test_quotes_that_are_a_part_of_a_text_stay() -> None:
    """A list of quoted words begins and ends with a quote as well."""
    environ = {"TRACE_MONITOR_TARGETS__PROD__CHECKS__CANARY__PROMPT": 'say "yes" or "no"'}
    assert prod(MINIMAL, environ).checks.canary.prompt == 'say "yes" or "no"'


@pytest.mark.parametrize(
    ("text", "path", "what"),
    [
        (MINIMAL.replace(": prd", ": '${ENV}'"), "traceloop.environment", "holds a placeholder"),
        (MINIMAL.replace(": prd", ": '{{ .Values.env }}'"), "traceloop.environment", "holds a placeholder"),
        (MINIMAL.replace("gpt-4o-mini", "$(MODEL)"), "gateway.model", "holds a placeholder"),
        (MINIMAL.replace("openai-main/gpt-4o-mini", "$MODEL"), "gateway.model", "holds a placeholder"),
        (
            MINIMAL.replace("https://acme.truefoundry.cloud", "'https://${T}.x'"),
            "control_plane.url",
            "holds a placeholder",
        ),
        (MINIMAL.replace("token: tfy-Secret-1", "token_file: '${DIR}/x'"), "control_plane.token_file", "holds a pl"),
        (MINIMAL.replace("  prod:", "  '${ENV}':"), "", "targets.…: holds a placeholder"),
        (with_target("expected: {resource_attributes: {a: '${ENV}'}}"), "expected.resource_attributes.a", "holds a pl"),
        (with_target("expected: {resource_attributes: {'${A}': a}}"), "expected.resource_attributes.…", "holds a pl"),
        (with_target("expected: {filters: [{key: a, value: ['${V}']}]}"), "expected.filters[0].value[0]", "holds a pl"),
        (with_target("expected: {protocol: '${P}'}"), "expected.protocol", "holds a placeholder"),
        (with_target("alerting: {mention: '${WHO}'}"), "alerting.mention", "holds a placeholder"),
        (with_target("checks: {canary: {every: '${EVERY}'}}"), "checks.canary.every", "holds a placeholder"),
        (with_target("checks: {canary: {max_per_day: $MOST}}"), "checks.canary.max_per_day", "holds a placeholder"),
        (with_target("checks: {canary: {enabled: '${ON}'}}"), "checks.canary.enabled", "holds a placeholder"),
        (with_target("checks: {gateway: {path: '/${PATH}'}}"), "checks.gateway.path", "holds a placeholder"),
        (with_target("checks: {canary: {parameters: {seed: '${SEED}'}}}"), "checks.canary.parameters.seed", "holds a"),
        (with_target("labels: {team: '${TEAM}'}"), "labels.team", "holds a placeholder"),
        (
            MINIMAL.replace(": prd", ": prd, other_environments: {'${ENV}': {api_key: k}}"),
            "traceloop.other_environments.…",
            "holds a placeholder",
        ),
        (MINIMAL.replace(": prd", """: '"prd"'"""), "traceloop.environment", "holds quotes as a part of its text"),
    ],
)
def test_what_nothing_has_replaced_is_an_error_with_its_reason(text: str, path: str, what: str) -> None:
    """Else traces would be looked for where they never arrive, and somebody would be called for it."""
    (line,) = complaints(text)
    assert what in line
    assert f"targets.prod.{path}: " in line or not path


def test_braces_in_the_parameters_of_a_request_may_be_meant() -> None:
    """Templates and patterns are sent as they are; only the name of a variable is not."""
    given = {"template": "{{ city }}", "pattern": "^(a|b)$(c)?", "price": "$5"}
    text = with_target(f"checks: {{canary: {{parameters: {json.dumps(given)}}}}}")
    assert prod(text).checks.canary.parameters == given


def test_a_default_that_was_used_is_named() -> None:
    """Nobody finds it in the file."""
    lines = complaints(MINIMAL.replace("https://acme", "http://acme"))
    assert lines[1].startswith("config.yaml:4: targets.prod.gateway.url: is not https, but receives a token")
    assert lines[1].endswith("; it is not given, so its default is used: {control_plane.url}/api/llm")
