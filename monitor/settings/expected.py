"""What a target's exporter should be set to: as rules for the core, as a manifest for `tfy apply`, as the dashboard's form.

The manifest's shape: https://github.com/truefoundry/truefoundry-python-sdk, `types/gateway_otel_config.py`. The form's
fields are those of the integration guide: https://www.truefoundry.com/docs/ai-gateway/traceloop.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from monitor.core import drift
from monitor.core.secret import describe_secret, fingerprint
from monitor.core.trace import Labels
from monitor.redaction import LONGEST_FIELD, clamp
from monitor.settings.target import PROJECT, Phoenix, Target, Traceloop
from monitor.settings.values import host_of


def expected_headers(target: Target) -> dict[str, str]:
    """The headers that the exporter is meant to send, values and all: for the control span, never for show.

    A configured header takes the place of the one that is made from the backend's settings.
    """
    configured = {name: value.get() for name, value in target.expected.headers.items()}
    taken = {name.lower() for name in configured}
    return {
        name: value for name, value in _headers_of(target.backend).items() if name.lower() not in taken
    } | configured


def _headers_of(backend: Traceloop | Phoenix) -> dict[str, str]:
    """What the backend itself wants: its key, if it has one, and where the spans belong."""
    key = backend.api_key.get() if backend.api_key is not None else None
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    if isinstance(backend, Phoenix) and backend.project != Phoenix.model_fields["project"].default:
        headers[PROJECT] = backend.project
    return headers


def expected_config(target: Target, fingerprint_key: bytes) -> drift.ExpectedConfig:
    """The rule for every field of the gateway's `gateway-otel-config` that the target's settings speak of."""
    expected = target.expected
    rules: dict[str, drift.Rule] = {
        drift.TYPE: drift.Equals(expected.protocol),
        drift.ENDPOINT: drift.SameUrl(clamp(expected.endpoint, LONGEST_FIELD)),
        # gRPC knows no JSON, and the manifest then has no such field:
        # https://github.com/truefoundry/truefoundry-python-sdk, types/otel_traces_exporter_grpc_config.py
        drift.ENCODING: drift.Equals(expected.encoding) if expected.protocol == "http" else drift.Absent(),
    }
    for name, value in expected_headers(target).items():
        path = drift.AUTHORIZATION if name.lower() == "authorization" else f"{drift.HEADERS}.{name.lower()}"
        # As the core describes the value that it finds, so that equal values show equal fingerprints.
        described = describe_secret(value, expected=value, key=fingerprint_key).fingerprint
        rules[path] = drift.SameSecret(described or fingerprint(value, fingerprint_key))
    if expected.exclude_request_data is not None:
        excluded = expected.exclude_request_data
        rules[drift.EXCLUDE] = drift.Equals(True) if excluded else drift.OneOf((False, None))  # noqa: FBT003
    for key, text in expected.resource_attributes.items():
        rules[f"{drift.ATTRIBUTES}.{key}"] = drift.Equals(clamp(text, LONGEST_FIELD))
    if expected.metrics_exporter == "disabled":
        rules[drift.METRICS] = drift.NotAt(frozenset({host_of(expected.endpoint), host_of(target.backend.url)}))
    return drift.ExpectedConfig(
        rules=rules,
        routing=frozenset({f"{drift.HEADERS}.{PROJECT}"}) & rules.keys(),
        key_is_place=target.backend.traits.has_environments,
        backend=target.backend.traits.name,
        filters=tuple(drift.Filter(key=each.key, values=each.value) for each in expected.filters),
        canary_attributes=_canary_attributes(target),
    )


def _canary_attributes(target: Target) -> Mapping[str, str]:
    """What is sure of the attributes of a canary's root span: a filter is evaluated against them.

    https://www.truefoundry.com/docs/ai-gateway/fetch-request-logs-span-attributes
    """
    model = {} if target.gateway.model is None else {"tfy.request.model_name": target.gateway.model}
    return {"tfy.span_type": "ChatCompletion", **model}


def labels(target: Target) -> Labels:
    """What a trace of this target must say of itself."""
    expected, exclude = target.expected, target.expected.exclude_request_data
    return Labels(
        service_name=expected.service_name,
        resource_attributes={name: clamp(text, LONGEST_FIELD) for name, text in expected.resource_attributes.items()},
        content=None if exclude is None else not exclude,
    )


def manifest(target: Target, *, reveal: bool = False) -> dict[str, Any]:
    """The manifest of type `gateway-otel-config`; secrets are placeholders unless `reveal`."""
    expected = target.expected
    exporter: dict[str, Any] = {"type": expected.protocol, "endpoint": expected.endpoint}
    if expected.protocol == "http":
        exporter["encoding"] = expected.encoding
    exporter["headers"] = _shown_headers(target, reveal=reveal)
    if expected.resource_attributes:
        exporter["additional_resource_attributes"] = dict(expected.resource_attributes)
    if expected.exclude_request_data is not None:
        exporter["exclude_request_data"] = expected.exclude_request_data
    if expected.filters:
        exporter["when"] = [
            {"field": each.field, "key": each.key, "operator": each.operator, "value": list(each.value)}
            for each in expected.filters
        ]
    return {"name": "otel-config", "type": "gateway-otel-config", "otel_traces_exporter_config": exporter}


def manifest_yaml(target: Target, *, reveal: bool = False) -> str:
    """The manifest as `tfy apply -f` reads it."""
    return yaml.safe_dump(manifest(target, reveal=reveal), sort_keys=False, allow_unicode=True, width=1000)


def form(target: Target, *, reveal: bool = False) -> list[tuple[str, str]]:
    """The rows of the form: AI Gateway → Controls → Settings → OTEL Config."""
    expected = target.expected
    return [
        ("Traces exporter", "enabled"),
        ("Protocol", {"http": "HTTP", "grpc": "gRPC"}[expected.protocol]),
        ("Endpoint", expected.endpoint),
        *([("Encoding", expected.encoding.capitalize())] if expected.protocol == "http" else []),
        *(("Header", f"{name}: {value}") for name, value in _shown_headers(target, reveal=reveal).items()),
        *(("Resource attribute", f"{name}: {value}") for name, value in expected.resource_attributes.items()),
        *(("Filter", f"{each.key} IN {', '.join(each.value)}") for each in expected.filters),
        ("Exclude request data", {True: "on", False: "off", None: "not checked"}[expected.exclude_request_data]),
        ("Metrics exporter", "disabled" if expected.metrics_exporter == "disabled" else "not checked"),
    ]


def holds_placeholder(target: Target) -> bool:
    """Whether a placeholder stands for a secret of the manifest: a backend without authentication has none."""
    return _shown_headers(target, reveal=False) != expected_headers(target)


def _shown_headers(target: Target, *, reveal: bool) -> dict[str, str]:
    """The exporter's headers. Every value is a secret whatever its name."""
    values = expected_headers(target)
    if reveal:
        return values
    configured = target.expected.headers
    made = {"Authorization": f"Bearer <the {target.backend.traits.name} API key>"}
    return {
        name: f"<the value of {name}>" if name in configured else made.get(name, value)
        for name, value in values.items()
    }
