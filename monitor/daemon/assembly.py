"""Put together what one target needs: adapters, witness, checks, and what looks beside them.

A new check is one line in `_make_checks`, further evidence one in `_make_side_looks`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote, urlsplit

from monitor.checks.arrival import ArrivalCheck
from monitor.checks.canary import CanaryCheck, CanaryOptions, Exchanges
from monitor.checks.certificates import Certificates
from monitor.checks.config import ConfigCheck
from monitor.checks.control import ControlCheck
from monitor.checks.gateway import GatewayCheck
from monitor.checks.hop import HopLook
from monitor.checks.origin import OriginLook
from monitor.checks.switches import SwitchesLook
from monitor.connectivity import Ask, Witnesses
from monitor.core.events import Event, RemoteAnswered
from monitor.core.model import CheckName, Service, TargetName
from monitor.http import Http
from monitor.ports import Check, Clock, SideLook
from monitor.redaction import Redactor
from monitor.settings import Settings, Target, all_secrets, expected_headers
from monitor.traceloop import OtlpIngest, TraceloopReader
from monitor.truefoundry import GatewaySpanMetrics, TrueFoundryControlPlane, TrueFoundryGateway

_WITNESS_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What adapters stand on."""

    clock: Clock
    http: Http
    redactor: Redactor
    fingerprint_key: bytes
    publish: Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """What asks the services of one target."""

    gateway: TrueFoundryGateway
    span_metrics: GatewaySpanMetrics | None
    control_plane: TrueFoundryControlPlane | None
    backend: TraceloopReader
    ingest: OtlpIngest
    elsewhere: Mapping[str, TraceloopReader]
    witness: Witnesses
    certificates: Certificates
    exchanges: Exchanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What looks at one target, and what it asks through."""

    checks: Mapping[CheckName, Check]
    arrival: ArrivalCheck | None
    aside: tuple[SideLook, ...]
    adapters: Adapters


Assemble = Callable[[TargetName, Target, Settings, Ground], Parts]
"""Makes what looks at one target."""


def assemble(name: TargetName, target: Target, settings: Settings, ground: Ground) -> Parts:
    """The checks of one target, wired to the world."""
    adapters = _make_adapters(name, target, settings, ground)
    # A control span is read back by the same watch, also where nobody judges the canaries' traces.
    watches = target.checks.arrival.enabled or target.checks.control.enabled
    config = _make_config_check(target, adapters, ground.clock)
    reread = config.reread if config is not None else None
    arrival = (
        ArrivalCheck(adapters.backend, ground.clock, adapters.elsewhere, target.traceloop.environment, reread)
        if watches
        else None
    )
    checks = _make_checks(name, target, adapters, config, ground.clock)
    return Parts(
        checks=checks, arrival=arrival, aside=tuple(_make_side_looks(target, adapters, ground.clock)), adapters=adapters
    )


def _make_side_looks(target: Target, adapters: Adapters, clock: Clock) -> Iterator[SideLook]:
    if adapters.control_plane is not None and target.checks.origin.enabled:
        yield OriginLook(adapters.control_plane, clock)
    if adapters.control_plane is not None and target.checks.config.enabled:
        yield SwitchesLook(adapters.control_plane, clock)
    if adapters.span_metrics is not None:
        yield HopLook(adapters.span_metrics, clock)


def _make_config_check(target: Target, adapters: Adapters, clock: Clock) -> ConfigCheck | None:
    if not target.checks.config.enabled or adapters.control_plane is None:
        return None
    return ConfigCheck(adapters.control_plane, adapters.backend, clock, adapters.certificates)


def _make_checks(
    name: TargetName, target: Target, adapters: Adapters, config: ConfigCheck | None, clock: Clock
) -> dict[CheckName, Check]:
    checks = target.checks
    made: list[Check] = [config] if config is not None else []
    if checks.gateway.enabled:
        made.append(GatewayCheck(adapters.gateway, adapters.witness, clock, endpoint="gateway"))
    if checks.control.enabled:
        attributes = {"gateway_trace_monitor.target": name}
        reread = config.reread if config is not None else None
        made.append(ControlCheck(adapters.ingest, adapters.witness, clock, attributes, adapters.certificates, reread))
    if checks.canary.enabled:
        options = _canary_options(target)
        made.append(CanaryCheck(adapters.gateway, adapters.witness, clock, options, adapters.exchanges))
    return {check.name: check for check in made}


def _canary_options(target: Target) -> CanaryOptions:
    canary = target.checks.canary
    return CanaryOptions(
        model=target.gateway.model or "",
        prompt=canary.prompt,
        max_tokens=canary.max_tokens,
        parameters=canary.parameters,
        metadata=canary.metadata,
    )


def _make_adapters(name: TargetName, target: Target, settings: Settings, ground: Ground) -> Adapters:
    def hear(service: Service, outcome: str) -> None:
        witness.note(service, outcome)
        ground.publish(RemoteAnswered(target=name, service=service, outcome=outcome))

    certificates = Certificates()
    http = ground.http.listening(hear, certificates.note)
    headers = partial(expected_headers, target)
    traceloop = target.traceloop
    exchanges = Exchanges(target.checks.canary.prompt)
    reader = partial(
        TraceloopReader,
        http,
        traceloop.url,
        redactor=ground.redactor,
        clock=ground.clock,
        texts_of=exchanges.texts_of,
    )
    gateway = TrueFoundryGateway(
        http,
        target.gateway.url,
        target.gateway.token.get,
        path=target.checks.gateway.path,
        redactor=ground.redactor,
        clock=ground.clock,
    )
    control_plane = _make_control_plane(target, http, ground)
    witness = Witnesses(clock=ground.clock, ask=_witnesses(target, settings, http, gateway))
    return Adapters(
        gateway=gateway,
        span_metrics=_make_span_metrics(name, target, ground),
        control_plane=control_plane,
        backend=reader(key=traceloop.api_key.get),
        ingest=OtlpIngest(http, target.expected.endpoint, headers, redactor=ground.redactor, clock=ground.clock),
        elsewhere={slug: reader(key=other.api_key.get) for slug, other in traceloop.other_environments.items()},
        witness=witness,
        certificates=certificates,
        exchanges=exchanges,
    )


def _make_span_metrics(name: TargetName, target: Target, ground: Ground) -> GatewaySpanMetrics | None:
    """Counted like every request. It vouches for nobody: a page of the cluster's own network proves no way out of it."""
    if target.gateway.metrics_url is None:
        return None

    def count(service: Service, outcome: str) -> None:
        ground.publish(RemoteAnswered(target=name, service=service, outcome=outcome))

    return GatewaySpanMetrics(
        ground.http.listening(count), target.gateway.metrics_url, redactor=ground.redactor, clock=ground.clock
    )


def _witnesses(target: Target, settings: Settings, http: Http, gateway: TrueFoundryGateway) -> dict[Service, Ask]:
    """Who can vouch for our network: every service that is configured anyway."""
    asks: dict[Service, Ask] = {
        Service.GATEWAY: partial(gateway.ping, timeout=_WITNESS_TIMEOUT),
        Service.TRACELOOP: partial(_knock, http, Service.TRACELOOP, target.traceloop.url),
    }
    if target.control_plane is not None:
        asks[Service.CONTROL_PLANE] = partial(_knock, http, Service.CONTROL_PLANE, target.control_plane.url)
    if settings.alerting.slack.bot_token is not None:
        asks[Service.SLACK] = partial(_knock, http, Service.SLACK, settings.alerting.slack.api_url)
    return asks


def _make_control_plane(target: Target, http: Http, ground: Ground) -> TrueFoundryControlPlane | None:
    if target.control_plane is None:
        return None
    return TrueFoundryControlPlane(
        http,
        target.control_plane.url,
        target.control_plane.token.get,
        expected_headers=partial(expected_headers, target),
        fingerprint_key=ground.fingerprint_key,
        redactor=ground.redactor,
        clock=ground.clock,
    )


async def _knock(http: Http, service: Service, url: str) -> None:
    """Ask for anything at all, without a token: whoever answers is there."""
    await http.request(service, "GET", url, timeout=_WITNESS_TIMEOUT, body_limit=16 * 1024)


def secrets_of(settings: Settings) -> list[str]:
    """Every secret value that the settings hold now, for the redactor; a proxy's password is one too."""
    proxy = urlsplit(settings.http.proxy or "").password
    return [*(source.get() for source in all_secrets(settings)), *([unquote(proxy)] if proxy else [])]
