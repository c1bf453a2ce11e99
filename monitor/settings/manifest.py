"""The export configuration that a target should have: as a manifest for `tfy apply`, and as the dashboard's form shows it.

The manifest's shape: https://github.com/truefoundry/truefoundry-python-sdk, `types/gateway_otel_config.py`. The form's
fields are those of the integration guide: https://www.truefoundry.com/docs/ai-gateway/traceloop.
"""

from typing import Any

import yaml

from monitor.settings.rules import expected_headers
from monitor.settings.target import Target

NAME = "otel-config"
PLACEHOLDER = "<the Traceloop API key>"


def manifest(target: Target, *, reveal: bool = False) -> dict[str, Any]:
    """The manifest of type `gateway-otel-config`; secrets are placeholders unless `reveal`."""
    expected = target.expected
    exporter: dict[str, Any] = {"type": expected.protocol, "endpoint": expected.endpoint}
    if expected.protocol == "http":
        exporter["encoding"] = expected.encoding
    exporter["headers"] = headers(target, reveal=reveal)
    if expected.resource_attributes:
        exporter["additional_resource_attributes"] = dict(expected.resource_attributes)
    if expected.exclude_request_data is not None:
        exporter["exclude_request_data"] = expected.exclude_request_data
    if expected.filters:
        exporter["when"] = [
            {"field": each.field, "key": each.key, "operator": each.operator, "value": list(each.value)}
            for each in expected.filters
        ]
    return {"name": NAME, "type": "gateway-otel-config", "otel_traces_exporter_config": exporter}


def manifest_yaml(target: Target, *, reveal: bool = False) -> str:
    """The manifest as `tfy apply -f` reads it."""
    return yaml.safe_dump(manifest(target, reveal=reveal), sort_keys=False, allow_unicode=True, width=1000)


def headers(target: Target, *, reveal: bool = False) -> dict[str, str]:
    """The exporter's headers. Every value is a secret whatever its name."""
    values = expected_headers(target)
    if reveal:
        return values
    configured = {name.lower() for name in target.expected.headers}
    return {
        name: f"<the value of {name}>" if name.lower() in configured else f"Bearer {PLACEHOLDER}" for name in values
    }


def form(target: Target, *, reveal: bool = False) -> list[tuple[str, str]]:
    """The rows of the form: AI Gateway, Controls, Settings, OTEL Config."""
    expected = target.expected
    rows = [
        ("Traces exporter", "enabled"),
        ("Protocol", {"http": "HTTP", "grpc": "gRPC"}[expected.protocol]),
        ("Endpoint", expected.endpoint),
    ]
    if expected.protocol == "http":
        rows.append(("Encoding", {"proto": "Proto", "json": "Json"}[expected.encoding]))
    rows.extend(("Header", f"{name}: {value}") for name, value in headers(target, reveal=reveal).items())
    rows.extend(("Resource attribute", f"{name}: {value}") for name, value in expected.resource_attributes.items())
    rows.extend(("Filter", f"{each.key} IN {', '.join(each.value)}") for each in expected.filters)
    excluded = {True: "on", False: "off", None: "not checked"}[expected.exclude_request_data]
    rows.append(("Exclude request data", excluded))
    rows.append(("Metrics exporter", "disabled" if expected.metrics_exporter == "disabled" else "not checked"))
    return rows
