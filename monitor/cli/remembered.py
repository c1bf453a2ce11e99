"""What the state file says, for `status` and `incidents` where the daemon does not answer. Nothing is written."""

from pathlib import Path
from typing import Any

from monitor.cli.client import Client, Unanswered
from monitor.cli.common import say
from monitor.clock import SystemClock
from monitor.core.present import bring_to_present
from monitor.daemon.compose import silences_of
from monitor.daemon.policy import policy_of
from monitor.daemon.status import describe, describe_incident
from monitor.notifiers.wording import utc
from monitor.redaction import all_visible
from monitor.store.snapshot import load_snapshot
from monitor.web.payloads import describe_silence


def read_state_file(daemon: Client, unanswered: Unanswered) -> dict[str, Any]:
    """The status object as of the newest check, with every incident and silence. Raises Unanswered where nothing is remembered."""
    if daemon.loaded is None:
        raise unanswered
    settings = daemon.loaded.settings
    path = Path(settings.state.path)
    if not path.is_file():
        raise Unanswered(f"{unanswered}; there is no state file at {path}")
    snapshot = load_snapshot(path)
    now = SystemClock().now()
    states = {
        name: bring_to_present(snapshot.state.targets[name], now)
        for name in settings.targets
        if name in snapshot.state.targets
    }
    if not states:
        raise Unanswered(f"{unanswered}; {snapshot.problem or f'{path} remembers nothing of the targets'}")
    looks = (check_state.last for state in states.values() for check_state in state.check_states.values())
    as_of = max((look.at for look in looks if look is not None), default=0.0)
    say(f"{unanswered}; this is what the state file says, as of {utc(as_of)}")
    key = snapshot.fingerprint_key or b""
    policies = {name: policy_of(settings.targets[name], settings.alerting, key) for name in states}
    incidents = [incident for state in states.values() for incident in state.incidents]
    silences = (*snapshot.state.silences, *silences_of(settings))
    report = describe({str(name): (state, policies[name]) for name, state in states.items()}, as_of)
    shown: dict[str, Any] = all_visible(
        {
            **report,
            "incidents": [describe_incident(one) for one in sorted(incidents, key=lambda one: -one.opened_at)],
            "silences": [describe_silence(silence, now) for silence in dict.fromkeys(silences)],
            "as_of": as_of,
        }
    )
    return shown
