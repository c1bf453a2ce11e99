"""From the settings of one target to the policy that the core judges by."""

from dataclasses import replace

from monitor.checks.canary import canary_metadata
from monitor.core.canary import NONCE_ENTRY
from monitor.core.gateway_policies import Profile
from monitor.core.model import CheckName, Seconds
from monitor.core.secret import fingerprint
from monitor.core.state import ArrivalPolicy, Cadence, Limits, Policy, TraceIdMode
from monitor.settings.alerting import Alerting
from monitor.settings.checks import Checks
from monitor.settings.rules import expected_config, labels
from monitor.settings.target import Target

_ORIGIN_FAST: Seconds = 120.0
_HOP = Cadence(every=3600.0, every_while_failing=120.0, deadline=15.0)
_SWITCHES = Cadence(every=3600.0, every_while_failing=120.0, deadline=60.0)


def policy_of(target: Target, alerting: Alerting, fingerprint_key: bytes) -> Policy:
    """Everything the core needs to know of what the operator decided."""
    checks = target.checks
    arrival = checks.arrival
    return Policy(
        cadences=_cadences(checks),
        origin=Cadence(every=checks.origin.every, every_while_failing=_ORIGIN_FAST, deadline=60.0)
        if checks.origin.enabled
        else None,
        switches=_SWITCHES if target.control_plane is not None and checks.config.enabled else None,
        hop=_HOP if target.gateway.metrics_url is not None else None,
        arrival=ArrivalPolicy(
            look_closer_after=arrival.look_closer_after,
            late_after=arrival.late_after,
            missing_after=arrival.missing_after,
            settle=arrival.settle,
            complete_spans=arrival.complete_spans,
            loss_of=arrival.loss_of,
        ),
        limits=Limits(
            max_per_day=checks.canary.max_per_day,
            max_tokens_per_day=checks.canary.max_tokens_per_day,
            every=checks.canary.every,
            tokens_each=checks.canary.max_tokens or 0,
        ),
        labels=labels(target),
        expected=expected_config(target, fingerprint_key),
        trace_id=TraceIdMode(target.gateway.trace_id),
        fail_after=alerting.fail_after,
        pass_after=alerting.pass_after,
        blind_after=alerting.blind_after,
        reopen_within=alerting.reopen_within,
        remind_every=alerting.remind_every,
        escalate_after=alerting.escalate_after,
        severity=alerting.severity,
        max_severity=target.alerting.max_severity,
        credential=fingerprint(target.traceloop.api_key.get(), fingerprint_key),
        environment=target.traceloop.environment,
        account=_account(target, fingerprint_key),
        profile=_profile(target),
    )


def _account(target: Target, fingerprint_key: bytes) -> str:
    """Who sends the canaries and who asks TrueFoundry's own store for them."""
    asker = target.control_plane.token.get() if target.control_plane is not None else ""
    return fingerprint(f"{asker}\n{target.gateway.token.get()}", fingerprint_key)


def _profile(target: Target) -> Profile:
    more = target.checks.canary.metadata
    nonces = frozenset({NONCE_ENTRY} - more.keys())
    return Profile(model=target.gateway.model, metadata=canary_metadata(more), nonces=nonces)


def _cadences(checks: Checks) -> dict[CheckName, Cadence]:
    config, gateway, canary, control = checks.config, checks.gateway, checks.canary, checks.control
    missing_after = checks.arrival.missing_after
    candidates = {
        CheckName.CONFIG: (config.enabled, config.every, config.every_while_failing, config.timeout),
        CheckName.GATEWAY: (gateway.enabled, gateway.every, gateway.every_while_failing, gateway.timeout),
        CheckName.CANARY: (canary.enabled, canary.every, canary.every_while_failing, canary.timeout),
        CheckName.ARRIVAL: (checks.arrival.enabled, canary.every, canary.every_while_failing, missing_after),
        CheckName.CONTROL: (control.enabled, control.every, control.every_while_failing, missing_after),
    }
    return {
        name: Cadence(every=every, every_while_failing=min(fast, every), deadline=deadline)
        for name, (enabled, every, fast, deadline) in candidates.items()
        if enabled
    }


def at_once(policy: Policy) -> Policy:
    """The same thresholds for a single pass: one look is enough, and there is nothing to be patient about."""
    return replace(policy, fail_after=1, pass_after=1, blind_after=0.0)


def enabled_checks(checks: Checks) -> frozenset[CheckName]:
    """The checks that run."""
    return frozenset(_cadences(checks))
