"""Put together what one target needs: adapters, the connectivity probe, checks, and what looks beside them.

A new check is one line in `_checks`, further evidence one in `_side_looks`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from urllib.parse import unquote, urlsplit

from monitor.checks.arrival import ArrivalCheck
from monitor.checks.canary import CanaryCheck, CanaryTexts
from monitor.checks.config import ConfigCheck
from monitor.checks.control import ControlCheck
from monitor.checks.evidence import CountersLook, GatewayPoliciesLook, OriginLook
from monitor.checks.gateway import GatewayCheck
from monitor.checks.lookup import Lookup
from monitor.checks.volume import MeteredRequests, VolumeCheck
from monitor.connectivity import Ask, Certificates, ConnectivityProbe
from monitor.core.events import Event, RemoteAnswered
from monitor.core.model import CheckName, Service, TargetName
from monitor.core.pipeline_counters import CountedBy
from monitor.core.silence import Silence, Weekly
from monitor.daemon.backends import Reading, reading_of
from monitor.http import Http, Network
from monitor.otlp import OtlpIngest, SpanReader
from monitor.ports import CanaryRequest, Check, Clock, RequestCounter, SideLook
from monitor.redaction import Redactor
from monitor.settings import Settings, Target, expected_headers
from monitor.settings.model import WEEK
from monitor.settings.model import Silence as Window
from monitor.settings.schema import all_secrets
from monitor.span_metrics import SpanMetricsPage
from monitor.truefoundry import TrueFoundryControlPlane, TrueFoundryGateway

_PROBE_TIMEOUT = 5.0

Publish = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What everything here needs of the world; tests put fakes here."""

    clock: Clock
    http: Http
    redactor: Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """What asks the services of one target."""

    gateway: TrueFoundryGateway
    span_metrics: tuple[SpanMetricsPage, ...]
    control_plane: TrueFoundryControlPlane | None
    backend: Reading
    ingest: OtlpIngest
    connectivity: ConnectivityProbe
    certificates: Certificates
    texts: CanaryTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What looks at one target, and what it asks through."""

    checks: Mapping[CheckName, Check]
    arrival: ArrivalCheck | None
    aside: tuple[SideLook, ...]
    adapters: Adapters


class Assemble(Protocol):
    """Makes what looks at one target; `key` is the fingerprints' (`Store.fingerprint_key`)."""

    def __call__(
        self, name: TargetName, target: Target, settings: Settings, deps: Deps, *, key: bytes, publish: Publish
    ) -> Parts:
        """Make it."""
        ...


def assemble(
    name: TargetName, target: Target, settings: Settings, deps: Deps, *, key: bytes, publish: Publish
) -> Parts:
    """The checks of one target, wired to the world."""
    adapters = _adapters(name, target, settings, deps, key, publish)
    config = None
    if target.checks.config.enabled and adapters.control_plane is not None:
        config = ConfigCheck(adapters.control_plane, adapters.backend.own, deps.clock, adapters.certificates)
    # A control span is read back by the same watch, also where nobody judges the canaries' traces.
    arrival = None
    if target.checks.arrival.enabled or target.checks.control.enabled:
        backend = adapters.backend
        lookup = Lookup(
            backend.own,
            deps.clock,
            own=backend.environment,
            others=backend.elsewhere,
            quick=not backend.traits.by_id_documented,
        )
        arrival = ArrivalCheck(lookup, deps.clock, config.reread if config is not None else None)
    return Parts(
        checks={check.name: check for check in _checks(name, target, adapters, config, deps.clock)},
        arrival=arrival,
        aside=tuple(_side_looks(target, adapters, deps.clock)),
        adapters=adapters,
    )


def _checks(
    name: TargetName, target: Target, adapters: Adapters, config: ConfigCheck | None, clock: Clock
) -> Iterator[Check]:
    checks, connectivity = target.checks, adapters.connectivity
    if config is not None:
        yield config
    if checks.gateway.enabled:
        yield GatewayCheck(adapters.gateway, connectivity, clock, endpoint="gateway")
    if checks.control.enabled:
        attributes = {"gateway_trace_monitor.target": name}
        reread = config.reread if config is not None else None
        yield ControlCheck(adapters.ingest, connectivity, clock, attributes, adapters.certificates, reread)
    if checks.canary.enabled:
        template = CanaryRequest(
            model=target.gateway.model or "",
            max_tokens=checks.canary.max_tokens,
            parameters=checks.canary.parameters,
            metadata=checks.canary.metadata,
        )
        yield CanaryCheck(adapters.gateway, connectivity, clock, template, adapters.texts)
    if checks.volume.enabled:
        counters: list[RequestCounter] = [] if adapters.control_plane is None else [adapters.control_plane]
        counters += [MeteredRequests(page) for page in adapters.span_metrics if page.of is CountedBy.GATEWAY]
        yield VolumeCheck(counters, adapters.backend.own, clock, checks.volume, checks.volume.timeout)


def _side_looks(target: Target, adapters: Adapters, clock: Clock) -> Iterator[SideLook]:
    if adapters.control_plane is not None and target.checks.origin.enabled:
        yield OriginLook(adapters.control_plane, clock)
    if adapters.control_plane is not None and target.checks.config.enabled:
        yield GatewayPoliciesLook(adapters.control_plane, clock)
    for page in adapters.span_metrics:
        yield CountersLook(page, clock, page.of)


def _adapters(
    name: TargetName, target: Target, settings: Settings, deps: Deps, key: bytes, publish: Publish
) -> Adapters:
    def count(service: Service, outcome: str) -> None:
        publish(RemoteAnswered(target=name, service=service, outcome=outcome))

    def count_and_note(service: Service, outcome: str) -> None:
        connectivity.note(service, outcome)
        count(service, outcome)

    certificates, texts = Certificates(), CanaryTexts(target.checks.canary.prompt, target.checks.canary.decoy)
    http = deps.http.listening(count_and_note, certificates.note)
    headers = partial(expected_headers, target)
    redactor, clock = deps.redactor, deps.clock
    gateway = TrueFoundryGateway(
        http,
        target.gateway.url,
        target.gateway.token.get,
        path=target.checks.gateway.path,
        redactor=redactor,
        clock=clock,
    )
    control_plane = None
    if target.control_plane is not None:
        control_plane = TrueFoundryControlPlane(
            http,
            target.control_plane.url,
            target.control_plane.token.get,
            expected_headers=headers,
            fingerprint_key=key,
            redactor=redactor,
            clock=clock,
        )
    # They count as connectivity for nobody: a page of the cluster's own network proves no way out of it.
    pages = {CountedBy.GATEWAY: target.gateway.metrics_url, CountedBy.COLLECTOR: target.collector.metrics_url}
    span_metrics = tuple(
        SpanMetricsPage(deps.http.listening(count), url, redactor=redactor, clock=clock, of=of)
        for of, url in pages.items()
        if url is not None
    )
    connectivity = ConnectivityProbe(clock=clock, ask=_probes(target, settings, http, gateway))
    spans = SpanReader(redactor, texts_of=texts.texts_of, decoy_of=texts.decoy_of)
    return Adapters(
        gateway=gateway,
        span_metrics=span_metrics,
        control_plane=control_plane,
        backend=reading_of(target.backend, http, spans, clock),
        ingest=OtlpIngest(http, target.expected.endpoint, headers, redactor=redactor, clock=clock),
        connectivity=connectivity,
        certificates=certificates,
        texts=texts,
    )


def _probes(target: Target, settings: Settings, http: Http, gateway: TrueFoundryGateway) -> dict[Service, Ask]:
    """Who can show that our network works: every service that is configured anyway, asked for anything, without a token."""

    async def ask(service: Service, url: str) -> None:
        await http.request(service, "GET", url, timeout=_PROBE_TIMEOUT, body_limit=16 * 1024)

    backend = target.backend
    probes: dict[Service, Ask] = {
        Service.GATEWAY: partial(gateway.ping, timeout=_PROBE_TIMEOUT),
        backend.traits.service: partial(ask, backend.traits.service, backend.url),
    }
    if target.control_plane is not None:
        probes[Service.CONTROL_PLANE] = partial(ask, Service.CONTROL_PLANE, target.control_plane.url)
    if settings.alerting.slack.bot_token is not None:
        probes[Service.SLACK] = partial(ask, Service.SLACK, settings.alerting.slack.api_url)
    return probes


def network(settings: Settings, redactor: Redactor) -> Network:
    """The way to the world by the operator's settings. Raises OSError if `http.ca_file` cannot be used."""
    http = settings.http
    return Network(
        redactor=redactor,
        ca_file=http.ca_file,
        proxy=http.proxy,
        no_proxy=http.no_proxy,
        deny_link_local=http.deny_link_local,
    )


def secrets_of(settings: Settings) -> list[str]:
    """Every secret value that the settings hold now, for the redactor; a proxy's password is one too."""
    proxy = urlsplit(settings.http.proxy or "").password
    return [*(source.get() for source in all_secrets(settings)), *([unquote(proxy)] if proxy else [])]


def silences_of(settings: Settings) -> tuple[Silence, ...]:
    """The maintenance windows of the configuration, as the core knows silences; the id of each is its place."""
    return tuple(_silence(place, window) for place, window in enumerate(settings.silences))


def _silence(place: int, window: Window) -> Silence:
    weekly = window.weekly
    return Silence(
        id=f"configured-{place + 1}",
        target=window.target,
        fault=window.fault,
        begins_at=window.starts_at,
        ends_at=window.ends_at,
        weekly=None
        if weekly is None
        else Weekly(
            days=frozenset(WEEK.index(day) for day in weekly.days), start=weekly.start, end=weekly.end, zone=weekly.tz
        ),
        comment=window.comment,
        author="configuration",
    )
