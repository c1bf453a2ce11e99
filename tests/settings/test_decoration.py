"""What people paste together with a value: quotes, `Bearer `, placeholders, masks, another service's token."""

from pathlib import Path

import pytest

from monitor.core.secret import describe_headers
from monitor.settings import expected_headers
from monitor.settings.expected import expected_config
from monitor.settings.secret import HeaderSource, SecretSource, SlackToken, TraceloopKey, TrueFoundryToken, Unusable
from tests.settings.samples import BY_ENVIRONMENT, MINIMAL, complaints, prod, settings, with_target

KEY = b"k" * 32

DECORATED = [
    '"tl_Secret_2"',
    "'tl_Secret_2'",
    "`tl_Secret_2`",
    "\"'tl_Secret_2'\"",
    "Bearer tl_Secret_2",
    "bearer  tl_Secret_2\n",
    '"Bearer tl_Secret_2"',
    'Bearer "tl_Secret_2"',
    "Authorization: Bearer tl_Secret_2",
    "'authorization:Bearer tl_Secret_2'",
]


@pytest.mark.parametrize("pasted", DECORATED)
def test_a_secret_is_sent_and_compared_without_what_was_pasted_with_it(pasted: str, tmp_path: Path) -> None:
    """`docker run --env-file` keeps quotes; a key sent with them is refused, while the gateway's own is well."""
    (tmp_path / "key").write_text(pasted)
    by_file = prod(MINIMAL.replace("api_key: tl_Secret_2", "api_key_file: key"), cwd=tmp_path)
    by_variable = prod("", BY_ENVIRONMENT | {"TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY": pasted})
    for target in (by_file, by_variable):
        assert target.traceloop.api_key.get() == "tl_Secret_2"
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


@pytest.mark.parametrize("word", ['""', "Bearer", "Bearer ", '"Bearer "', "Authorization: Bearer", "' '"])
def test_decoration_alone_is_no_secret(word: str) -> None:
    """Nothing is left of it."""
    with pytest.raises(Unusable, match="is empty"):
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
        (MINIMAL.replace("tfy-Secret-1", "xoxb-Secret-3"), "control_plane.token", "is a Slack token"),
        (MINIMAL.replace("tfy-Secret-1", "tl_Secret_2"), "control_plane.token", "is a Traceloop key"),
        (MINIMAL.replace("{model", "{token: xapp-1-Secret, model"), "gateway.token", "is a Slack token"),
        (MINIMAL.replace("tl_Secret_2", "xoxp-Secret-3"), "traceloop.api_key", "is a Slack token"),
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
        ("eyJhbGciOi.Secret.x", "is a token of TrueFoundry"),
        ("https://hooks.slack.com/services/T0/B0/Secret", "is a URL"),
    ],
)
def test_what_cannot_post_is_no_bot_token(token: str, what: str) -> None:
    """Nobody would be told of anything."""
    (line,) = complaints(MINIMAL + f"alerting: {{slack: {{bot_token: '{token}', channel: C1}}}}\n")
    assert f"alerting.slack.bot_token: {what}" in line
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
    assert (target.gateway.model, target.traceloop.environment) == ("openai-main/gpt-4o-mini", "prd")
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
        (
            MINIMAL.replace("https://acme.truefoundry.cloud", "'https://${TENANT}.truefoundry.cloud'"),
            "control_plane.url",
            "is not a URL",
        ),
        (
            MINIMAL.replace("https://acme.truefoundry.cloud", "'https://tfy.example/${TENANT}'"),
            "control_plane.url",
            "is not a URL",
        ),
        (with_target("expected: {resource_attributes: {a: '${ENV}'}}"), "expected.resource_attributes.a", "holds a pl"),
        (with_target("labels: {team: '${TEAM}'}"), "labels.team", "holds a placeholder"),
        (
            MINIMAL.replace(": prd", ": prd, other_environments: {'${ENV}': {api_key: k}}"),
            "traceloop.other_environments",
            "holds a placeholder",
        ),
        (MINIMAL.replace(": prd", """: '"prd"'"""), "traceloop.environment", "holds quotes as a part of its text"),
    ],
)
def test_what_nothing_has_replaced_is_an_error_with_its_reason(text: str, path: str, what: str) -> None:
    """Else traces would be looked for where they never arrive, and somebody would be called for it."""
    assert any(f"targets.prod.{path}" in line and what in line for line in complaints(text)), complaints(text)
