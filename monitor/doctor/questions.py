"""The questions of `questions.toml`, and what the functions that settle them are made with.

Such a function is pure: it gets a snapshot and returns which of its question's answers is true. Where it lacks what it needs,
`EarlyResult` ends it with an answer that many questions share (*"skipped: the gateway served no canary"*).
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from monitor.core.backend import BACKEND, BackendTraits
from monitor.core.canary import Canary
from monitor.core.model import CheckResult, Scalar, Service, Verdict
from monitor.doctor.snapshot import Answered, Reply, Snapshot, Spans
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable

T = TypeVar("T")

NAMES = {
    Service.CONTROL_PLANE: "TrueFoundry's control plane",
    Service.GATEWAY: "the gateway",
    Service.TRACELOOP: "Traceloop's read API",
    Service.PHOENIX: "Phoenix's read API",
    Service.OTLP: f"{BACKEND}'s OTLP endpoint",
    Service.SLACK: "Slack",
}
UNAUTHORIZED, FORBIDDEN = 401, 403

CONCERNS: Mapping[str, Callable[[Snapshot], bool]] = {
    "every target": lambda _seen: True,
    "control plane": lambda seen: seen.target.control_plane is not None,
    "no control plane": lambda seen: seen.target.control_plane is None,
    "canaries": lambda seen: seen.target.checks.canary.enabled,
    "control spans": lambda seen: seen.target.checks.control.enabled,
    "own store": lambda seen: seen.target.control_plane is not None and seen.target.checks.canary.enabled,
    "OTLP over HTTP": lambda seen: seen.target.expected.protocol == "http",
    "quick route": lambda seen: not seen.policy.backend.by_id_documented,
    "canaries and environments": lambda seen: (
        seen.target.checks.canary.enabled and seen.policy.backend.has_environments
    ),
    "other environments": lambda seen: (
        seen.target.traceloop is not None and bool(seen.target.traceloop.other_environments)
    ),
}
"""Which targets a question makes sense for: by what is configured, not by what was seen."""

_TEXTS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("questions.toml").read_text("utf-8"))
ADVICE: Mapping[str, str] = _TEXTS.pop("ADVICE")
_ANY: Mapping[str, Mapping[str, str]] = _TEXTS.pop("ANY")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A setting of the target worth changing: its dotted path below `targets.NAME`, the value, and why."""

    setting: str
    value: str | int | bool | Mapping[str, str]
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
    advice: str = ""
    suggests: tuple[Suggestion, ...] = ()
    evidence: Mapping[str, Scalar] = field(default_factory=dict)


class Result:
    """Which answer of its question it is: its name in `questions.toml`, and what is filled into its sentences.

    `word` is what programs read, where it is not the name itself. Evidence is shown, and filled in like `said`; `shown` is evidence
    whose names only the caller knows.
    """

    def __init__(
        self,
        name: str,
        said: Mapping[str, object] | None = None,
        *,
        word: str | None = None,
        suggests: tuple[Suggestion, ...] = (),
        shown: Mapping[str, Scalar] | None = None,
        **evidence: Scalar,
    ) -> None:
        self.name, self.word, self.suggests = name, word, suggests
        self.evidence: Mapping[str, Scalar] = {**(shown or {}), **evidence}
        self.filled: Mapping[str, object] = {**self.evidence, **(said or {})}

    def answer(self, texts: Mapping[str, Mapping[str, str]], backend: BackendTraits) -> Answer:
        """In full, by the texts of its question, in which the backend has its name."""
        text = texts[self.name]
        filled = {
            **{name: backend.name_in(said) if isinstance(said, str) else said for name, said in self.filled.items()},
            **_named(backend),
        }
        verdict = next(verdict for verdict in Verdict if verdict in text)
        advice = text.get("advice", "")
        return Answer(
            answer=self.word or text.get("word", self.name),
            verdict=verdict,
            summary=text[verdict].format_map(filled),
            advice=backend.name_in(ADVICE.get(advice, advice).format_map(filled)),
            suggests=self.suggests,
            evidence=self.evidence,
        )


def _named(backend: BackendTraits) -> Mapping[str, object]:
    """What the sentences of `questions.toml` say of the backend."""
    status_of = f"{backend.name}'s status ({backend.status})" if "://" in backend.status else backend.status
    return {
        "backend": backend.name,
        "keys": backend.keys,
        "read_route": backend.read_route,
        "if_not_shown": backend.if_not_shown,
        "status_of": status_of,
        "as_text": f" ({backend.name} turns every value into text, so a map would look the same)"
        if backend.values_become_text
        else "",
    }


class EarlyResult(Exception):
    """Ends a question that lacks what it needs, or to which a check has said all there is."""

    def __init__(self, result: Result) -> None:
        self.result = result


Judge = Callable[[Snapshot], Result]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """One question of `questions.toml`, and the function that settles it."""

    slug: str
    text: str
    needed: bool
    concerns: Callable[[Snapshot], bool]
    texts: Mapping[str, Mapping[str, str]]
    judge: Judge

    def answer(self, seen: Snapshot) -> Answer:
        """What is known of it by now."""
        try:
            return self.judge(seen).answer(self.texts, seen.policy.backend)
        except EarlyResult as early:
            return early.result.answer(self.texts, seen.policy.backend)


@dataclass(frozen=True, slots=True)
class Section:
    """The questions about one service, under its name."""

    title: str
    questions: tuple[Question, ...]


def read_sections(judges: Mapping[str, Any]) -> tuple[Section, ...]:
    """Every question, in the order of the file, settled by the function that bears its slug."""
    return tuple(
        Section(
            title,
            tuple(
                Question(
                    slug=slug,
                    text=row["asks"],
                    needed=row.get("needed", False),
                    concerns=CONCERNS[row.get("concerns", "every target")],
                    texts={**_ANY, **{name: text for name, text in row.items() if isinstance(text, dict)}},
                    judge=judges[slug],
                )
                for slug, row in rows.items()
            ),
        )
        for title, rows in _TEXTS.items()
    )


# --- what many questions need -----------------------------------------------------------------------------------------


def skip(why: str) -> NoReturn:
    """The question was not asked."""
    raise EarlyResult(Result("skipped", {"why": why}))


def value_of(reply: Reply[T], service: Service, seen: Snapshot, advice: str = "") -> T:
    """What was answered; an error settles nothing, but a refusal does where `advice` says what to do about it."""
    if isinstance(reply, Answered):
        return reply.value
    if reply is None:
        skip(seen.unfinished)
    if advice and is_refusal(reply):
        said = {"error": reply, "advice": advice}
        raise EarlyResult(Result("refused", said, word=str(reply.status), status=reply.status))
    raise EarlyResult(cannot_tell(reply, service))


def is_refusal(error: PortError) -> bool:
    """Whether only a token or a permission can be at fault."""
    return isinstance(error, Refused) and not error.blocked and error.status in (UNAUTHORIZED, FORBIDDEN)


def cannot_tell(error: PortError, service: Service) -> Result:
    """An error that says nothing about what was asked."""
    who = NAMES[service]
    said = {"error": error, "who": who, "Who": who[:1].upper() + who[1:]}
    match error:
        case Refused(blocked=True):
            return Result("blocked", said)
        case Unreachable(status=None):
            return Result("unreachable", said, word=error.kind)
        case Refused() | Unreachable() | Gone():
            return Result("status", said, word=str(error.status), status=error.status)
        case _:
            return Result("garbled" if isinstance(error, Garbled) else "error", said)


def explain(error: PortError, service: Service, backend: BackendTraits) -> Answer:
    """The same in full, to stand inside of another answer."""
    return cannot_tell(error, service).answer(_ANY, backend)


def served_canary(seen: Snapshot) -> Canary:
    """The canary, if it got its completion."""
    if seen.canary is None or not seen.canary.accepted:
        skip("the gateway served no canary")
    return seen.canary


def trace_facts(seen: Snapshot) -> Spans:
    """The spans of the canary's trace, if it was read."""
    if isinstance(seen.spans, PortError):
        raise EarlyResult(cannot_tell(seen.spans, seen.policy.backend.service))
    return seen.facts or skip("no trace was seen")


def said_by(result: CheckResult | None) -> str:
    """What the newest look of a check said, where it did not pass."""
    return f": {result.summary}" if result is not None and result.verdict is not Verdict.PASS else ""
