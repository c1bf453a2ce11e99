"""What the page shows of a target beside its state: limits, labels, next runs, tokens, and links to the services."""

from collections.abc import Mapping

from monitor.core.incident import Incident
from monitor.core.inputs import NoticeDelivered
from monitor.core.model import TargetName
from monitor.core.state import DAY
from monitor.daemon.daemon import Daemon
from monitor.daemon.status import token_expiries
from monitor.settings import Target
from monitor.store import Store
from monitor.web.panel import About

_APPS = {"https://api.traceloop.com": "https://app.traceloop.com"}
"""Where people read what an API serves; of another API nobody knows, and it is linked to itself."""


def about_targets(daemon: Daemon) -> Mapping[TargetName, About]:
    """Every target of the configuration."""
    policies = daemon.policies
    return {
        name: About(
            policy=policies.get(name),
            labels=target.labels,
            links=links_of(target),
            next_runs=daemon.next_runs(name),
            token_expiries=token_expiries(target),
        )
        for name, target in daemon.settings.targets.items()
    }


def links_of(target: Target) -> tuple[tuple[str, str], ...]:
    """The services that people open: TrueFoundry's control plane, the trace backend, a self-hosted gateway's metrics."""
    backend = target.backend
    control_plane = target.control_plane.url if target.control_plane is not None else None
    found = (
        ("TrueFoundry", control_plane),
        (backend.traits.name, _APPS.get(backend.url, backend.url)),
        ("Gateway metrics", target.gateway.metrics_url),
        ("Collector metrics", target.collector.metrics_url),
    )
    return tuple((name, url) for name, url in found if url)


async def notices_of(incident: Incident, store: Store) -> tuple[NoticeDelivered, ...]:
    """Who was notified of an incident, as the history has it: at its end, or up to a day later."""
    until = float("inf") if incident.closed_at is None else incident.closed_at + DAY
    return await store.notices(incident.target, since=incident.opened_at, until=until)
