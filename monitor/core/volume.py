"""Do the traces of real requests arrive? Of a window that is over: how many requests were served, how many traces are there.

Canaries prove the way; this shows what happens to everybody else's requests: sampling, a rule that leaves some out, a spent quota.
The public case: a gateway whose traces stood at zero for nine days while every test of its logging succeeded
(https://github.com/BerriAI/litellm/issues/23034).
"""

from dataclasses import dataclass

from monitor.core.backend import BACKEND
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    Instant,
    Scalar,
    Severity,
    Suspicion,
    UnknownReason,
    failing,
    passing,
    unknown,
)
from monitor.core.outcomes import arrived
from monitor.core.state import DAY, Policy, TargetState, VolumePolicy
from monitor.core.text import moment_text

_HALF = 0.5
"""Below this share it is critical."""

_NOT_ALL = 1.25
"""Above this share the requests are not all counted: the token sees only some, or several processes count each its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What was counted between two moments: requests that the gateway served, by whose word, and traces that are stored."""

    since: Instant
    until: Instant
    requests: int
    counted_by: str
    traces: int

    @property
    def ratio(self) -> float:
        """The share of the requests whose traces are there."""
        return self.traces / self.requests


def window(policy: VolumePolicy, now: Instant) -> tuple[Instant, Instant]:
    """The newest window whose traces have had their time to arrive."""
    until = now - policy.delay
    return until - policy.every, until


def nothing_to_count(state: TargetState, policy: Policy, since: Instant, until: Instant) -> CheckResult | None:
    """The result for a window in which traces were lost for a reason that is known: it belongs to that incident."""
    for outage in state.outages:
        if outage.touches(since, until, policy.arrival.settle):
            text = f"traces of {_when(since, until)} were lost to {outage.fault}, which is known"
            return unknown(text, UnknownReason.NOTHING_TO_JUDGE)
    return None


def too_few_requests(requests: int, counted_by: str, policy: VolumePolicy) -> CheckResult | None:
    """The result where too few requests were served to say anything."""
    if requests >= policy.min_requests:
        return None
    text = f"{counted_by} counts {requests} requests, and fewer than {policy.min_requests} say nothing"
    return unknown(text, UnknownReason.NOTHING_TO_JUDGE, {"requests": requests})


def judge_volume(seen: Volume, state: TargetState, policy: VolumePolicy) -> CheckResult:
    """What the counts mean.

    A count of traces is believed only if it holds at least the canaries that are known to have arrived in its window; and none at
    all only if this check has passed within a day, or has been failing since, whatever quiet hours lie between. Example: the backend
    does not know the attribute that is counted by, and answers 0 for ever: that is unknown, and no loss.
    """
    requests, traces, ratio = seen.requests, seen.traces, seen.ratio
    evidence: dict[str, Scalar] = {"requests": requests, "traces": traces, "ratio": round(ratio, 4)}
    ours = [one for one in state.canaries if arrived(one) and seen.since <= one.sent_at < seen.until]
    if traces < len(ours):
        text = f"{BACKEND} counts {traces} traces where {len(ours)} canaries alone have arrived"
        return unknown(text, UnknownReason.GARBLED, evidence, attempted="count traces")
    known = state.check_state(CheckName.VOLUME)
    passed = known.last_pass_at is not None and seen.until - known.last_pass_at <= DAY
    failing_since = known.fails or Fault.VOLUME_LOSS in known.confirmed
    if not traces and not passed and not failing_since:
        text = f"{BACKEND} counts no traces, and has never shown a count, so that proves nothing"
        return unknown(text, UnknownReason.UNPROVEN, evidence, attempted="count traces")
    if ratio > _NOT_ALL:
        text = f"{seen.counted_by} counts {requests} requests and {BACKEND} {traces} traces, so not all requests are counted"
        step = "Let the monitor see everybody's requests: grant its virtual account `tenant-admin`."
        return unknown(text, UnknownReason.GARBLED, evidence, attempted="compare requests and traces", step=step)
    said = f"{traces} of {requests} requests ({ratio:.0%}) have a trace in {BACKEND}"
    if ratio >= policy.min_ratio:
        return passing(said, evidence)
    suspicion = Suspicion(
        fault=Fault.VOLUME_LOSS,
        summary=said,
        facts=(f"{seen.counted_by} counts {requests} requests {_when(seen.since, seen.until)}",),
        severity=Severity.CRITICAL if ratio < _HALF else None,
    )
    return failing(suspicion, evidence=evidence)


def _when(since: Instant, until: Instant) -> str:
    return f"from {moment_text(since)} to {moment_text(until)}"
