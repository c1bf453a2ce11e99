"""One target: one TrueFoundry tenant with its one traces exporter, and what is expected of it."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from monitor.core.model import Severity
from monitor.settings.checks import Checks
from monitor.settings.fields import (
    FREEZE,
    BaseUrl,
    Derived,
    Labels,
    Level,
    Name,
    Section,
    Url,
    Words,
    nothing,
    problem,
    without,
)
from monitor.settings.mention import parse_mention
from monitor.settings.secret import HeaderSource, TraceloopKey, TrueFoundryToken
from monitor.settings.url import CONTROL_PLANE, GATEWAY, TRACELOOP, authority_problem, url_problem


class ControlPlane(Section):
    """TrueFoundry's control plane, which knows the export configuration. Left out: no `config` check and no `origin`."""

    url: Annotated[Url, without(CONTROL_PLANE)]
    """Such as https://acme.truefoundry.cloud."""
    token: TrueFoundryToken
    """A token that may read the configuration."""


class Gateway(Section):
    """The AI gateway that makes the traces."""

    url: Annotated[Url, without(GATEWAY), Derived("{control_plane.url}/api/llm")]
    """Where chat completions are posted, without /chat/completions."""
    token: Annotated[TrueFoundryToken, Derived("the control plane's token")]
    """The canary's token."""
    model: Name | None = None
    """The model the canary asks, such as openai-main/gpt-4o-mini."""
    trace_id: Literal["auto", "feedback", "traceparent"] = "auto"
    """Where the trace id comes from: the gateway's feedback header, our own traceparent, or the first that has proven itself."""
    metrics_url: BaseUrl | None = None
    """The Prometheus metrics of a self-hosted gateway, as evidence for its hop to TrueFoundry's collector; no token is sent."""


class OtherEnvironment(Section):
    """Another environment, where a misrouted trace is looked for."""

    api_key: TraceloopKey
    """A key of that environment."""


class Traceloop(Section):
    """Where the traces are to arrive."""

    url: Annotated[Url, without(TRACELOOP)] = "https://api.traceloop.com"
    """Traceloop's API."""
    api_key: TraceloopKey
    """The key that the gateway's exporter is meant to use."""
    environment: Name
    """The slug of the key's environment, as Traceloop returns it: dev, stg, prd or your own."""
    other_environments: Annotated[Mapping[Name, OtherEnvironment], FREEZE] = Field(default_factory=nothing)
    """By slug: where a misrouted trace is looked for."""


class SpanFilter(Section):
    """One `when` filter of the exporter, in the words of TrueFoundry's manifest."""

    key: Name
    """The span attribute it looks at."""
    value: tuple[str, ...]
    """The values it lets pass."""
    field: Literal["spanAttributes"] = "spanAttributes"
    """What it looks at; there is nothing else."""
    operator: Literal["IN"] = "IN"
    """How it compares; there is nothing else."""


_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _headers(headers: Mapping[str, HeaderSource]) -> Mapping[str, HeaderSource]:
    lower = [name.lower() for name in headers]
    if not all(_HEADER.fullmatch(name) for name in lower):
        raise problem("header", "has a name that no header can have; allowed: letters, digits and `-`")
    if len(set(lower)) != len(lower):
        raise problem("header", "has two headers whose names differ in case only, so they collide; one is allowed")
    if any(name.lower() == "authorization" and " " not in value.get() for name, value in headers.items()):
        raise problem("header", "has an Authorization without a scheme; allowed: `Bearer …` and the like")
    return headers


class Expected(Section):
    """What the exporter should be set to. The defaults are those of TrueFoundry's integration guide for Traceloop."""

    protocol: Literal["http", "grpc"] = "http"
    """How the exporter sends."""
    endpoint: Annotated[str, Derived("{traceloop.url}/v1/traces")]
    """Where to, in full: this gateway appends nothing."""
    encoding: Literal["proto", "json"] = "proto"
    """How spans are encoded."""
    headers: Annotated[Mapping[str, HeaderSource], FREEZE, AfterValidator(_headers)] = Field(default_factory=nothing)
    """Besides `Authorization: Bearer {traceloop.api_key}`; a value is a text or {file: …}."""
    metrics_exporter: Literal["disabled", "any"] | None = "disabled"
    """Traceloop takes in traces only, so no metrics should be sent there; elsewhere is nobody's business. any, null: not checked."""
    exclude_request_data: bool | None = None
    """Whether requests and answers must stay out of the traces; null: not checked."""
    resource_attributes: Words = Field(default_factory=nothing)
    """What `additional_resource_attributes` must contain."""
    filters: tuple[SpanFilter, ...] = ()
    """The `when` filters that the exporter should have."""
    service_name: Name = "tfy-llm-gateway"
    """The service name that traces arrive under."""

    @field_validator("endpoint")
    @classmethod
    def _endpoint_fits_the_protocol(cls, given: str, info: ValidationInfo) -> str:
        endpoint = given.strip()
        what = url_problem(endpoint, query=True)
        if what and info.data.get("protocol") == "grpc":
            what = authority_problem(endpoint)
        if what:
            raise problem("endpoint", what)
        return endpoint


class TargetAlerting(Section):
    """What is told about this target otherwise than about the rest."""

    channel: Annotated[Name | None, Derived("alerting.slack.channel")] = None
    """The Slack channel; null: the global one."""
    mention: Annotated[Annotated[str, AfterValidator(parse_mention)] | None, Derived("alerting.slack.mention")] = None
    """Who is mentioned; null: as for all; an empty text: nobody."""
    max_severity: Level = Severity.CRITICAL
    """No fault of this target counts as worse."""


class Target(Section):
    """Everything about one target."""

    control_plane: ControlPlane | None = None
    gateway: Gateway
    traceloop: Traceloop
    expected: Expected
    checks: Checks = Field(default_factory=Checks, validate_default=True)
    alerting: TargetAlerting = Field(default_factory=TargetAlerting)
    labels: Labels = Field(default_factory=nothing)
    """More labels of this target, in metrics and messages."""

    @field_validator("checks")
    @classmethod
    def _ask_the_control_plane_only_if_there_is_one(cls, checks: Checks, info: ValidationInfo) -> Checks:
        return checks.without_control_plane() if info.data.get("control_plane", True) is None else checks


TARGET_NAME = r"[a-z0-9][a-z0-9-]{0,62}"


def target_name(name: str) -> str:
    """A target's name, which is the `target` label everywhere."""
    if re.fullmatch(TARGET_NAME, name) is None:
        raise problem(
            "target_name", "has a name that no target can have; allowed: up to 63 of a-z, 0-9 and `-`, no `-` first"
        )
    return name
