"""`doctor` for people: the answers service by service, what to do, a piece of configuration, and the next step."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from monitor.cli.table import paint
from monitor.core.backend import BACKEND
from monitor.core.model import Fault
from monitor.doctor.report import SECTIONS

_SIGNS = {"pass": "✓ pass   ", "fail": "✗ fail   ", "unknown": "? unknown"}
_INDENT = " " * 12
_WIDTH = 110
_PLAIN = re.compile(r"(?!(?:null|true|false|yes|no|on|off|y|n)$)[a-z][a-z0-9_./-]*|[0-9]+[a-z][a-z0-9]*", re.IGNORECASE)

Answer = Mapping[str, Any]


def render(report: Mapping[str, Any], *, colour: bool) -> str:
    """The whole report."""
    lines: list[str] = []
    for name, target in report["targets"].items():
        lines += [*_target(name, target, colour=colour), ""]
    lines += [*_suggestions(report), *_next_step(report)]
    return "\n".join(lines) + "\n"


def _target(name: str, target: Mapping[str, Any], *, colour: bool) -> Iterator[str]:
    summary, asked = _summary(target)
    yield f"{name}  {paint(target['verdict'].upper(), target['verdict'], colour=colour)}  {summary}"
    for question in asked:
        yield from _wrapped("  - ", question)
    given: set[str] = set()
    for section in SECTIONS:
        answers = {
            question.slug: target["questions"][question.slug]
            for question in section.questions
            if question.slug in target["questions"]
        }
        if answers:
            yield ""
            yield section.title.replace(BACKEND, target["backend"])
            yield from _section(answers, given, colour=colour)
    if _is_diagnosed(target):
        yield ""
        yield "Diagnosis"
        yield from _diagnosis(target["check"])


def _is_diagnosed(target: Mapping[str, Any]) -> bool:
    """Whether the checks have confirmed a fault; that one is hidden from us, the questions say themselves."""
    return target["check"]["fault"] not in (None, Fault.BLIND)


def _summary(target: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The target in a few words, and the questions that they are about."""
    answers = target["questions"].values()
    broken = [answer["question"] for answer in answers if answer["verdict"] == "fail"]
    open_ = [answer["question"] for answer in answers if answer["needed"] and answer["verdict"] == "unknown"]
    if broken:
        return "missing or wrong:", broken
    if _is_diagnosed(target):
        return f"confirmed: {target['check']['fault']}", []
    if open_:
        return "not known:", open_
    return "everything works", []


def _section(answers: Mapping[str, Answer], given: set[str], *, colour: bool) -> Iterator[str]:
    """Each answer, and those that were skipped for one reason in one line. Advice that was `given` is not repeated."""
    skipped: dict[str, list[str]] = {}
    for answer in answers.values():
        if answer["answer"] == "skipped":
            skipped.setdefault(answer["summary"], []).append(answer["question"])
            continue
        asked = "" if answer["verdict"] == "pass" else f"{answer['question']} "
        yield from _answer(answer["verdict"], f"{asked}{answer['summary']}", colour=colour)
        advice = answer["advice"]
        if advice:
            yield from _wrapped(f"{_INDENT}→ ", "as above" if advice in given else advice)
            given.add(advice)
    for summary, questions in skipped.items():
        yield from _answer("unknown", f"{summary} ({' '.join(questions)})", colour=colour)


def _answer(verdict: str, text: str, *, colour: bool) -> Iterator[str]:
    first, *rest = _wrapped(_INDENT, text)
    yield f"  {paint(_SIGNS[verdict], verdict, colour=colour)} {first.removeprefix(_INDENT)}"
    yield from rest


def _diagnosis(check: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrapped("  ", f"{check['fault']} ({check['severity']}): {check['summary']}")
    for sentence in check["because"][1:]:
        yield from _wrapped("    - ", sentence)
    if check["also"]:
        yield from _wrapped("  ", f"also wrong: {', '.join(check['also'])}")
    if check["advice"]:
        yield from _wrapped("  → ", check["advice"])


def _wrapped(begin: str, text: str) -> Iterator[str]:
    """A paragraph whose lines stand under each other."""
    room = _WIDTH - len(begin)
    first, *rest = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    yield f"{begin}{first}"
    yield from (f"{' ' * len(begin)}{line}" for line in rest)


def _suggestions(report: Mapping[str, Any]) -> Iterator[str]:
    suggestions = {
        name: target["suggested_settings"] for name, target in report["targets"].items() if target["suggested_settings"]
    }
    if not suggestions:
        yield "Suggested settings: none."
    else:
        yield "Suggested settings (add them to the configuration; each has its reason)"
        yield ""
        yield snippet(suggestions).rstrip("\n")
    yield ""


def snippet(suggestions: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Suggested settings, `{target: {path: {"value": …, "why": …}}}`, as YAML that can be pasted; each with its reason beside it."""
    lines: list[str] = []
    above: list[str] = []
    for target, settings in suggestions.items():
        for path, suggestion in sorted(settings.items()):  # so that a section which several settings share stands once
            names = ["targets", target, *path.split(".")]
            shared = next((place for place, name in enumerate(names) if above[place : place + 1] != [name]), 0)
            lines += [f"{'  ' * depth}{_scalar(names[depth])}:" for depth in range(shared, len(names))]
            value = suggestion["value"]
            shown = _scalar(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            lines[-1] += f" {shown}  # {suggestion['why']}"
            above = names
    return "".join(f"{line}\n" for line in lines)


def _scalar(text: str) -> str:
    """A text as YAML wants it: in quotes unless it cannot be mistaken for anything else."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _next_step(report: Mapping[str, Any]) -> Iterator[str]:
    suggested = any(target["suggested_settings"] for target in report["targets"].values())
    match report["verdict"]:
        case "pass":
            before = "add the suggested settings, then " if suggested else ""
            yield f"Next step: {before}run `trace-monitor notify test`, then `trace-monitor run`."
        case "fail" if not any(
            answer["verdict"] == "fail"
            for target in report["targets"].values()
            for answer in target["questions"].values()
        ):
            yield "Next step: do what the → under each diagnosis says, then run `trace-monitor doctor` again."
        case "fail":
            yield "Next step: fix the lines marked ✗ as the → under each says, then run `trace-monitor doctor` again."
        case _:
            yield "Next step: resolve the lines marked ?, then run `trace-monitor doctor` again."
            yield "If an answer has an unknown format, `trace-monitor doctor --record DIR` writes redacted answers for a bug report."
