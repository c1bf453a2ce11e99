"""What a rule of the table is made of: the words for people, and the judgements on the evidence."""

from collections.abc import Callable
from dataclasses import dataclass

from monitor.core.canary import Canary
from monitor.core.model import Charge, CheckName, Component, Fault, Instant, Severity, Verdict
from monitor.core.state import Active, Policy, TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """How a fault of traces shows in the canaries: which speak for it, which against it, and what the bad ones are charged with.

    `excusable`: what belongs to a known cause does not count.
    """

    is_bad: Callable[[Canary], bool]
    is_good: Callable[[Canary], bool]
    charge: Callable[[tuple[Canary, ...]], Charge]
    excusable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A charge that has settled, and everything else that is known: what a rule judges by."""

    active: Active
    state: TargetState
    policy: Policy
    now: Instant

    @property
    def charge(self) -> Charge:
        """What settled it."""
        return self.active.charge

    @property
    def is_unread(self) -> bool:
        """Whether the newest look could not read what the exporter is set to."""
        last = self.state.trend(CheckName.CONFIG).last
        return last is not None and last.verdict is Verdict.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What the evidence of one case makes of a rule. None and empty: it stays as it stands in the table.

    `meaning` and `said` are what broke and how it shows, where the evidence says more than the table and the charge. `remarks`
    are added to the reasons that the charge gives; `step` is a next step that suits this case better. `mended`: the cause was
    removed since its evidence was seen, and only fresh traces can prove that.
    """

    meaning: str = ""
    said: str = ""
    severity: Severity | None = None
    explains: frozenset[Fault] | None = None
    remarks: tuple[str, ...] = ()
    step: str = ""
    mended: bool = False


def _always(_: Case) -> bool:
    return True


def _as_it_stands(_: Case) -> Weight:
    return Weight()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One fault: when it is said, why, what it explains, what to do next.

    `meaning` completes "what broke"; `when` is the evidence it needs and `settles` how much of that; `because` what the message
    gives as the reasons; `advice` the next step, where the evidence names no better one. `explains` are mere consequences:
    told below it, never beside it; `prevents_traces`: while it lasts no canary is served, so no trace can be missed.

    `critical_if` says when a warning is critical after all.

    `charged_as` is the charge that it is made of, where several rules share one, and `holds` tells them apart. `sign` is how it
    shows in the canaries, `weigh` what its evidence makes of it.
    """

    fault: Fault
    component: Component
    severity: Severity
    meaning: str
    when: str
    settles: str
    because: str
    advice: str
    explains: frozenset[Fault] = frozenset()
    prevents_traces: bool = False
    critical_if: str = ""
    charged_as: Fault | None = None
    holds: Callable[[Case], bool] = _always
    sign: Sign | None = None
    weigh: Callable[[Case], Weight] = _as_it_stands

    @property
    def severity_text(self) -> str:
        """How bad, in words."""
        word = self.severity.word
        return f"{Severity.CRITICAL.word} if {self.critical_if}, else {word}" if self.critical_if else word

    @property
    def charge(self) -> Fault:
        """The fault that has to be confirmed for this rule to be looked at."""
        return self.charged_as if self.charged_as is not None else self.fault
