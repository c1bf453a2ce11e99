"""From the settings of one target to the policy that the core judges by."""

from dataclasses import replace

from monitor.checks.canary import canary_metadata
from monitor.core.canary import NONCE_ENTRY
from monitor.core.gateway_policies import Profile
from monitor.core.model import CheckName
from monitor.core.secret import fingerprint
from monitor.core.state import Cadence, Policy, TraceIdMode
from monitor.settings import Target, expected_config, labels
from monitor.settings.model import Alerting
from monitor.settings.target import Checks, Phoenix, Traceloop

_HOURLY = Cadence(every=3600.0, every_while_failing=120.0, deadline=60.0)


def policy_of(target: Target, alerting: Alerting, fingerprint_key: bytes) -> Policy:
    """Everything the core needs to know of what the operator decided."""
    checks, canary, gateway = target.checks, target.checks.canary, target.gateway
    backend = target.backend
    control_plane_token = target.control_plane.token.get() if target.control_plane is not None else ""
    return Policy(
        cadences=cadences(checks),
        origin=replace(_HOURLY, every=checks.origin.every) if checks.origin.enabled else None,
        gateway_policies=_HOURLY if target.control_plane is not None and checks.config.enabled else None,
        pipeline_counters=replace(_HOURLY, deadline=15.0) if gateway.metrics_url is not None else None,
        collector_counters=replace(_HOURLY, deadline=15.0) if target.collector.metrics_url is not None else None,
        collector=target.path == "collector",
        test_span_by_collector=target.path == "collector" and not backend.takes(target.expected.endpoint),
        arrival=checks.arrival,
        limits=canary,
        alerting=alerting,
        labels=labels(target),
        expected=expected_config(target, fingerprint_key),
        trace_id=TraceIdMode(gateway.trace_id),
        max_severity=target.alerting.max_severity,
        backend=backend.traits,
        credential=fingerprint(_identity(backend), fingerprint_key),
        backend_url=backend.url,
        environment=backend.environment if isinstance(backend, Traceloop) else None,
        account=fingerprint(f"{control_plane_token}\n{gateway.token.get()}", fingerprint_key),
        profile=Profile(
            model=gateway.model,
            metadata=canary_metadata(canary.metadata),
            nonces=frozenset({NONCE_ENTRY} - canary.metadata.keys()),
        ),
    )


def _identity(backend: Traceloop | Phoenix) -> str:
    """As whom traces are read, and where: what was proven of one says nothing of another."""
    if isinstance(backend, Traceloop):
        return backend.api_key.get()
    return f"{backend.url}\n{backend.project}\n{backend.api_key.get() if backend.api_key is not None else ''}"


def cadences(checks: Checks) -> dict[CheckName, Cadence]:
    """The checks that run. `arrival` keeps time with the canaries; who waits for a trace may take until it is missing."""
    patience = checks.arrival.missing_after
    candidates = (
        (CheckName.CONFIG, checks.config, checks.config, checks.config.timeout),
        (CheckName.GATEWAY, checks.gateway, checks.gateway, checks.gateway.timeout),
        (CheckName.CANARY, checks.canary, checks.canary, checks.canary.timeout),
        (CheckName.ARRIVAL, checks.arrival, checks.canary, patience),
        (CheckName.CONTROL, checks.control, checks.control, patience),
    )
    enabled = {
        name: Cadence(
            every=pace.every, every_while_failing=min(pace.every_while_failing, pace.every), deadline=deadline
        )
        for name, check, pace, deadline in candidates
        if check.enabled
    }
    volume = checks.volume
    if volume.enabled:
        # A window is as long whatever the last one said; both sources of request counts may have to be asked, and the backend.
        enabled[CheckName.VOLUME] = Cadence(
            every=volume.every, every_while_failing=volume.every, deadline=3 * volume.timeout
        )
    return enabled


def without_checks(alerting: Alerting) -> Policy:
    """The policy of a target that is no longer monitored: nothing looks at it any more."""
    checks = Checks()
    return Policy(cadences={}, arrival=checks.arrival, limits=checks.canary, alerting=alerting)


def at_once(alerting: Alerting) -> Alerting:
    """The same for a single pass: one look is enough, and there is nothing to be patient about."""
    return alerting.model_copy(update={"fail_after": 1, "pass_after": 1, "blind_after": 0.0})


def enabled_checks(checks: Checks) -> frozenset[CheckName]:
    """The checks that run."""
    return frozenset(cadences(checks))
