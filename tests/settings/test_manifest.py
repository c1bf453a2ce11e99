"""The manifest for `tfy apply`, and the dashboard's form."""

from monitor.settings.expected import form, manifest
from tests.settings.samples import prod, with_target

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
