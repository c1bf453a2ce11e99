"""What the page shows of one target: a row among others, and all that there is to say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.core.backend import TRACELOOP
from monitor.core.drift import Comparison, compare
from monitor.core.incident import Corroboration, Hop, Incident
from monitor.core.model import CheckName, Instant, Seconds, TargetName, Verdict
from monitor.core.pace import stale_checks, today
from monitor.core.path import hops, through_collector
from monitor.core.silence import Silence, silenced_now
from monitor.core.state import CERTIFICATE_SOON, DAY, TOKEN_SOON, Policy, TargetState
from monitor.web.day import Dot
from monitor.web.pictures import Edge, Spark, Strip, day_strip, edges, path_summary, quarter_strip, sparkline
from monitor.web.texts import time_text, until_text

RANK: Mapping[str, int] = {"critical": 0, "warning": 1, "unknown": 2, "healthy": 3}
"""The statuses of a target, the worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a target beside its state. `links` are names and URLs, `next_runs` when each check runs next."""

    policy: Policy | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    next_runs: Mapping[CheckName, Instant] = field(default_factory=dict)
    token_expiries: Mapping[str, Instant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One target among others. `status` is critical, warning, unknown or healthy; `report` its part of the status object."""

    name: str
    status: str
    report: Mapping[str, Any]
    state: TargetState
    about: About
    hops: tuple[Hop, ...]
    silenced_until: Instant | None
    dots: tuple[Dot, ...]
    now: Instant
    together: Corroboration | None = None

    @property
    def incident(self) -> Incident | None:
        """The open incident."""
        return self.state.incident

    @property
    def needs_somebody(self) -> bool:
        """Whether there is more to say than that it is healthy."""
        return self.status != "healthy" or self.incident is not None

    @property
    def edges(self) -> tuple[Edge, ...]:
        """What joins the hops."""
        return edges(self.hops)

    @property
    def path_summary(self) -> str:
        """The path in words."""
        return path_summary(self.hops)

    @property
    def strip(self) -> Strip:
        """The canaries of the day, one by one."""
        return day_strip(self.dots, self.now)

    @property
    def quarters(self) -> Strip:
        """The canaries of the day, by quarters of an hour."""
        return quarter_strip(self.dots, self.now)

    @property
    def spark(self) -> Spark | None:
        """How long the traces of the day took."""
        policy = self.about.policy
        return sparkline(self.dots, policy.arrival if policy is not None else None, self.now)

    @property
    def impact(self) -> str:
        """How it shows, and what that means since when; nothing without an incident."""
        return self.incident.meaning(str, lambda at: time_text(at, self.now)) if self.incident is not None else ""

    @property
    def because(self) -> list[str]:
        """Why it is broken, without what is said above; or, of a target that is unknown, which check could not see, and why."""
        checks = self.report["checks"].items()
        unseen = (f"{name}: {one['summary']}" for name, one in checks if one["verdict"] != Verdict.PASS.value)
        known = self.incident.diagnosis.summary if self.incident is not None else ""
        return [line for line in self.report.get("because") or list(unseen) if line not in known]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done about the open incident."""
        incident = self.incident
        if incident is None:
            return ()
        notes = (
            incident.diagnosis.waiting,
            f"acknowledged by {incident.acked_by}" if incident.acked_by else None,
            f"silenced {until_text(self.silenced_until, self.now)}" if self.silenced_until is not None else None,
            f"opened {1 + len(incident.reopened)} times" if incident.reopened else None,
        )
        return tuple(note for note in notes if note)

    @property
    def last_check_at(self) -> Instant | None:
        """When any check ran last."""
        return max((one.last.at for one in self.state.check_states.values() if one.last is not None), default=None)

    @property
    def checks(self) -> tuple["CheckRow", ...]:
        """Every check in order; one that is not enabled has no report."""
        return tuple(self._check(check) for check in CheckName)

    def _check(self, check: CheckName) -> "CheckRow":
        last = self.state.check_state(check).last
        return CheckRow(
            name=check.value,
            report=self.report["checks"].get(check.value),
            at=last.at if last is not None else None,
            next_at=self.about.next_runs.get(check),
        )

    @property
    def comparison(self) -> Comparison | None:
        """The configuration that was read last, beside the expected one; None if none was read, or the exporter was off."""
        memory, policy = self.state.config, self.about.policy
        if memory is None or policy is None or memory.seen.config.off or not policy.enabled(CheckName.CONFIG):
            return None
        return compare(policy.expected, memory.seen.config)

    @property
    def budget(self) -> tuple["BudgetLeft", ...]:
        """What is left of the day's budget of canaries and of tokens."""
        policy = self.about.policy
        if policy is None or not policy.enabled(CheckName.CANARY):
            return ()
        spent, limits = today(self.state.budget, self.now), policy.limits
        return (
            BudgetLeft(what="canaries", left=max(0, limits.max_per_day - spent.sent), of=limits.max_per_day),
            BudgetLeft(
                what="tokens", left=max(0, limits.max_tokens_per_day - spent.tokens), of=limits.max_tokens_per_day
            ),
        )

    @property
    def expiries(self) -> tuple["Expiry", ...]:
        """When certificates and tokens end, the soonest first."""
        certificates = (
            Expiry(what=f"certificate of {endpoint}", at=at, now=self.now, soon_within=CERTIFICATE_SOON)
            for endpoint, at in self.state.certificates.items()
        )
        tokens = (
            Expiry(what=f"token of {name.replace('_', ' ')}", at=at, now=self.now, soon_within=TOKEN_SOON)
            for name, at in self.about.token_expiries.items()
        )
        return tuple(sorted((*certificates, *tokens), key=lambda one: one.at))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One check: its part of the status object, when it ran last, and when it runs next."""

    name: str
    report: Mapping[str, Any] | None
    at: Instant | None
    next_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLeft:
    """What is left of a budget."""

    what: str
    left: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Something that ends by itself."""

    what: str
    at: Instant
    now: Instant
    soon_within: Seconds

    @property
    def days(self) -> int:
        """Whole days that are left; negative once it is over."""
        return int((self.at - self.now) // DAY)

    @property
    def soon(self) -> bool:
        """Whether somebody has to do something about it."""
        return self.at - self.now < self.soon_within


def make_row(
    name: str,
    report: Mapping[str, Any],
    state: TargetState | None,
    silences: tuple[Silence, ...],
    *,
    about: About,
    dots: tuple[Dot, ...],
    now: Instant,
    together: Corroboration | None = None,
) -> Row:
    """A target as the page shows it."""
    known = state or TargetState(target=TargetName(name))
    incident = known.incident
    diagnosis = incident.diagnosis if incident is not None else None
    severity = report.get("severity")
    by_verdict = {"pass": "healthy", "fail": "warning"}.get(report["verdict"], "unknown")
    return Row(
        name=name,
        status=str(severity) if severity in {"critical", "warning"} else by_verdict,
        report=report,
        state=known,
        about=about,
        hops=through_collector(
            hops(
                known,
                diagnosis,
                stale=stale_checks(known, about.policy, now) if about.policy is not None else frozenset(),
                backend=about.policy.backend if about.policy is not None else TRACELOOP,
            ),
            known,
            diagnosis,
            about.policy,
            now,
        ),
        silenced_until=silenced_now(silences, known.target, incident, now),
        dots=dots,
        now=now,
        together=together,
    )
