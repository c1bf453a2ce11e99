"""All answers as one object, the verdict, and the suggested settings: what `doctor --format json` prints. Pure.

{"verdict": "pass|fail|unknown",
 "targets": {"prod": {"verdict": …, "backend": "Traceloop", "complete": true,
                      "questions": {slug: {"question", "needed", "answer", "verdict", "summary", "evidence", "advice",
                                           "suggests": [{"setting", "value", "why"}]}},
                      "suggested_settings": {"gateway.trace_id": {"value": …, "why": …}},
                      "check": the target's object of `check --format json`}}}
"""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from typing import Any

from monitor.core.faults import MONITORS_OWN
from monitor.core.model import Fault, Verdict
from monitor.daemon.status import describe_target, overall
from monitor.doctor import about_backend, about_machine, about_truefoundry
from monitor.doctor.questions import Answer, Question, Suggestion, read_sections
from monitor.doctor.snapshot import Snapshot

SECTIONS = read_sections({**vars(about_truefoundry), **vars(about_backend), **vars(about_machine)})
QUESTIONS: tuple[Question, ...] = tuple(question for section in SECTIONS for question in section.questions)


def verdict_of(answers: dict[Question, Answer], confirmed: Collection[Fault] = ()) -> Verdict:
    """Fail if anything is missing or broken; else unknown if something that is needed is not settled.

    A fault that the checks have `confirmed` counts as well: no question asks about each of them.
    """
    if any(answer.verdict is Verdict.FAIL for answer in answers.values()) or set(confirmed) - MONITORS_OWN:
        return Verdict.FAIL
    if Fault.CHECK_FAILED in confirmed:
        return Verdict.UNKNOWN
    return overall([answer.verdict for question, answer in answers.items() if question.needed])


def suggested(answers: dict[Question, Answer]) -> dict[str, Suggestion]:
    """The settings worth changing, by path below the target; of two for one path the first question's."""
    found: dict[str, Suggestion] = {}
    for answer in answers.values():
        for suggestion in answer.suggests:
            found.setdefault(suggestion.setting, suggestion)
    return found


def describe_probe(seen: Snapshot) -> dict[str, Any]:
    """One target of the object."""
    answers = {question: question.answer(seen) for question in QUESTIONS if question.concerns(seen)}
    return {
        "verdict": verdict_of(answers, seen.state.confirmed).value,
        "backend": seen.policy.backend.name,
        "complete": seen.ended,
        "questions": {
            question.slug: {
                "question": seen.policy.backend.name_in(question.text),
                "needed": question.needed,
                "answer": answer.answer,
                "verdict": answer.verdict.value,
                "summary": answer.summary,
                "evidence": dict(answer.evidence),
                "advice": answer.advice,
                "suggests": [asdict(suggestion) for suggestion in answer.suggests],
            }
            for question, answer in answers.items()
        },
        "suggested_settings": {
            path: {"value": suggestion.value, "why": suggestion.why} for path, suggestion in suggested(answers).items()
        },
        "check": describe_target(seen.state, seen.policy, seen.now),
    }


def describe_probes(seen: Iterable[Snapshot]) -> dict[str, Any]:
    """The whole object."""
    targets = {str(each.name): describe_probe(each) for each in seen}
    return {
        "verdict": overall([Verdict(target["verdict"]) for target in targets.values()]).value,
        "targets": targets,
    }
