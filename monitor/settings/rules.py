"""From settings to the values that the core decides with. Pure: nothing is read but the present value of a secret."""

from collections.abc import Mapping

from monitor.core.drift import (
    ATTRIBUTES,
    AUTHORIZATION,
    ENCODING,
    ENDPOINT,
    EXCLUDE,
    HEADERS,
    METRICS,
    TYPE,
    Absent,
    Equals,
    ExpectedConfig,
    Filter,
    NotAt,
    OneOf,
    Rule,
    SameSecret,
    SameUrl,
)
from monitor.core.secret import describe_secret, fingerprint
from monitor.core.trace import Labels
from monitor.redaction import LONGEST_FIELD, clamp
from monitor.settings.target import Target
from monitor.settings.url import host_of


def expected_headers(target: Target) -> dict[str, str]:
    """The headers that the exporter is meant to send, values and all: for the control span, never for show.

    A configured `Authorization` takes the place of the one made from Traceloop's key.
    """
    configured = {name: value.get() for name, value in target.expected.headers.items()}
    if any(name.lower() == "authorization" for name in configured):
        return configured
    return {"Authorization": f"Bearer {target.traceloop.api_key.get()}", **configured}


def expected_config(target: Target, fingerprint_key: bytes) -> ExpectedConfig:
    """The rule for every field of the gateway's `gateway-otel-config` that the target's settings speak of."""
    expected = target.expected
    rules: dict[str, Rule] = {
        TYPE: Equals(expected.protocol),
        ENDPOINT: SameUrl(clamp(expected.endpoint, LONGEST_FIELD)),
        # gRPC knows no JSON, and the manifest then has no such field:
        # https://github.com/truefoundry/truefoundry-python-sdk, types/otel_traces_exporter_grpc_config.py
        ENCODING: Equals(expected.encoding) if expected.protocol == "http" else Absent(),
    }
    for name, value in expected_headers(target).items():
        path = AUTHORIZATION if name.lower() == "authorization" else f"{HEADERS}.{name.lower()}"
        rules[path] = SameSecret(_fingerprint(value, fingerprint_key))
    if expected.exclude_request_data is not None:
        rules[EXCLUDE] = Equals(True) if expected.exclude_request_data else OneOf((False, None))  # noqa: FBT003
    for key, text in expected.resource_attributes.items():
        rules[f"{ATTRIBUTES}.{key}"] = Equals(clamp(text, LONGEST_FIELD))
    if expected.metrics_exporter == "disabled":
        rules[METRICS] = NotAt(frozenset({host_of(expected.endpoint), host_of(target.traceloop.url)}))
    return ExpectedConfig(
        rules=rules,
        filters=tuple(Filter(key=each.key, values=each.value) for each in expected.filters),
        canary_attributes=canary_attributes(target),
    )


def canary_attributes(target: Target) -> Mapping[str, str]:
    """What is sure of the attributes of a canary's root span: a filter is evaluated against them.

    https://www.truefoundry.com/docs/ai-gateway/fetch-request-logs-span-attributes
    """
    model = {} if target.gateway.model is None else {"tfy.request.model_name": target.gateway.model}
    return {"tfy.span_type": "ChatCompletion", **model}


def labels(target: Target) -> Labels:
    """What a trace of this target must say of itself."""
    exclude = target.expected.exclude_request_data
    return Labels(
        service_name=target.expected.service_name,
        resource_attributes={
            name: clamp(value, LONGEST_FIELD) for name, value in target.expected.resource_attributes.items()
        },
        content=None if exclude is None else not exclude,
    )


def _fingerprint(value: str, key: bytes) -> str:
    """As the core makes it of the value that it finds, so that equal values show equal fingerprints."""
    return describe_secret(value, expected=value, key=key).fingerprint or fingerprint(value, key)
