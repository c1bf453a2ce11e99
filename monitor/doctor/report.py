"""All answers as one object, the verdict, and the suggested settings: what `doctor --format json` prints. Pure.

{"verdict": "pass|fail|unknown",
 "targets": {"prod": {"verdict": …, "complete": true,
                      "questions": {slug: {"question", "needed", "answer", "verdict", "summary", "evidence", "advice",
                                           "suggests": [{"setting", "value", "why"}]}},
                      "suggested_settings": {"gateway.trace_id": {"value": …, "why": …}},
                      "check": the target's object of `check --format json`}}}
"""

from collections.abc import Iterable
from typing import Any

from monitor.core.model import Verdict
from monitor.daemon.status import describe_target, overall
from monitor.doctor.answer import Answer, Question, Suggestion
from monitor.doctor.questions import QUESTIONS
from monitor.doctor.seen import Seen


def examine(seen: Seen) -> dict[Question, Answer]:
    """Every question that concerns the target, with its answer."""
    return {question: question.judge(seen) for question in QUESTIONS if question.concerns(seen)}


def verdict_of(answers: dict[Question, Answer]) -> Verdict:
    """Fail if anything is missing or broken; else unknown if something that is needed is not settled."""
    if any(answer.verdict is Verdict.FAIL for answer in answers.values()):
        return Verdict.FAIL
    needed = [answer.verdict for question, answer in answers.items() if question.needed]
    return overall(needed)


def suggested(answers: dict[Question, Answer]) -> dict[str, Suggestion]:
    """The settings worth changing, by path below the target; of two for one path the first question's."""
    found: dict[str, Suggestion] = {}
    for answer in answers.values():
        for suggestion in answer.suggests:
            found.setdefault(suggestion.setting, suggestion)
    return found


def describe_visit(seen: Seen) -> dict[str, Any]:
    """One target of the object."""
    answers = examine(seen)
    return {
        "verdict": verdict_of(answers).value,
        "complete": seen.ended,
        "questions": {question.slug: _describe(question, answer) for question, answer in answers.items()},
        "suggested_settings": {
            path: {"value": _plain(suggestion), "why": suggestion.why}
            for path, suggestion in suggested(answers).items()
        },
        "check": describe_target(seen.state, seen.policy, seen.now),
    }


def describe_visits(visits: Iterable[Seen]) -> dict[str, Any]:
    """The whole object."""
    targets = {str(seen.name): describe_visit(seen) for seen in visits}
    return {
        "verdict": overall([Verdict(target["verdict"]) for target in targets.values()]).value,
        "targets": targets,
    }


def _describe(question: Question, answer: Answer) -> dict[str, Any]:
    return {
        "question": question.text,
        "needed": question.needed,
        "answer": answer.answer,
        "verdict": answer.verdict.value,
        "summary": answer.summary,
        "evidence": dict(answer.evidence),
        "advice": answer.advice,
        "suggests": [{"setting": each.setting, "value": _plain(each), "why": each.why} for each in answer.suggests],
    }


def _plain(suggestion: Suggestion) -> Any:  # noqa: ANN401 - a value of JSON
    value = suggestion.value
    return value if isinstance(value, str | int | bool) else dict(value)
