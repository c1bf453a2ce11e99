"""A second opinion: what should be believed, worked out anew from everything that has happened so far.

Written from the contract, without a glance at how core remembers things: no counters, only lists that are looked at from their
ends. Slow and plain on purpose.
"""

from dataclasses import dataclass
from itertools import takewhile

from monitor.core.model import CheckName, Fault, Instant, UnknownReason, Verdict
from monitor.core.state import Policy

OWN = {Fault.BLIND, Fault.CHECK_FAILED}
IGNORED = {UnknownReason.BUDGET_SPENT, UnknownReason.NOTHING_TO_JUDGE}
KEEPS_FROM_SERVING = {
    Fault.GATEWAY_UNREACHABLE,
    Fault.GATEWAY_REFUSED,
    Fault.RATE_LIMITED,
    Fault.CANARY_REJECTED,
    Fault.PROVIDER_FAILING,
}
CRASHES = {UnknownReason.CRASHED, UnknownReason.TIMEOUT}
CAUSES = {Fault.KEY_REJECTED, Fault.INGEST_FAILING}


@dataclass(frozen=True)
class Look:
    """A check reported."""

    at: Instant
    check: CheckName
    verdict: Verdict
    fault: Fault | None = None
    conclusive: bool = False
    unknown_reason: UnknownReason | None = None


@dataclass
class Trace:
    """A canary, as far as its trace is known."""

    sent_at: Instant
    outcome: str = ""  # "", "arrived", "late", "missing"
    late: bool = False
    excused: bool = False

    @property
    def shown(self) -> bool:
        """Whether it arrived."""
        return self.outcome in {"arrived", "late"}

    @property
    def lost(self) -> bool:
        """Whether it is a loss that nothing explains."""
        return self.outcome == "missing" and not self.excused


class Oracle:
    """Believes by the whole history."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.looks: list[Look] = []
        self.traces: list[Trace] = []
        self.of_checks: dict[CheckName, set[Fault]] = {}
        self.of_traces: dict[Fault, Instant] = {}
        self.comes_and_goes = False
        self.outages: list[tuple[Fault, Instant, Instant | None]] = []

    @property
    def believed(self) -> set[Fault]:
        """Everything that should be confirmed."""
        return set(self.of_traces).union(*self.of_checks.values())

    def look(self, look: Look) -> None:
        """A check reported."""
        explained = look.unknown_reason is UnknownReason.PAUSED and self.believed & KEEPS_FROM_SERVING
        if look.unknown_reason not in IGNORED and not explained:
            self.looks.append(look)
            history = [one for one in self.looks if one.check is look.check]
            before = self.of_checks.get(look.check, set())
            self.of_checks[look.check] = self._settle(history, before)
        self.happened(look.at)

    # --- one check

    def _settle(self, history: list[Look], before: set[Fault]) -> set[Fault]:
        newest = history[-1]
        if newest.verdict is Verdict.UNKNOWN:
            return self._after_unknown(history, before)
        seen = self._unbroken([look for look in history if look.verdict is not Verdict.UNKNOWN])
        since_blind = self._unbroken(
            list(takewhile(lambda look: look.verdict is not Verdict.UNKNOWN, history[::-1]))[::-1]
        )
        own = before & {Fault.BLIND}
        if newest.conclusive or len(since_blind) >= self.policy.alerting.pass_after:
            own = set()
        faults = before - OWN
        if newest.verdict is Verdict.PASS:
            passes = list(takewhile(lambda look: look.verdict is Verdict.PASS, seen[::-1]))
            settled = newest.conclusive or len(passes) >= self.policy.alerting.pass_after
            return own if settled else own | faults
        return own | self._after_failure(seen, faults)

    def _after_failure(self, seen: list[Look], faults: set[Fault]) -> set[Fault]:
        newest = seen[-1]
        assert newest.fault is not None
        fails = list(takewhile(lambda look: look.verdict is Verdict.FAIL, seen[::-1]))
        same = list(takewhile(lambda look: look.fault is newest.fault, fails))
        confirms = newest.conclusive or newest.fault in faults or len(same) >= self.policy.alerting.fail_after
        confirms = confirms or (not faults and len(fails) >= self.policy.alerting.fail_after)
        others = faults - {newest.fault}
        kept = {
            fault
            for fault in others
            if not newest.conclusive and _absent(fault, fails) < self.policy.alerting.pass_after
        }
        kept = kept if kept or confirms else others
        return kept | ({newest.fault} if confirms else set())

    def _after_unknown(self, history: list[Look], before: set[Fault]) -> set[Fault]:
        row = list(takewhile(lambda look: look.verdict is Verdict.UNKNOWN, history[::-1]))[::-1]
        row = self._unbroken(row)
        crashes = list(takewhile(lambda look: look.unknown_reason in CRASHES, row[::-1]))
        if crashes:
            return before | ({Fault.CHECK_FAILED} if len(crashes) >= self.policy.alerting.fail_after else set())
        every = self.policy.cadences[history[-1].check].every
        long = row[-1].at - row[0].at >= max(self.policy.alerting.blind_after, 2 * every)
        blind = {Fault.BLIND} if len(row) > 1 and long else set()
        return (before - {Fault.CHECK_FAILED}) | blind

    def _unbroken(self, looks: list[Look]) -> list[Look]:
        """The newest of them without a hole that would make what is before it stale."""
        stale = self.policy.cadences[looks[-1].check].stale_after
        kept = looks[-1:]
        for look in looks[-2::-1]:
            if kept[0].at - look.at > stale:
                break
            kept.insert(0, look)
        return kept

    # --- all traces

    def happened(self, now: Instant) -> None:
        """Something happened: judge the traces, then remember which causes last."""
        self._excuse()
        self._judge_losses(now)
        self._judge_lateness(now)
        causes = self.believed & CAUSES
        self.outages = [
            (fault, began, now if ended is None and fault not in causes else ended)
            for fault, began, ended in self.outages
        ]
        lasting = {fault for fault, _, ended in self.outages if ended is None}
        self.outages += [(fault, now, None) for fault in causes - lasting]

    def _excuse(self) -> None:
        settle = self.policy.arrival.settle
        for trace in self.traces:
            for _, began, ended in self.outages:
                inside = began - settle < trace.sent_at < (ended if ended is not None else float("inf")) + settle
                if inside and (trace.late or not trace.shown):
                    trace.excused = True

    def _judge_losses(self, now: Instant) -> None:
        newest = [trace for trace in self.traces[::-1] if trace.outcome]
        bad = [trace for trace in takewhile(lambda trace: not trace.shown, newest) if trace.lost]
        good = list(takewhile(lambda trace: trace.shown, newest))
        outage = Fault.TRACE_MISSING in self.of_traces and not self.comes_and_goes
        if outage and len([trace for trace in good if self._is_fresh(trace, now)]) >= self.policy.alerting.pass_after:
            self._end(now)
        elif (
            not outage
            and len([trace for trace in bad if self._is_fresh(trace, now)]) >= self.policy.alerting.fail_after
        ):
            self.of_traces[Fault.TRACE_MISSING] = bad[-1].sent_at
            self.comes_and_goes = False
        elif not outage:
            self._judge_window(now)

    def _judge_window(self, now: Instant) -> None:
        decided = list(takewhile(lambda trace: trace.outcome, self.traces))
        counted = [trace for trace in decided if trace.lost or (trace.shown and not trace.excused)]
        losses, window = self.policy.arrival.loss_of
        lost = [trace for trace in counted[-window:] if trace.lost]
        known = Fault.TRACE_MISSING in self.of_traces
        if len(lost) >= losses and (known or self._is_fresh(lost[-1], now)):
            self.of_traces.setdefault(Fault.TRACE_MISSING, lost[0].sent_at)
            self.comes_and_goes = True
        elif known:
            self._end(now)

    def _end(self, now: Instant) -> None:
        """What was lost in an outage that is over belongs to it."""
        since = self.of_traces.pop(Fault.TRACE_MISSING)
        self.outages.append((Fault.TRACE_MISSING, since, max(since, now - self.policy.arrival.settle)))
        self._excuse()

    def _judge_lateness(self, now: Instant) -> None:
        newest = [trace for trace in self.traces[::-1] if trace.outcome == "arrived" or trace.late]
        bad = [trace for trace in takewhile(lambda trace: trace.late, newest) if not trace.excused]
        good = list(takewhile(lambda trace: not trace.late, newest))
        if len([trace for trace in good if self._is_fresh(trace, now)]) >= self.policy.alerting.pass_after:
            self.of_traces.pop(Fault.TRACE_LATE, None)
        elif len([trace for trace in bad if self._is_fresh(trace, now)]) >= self.policy.alerting.fail_after:
            self.of_traces.setdefault(Fault.TRACE_LATE, bad[-1].sent_at)

    def _is_fresh(self, trace: Trace, now: Instant) -> bool:
        lasts = self.policy.cadences[CheckName.ARRIVAL].stale_after + self.policy.arrival.missing_after
        return now - trace.sent_at <= lasts


def _absent(fault: Fault, fails: list[Look]) -> int:
    """How many of the newest failures were without a fault."""
    return len(list(takewhile(lambda look: look.fault is not fault, fails)))
