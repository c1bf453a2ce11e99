"""One target: one TrueFoundry tenant with its one traces exporter, what is expected of it, and what is checked how often."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from monitor.core import backend
from monitor.core.address import normal_url
from monitor.core.backend import BackendTraits
from monitor.core.canary import DecoyKind
from monitor.core.model import TARGET_NAME, Severity
from monitor.settings.secret import HeaderSource, PhoenixKey, TraceloopKey, TrueFoundryToken
from monitor.settings.values import (
    CONTROL_PLANE,
    GATEWAY,
    PHOENIX,
    TRACELOOP,
    BaseUrl,
    Count,
    Derived,
    Frozen,
    Interval,
    Json,
    Labels,
    Level,
    Mark,
    Mention,
    Name,
    Section,
    Share,
    Url,
    WebPath,
    Words,
    address_problem,
    must,
    nothing,
    refusal,
    url_problem,
    without,
)


class ControlPlane(Section):
    """TrueFoundry's control plane, which holds the export configuration. Without it there is no `config` check and no `origin`."""

    url: Annotated[Url, without(CONTROL_PLANE), Mark.ASKED_WITH_TOKEN]
    """Its address, such as https://acme.truefoundry.cloud."""
    token: TrueFoundryToken
    """A token that may read the configuration."""


class Gateway(Section):
    """The AI gateway that creates the traces."""

    url: Annotated[Url, without(GATEWAY), Mark.ASKED_WITH_TOKEN, Derived("{control_plane.url}/api/llm")]
    """Where chat completions are posted, without /chat/completions. Default: {control_plane.url}/api/llm."""
    token: Annotated[TrueFoundryToken, Derived("the control plane's token")]
    """The canary's token. Default: the control plane's token."""
    model: Name | None = None
    """The model that the canary calls, such as openai-main/gpt-4o-mini."""
    trace_id: Literal["auto", "feedback", "traceparent"] = "auto"
    """Where the trace id comes from: the gateway's feedback header, the monitor's traceparent, or auto: the first that has worked."""
    metrics_url: Annotated[BaseUrl, Mark.ASKED] | None = None
    """The Prometheus metrics of a self-hosted gateway, as evidence for its hop to TrueFoundry's collector; no token is sent."""


class Collector(Section):
    """An OpenTelemetry Collector between the export and the trace backend. It is not asked for anything but its metrics."""

    metrics_url: Annotated[BaseUrl, Mark.ASKED] | None = None
    """Its own Prometheus metrics, such as http://collector:8888/metrics, as evidence for its hop; no token is sent."""


class OtherEnvironment(Section):
    """Another environment, in which a misrouted trace is searched."""

    api_key: TraceloopKey
    """A key of that environment."""


def _is_project(name: str) -> bool:
    """Whether a header can carry this name, and Phoenix be asked for it: https://arize.com/docs/phoenix/sdk-api-reference."""
    return not any(each in name for each in "/?#") and all(" " <= each <= "~" for each in name)


class Traceloop(Section):
    """Where the traces should arrive."""

    traits: ClassVar[BackendTraits] = backend.TRACELOOP

    url: Annotated[Url, without(TRACELOOP), Mark.ASKED_WITH_TOKEN] = "https://api.traceloop.com"
    """Traceloop's API."""
    api_key: TraceloopKey
    """The key that the gateway's exporter is meant to use."""
    environment: Name
    """The slug of the key's environment, as Traceloop returns it: dev, stg, prd or your own."""
    other_environments: Annotated[Frozen[Name, OtherEnvironment], Mark.DASHED] = Field(default_factory=nothing)
    """Other environments by slug, in which a misrouted trace is searched."""

    def takes(self, endpoint: str) -> bool:
        """Whether an endpoint is at its own address, rather than a Collector's before it."""
        return _authority(endpoint) == _authority(self.url)


PROJECT = "x-project-name"
"""The header by which a span's project is named to Phoenix, which otherwise stores it in the project `default`.

https://github.com/Arize-ai/phoenix, `server/api/routers/v1/traces.py`
"""


class Phoenix(Section):
    """Arize Phoenix, where the traces should arrive instead of Traceloop."""

    traits: ClassVar[BackendTraits] = backend.PHOENIX

    url: Annotated[Url, without(PHOENIX), Mark.ASKED_WITH_TOKEN]
    """Its address, such as https://phoenix.example.com, with the space where it has one."""
    api_key: PhoenixKey | None = None
    """The key that the gateway's exporter is meant to use; null: Phoenix runs without authentication."""
    project: Annotated[
        Name,
        must(
            _is_project,
            "is not the name of a project that a header can carry; allowed: visible ASCII characters, without a slash, `?` and `#`",
        ),
    ] = "default"
    """The project that the traces arrive in: the exporter names it by the header x-project-name."""
    endpoint: Annotated[Url, Mark.ASKED_WITH_TOKEN, Derived("{phoenix.url}/v1/traces")]
    """Where it accepts spans by OTLP. Default: {phoenix.url}/v1/traces."""

    def takes(self, endpoint: str) -> bool:
        """Whether an endpoint is at its own address, rather than a Collector's before it."""
        return _authority(endpoint) in (_authority(self.url), _authority(self.endpoint))


def _authority(url: str) -> str:
    """Host and port, of `host:port` too."""
    return urlsplit(normal_url(url if "://" in url else f"https://{url}")).netloc


class SpanFilter(Section):
    """One `when` filter of the exporter, in the words of TrueFoundry's manifest."""

    key: Name
    """The span attribute that it compares."""
    value: tuple[str, ...]
    """The values that it lets pass."""
    field: Literal["spanAttributes"] = "spanAttributes"
    """What it compares; there is no other choice."""
    operator: Literal["IN"] = "IN"
    """How it compares; there is no other choice."""


def _headers(headers: Mapping[str, HeaderSource]) -> Mapping[str, HeaderSource]:
    names = {name.lower() for name in headers}
    if not all(re.fullmatch(r"[!#$%&'*+.^_`|~0-9a-z-]+", name) for name in names):
        raise refusal("has a name that no header can have; allowed: letters, digits and `-`")
    if len(names) != len(headers):
        raise refusal("has two headers whose names differ in case only, so they collide; one is allowed")
    if any(name.lower() == "authorization" and " " not in value.get() for name, value in headers.items()):
        raise refusal("has an Authorization without a scheme; allowed: `Bearer …` and the like")
    return headers


class Expected(Section):
    """What the exporter should be set to. The defaults are those of TrueFoundry's integration guides for Traceloop and Phoenix."""

    protocol: Literal["http", "grpc"] = "http"
    """How the exporter sends."""
    endpoint: Annotated[str, Mark.ASKED_WITH_TOKEN, Derived("{traceloop.url}/v1/traces", "{phoenix.endpoint}")]
    """The full URL that it sends to: the gateway appends no path. Default: {traceloop.url}/v1/traces, or {phoenix.endpoint}."""
    encoding: Literal["proto", "json"] = "proto"
    """How spans are encoded."""
    headers: Annotated[Frozen[str, HeaderSource], AfterValidator(_headers), Mark.DASHED] = Field(
        default_factory=nothing
    )
    """Headers besides `Authorization: Bearer {traceloop.api_key}`, or {phoenix.api_key}; a value is a text or {file: …}."""
    metrics_exporter: Literal["disabled", "any"] | None = "disabled"
    """disabled: no metrics exporter may point at the trace backend, which accepts traces only; any, null: not checked."""
    exclude_request_data: bool | None = None
    """true: traces must not contain requests and answers; false: they must; null: not checked."""
    resource_attributes: Words = Field(default_factory=nothing)
    """What `additional_resource_attributes` must contain."""
    filters: tuple[SpanFilter, ...] = ()
    """The `when` filters that the exporter should have."""
    service_name: Name = "tfy-llm-gateway"
    """The service name that traces arrive under; not judged where the backend does not show it (Phoenix)."""

    @field_validator("endpoint")
    @classmethod
    def _endpoint_fits_the_protocol(cls, given: str, info: ValidationInfo) -> str:
        endpoint = given.strip()
        what = url_problem(endpoint, query=True)
        if what and info.data.get("protocol") == "grpc":
            what = address_problem(endpoint)
        if what:
            raise refusal(what)
        return endpoint


class ConfigCheck(Section):
    """Reads the gateway's export configuration and compares it field by field."""

    enabled: bool = True
    """Whether this is checked; without a control plane it is not."""
    every: Interval = 60.0
    """How often the configuration is read."""
    every_while_failing: Interval = 15.0
    """How often while it is failing or not settled."""
    timeout: Interval = 15.0
    """How long one read may take."""


class GatewayCheck(Section):
    """Asks whether the gateway answers at all: no token, no cost."""

    enabled: bool = True
    """Whether this is checked."""
    every: Interval = 15.0
    """How often the gateway is asked."""
    every_while_failing: Interval = 5.0
    """How often while it is failing or not settled."""
    timeout: Interval = 5.0
    """How long one answer may take."""
    path: WebPath = "/health"
    """The path that is requested: {gateway.url}{path}."""


class CanaryCheck(Section):
    """Sends one small chat completion through the gateway."""

    enabled: bool = True
    """Whether canaries are sent; without them no arrival is checked."""
    every: Interval = 300.0
    """How often a canary is sent."""
    every_while_failing: Interval = 60.0
    """How often while something is wrong, as far as the day's budget allows it."""
    timeout: Interval = 60.0
    """How long an answer may take."""
    prompt: Name | None = None
    """The question; null: a short one. A nonce is added."""
    max_tokens: Count | None = 16
    """The longest answer in tokens; null: not sent."""
    decoy: DecoyKind = DecoyKind.NONE
    """A recognisable fake in the prompt, which must not be found in a trace: content is excluded, or something redacts it."""
    parameters: Json = Field(default_factory=nothing)
    """More parameters of the request, such as `temperature: 0`."""
    metadata: Words = Field(default_factory=nothing)
    """More entries of `X-TFY-METADATA`."""
    max_per_day: Count = 500
    """At most so many canaries in a UTC day."""
    max_tokens_per_day: Count = 50_000
    """At most so many tokens in a UTC day."""


def _pair(given: object) -> object:
    if isinstance(given, list | tuple) and len(given) == 2:  # noqa: PLR2004 - losses, window
        return given
    raise refusal("is not a pair; allowed: [losses, of the last], such as [3, 12]")


class ArrivalCheck(Section):
    """Waits for the canaries' traces in the trace backend and judges them."""

    enabled: bool = True
    """Whether traces are awaited; without canaries they are not."""
    look_closer_after: Interval = 60.0
    """After this time without its trace the other hops are checked too. All times here count from the gateway's answer."""
    late_after: Interval = 180.0
    """After this time a trace is late."""
    missing_after: Interval = 300.0
    """After this time a trace is missing."""
    settle: Interval = 360.0
    """How long a change of the gateway's configuration takes to have effect everywhere; its exporter caches for five minutes."""
    complete_spans: Count | None = None
    """A whole trace has at least so many spans; null: a root, no missing parent, and no more spans arriving."""
    loss_of: Annotated[tuple[Count, Count], BeforeValidator(_pair)] = (3, 12)
    """[losses, of the last]: so many losses among so many canaries are an intermittent loss."""


class ControlCheck(Section):
    """Sends a test span to the expected endpoint and reads it back."""

    enabled: bool = True
    """Whether test spans are sent; they go by HTTP, so with `expected.protocol: grpc` none are."""
    every: Interval = 1800.0
    """How often a test span is sent."""
    every_while_failing: Interval = 120.0
    """How often while something is wrong."""


class OriginCheck(Section):
    """Asks TrueFoundry's own store for the canaries' traces."""

    enabled: bool = True
    """Whether it is asked; without a control plane it is not."""
    every: Interval = 3600.0
    """How often it is asked while all is healthy."""


class VolumeCheck(Section):
    """Compares how many requests the gateway served with how many of their traces arrived."""

    enabled: bool = False
    """Whether this is checked; it needs a control plane or `gateway.metrics_url`."""
    every: Interval = 900.0
    """How long a window is. One is counted after the other."""
    delay: Interval = 600.0
    """How long after its end a window is counted, so that its traces have arrived."""
    min_ratio: Share = 0.9
    """The smallest share of the requests whose traces must be there."""
    min_requests: Count = 50
    """A window with fewer requests says nothing."""
    timeout: Interval = 30.0
    """How long counting may take."""


class Checks(Section):
    """What is checked."""

    config: ConfigCheck = Field(default_factory=ConfigCheck)
    gateway: GatewayCheck = Field(default_factory=GatewayCheck)
    canary: CanaryCheck = Field(default_factory=CanaryCheck)
    arrival: ArrivalCheck = Field(default_factory=ArrivalCheck)
    control: ControlCheck = Field(default_factory=ControlCheck)
    origin: OriginCheck = Field(default_factory=OriginCheck)
    volume: VolumeCheck = Field(default_factory=VolumeCheck)


class TargetAlerting(Section):
    """How notifications of this target differ from those of the others."""

    channel: Annotated[Name | None, Derived("alerting.slack.channel")] = None
    """The Slack channel; null: the global one."""
    mention: Annotated[Mention | None, Derived("alerting.slack.mention")] = None
    """Who is mentioned; null: as globally; an empty text: nobody."""
    max_severity: Level = Severity.CRITICAL
    """The highest severity that a fault of this target may have."""


class Target(Section):
    """Everything about one target."""

    control_plane: ControlPlane | None = None
    gateway: Gateway
    traceloop: Traceloop | None = None
    phoenix: Phoenix | None = Field(default=None, validate_default=True)
    expected: Expected
    checks: Checks = Field(default_factory=Checks, validate_default=True)
    alerting: TargetAlerting = Field(default_factory=TargetAlerting)
    path: Literal["collector", "none"] = "none"
    """What stands between the export and the trace backend: collector (an OpenTelemetry Collector) or none."""
    collector: Collector = Field(default_factory=Collector)
    labels: Labels = Field(default_factory=nothing)
    """Further labels of this target, in metrics and messages."""

    @property
    def backend(self) -> Traceloop | Phoenix:
        """Where the traces should arrive. One of both is always there: Traceloop where nobody says otherwise."""
        return self.phoenix or cast("Traceloop", self.traceloop)

    @field_validator("phoenix")
    @classmethod
    def _names_a_backend(cls, phoenix: Phoenix | None, info: ValidationInfo) -> Phoenix | None:
        """Which section is meant cannot be guessed where neither is given."""
        if phoenix is None and "traceloop" in info.data and info.data["traceloop"] is None:
            raise refusal(
                "is missing, and so is `traceloop`: a target needs `traceloop` or `phoenix`, its trace backend"
            )
        return phoenix

    @field_validator("checks")
    @classmethod
    def _without_what_cannot_be_checked(cls, checks: Checks, info: ValidationInfo) -> Checks:
        """Without canaries nothing arrives; without a control plane there is nobody to ask for `config` and `origin`.

        Test spans are sent by HTTP: what an endpoint for gRPC makes of them says nothing about the exporter.
        """
        off: tuple[str, ...] = () if checks.canary.enabled else ("arrival",)
        if "expected" in info.data and info.data["expected"].protocol == "grpc":
            off = (*off, "control")
        if "control_plane" in info.data and info.data["control_plane"] is None:
            off = (*off, "config", "origin")
        switched_off = {name: getattr(checks, name).model_copy(update={"enabled": False}) for name in off}
        return checks.model_copy(update=switched_off)


BACKENDS = ("traceloop", "phoenix")
"""The sections of a target that each name a trace backend: one of them is given."""


def target_name(name: str) -> str:
    """A target's name, which is the `target` label everywhere."""
    if re.fullmatch(TARGET_NAME, name) is None:
        raise refusal("has a name that no target can have; allowed: up to 63 of a-z, 0-9 and `-`, no `-` first")
    return name
