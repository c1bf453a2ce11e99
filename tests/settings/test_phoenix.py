"""Arize Phoenix as the backend of a target: what is derived from it, what is refused, and what is warned of."""

from pathlib import Path

import pytest

from monitor.core import backend
from monitor.core.drift import AUTHORIZATION, HEADERS, Comparison, ExportConfig, compare
from monitor.core.secret import describe_secret
from monitor.core.trace import Labels
from monitor.settings import expected_config, expected_headers, labels, parse
from monitor.settings.expected import form, manifest
from monitor.settings.show import show
from tests.settings.samples import MINIMAL, complaints, loaded, prod, settings

KEY = b"0" * 32


def text(phoenix: str, *lines: str) -> str:
    """A configuration with this section, and more lines in its target."""
    more = "".join(f"    {line}\n" for line in lines)
    return f"""\
targets:
  prod:
    control_plane: {{url: https://acme.truefoundry.cloud, token: tfy-Secret-1}}
    gateway: {{model: openai-main/gpt-4o-mini}}
    phoenix: {{{phoenix}}}
{more}"""


CLOSED = text("url: https://phoenix.example.com, api_key: phoenix-Secret-3")
OPEN = text("url: 'http://phoenix:6006'")


def test_the_endpoint_comes_from_phoenix() -> None:
    """{phoenix.url}/v1/traces, or {phoenix.endpoint} where that is given."""
    assert prod(CLOSED).expected.endpoint == "https://phoenix.example.com/v1/traces"
    moved = prod(text("url: https://phoenix.example.com, endpoint: 'https://otlp.example.com/v1/traces'"))
    assert (moved.phoenix and moved.phoenix.url, moved.expected.endpoint) == (
        "https://phoenix.example.com",
        "https://otlp.example.com/v1/traces",
    )


@pytest.mark.parametrize(
    "below", ["", "/", "/v1/traces", "/projects", "/v1/projects/default/spans", "/settings/general"]
)
def test_what_people_paste_is_understood_as_phoenix_address(below: str) -> None:
    """What its pages and its guide show; the space of Phoenix Cloud stays."""
    target = prod(text(f"url: 'https://app.phoenix.arize.com/s/acme{below}'"))
    assert target.backend.url == "https://app.phoenix.arize.com/s/acme"


def test_without_a_key_no_authorization_is_expected() -> None:
    """Nor sent by the test span, which sends the expected headers."""
    assert expected_headers(prod(OPEN)) == {}
    assert AUTHORIZATION not in expected_config(prod(OPEN), KEY).rules
    assert expected_headers(prod(CLOSED)) == {"Authorization": "Bearer phoenix-Secret-3"}


def test_a_project_is_named_by_a_header() -> None:
    """The exporter sends it, and the test span too; without it Phoenix takes `default`."""
    named = prod(text("url: 'http://phoenix:6006', project: gateway"))
    assert expected_headers(named) == {"x-project-name": "gateway"}
    assert manifest(named)["otel_traces_exporter_config"]["headers"] == {"x-project-name": "gateway"}
    assert ("Header", "x-project-name: gateway") in form(named)
    assert ("Header", "Authorization: Bearer <the Phoenix API key>") in form(prod(CLOSED))
    own = prod(text("url: https://p.example.com, project: gateway", "expected: {headers: {X-Project-Name: gateway}}"))
    assert expected_headers(own) == {"X-Project-Name": "gateway"}


@pytest.mark.parametrize("project", ["project: gateway", "project: default", "api_key: k"])
def test_a_header_that_names_another_project_is_refused(project: str) -> None:
    """Traces would be stored in one project and looked for in the other; a header from a file that is not read is not judged."""
    section = f"url: https://p.example.com, {project}"
    assert complaints(text(section, "expected: {headers: {X-Project-Name: elsewhere}}")) == [
        (
            "config.yaml:6: targets.prod.expected.headers.X-Project-Name: is not `phoenix.project`, which is the project that is "
            "read; set that, and leave this header out"
        )
    ]
    unread = text(section, "expected: {headers: {X-Project-Name: {file: /nowhere/project}}}")
    assert parse(unread, {}, Path("/nowhere"), open_files=False).settings.targets


def test_json_is_refused_where_phoenix_itself_is_sent_to() -> None:
    """It answers 415; a Collector before it takes JSON."""
    json = "expected: {encoding: json}"
    assert complaints(text("url: https://p.example.com", json)) == [
        (
            "config.yaml:6: targets.prod.expected.encoding: is json, and Phoenix takes protobuf only (it answers 415); allowed: "
            "proto, or the endpoint of a Collector"
        )
    ]
    by_collector = "expected: {encoding: json, endpoint: 'https://collector.example.com:4318/v1/traces'}"
    assert prod(text("url: https://p.example.com", by_collector)).expected.encoding == "json"


def test_grpc_is_warned_of_where_it_leads_elsewhere() -> None:
    """Phoenix takes it at another port, and reads no header there."""

    def warned(expected: str) -> str:
        return "\n".join(loaded(text("url: https://p.example.com, project: gateway", expected)).warnings)

    said = warned("expected: {protocol: grpc}")
    assert (
        "targets.prod.expected.endpoint is where Phoenix takes HTTP; it takes gRPC at a port of its own, 4317" in said
    )
    assert "targets.prod.phoenix.project is not named by a header over gRPC" in said
    assert "where Phoenix takes HTTP" not in warned("expected: {protocol: grpc, endpoint: 'p.example.com:4317'}")
    assert "where Phoenix takes HTTP" in warned("expected: {protocol: grpc, endpoint: 'p.example.com:443'}")
    assert "gRPC" not in warned("expected: {protocol: http}")


def compared(configuration: str, **headers: str) -> Comparison:
    """What is said of an exporter with these headers."""
    target = prod(configuration)
    wanted = expected_headers(target)
    fields = {
        f"{HEADERS}.{name.lower()}": describe_secret(value, expected=wanted.get(name), key=KEY)
        for name, value in headers.items()
    }
    rules = {path: rule for path, rule in expected_config(target, KEY).rules.items() if path.startswith(HEADERS)}
    config = expected_config(target, KEY)
    return compare(
        type(config)(rules=rules, routing=config.routing, key_is_place=config.key_is_place), ExportConfig(fields=fields)
    )


def test_another_key_may_be_as_good_as_ours() -> None:
    """Every key of Phoenix leads to the same projects, so another one is a difference that stops nothing by itself."""
    (difference,) = compared(CLOSED, Authorization="Bearer phoenix-Secret-4").differences
    assert (difference.stops_export, difference.hint) == (False, "another key than the monitor's")
    assert compared(CLOSED).stops_export  # none at all is refused


def test_another_project_is_where_nobody_looks() -> None:
    """The header decides where traces go, so they do not arrive where they should."""
    configuration = text("url: 'http://phoenix:6006', project: gateway")
    assert compared(configuration, **{"x-project-name": "gateway"}).differences == ()
    assert compared(configuration, **{"x-project-name": "other"}).stops_export
    assert compared(configuration).stops_export


def test_a_header_that_a_phoenix_without_authentication_ignores_stops_nothing() -> None:
    """It is a credential that goes where nobody wants it: a warning."""
    (difference,) = compared(OPEN, Authorization="Bearer phoenix-Secret-4").differences
    assert (difference.expected, difference.stops_export) == ("absent", False)


def test_what_phoenix_can_tell_comes_with_its_section() -> None:
    """One value, which everything else asks."""
    assert prod(CLOSED).backend.traits is backend.PHOENIX
    assert labels(prod(CLOSED)) == Labels(service_name="tfy-llm-gateway")


def test_both_backends_at_once_are_refused() -> None:
    """The complaint says where the second one stands."""
    both = text("url: https://phoenix.example.com", "traceloop: {api_key: tl_Secret_2, environment: prd}")
    assert complaints(both) == [
        (
            "config.yaml:5: targets.prod.phoenix: is given (config.yaml:5) beside `traceloop` (config.yaml:6): a target has one "
            "trace backend; remove one of the two"
        )
    ]


def test_a_variable_of_the_other_backend_is_refused_by_its_name() -> None:
    """Although its section is not whole: that is not what is wrong."""
    environ = {"TRACE_MONITOR_TARGETS__PROD__TRACELOOP__ENVIRONMENT": "prd"}
    assert complaints(CLOSED, environ) == [
        (
            "config.yaml:5: targets.prod.phoenix: is given (config.yaml:5) beside `traceloop` "
            "(TRACE_MONITOR_TARGETS__PROD__TRACELOOP__ENVIRONMENT): a target has one trace backend; remove one of the two"
        )
    ]
    (complaint,) = complaints(MINIMAL, {"TRACE_MONITOR_TARGETS__PROD__PHOENIX__PROJECT": "gw"})
    assert "(TRACE_MONITOR_TARGETS__PROD__PHOENIX__PROJECT) beside `traceloop` (config.yaml:5)" in complaint


@pytest.mark.parametrize("backend", ["", "    phoenix:\n", "    traceloop:\n", "    phoenix: null\n"])
def test_a_target_without_a_backend_is_told_of_both(backend: str) -> None:
    """Nobody who wants Phoenix is asked for a Traceloop key."""
    (complaint,) = complaints(OPEN.replace("    phoenix: {url: 'http://phoenix:6006'}\n", backend))
    assert complaint.endswith(
        "targets.prod.phoenix: is missing, and so is `traceloop`: a target needs `traceloop` or `phoenix`, its trace backend"
    )


def test_an_address_in_the_place_of_the_section_is_the_only_complaint() -> None:
    """It says what belongs there."""
    assert complaints(OPEN.replace("{url: 'http://phoenix:6006'}", "http://phoenix:6006")) == [
        "config.yaml:5: targets.prod.phoenix: is a single value where a mapping belongs; keys: url, api_key, project, endpoint"
    ]


def test_a_target_that_names_its_backend_inherits_no_other() -> None:
    """`defaults` may hold what most targets have."""
    defaults = "defaults: {traceloop: {api_key: tl_Secret_2, environment: prd}}\n"
    mixed = OPEN + "  other: {gateway: {url: 'https://g.example.com', token: t, model: m}}\n" + defaults
    found = settings(mixed).targets
    assert {name: target.backend.traits.name for name, target in found.items()} == {
        "prod": "Phoenix",
        "other": "Traceloop",
    }
    phoenix = "defaults: {phoenix: {url: 'https://phoenix.example.com'}}\n"
    inherited = OPEN.replace("    phoenix: {url: 'http://phoenix:6006'}\n", "") + phoenix
    assert prod(inherited).expected.endpoint == "https://phoenix.example.com/v1/traces"


def test_a_missing_address_is_the_only_complaint() -> None:
    """What would be made of it is not missing as well."""
    assert complaints(text("project: gateway")) == [
        (
            "config.yaml:5: targets.prod.phoenix.url: is missing (its address, such as https://phoenix.example.com, with the "
            "space where it has one); give `url` or the variable TRACE_MONITOR_TARGETS__PROD__PHOENIX__URL"
        )
    ]


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ("url: https://p.example.com, project: a/b", "phoenix.project: is not the name of a project that a"),
        (
            "url: https://p.example.com, project: 日本",
            "phoenix.project: is not the name of a project that a header can",
        ),
        ("url: https://p.example.com, api_key: tl_Secret_2", "phoenix.api_key: is a Traceloop key; a Phoenix key is"),
        ("url: https://p.example.com, api_key: xoxb-Secret-3", "phoenix.api_key: is a Slack token; a Phoenix key is"),
        ("url: https://p.example.com, environment: prd", "phoenix.environment: unknown key; allowed here:"),
        ("url: 'http://p.example.com', api_key: k", "phoenix.url: is not https, but receives a token; allowed: https"),
    ],
)
def test_what_is_wrong_is_said(section: str, what: str) -> None:
    """With what is allowed instead."""
    assert any(what in complaint for complaint in complaints(text(section)))


def test_without_a_key_no_tls_is_needed() -> None:
    """Nothing is given away; a header of the operator's would be."""
    assert loaded(OPEN).settings.targets
    assert complaints(text("url: 'http://phoenix:6006'", "expected: {headers: {X-Secret: s}}")) == [
        (
            "config.yaml:6: targets.prod.expected.endpoint: is not https, but receives a token; allowed: https, a loopback "
            "address, or `http.allow_http: true`; it is not given, so its default is used: {phoenix.endpoint}"
        )
    ]


def test_it_comes_from_the_environment_and_a_secrets_directory_too(tmp_path: Path) -> None:
    """A single target needs no file."""
    (tmp_path / "targets__prod__phoenix__api_key").write_text("phoenix-Secret-3\n")
    environ = {
        "TRACE_MONITOR_TARGETS__PROD__GATEWAY__URL": "https://g.example.com",
        "TRACE_MONITOR_TARGETS__PROD__GATEWAY__TOKEN": "t",
        "TRACE_MONITOR_TARGETS__PROD__GATEWAY__MODEL": "m",
        "TRACE_MONITOR_TARGETS__PROD__PHOENIX__URL": "https://phoenix.example.com",
        "TRACE_MONITOR_SECRETS_DIR": str(tmp_path),
    }
    assert expected_headers(prod("", environ)) == {"Authorization": "Bearer phoenix-Secret-3"}


def test_what_is_shown_says_where_it_comes_from() -> None:
    """And not a word of the other backend."""
    shown = show(loaded(OPEN))
    assert "http://phoenix:6006/v1/traces                    # derived: {phoenix.endpoint}" in shown
    assert "traceloop" not in shown


def test_what_cannot_be_told_is_warned_of() -> None:
    """Whoever asks for it knows that nobody looks."""
    expected = "expected: {service_name: my-gateway, resource_attributes: {team: ml}}"
    warnings = "\n".join(loaded(text("url: 'http://phoenix:6006'", expected)).warnings)
    assert "targets.prod.expected.service_name is not checked: Phoenix keeps no resource attributes" in warnings
    assert "targets.prod.expected.resource_attributes is compared with the exporter's configuration only" in warnings
    assert "resource attributes" not in "\n".join(loaded(OPEN).warnings)
