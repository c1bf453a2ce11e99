"""By what the gateway lets a trace be found: its own word, or ours; and whether a refused request has one."""

from monitor.core.canary import IdSource, Outcome
from monitor.core.model import Service
from monitor.core.state import TraceIdMode
from monitor.core.trace import BY_NONCE
from monitor.doctor.answer import Answer, Question, Suggestion, open_, skipped, well, wrong
from monitor.doctor.questions.concerns import sends_canaries
from monitor.doctor.questions.errors import cannot_tell
from monitor.doctor.seen import Answered, Seen

_GATEWAY = Service.GATEWAY
_OK, _REDIRECT = 200, 300
_REFUSALS_OF_A_MODEL = frozenset({400, 403, 404, 422})


def judge_feedback(seen: Seen) -> Answer:
    """Whether the gateway names the trace of an answer, and in which form."""
    form = seen.overheard.feedback
    if form is None or not seen.served:
        return skipped("the gateway served no canary")
    if form == "absent":
        return well("absent", "The gateway's answers do not name their trace (no header x-tfy-feedback-target-id).")
    if form == "unreadable":
        return open_(
            "unreadable",
            "The gateway sends x-tfy-feedback-target-id in a form that is not understood.",
            "Please send a recording (`trace-monitor doctor --record DIR`).",
        )
    return well("present", f"The gateway names the trace in x-tfy-feedback-target-id ({form}).", form=form)


def judge_traceparent(seen: Seen) -> Answer:
    """Whether the gateway continues the caller's trace."""
    canary = seen.canary
    if canary is None or not canary.accepted:
        return skipped("the gateway served no canary")
    named = canary.id_source is IdSource.FEEDBACK
    honoured = canary.trace_id == canary.sent_id if named else seen.state.honours_traceparent
    if honoured is None:
        return open_(
            "not seen", "Whether the gateway continues our trace (traceparent) shows only when its trace has been seen."
        )
    if honoured:
        return well("honoured", "The gateway continues the trace that the caller begins (traceparent).")
    return well("ignored", "The gateway ignores the caller's traceparent, and begins a trace of its own.")


def judge_trace_id(seen: Seen) -> Answer:
    """By what a trace is recognised: without an id its absence can never be proven."""
    canary, mode = seen.canary, TraceIdMode(seen.target.gateway.trace_id)
    if canary is None or not canary.accepted:
        return skipped("the gateway served no canary")
    feedback = seen.overheard.feedback not in (None, "absent", "unreadable")
    honoured = canary.trace_id == canary.sent_id if feedback else seen.state.honours_traceparent
    if feedback:
        return well(
            "feedback",
            "A canary's trace is known by the id that the gateway names.",
            *_pin(mode, TraceIdMode.FEEDBACK, "the gateway names the trace in x-tfy-feedback-target-id"),
        )
    if honoured:
        return well(
            "traceparent",
            "A canary's trace is known by the id that we send: the gateway honours it.",
            *_pin(mode, TraceIdMode.TRACEPARENT, "the gateway names no trace, but honours our traceparent"),
        )
    if honoured is None:
        return open_(
            "not seen",
            "The gateway names no trace, and no trace has been seen: it is not known by what one is recognised.",
            "Mend what keeps the trace from arriving, then ask again.",
        )
    if any(seen.narrowed.get(each) == Answered(value=True) for each in BY_NONCE):
        return well(
            "nonce",
            "The gateway names no trace and ignores our traceparent. Traces are found by a filter for the canary's nonce, which "
            "Traceloop honours: so a loss is noticed, too.",
            *_pin(mode, TraceIdMode.AUTO, "nothing else can work here"),
        )
    return wrong(
        "nonce",
        "The gateway names no trace and ignores our traceparent. Traces are found by searching for the canary's nonce, which works, "
        "but proves nothing when one is missing: a loss would be reported as `unknown`.",
        "Ask TrueFoundry why the header x-tfy-feedback-target-id is missing; a proxy in front of the gateway may take it away.",
        *_pin(mode, TraceIdMode.AUTO, "nothing else can work here"),
    )


def _pin(configured: TraceIdMode, found: TraceIdMode, why: str) -> tuple[Suggestion, ...]:
    return () if configured is found else (Suggestion(setting="gateway.trace_id", value=found.value, why=why),)


def judge_refused(seen: Seen) -> Answer:
    """What the gateway says to an unknown model, and whether that leaves a trace."""
    match seen.refused:
        case None:
            return skipped(seen.unfinished)
        case Answered(value=answer) if answer.blocked:
            return open_("blocked", "Something in front of the gateway refuses the monitor.", status=answer.status)
        case Answered(value=answer) if _OK <= answer.status < _REDIRECT:
            return well(
                "served",
                "The gateway serves a model that does not exist: it falls back to another.",
                status=answer.status,
            )
        case Answered(value=answer) if answer.status not in _REFUSALS_OF_A_MODEL:
            return open_(
                str(answer.status),
                f"It cannot be told: the gateway answers HTTP {answer.status}.",
                status=answer.status,
            )
        case Answered(value=answer):
            said = f"A request for an unknown model is refused with HTTP {answer.status}"
            said += f" ({answer.refusal.message})" if answer.refusal is not None and answer.refusal.message else ""
            return _judge_refused_trace(said, answer.status, seen)
        case error:
            return cannot_tell(error, _GATEWAY)


def _arrived(seen: Seen) -> bool:
    """Whether the trace of a later request came whole: only then does it mean something that another did not."""
    return seen.canary is not None and seen.canary.outcome in (Outcome.ARRIVED, Outcome.LATE)


def _judge_refused_trace(said: str, status: int, seen: Seen) -> Answer:
    named = seen.overheard.feedback_refused not in (None, "absent", "unreadable")
    header = "names a trace" if named else "names no trace"
    match seen.refused_shown:
        case Answered(value=True):
            return well(
                "traced",
                f"{said}; the answer {header}, and the trace arrives in Traceloop: a refused request would be a canary for free.",
                status=status,
            )
        case Answered(value=False) if _arrived(seen):
            return well("not traced", f"{said}; the answer {header}, and no trace of it arrives.", status=status)
        case _:
            return open_(
                "not seen", f"{said}; the answer {header}. Whether it is traced could not be seen.", status=status
            )


IDENTITY: tuple[Question, ...] = (
    Question(
        slug="trace_id",
        text="By what is a canary's trace recognised?",
        judge=judge_trace_id,
        needed=True,
        concerns=sends_canaries,
    ),
    Question(
        slug="feedback_header", text="Do answers name their trace?", judge=judge_feedback, concerns=sends_canaries
    ),
    Question(
        slug="traceparent",
        text="Does the gateway continue the caller's trace?",
        judge=judge_traceparent,
        concerns=sends_canaries,
    ),
    Question(
        slug="refused_request",
        text="Is a refused request traced?",
        judge=judge_refused,
        concerns=sends_canaries,
    ),
)
