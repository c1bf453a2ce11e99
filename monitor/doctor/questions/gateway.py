"""What the gateway tells: whether it answers, and serves the canary."""

from monitor.core.model import CheckName, Fault, Scalar, Service, Verdict
from monitor.core.state import LastLook
from monitor.doctor.answer import Answer, Question, Section, open_, skipped, well, wrong
from monitor.doctor.questions.concerns import sends_canaries
from monitor.doctor.questions.errors import TOKEN_ADVICE, UNAUTHORIZED, cannot_tell
from monitor.doctor.questions.identity import IDENTITY
from monitor.doctor.seen import Answered, Seen

_GATEWAY = Service.GATEWAY
_NOT_FOUND = 404
_REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 300, 400, 500
_ADVICE = {
    Fault.GATEWAY_REFUSED: TOKEN_ADVICE.format(setting="gateway.token"),
    Fault.RATE_LIMITED: "Raise the rate limit or the budget of the monitor's account, or give the canary an account of its own.",
    Fault.CANARY_REJECTED: (
        "In TrueFoundry open Access, Virtual Accounts, the monitor's account, and grant it the model; look whether gateway.model is "
        "spelt as in AI Gateway, Models. A guardrail that objects can be narrowed so that it leaves the monitor's account alone."
    ),
    Fault.PROVIDER_FAILING: "Look at the status page of the model's provider, or let the canary ask another model (gateway.model).",
    Fault.GATEWAY_UNREACHABLE: "Look at gateway.url; if it is right, at the gateway's pods, its ingress and its certificate.",
}


def _judge_look(look: LastLook | None, seen: Seen) -> Answer | None:
    """What a check that did not pass says; None where it passed."""
    if look is None:
        return skipped(seen.unfinished)
    if look.verdict is Verdict.PASS:
        return None
    if look.verdict is Verdict.UNKNOWN:
        reason = look.blindness.value if look.blindness is not None else "unknown"
        return open_(reason, f"It cannot be told: {_sentence(look.summary)}").showing(_shown(look))
    fault = look.fault.value if look.fault is not None else "failed"
    advice = _ADVICE.get(look.fault, "") if look.fault is not None else ""
    return wrong(fault, f"No: {_sentence(look.summary)}", advice).showing(_shown(look))


def _sentence(text: str) -> str:
    """A foreign text may end as a sentence does."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _shown(look: LastLook) -> dict[str, Scalar]:
    return {name: value for name, value in look.evidence.items() if name in ("status", "kind", "model")}


def judge_health(seen: Seen) -> Answer:
    """Whether the health path answers, and whether it wants a token."""
    if not seen.target.checks.gateway.enabled:
        return skipped("checks.gateway is switched off")
    look = seen.last(CheckName.GATEWAY)
    problem = _judge_look(look, seen)
    if problem is not None or look is None:
        return problem or skipped(seen.unfinished)
    status, path = look.evidence.get("status"), seen.target.checks.gateway.path
    said = f"The gateway answers at {path} with HTTP {status}"
    if status in (401, 403):
        return well("wants a token", f"{said}: it wants a token there, and any answer will do.", status=status)
    if status == _NOT_FOUND:
        return well(
            "404",
            f"{said}: the path does not exist, but the answer shows that the gateway is there.",
            advice="If your gateway has a health path of its own, set checks.gateway.path to it.",
            status=status,
        )
    return well("open", f"{said}, without a token.", status=status)


def judge_models(seen: Seen) -> Answer:
    """Whether the token is listed the model of the canary."""
    model = seen.target.gateway.model
    match seen.models:
        case None:
            return skipped(seen.unfinished)
        case Answered(value=answer) if answer.models is not None:
            if not answer.models:
                return open_(
                    "none",
                    "The gateway lists no model at all for this token: probably none is granted to it.",
                    _ADVICE[Fault.CANARY_REJECTED],
                    models=0,
                )
            count = f"{len(answer.models)} model{'s' if len(answer.models) != 1 else ''}"
            if model in answer.models:
                return well(
                    "listed",
                    f"The gateway lists {count} for this token, {model} among them.",
                    models=len(answer.models),
                )
            some = ", ".join(answer.models[:5])
            return open_(
                "not listed",
                f"The gateway lists {count} for this token ({some}{', …' if len(answer.models) > 5 else ''}), but not {model}. "  # noqa: PLR2004
                "The list is said to be incomplete: the canary decides.",
                models=len(answer.models),
            )
        case Answered(value=answer) if answer.status == UNAUTHORIZED:
            return wrong(
                "401",
                "The gateway refuses the token (HTTP 401).",
                TOKEN_ADVICE.format(setting="gateway.token"),
                status=401,
            )
        case Answered(value=answer):
            return open_(
                str(answer.status),
                f"The gateway does not list its models (HTTP {answer.status}, {answer.form}).",
                status=answer.status,
            )
        case error:
            return cannot_tell(error, _GATEWAY)


def judge_anonymous(seen: Seen) -> Answer:
    """How the gateway refuses who has no token: of that there is no public record."""
    match seen.anonymous:
        case None:
            return skipped(seen.unfinished)
        case Answered(value=answer) if (
            answer.blocked or answer.status >= _SERVER_ERROR or _REDIRECT <= answer.status < _CLIENT_ERROR
        ):
            return open_(
                str(answer.status),
                f"It cannot be told: the gateway answers HTTP {answer.status}.",
                status=answer.status,
            )
        case Answered(value=answer):
            form = "list" if answer.models is not None else answer.form
            body = {
                "envelope": "with its own error envelope",
                "openai": "with an error in OpenAI's form",
                "json": "with other JSON",
                "text": "with plain text",
                "page": "with a web page",
                "empty": "without a body",
                "list": "and lists its models to anybody",
            }[form]
            return well(
                f"{answer.status} {form}",
                f"Without a token the gateway answers HTTP {answer.status}, {body}.",
                status=answer.status,
                form=form,
            )
        case error:
            return cannot_tell(error, _GATEWAY)


def judge_canary(seen: Seen) -> Answer:
    """Whether the gateway serves the canary."""
    look = seen.last(CheckName.CANARY)
    problem = _judge_look(look, seen)
    if problem is not None or look is None:
        return problem or skipped(seen.unfinished)
    return well("yes", f"{look.summary[:1].upper()}{look.summary[1:]}.").showing(_shown(look))


def judge_told(seen: Seen) -> Answer:
    """Whether the answer tells which model served, and how many tokens it took."""
    canary = seen.canary
    if canary is None or not canary.accepted:
        return skipped("the gateway served no canary")
    tokens = canary.usage.get("input", 0) + canary.usage.get("output", 0)
    told = [
        text for text in (f"model {canary.model}" if canary.model else "", f"{tokens} tokens" if tokens else "") if text
    ]
    if not told:
        return well("nothing", "The answer tells neither the model nor the tokens used.")
    missing = "" if tokens else " It does not tell the tokens: the day's budget of tokens cannot be kept."
    return well(
        "model and tokens" if len(told) > 1 else "model" if canary.model else "tokens",
        f"The answer tells {' and '.join(told)}.{missing}",
        model=canary.model,
        tokens=tokens,
    )


GATEWAY = Section(
    title="The gateway",
    questions=(
        Question(slug="gateway_answers", text="Does the gateway answer?", judge=judge_health, needed=True),
        Question(slug="models_listed", text="Is the canary's model granted to the token?", judge=judge_models),
        Question(
            slug="canary_served",
            text="Does the gateway serve the canary?",
            judge=judge_canary,
            needed=True,
            concerns=sends_canaries,
        ),
        Question(
            slug="usage_told", text="Does the answer tell model and tokens?", judge=judge_told, concerns=sends_canaries
        ),
        Question(slug="no_token", text="How does the gateway refuse who has no token?", judge=judge_anonymous),
        *IDENTITY,
    ),
)
