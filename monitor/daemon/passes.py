"""Build the single passes of `trace-monitor check`: what the daemon's memory knows is read, nothing is written."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.core.model import CheckName, TargetName
from monitor.core.present import bring_to_present
from monitor.core.state import Policy, TargetState
from monitor.daemon.compose import Ground, Parts, assemble
from monitor.daemon.one_shot import Say, SinglePass, progress
from monitor.daemon.policy import at_once, policy_of
from monitor.http import Http, Network
from monitor.ports import Clock
from monitor.redaction import Redactor
from monitor.runner import TargetJournal
from monitor.settings import Settings
from monitor.store.snapshot import load_snapshot

_log = logging.getLogger(__name__)
_KEY_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a person asked for; nothing chosen means everything."""

    targets: frozenset[TargetName] = frozenset()
    checks: frozenset[CheckName] | None = None

    def wants_target(self, name: TargetName) -> bool:
        """Whether to look at a target."""
        return not self.targets or name in self.targets

    def wants_check(self, name: CheckName) -> bool:
        """Whether to run a check."""
        return self.checks is None or name in self.checks


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


def build_passes(
    settings: Settings, selection: Selection, *, http: Http, redactor: Redactor, clock: Clock, say: Say
) -> list[SinglePass]:
    """One pass for each selected target."""
    snapshot = load_snapshot(Path(settings.state.path))
    key = snapshot.fingerprint_key or bytes.fromhex(clock.draw_hex(_KEY_DIGITS))
    if snapshot.problem is not None:
        say(f"going on without what was remembered: {snapshot.problem}")
    ground = Ground(
        clock=clock,
        http=http,
        redactor=redactor,
        fingerprint_key=key,
        publish=lambda _event: None,
    )
    passes = []
    for name, target in settings.targets.items():
        if not selection.wants_target(name):
            continue
        policy = _select(at_once(policy_of(target, settings.alerting, key)), selection)
        parts = assemble(name, target, settings, ground)
        before = bring_to_present(snapshot.state.targets.get(name, TargetState(target=name)), clock.now())
        passes.append(make_pass(before, policy, parts, selection, ground=ground, say=say))
    return passes


def make_pass(
    before: TargetState, policy: Policy, parts: Parts, selection: Selection, *, ground: Ground, say: Say
) -> SinglePass:
    """One pass over one target, `before` being what is remembered of it."""
    checks = {name: check for name, check in parts.checks.items() if selection.wants_check(name)}
    awaits = selection.wants_check(CheckName.ARRIVAL) or selection.wants_check(CheckName.CONTROL)
    return SinglePass(
        _journal(before, policy, ground, say),
        checks,
        parts.arrival if awaits else None,
        tuple(look for look in parts.aside if any(map(selection.wants_check, look.serves))),
        clock=ground.clock,
        say=say,
    )


def _select(policy: Policy, selection: Selection) -> Policy:
    cadences = {name: cadence for name, cadence in policy.cadences.items() if selection.wants_check(name)}
    return replace(policy, cadences=cadences)


def _journal(before: TargetState, policy: Policy, ground: Ground, say: Say) -> TargetJournal:
    # Proven routes and the last configuration carry over; what was believed of the checks does not.
    state = TargetState(
        target=before.target,
        proofs=before.proofs,
        config=before.config,
        honours_traceparent=before.honours_traceparent,
        caller=before.caller,
    )

    async def keep_nothing(_state: TargetState) -> None:
        return

    return TargetJournal(
        state,
        policy,
        clock=ground.clock,
        save=keep_nothing,
        publish=progress(say),
        changed=lambda _state: None,
    )
