"""A question and its answer. A question is one pure function of what was seen, and one entry in the table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from monitor.core.model import Scalar, Verdict
from monitor.doctor.seen import Seen

Value = str | int | bool | Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A setting of the target worth changing: its dotted path below `targets.NAME`, the value, and why."""

    setting: str
    value: Value
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known of a question now.

    `answer` is a word or two, for programs; `summary` is for people, and so is `advice`, which says what to do and where. A
    verdict of `unknown` means that it could not be settled, not that something is broken.
    """

    answer: str
    verdict: Verdict
    summary: str
    evidence: Mapping[str, Scalar] = field(default_factory=dict)
    advice: str = ""
    suggests: tuple[Suggestion, ...] = ()

    def showing(self, evidence: Mapping[str, Scalar]) -> "Answer":
        """The same answer with more evidence."""
        return replace(self, evidence={**self.evidence, **evidence})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One open question. `needed`: without an answer that passes, the monitor cannot be trusted.

    `concerns` says whether it makes sense for a target at all; where not, it is left out.
    """

    slug: str
    text: str
    judge: Callable[[Seen], Answer]
    needed: bool = False
    concerns: Callable[[Seen], bool] = lambda _seen: True


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The questions about one service, under its name."""

    title: str
    questions: tuple[Question, ...]


def well(answer: str, summary: str, *suggests: Suggestion, advice: str = "", **evidence: Scalar) -> Answer:
    """Settled, and nothing has to be mended."""
    return Answer(
        answer=answer, verdict=Verdict.PASS, summary=summary, evidence=evidence, advice=advice, suggests=suggests
    )


def wrong(answer: str, summary: str, advice: str, *suggests: Suggestion, **evidence: Scalar) -> Answer:
    """Settled: something is missing or broken."""
    return Answer(
        answer=answer, verdict=Verdict.FAIL, summary=summary, evidence=evidence, advice=advice, suggests=suggests
    )


def open_(answer: str, summary: str, advice: str = "", *suggests: Suggestion, **evidence: Scalar) -> Answer:
    """Not settled."""
    return Answer(
        answer=answer, verdict=Verdict.UNKNOWN, summary=summary, evidence=evidence, advice=advice, suggests=suggests
    )


def skipped(why: str) -> Answer:
    """Not asked, and why."""
    return open_("skipped", f"Skipped: {why}.")
