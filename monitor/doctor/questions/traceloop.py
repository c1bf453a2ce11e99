"""What Traceloop tells: which of its routes take the key, and how they answer."""

from monitor.core.model import CheckName, Fault, Service, Verdict
from monitor.core.trace import Narrowing, Route
from monitor.doctor.answer import Answer, Question, Section, open_, skipped, well, wrong
from monitor.doctor.questions.concerns import sends_canaries, sends_control_spans
from monitor.doctor.questions.errors import KEY_ADVICE, UNAUTHORIZED, cannot_tell, refuses_us
from monitor.doctor.seen import Answered, Reply, Seen
from monitor.ports import Gone, PortError, Refused

_READ = Service.TRACELOOP
_OK, _REDIRECT = 200, 300
_SOON = 1.0
_ENDPOINT = "Look at expected.endpoint, and at Traceloop's status (https://status.traceloop.com)."


def judge_window(seen: Seen) -> Answer:
    """Whether the documented read takes the key."""
    match seen.window:
        case None:
            return skipped(seen.unfinished)
        case Answered():
            return well("200", "Traceloop's documented read (/v2/warehouse/spans) takes the key.", status=200)
        case error:
            return refuses_us(error, _READ, KEY_ADVICE.format(setting="traceloop.api_key"))


def judge_quick(seen: Seen) -> Answer:
    """Whether the undocumented route for one trace is open to us."""
    match seen.quick:
        case None:
            return skipped(seen.unfinished)
        case Answered():
            return well("open", "Traceloop's quick, undocumented route for one trace is open to the key.", status=200)
        case Refused(blocked=False, status=status) if status == UNAUTHORIZED and isinstance(seen.window, PortError):
            return open_("401", "Traceloop's quick route refuses the key, as the documented one does.", status=status)
        case Refused(blocked=False, status=401 | 403 | 404) | Gone() as error:
            instead = "; the documented one does its work" if isinstance(seen.window, Answered) else ""
            return well(
                str(error.status),
                f"Traceloop's quick, undocumented route for one trace is closed (HTTP {error.status}){instead}.",
                status=error.status,
            )
        case error:
            return cannot_tell(error, _READ)


def judge_ingest(seen: Seen) -> Answer:
    """Whether the ingest takes a span with the exporter's headers."""
    control, look = seen.control, seen.last(CheckName.CONTROL)
    if control is None:
        return skipped(seen.unfinished)
    if control.accepted:
        return well("accepted", "Traceloop's ingest takes a span of our own with the expected headers.")
    if seen.state.key_refused_at is not None and seen.state.key_refused_at >= control.sent_at:
        return wrong(
            "401",
            "Traceloop's ingest refuses the key (HTTP 401).",
            KEY_ADVICE.format(setting="traceloop.api_key"),
            status=401,
        )
    if look is None:
        return skipped(seen.unfinished)
    if look.verdict is Verdict.FAIL:
        fault = look.fault.value if look.fault is not None else "failed"
        return wrong(fault, f"Traceloop's ingest does not take a span of our own: {look.summary}.", _ENDPOINT)
    reason = look.blindness.value if look.blindness is not None else "unknown"
    return open_(reason, f"Whether the ingest takes our span cannot be told: {look.summary}.")


def judge_accepted(seen: Seen) -> Answer:
    """With which body a span is accepted."""
    form = seen.overheard.accepted
    if form is None:
        return skipped("no span was accepted")
    shown = {
        "empty": "an empty body",
        "protobuf": "an OTLP answer in protobuf",
        "json": "JSON",
        "text": "text that is no OTLP answer",
    }[form]
    return well(form, f"The ingest accepts a span with {shown}.", form=form)


def judge_json(seen: Seen) -> Answer:
    """Whether the ingest takes OTLP in JSON: asked with an empty request, which costs no span."""
    match seen.json:
        case None:
            return skipped(seen.unfinished)
        case Answered(value=answer) if _OK <= answer.status < _REDIRECT:
            return well(
                "accepted",
                "The ingest takes OTLP in JSON too; the guide says Proto, so leave it at that.",
                status=answer.status,
            )
        case Answered(value=answer) if answer.blocked or answer.status in (UNAUTHORIZED, 429) or answer.status >= 500:  # noqa: PLR2004
            return open_(
                str(answer.status),
                f"Whether the ingest takes JSON cannot be told (HTTP {answer.status}).",
                status=answer.status,
            )
        case Answered(value=answer):
            advice = (
                "expected.encoding is json: set it, and the exporter, to proto."
                if seen.target.expected.encoding == "json"
                else ""
            )
            said = (
                f"The ingest does not take OTLP in JSON (HTTP {answer.status}): the exporter's encoding must be Proto."
            )
            return wrong("refused", said, advice) if advice else well("refused", said, status=answer.status)
        case error:
            return cannot_tell(error, Service.OTLP)


def judge_control(seen: Seen) -> Answer:
    """Whether what was accepted can be read back, and how soon."""
    control, look = seen.control, seen.last(CheckName.CONTROL)
    if control is None or not control.accepted:
        return skipped("no span of our own was accepted")
    if control.shown_at is not None:
        took = max(0.0, control.shown_at - control.sent_at)
        by = "the quick route" if control.route == Route.TRACE else "the documented read"
        return well(
            "yes", f"A span of our own was shown by {by} {took:.0f} s after it was sent.", seconds=round(took, 1)
        )
    if look is not None and look.fault is Fault.INGEST_FAILING:
        return wrong(
            "never shown",
            f"Traceloop accepts a span of our own and does not show it: {look.summary}.",
            "Look at Traceloop's status, and whether the plan's spans are used up (Free: 50,000 a month, kept for 24 h).",
        )
    why = f": {look.summary}" if look is not None and look.verdict is not Verdict.PASS else ""
    return open_("not seen", f"Whether Traceloop shows what it accepts could not be seen{why}.")


_NARROWINGS = {
    Narrowing.TRACE_ID: "the trace id in `filters`",
    Narrowing.ATTRIBUTE: "an attribute of ours as a parameter",
    Narrowing.METADATA: "a part of the metadata in `filters`",
    Narrowing.SPAN_NAME: "`span_name`",
}


def judge_filter(seen: Seen) -> Answer:
    """By which filters the documented read finds a trace of ours: how it is read in a busy environment."""
    if not seen.narrowed:
        return skipped("no trace of ours was shown")
    works = [each for each in _NARROWINGS if _finds(seen.narrowed.get(each))]
    not_ = [text for each, text in _NARROWINGS.items() if each in seen.narrowed and each not in works]
    but = f" It does not by {', '.join(not_)}." if not_ else ""
    if works:
        by = ", ".join(_NARROWINGS[each] for each in works)
        if works == [Narrowing.SPAN_NAME]:
            but += (
                " Everybody's spans of that name come, too: a model alias for the canary alone makes the name its own."
            )
        return well(
            works[0].value, f"The documented read finds the canary's trace by {by}.{but}", works=", ".join(works)
        )
    return open_(
        "none",
        "The documented read finds the canary's trace by none of its filters, so all spans of some seconds are read. In a busy "
        "environment labels and content cannot be judged then, and arrival only while the per-trace route is open.",
    )


def _finds(reply: Reply[bool]) -> bool:
    return isinstance(reply, Answered) and reply.value


def judge_lag(seen: Seen) -> Answer:
    """Whether the documented read shows a trace later than the quick route does."""
    canary = seen.canary
    trace_id = canary.trace_id if canary is not None else None
    heard = seen.overheard
    if trace_id is None or (Route.TRACE, trace_id) not in heard.shown_at:
        return skipped("the quick route showed no trace to compare with")
    quick = heard.shown_at[Route.TRACE, trace_id]
    listed = heard.shown_at.get((Route.WAREHOUSE, trace_id))
    if listed is None:
        return open_("not seen", "The documented read did not show the trace that the quick route shows.")
    hidden = heard.hidden_at.get((Route.WAREHOUSE, trace_id))
    if hidden is None or hidden < quick or listed - quick <= _SOON:
        return well(
            "together", "The documented read shows a trace as soon as the quick route does, as far as could be seen."
        )
    return well(
        "behind",
        f"The documented read shows a trace later than the quick route does: between {hidden - quick:.0f} and "
        f"{listed - quick:.0f} s later.",
        seconds_at_most=round(listed - quick, 1),
    )


def judge_scope(seen: Seen) -> Answer:
    """Whether the quick route shows a trace to the key of another environment."""
    match seen.scope:
        case Answered(value=True):
            return well(
                "project",
                "The quick route shows a trace to the keys of other environments too: which environment it is in is told by the "
                "trace itself and by the documented read.",
            )
        case Answered(value=False):
            return well("environment", "The quick route shows a trace to the key of its own environment only.")
        case _:
            return skipped(
                "it takes a key of another environment that the quick route is open to, and a trace that arrived"
            )


def judge_environments(seen: Seen) -> Answer:
    """Whether the keys of the other environments work."""
    failed = {slug: reply for slug, reply in seen.environments.items() if isinstance(reply, PortError)}
    if not seen.environments:
        return skipped(seen.unfinished)
    if not failed:
        return well("yes", f"The keys of the other environments work: {', '.join(sorted(seen.environments))}.")
    slug, error = next(iter(failed.items()))
    answer = refuses_us(error, _READ, KEY_ADVICE.format(setting=f"traceloop.other_environments.{slug}.api_key"))
    make = wrong if answer.verdict is Verdict.FAIL else open_
    return make(answer.answer, f"Environment {', '.join(sorted(failed))}: {answer.summary}", answer.advice)


TRACELOOP = Section(
    title="Traceloop",
    questions=(
        Question(slug="warehouse", text="Does the documented read take the key?", judge=judge_window, needed=True),
        Question(slug="trace_route", text="Is the quick route for one trace open?", judge=judge_quick),
        Question(
            slug="ingest_key",
            text="Does the ingest take the key?",
            judge=judge_ingest,
            needed=True,
            concerns=sends_control_spans,
        ),
        Question(
            slug="ingest_answer",
            text="What does the ingest answer?",
            judge=judge_accepted,
            concerns=sends_control_spans,
        ),
        Question(
            slug="json_ingest",
            text="Does the ingest take JSON?",
            judge=judge_json,
            concerns=lambda seen: seen.target.expected.protocol == "http",
        ),
        Question(
            slug="control_shown",
            text="Can a span of our own be read back?",
            judge=judge_control,
            needed=True,
            concerns=sends_control_spans,
        ),
        Question(
            slug="attribute_filter",
            text="Which filters of the documented read find a trace of ours?",
            judge=judge_filter,
            concerns=sends_canaries,
        ),
        Question(slug="warehouse_lag", text="Does the documented read lag behind the quick route?", judge=judge_lag),
        Question(slug="trace_scope", text="Whose traces does the quick route show?", judge=judge_scope),
        Question(
            slug="other_environments",
            text="Do the keys of the other environments work?",
            judge=judge_environments,
            concerns=lambda seen: bool(seen.target.traceloop.other_environments),
        ),
    ),
)
