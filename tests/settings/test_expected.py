"""What the exporter should be set to: rules for the core, the manifest for `tfy apply`, the dashboard's form."""

import pytest

from monitor.core.drift import Absent, Equals, Filter, NotAt, OneOf, SameSecret, SameUrl, Value, compare
from monitor.core.drift import ExportConfig as Export
from monitor.core.secret import describe_headers
from monitor.settings import expected_config, expected_headers, labels
from monitor.settings.expected import form, manifest
from tests.settings.samples import MINIMAL, prod, with_target

KEY = b"k" * 32
TRACES = "otel_traces_exporter_config"


def test_the_guides_table_becomes_rules() -> None:
    """Type, endpoint, encoding, Authorization, and no metrics to where the traces go."""
    rules = expected_config(prod(), KEY).rules
    assert {path: rule for path, rule in rules.items() if not path.endswith("authorization")} == {
        f"{TRACES}.type": Equals("http"),
        f"{TRACES}.endpoint": SameUrl("https://api.traceloop.com/v1/traces"),
        f"{TRACES}.encoding": Equals("proto"),
        "otel_metrics_exporter_config": NotAt(frozenset({"api.traceloop.com"})),
    }
    assert isinstance(rules[f"{TRACES}.headers.authorization"], SameSecret)


def test_a_gateway_set_as_expected_has_no_differences() -> None:
    """With the headers as the adapter describes them, names in any case; the key itself is in no rule."""
    target = prod(with_target("expected: {headers: {X-Scope: Basic abc}, exclude_request_data: true}"))
    expected = expected_config(target, KEY)
    sent = {"AUTHORIZATION": "Bearer tl_Secret_2", "x-scope": "Basic abc"}
    headers = describe_headers(sent, expected_headers(target), key=KEY)
    fields: dict[str, Value] = {
        f"{TRACES}.type": "http",
        f"{TRACES}.endpoint": "https://api.traceloop.com/v1/traces",
        f"{TRACES}.encoding": "proto",
        f"{TRACES}.exclude_request_data": True,
        **{f"{TRACES}.headers.{name}": secret for name, secret in headers.items()},
    }
    assert compare(expected, Export(fields=fields)).differences == ()
    assert "tl_Secret_2" not in repr(expected)


def test_expected_fingerprints_are_those_of_the_values_found() -> None:
    """Equal values show equal fingerprints, whatever the scheme."""
    target = prod(with_target("expected: {headers: {X-A: Bearer zzz, X-B: 'a****b'}}"))
    rules = expected_config(target, KEY).rules
    found = describe_headers(expected_headers(target), expected_headers(target), key=KEY)
    for name in ("authorization", "x-a"):
        rule = rules[f"{TRACES}.headers.{name}"]
        assert isinstance(rule, SameSecret)
        assert rule.fingerprint == found[name].fingerprint
    assert isinstance(rules[f"{TRACES}.headers.x-b"], SameSecret)


def test_an_authorization_of_ones_own_takes_the_place_of_the_made_one() -> None:
    """A collector in between may want another credential."""
    target = prod(with_target("expected: {headers: {authorization: Basic abc}}"))
    assert expected_headers(target) == {"authorization": "Basic abc"}


def test_headers_follow_a_rotated_key() -> None:
    """They are made of the present value."""
    assert expected_headers(prod()) == {"Authorization": "Bearer tl_Secret_2"}


def test_request_data_is_compared_only_if_something_is_expected() -> None:
    """False may also be absent, null is not checked."""

    def rule(value: str) -> object:
        target = prod(with_target(f"expected: {{exclude_request_data: {value}}}"))
        return expected_config(target, KEY).rules.get(f"{TRACES}.exclude_request_data")

    assert rule("null") is None
    assert rule("true") == Equals(True)  # noqa: FBT003 - the value under test
    assert rule("false") == OneOf((False, None))


def test_further_expectations_become_rules() -> None:
    """Resource attributes with their dots, filters, and metrics not checked."""
    text = with_target(
        "expected: {resource_attributes: {deployment.environment: prod}, metrics_exporter: null, "
        "filters: [{key: tfy.span_type, value: [ChatCompletion, Model]}]}"
    )
    expected = expected_config(prod(text), KEY)
    assert expected.rules[f"{TRACES}.additional_resource_attributes.deployment.environment"] == Equals("prod")
    assert "otel_metrics_exporter_config" not in expected.rules
    assert expected.filters == (Filter(key="tfy.span_type", values=("ChatCompletion", "Model")),)


@pytest.mark.parametrize("word", ["any", "null"])
def test_the_metrics_exporter_may_be_nobodys_business(word: str) -> None:
    """Wherever it points."""
    rules = expected_config(prod(with_target(f"expected: {{metrics_exporter: {word}}}")), KEY).rules
    assert "otel_metrics_exporter_config" not in rules


def test_grpc_has_no_encoding() -> None:
    """The manifest has no such field then."""
    target = prod(with_target("expected: {protocol: grpc, endpoint: 'otlp.example.com:443'}"))
    rules = expected_config(target, KEY).rules
    assert rules[f"{TRACES}.type"] == Equals("grpc")
    assert rules[f"{TRACES}.endpoint"] == SameUrl("otlp.example.com:443")
    assert rules[f"{TRACES}.encoding"] == Absent()


def test_the_canarys_sure_attributes() -> None:
    """A filter is evaluated against them."""
    attributes = expected_config(prod(), KEY).canary_attributes
    assert attributes == {"tfy.span_type": "ChatCompletion", "tfy.request.model_name": "openai-main/gpt-4o-mini"}
    without = MINIMAL.replace("{model: openai-main/gpt-4o-mini}", "{}") + "    checks: {canary: {enabled: false}}\n"
    assert expected_config(prod(without), KEY).canary_attributes == {"tfy.span_type": "ChatCompletion"}


def test_what_a_trace_must_say_of_itself() -> None:
    """Content is the opposite of its exclusion; null is not checked."""
    made = {
        value: labels(prod(with_target(f"expected: {{exclude_request_data: {value}, resource_attributes: {{a: b}}}}")))
        for value in ("true", "false", "null")
    }
    assert {value: label.content for value, label in made.items()} == {"true": False, "false": True, "null": None}
    assert made["null"].service_name == "tfy-llm-gateway"
    assert made["null"].resource_attributes == {"a": "b"}


FULL = with_target(
    "expected: {headers: {X-Scope: hdr-Secret}, exclude_request_data: false, resource_attributes: {a.b: c}, "
    "filters: [{key: tfy.span_type, value: [ChatCompletion, Model]}]}"
)


def test_the_manifest_of_the_defaults() -> None:
    """Every field of the integration guide, the key as a placeholder."""
    assert manifest(prod()) == {
        "name": "otel-config",
        "type": "gateway-otel-config",
        "otel_traces_exporter_config": {
            "type": "http",
            "endpoint": "https://api.traceloop.com/v1/traces",
            "encoding": "proto",
            "headers": {"Authorization": "Bearer <the Traceloop API key>"},
        },
    }


def test_further_expectations_are_in_the_manifest() -> None:
    """Attributes, filters and what becomes of request data."""
    exporter = manifest(prod(FULL))["otel_traces_exporter_config"]
    assert exporter["additional_resource_attributes"] == {"a.b": "c"}
    assert exporter["exclude_request_data"] is False
    assert exporter["when"] == [
        {"field": "spanAttributes", "key": "tfy.span_type", "operator": "IN", "value": ["ChatCompletion", "Model"]}
    ]


def test_every_header_value_is_a_placeholder_unless_revealed() -> None:
    """A header is a secret whatever its name."""
    hidden = manifest(prod(FULL))["otel_traces_exporter_config"]["headers"]
    assert hidden == {"Authorization": "Bearer <the Traceloop API key>", "X-Scope": "<the value of X-Scope>"}
    revealed = manifest(prod(FULL), reveal=True)["otel_traces_exporter_config"]["headers"]
    assert revealed == {"Authorization": "Bearer tl_Secret_2", "X-Scope": "hdr-Secret"}


def test_an_authorization_of_ones_own_is_a_placeholder_too() -> None:
    """It is as secret as the key."""
    own = prod(with_target("expected: {headers: {authorization: Basic abc}}"))
    assert manifest(own)["otel_traces_exporter_config"]["headers"] == {"authorization": "<the value of authorization>"}


def test_grpc_has_no_encoding_in_the_manifest() -> None:
    """The field does not exist there."""
    exporter = manifest(prod(with_target("expected: {protocol: grpc, endpoint: 'otlp.example.com:443'}")))
    assert "encoding" not in exporter["otel_traces_exporter_config"]


def test_the_form_says_where_the_metrics_exporter_is_not_checked() -> None:
    """As of what else is not."""
    assert form(prod(with_target("expected: {metrics_exporter: any}")))[-1] == ("Metrics exporter", "not checked")


def test_the_form_of_the_defaults_is_the_guides_table() -> None:
    """https://www.truefoundry.com/docs/ai-gateway/traceloop."""
    assert form(prod()) == [
        ("Traces exporter", "enabled"),
        ("Protocol", "HTTP"),
        ("Endpoint", "https://api.traceloop.com/v1/traces"),
        ("Encoding", "Proto"),
        ("Header", "Authorization: Bearer <the Traceloop API key>"),
        ("Exclude request data", "not checked"),
        ("Metrics exporter", "disabled"),
    ]


def test_the_form_of_further_expectations() -> None:
    """A row for each attribute, header and filter."""
    rows = form(prod(FULL))
    assert ("Resource attribute", "a.b: c") in rows
    assert ("Filter", "tfy.span_type IN ChatCompletion, Model") in rows
    assert ("Header", "X-Scope: <the value of X-Scope>") in rows
    assert ("Exclude request data", "off") in rows
