"""Set the visits up: one for each target, each with an ear of its own, all of them overheard by a recorder if there is one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from monitor.core.model import Service, TargetName, TraceId
from monitor.core.state import TargetState
from monitor.daemon.compose import Deps, assemble
from monitor.daemon.compose_notifiers import slack_bot
from monitor.daemon.one_shot import OneShot, Print, Selection
from monitor.daemon.policy import at_once, policy_of
from monitor.doctor.ear import Ear
from monitor.doctor.visit import Visit
from monitor.http import Exchange, Http, OnExchange, Proxies
from monitor.ports import Clock
from monitor.redaction import Redactor
from monitor.settings import Settings, Target

_KEY_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What visits are made with. `overhear` is handed every exchange, secrets and all; `environ` may name proxies."""

    http: Http
    redactor: Redactor
    clock: Clock
    say: Print
    overhear: OnExchange
    environ: Mapping[str, str] = field(default_factory=dict)


def build_visits(settings: Settings, targets: frozenset[TargetName], equipment: Equipment) -> list[Visit]:
    """One for each selected target; no target selected means all. What the daemon remembers is not used."""
    selection = Selection(targets=targets)
    key = bytes.fromhex(equipment.clock.draw_hex(_KEY_DIGITS))
    return [
        _build(name, settings, key, selection, equipment) for name in settings.targets if selection.wants_target(name)
    ]


def _build(name: TargetName, settings: Settings, key: bytes, selection: Selection, equipment: Equipment) -> Visit:
    singles: list[OneShot] = []
    ear = Ear(lambda: _our_traces(singles))
    http = equipment.http.observed(_both(ear.hear, equipment.overhear))
    deps = Deps(clock=equipment.clock, http=http, redactor=equipment.redactor)
    target = settings.targets[name]
    policy = at_once(policy_of(target, settings.alerting, key))
    parts = assemble(name, target, settings, deps, key=key, publish=lambda _event: None)
    single = OneShot(TargetState(target=name), policy, parts, selection, equipment.clock, say=equipment.say)
    singles.append(single)
    return Visit(
        name,
        settings,
        single,
        parts.adapters,
        ear,
        slack=slack_bot(settings, deps),
        proxies=_proxies(settings, target, equipment.environ),
        clock=equipment.clock,
        say=equipment.say,
    )


def _proxies(settings: Settings, target: Target, environ: Mapping[str, str]) -> dict[Service, str]:
    """Which services are asked through which proxy, without its password."""
    proxies = Proxies(proxy=settings.http.proxy, no_proxy=settings.http.no_proxy, environ=environ)
    urls = {
        Service.GATEWAY: target.gateway.url,
        Service.TRACELOOP: target.traceloop.url,
        **({Service.CONTROL_PLANE: target.control_plane.url} if target.control_plane is not None else {}),
    }
    found = {service: proxies.proxy_of(url) for service, url in urls.items()}
    return {service: urlsplit(proxy).netloc.rpartition("@")[2] for service, proxy in found.items() if proxy is not None}


def _our_traces(singles: list[OneShot]) -> frozenset[TraceId]:
    states = [single.journal.state for single in singles]
    canaries = {canary.trace_id for state in states for canary in state.canaries if canary.trace_id is not None}
    return frozenset(canaries | {control.trace_id for state in states for control in state.controls})


def _both(*hearers: OnExchange) -> Callable[[Exchange], None]:
    def hear(exchange: Exchange) -> None:
        for each in hearers:
            each(exchange)

    return hear
