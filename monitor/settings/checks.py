"""What is checked, how often, and what it may cost."""

from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from monitor.settings.fields import Count, Interval, Json, Name, Section, WebPath, Words, nothing, problem


class ConfigCheck(Section):
    """Reads the gateway's export configuration and compares it field by field."""

    enabled: bool = True
    """Whether this is checked; never without a control plane."""
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
    """What is asked for: {gateway.url}{path}."""


class CanaryCheck(Section):
    """Sends one small chat completion through the gateway."""

    enabled: bool = True
    """Whether canaries are sent; without them no arrival is checked either."""
    every: Interval = 300.0
    """How often a canary is sent."""
    every_while_failing: Interval = 60.0
    """How often while something is wrong, as far as the day's budget allows."""
    timeout: Interval = 60.0
    """How long an answer may take."""
    prompt: Name | None = None
    """What is asked; null: a short question of our own. A nonce is added."""
    max_tokens: Count | None = 16
    """The longest answer in tokens; null: not sent."""
    parameters: Json = Field(default_factory=nothing)
    """More parameters of the request, such as `temperature: 0`."""
    metadata: Words = Field(default_factory=nothing)
    """More entries of `X-TFY-METADATA`."""
    max_per_day: Count = 500
    """How many canaries a UTC day may cost at most."""
    max_tokens_per_day: Count = 50_000
    """How many tokens a UTC day may cost at most."""


def _loss_of(given: object) -> object:
    if isinstance(given, list | tuple) and len(given) == 2:  # noqa: PLR2004 - losses, window
        return given
    raise problem("loss_of", "is not a pair; allowed: [losses, of the last], such as [3, 12]")


class ArrivalCheck(Section):
    """Waits for the canaries' traces in Traceloop and judges them."""

    enabled: bool = True
    """Whether traces are awaited; never without canaries."""
    look_closer_after: Interval = 60.0
    """How long after its answer a missing trace makes the monitor look at the other hops too."""
    late_after: Interval = 180.0
    """From when on a trace is late."""
    missing_after: Interval = 300.0
    """From when on a trace is missing."""
    settle: Interval = 360.0
    """How long a change of the gateway's configuration takes to be in force everywhere; its exporter caches for five minutes."""
    complete_spans: Count | None = None
    """How many spans a whole trace has at least; null: until no more arrive."""
    loss_of: Annotated[tuple[Count, Count], BeforeValidator(_loss_of)] = (3, 12)
    """So many losses among so many of the last canaries are an intermittent loss."""


class ControlCheck(Section):
    """Sends a span of our own to the expected endpoint and reads it back."""

    enabled: bool = True
    """Whether control spans are sent."""
    every: Interval = 1800.0
    """How often a control span is sent."""
    every_while_failing: Interval = 120.0
    """How often while something is wrong."""


class OriginCheck(Section):
    """Asks TrueFoundry's own store for the canaries' traces."""

    enabled: bool = True
    """Whether it is asked; never without a control plane."""
    every: Interval = 3600.0
    """How often it is asked while all is well."""


class Checks(Section):
    """What is checked."""

    config: ConfigCheck = Field(default_factory=ConfigCheck)
    gateway: GatewayCheck = Field(default_factory=GatewayCheck)
    canary: CanaryCheck = Field(default_factory=CanaryCheck)
    arrival: ArrivalCheck = Field(default_factory=ArrivalCheck, validate_default=True)
    control: ControlCheck = Field(default_factory=ControlCheck)
    origin: OriginCheck = Field(default_factory=OriginCheck)

    @field_validator("arrival")
    @classmethod
    def _no_arrival_without_canary(cls, arrival: ArrivalCheck, info: ValidationInfo) -> ArrivalCheck:
        canary = info.data.get("canary")
        return arrival.model_copy(update={"enabled": False}) if canary and not canary.enabled else arrival

    def without_control_plane(self) -> "Checks":
        """The same, less what only the control plane can answer."""
        config = self.config.model_copy(update={"enabled": False})
        origin = self.origin.model_copy(update={"enabled": False})
        return self.model_copy(update={"config": config, "origin": origin})
