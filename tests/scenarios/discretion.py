"""What every scenario ends with: whether a secret of the sandbox stands anywhere that somebody can read."""

import base64
import json
from collections.abc import Iterable
from dataclasses import asdict
from urllib.parse import quote

from monitor.core.events import Event, IncidentChanged
from monitor.daemon.daemon import Daemon
from monitor.sandbox import World
from monitor.sandbox.credentials import Credentials
from monitor.store import Recorded
from monitor.store.codec import encode_input, encode_target


def given_away(
    world: World, daemon: Daemon, metrics: str, events: Iterable[Event], recorded: Iterable[Recorded]
) -> set[str]:
    """The secrets that stand in a message, a metric, the status, an event or what is stored and recorded."""
    target_stores = daemon.target_stores
    written = (
        metrics,
        json.dumps(daemon.report()),
        json.dumps(daemon.incidents(open_only=False)),
        json.dumps([message.as_json() for message in world.slack.messages]),
        *(encode_target(target_store.state) for target_store in target_stores),
        *(encode_input(entry.given) for entry in recorded),
        *(json.dumps(asdict(event)) for event in events if isinstance(event, IncidentChanged)),
    )
    secrets = secrets_of(world.credentials)
    return {secret for secret in secrets if any(form in text for form in forms_of(secret) for text in written)}


def forms_of(secret: str) -> set[str]:
    """A secret as it is, in a URL, in JSON, and wherever it may begin in what is base64."""
    encoded = {base64.b64encode(b"x" * lead + secret.encode()).decode()[4:-4] for lead in range(3)}
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], *encoded}


def secrets_of(credentials: Credentials) -> tuple[str, ...]:
    """Every secret that the sandbox knows."""
    return (
        credentials.token,
        credentials.other_token,
        credentials.admin_token,
        credentials.rotated_key,
        credentials.unknown_key,
        credentials.bot_token,
        credentials.webhook_path,
        *credentials.keys.values(),
    )


def notified_twice_or_never(world: World, daemon: Daemon) -> dict[str, int]:
    """The incidents that somebody was notified of and that have not exactly one message of their own in the channel."""
    notified = [
        incident.id
        for target_store in daemon.target_stores
        for incident in target_store.state.incidents
        if incident.notified
    ]
    roots = [json.dumps(root.blocks) for root in world.slack.roots]
    counts = {name: sum(f"Incident `{name}`" in root for root in roots) for name in notified}
    return {name: count for name, count in counts.items() if count != 1}
