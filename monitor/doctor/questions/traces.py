"""What the canary's trace tells when it arrives: how soon, how large, and where."""

from monitor.core.canary import Outcome
from monitor.core.model import CheckName, Seconds, Verdict
from monitor.core.trace import is_same_environment
from monitor.doctor.answer import Answer, Question, Section, Suggestion, open_, skipped, well, wrong
from monitor.doctor.deadlines import suggest_deadlines
from monitor.doctor.questions.concerns import sends_canaries
from monitor.doctor.questions.contents import CONTENTS
from monitor.doctor.questions.errors import no_trace
from monitor.doctor.seen import Seen

_LOST = (
    "Look at the other answers: is the exporter set as it should be, does Traceloop show our own span, does TrueFoundry's own store "
    "show the trace? What broke is named at the end of this report."
)


def measured(seen: Seen) -> Seconds | None:
    """The longest time that anything of ours took to be shown."""
    canary, control = seen.canary, seen.control
    times = [canary.arrival_seconds if canary is not None else None]
    if control is not None and control.shown_at is not None:
        times.append(max(0.0, control.shown_at - control.sent_at))
    return max((time for time in times if time is not None), default=None)


def judge_arrival(seen: Seen) -> Answer:
    """Whether the canary's trace arrives, whole and in time."""
    canary, look = seen.canary, seen.last(CheckName.ARRIVAL)
    if not seen.target.checks.arrival.enabled:
        return skipped("checks.arrival is switched off")
    if canary is None or not canary.accepted:
        return skipped("no trace could be made: the gateway served no canary")
    if canary.elsewhere is not None:
        return wrong(
            "other environment",
            f"The trace is in another environment of Traceloop: {canary.elsewhere}.",
            f"The exporter carries the key of {canary.elsewhere}. In TrueFoundry open AI Gateway, Controls, Settings, OTEL Config, "
            "and put the right key in; or, if that is where it belongs, give the monitor that key.",
            environment=canary.elsewhere,
        )
    took = canary.arrival_seconds
    match canary.outcome:
        case Outcome.ARRIVED if took is not None:
            return well(
                "yes", f"The canary's trace arrived whole, {took:.0f} s after the answer.", seconds=round(took, 1)
            )
        case Outcome.LATE if took is not None:
            return wrong(
                "late",
                f"The canary's trace arrived {took:.0f} s after the answer: late.",
                "If that is usual here, raise checks.arrival.late_after; else look at the exporter's queue and Traceloop's status.",
                seconds=round(took, 1),
            )
        case Outcome.MISSING:
            return wrong("missing", "The canary's trace did not arrive.", _LOST)
        case Outcome.INCOMPLETE:
            return wrong(
                "incomplete",
                f"The canary's trace arrived in part: {canary.incomplete}.",
                "Look for `when` filters of the exporter, and at the collector's log.",
                spans=canary.spans,
            )
        case _:
            why = f": {look.summary}" if look is not None and look.verdict is not Verdict.PASS else ""
            return open_(
                "not seen",
                f"The canary's trace has not been seen{why}.",
                "A first loss proves nothing while no trace has ever been seen. If the exporter is set as it should be and Traceloop "
                "shows our own span, look for the trace id in TrueFoundry (AI Gateway, Monitoring) and in Traceloop.",
                trace_id=canary.trace_id,
            )


def judge_deadlines(seen: Seen) -> Answer:
    """Whether the deadlines suit what was measured."""
    took = measured(seen)
    if took is None:
        return skipped("nothing was seen to arrive, so there is nothing to measure")
    suggested = suggest_deadlines(seen.policy.arrival, took)
    if suggested:
        return well(
            "too tight",
            f"It took {took:.0f} s until something was shown: the deadlines leave too little room for that.",
            *suggested,
            seconds=round(took, 1),
        )
    return well(
        "suitable",
        f"It took {took:.0f} s until something was shown: the deadlines leave room enough.",
        seconds=round(took, 1),
    )


def judge_span_count(seen: Seen) -> Answer:
    """How many spans a whole trace has."""
    canary = seen.canary
    arrived = canary is not None and canary.outcome in (Outcome.ARRIVED, Outcome.LATE)
    if canary is None or not canary.accepted or not arrived:
        return skipped("no whole trace of a request that was served was seen")
    configured = seen.target.checks.arrival.complete_spans
    names = ", ".join(sorted({span.name.partition(":")[0].partition(" ")[0] for span in seen.facts}))
    said = f"A canary's trace has {canary.spans} spans{f' ({names})' if names else ''}."
    if configured == canary.spans:
        return well(str(canary.spans), f"{said} That is what checks.arrival.complete_spans says.", spans=canary.spans)
    suggestion = Suggestion(
        setting="checks.arrival.complete_spans",
        value=canary.spans,
        why="so many a whole trace had; leave it out if a virtual model retries or falls back",
    )
    return well(str(canary.spans), said, suggestion, spans=canary.spans)


def judge_service_name(seen: Seen) -> Answer:
    """Under which service name Traceloop shows the trace."""
    if not seen.facts:
        return no_trace(seen)
    names = sorted({span.service_name for span in seen.facts if span.service_name is not None})
    expected = seen.target.expected.service_name
    if not names:
        return open_("not told", "Traceloop does not tell the service name of our trace.")
    if names == [expected]:
        return well(expected, f"Traceloop shows the trace under the service name {expected}.", service_name=expected)
    shown = ", ".join(names)
    suggests = (
        Suggestion(
            setting="expected.service_name", value=names[0], why="so the gateway calls itself; only if it is meant so"
        ),
    )
    return wrong(
        shown,
        f"Traceloop shows the trace under the service name {shown}, where {expected} is expected.",
        "If your gateway has always called itself so, expect that; else somebody has changed the exporter or the collector.",
        *(suggests if len(names) == 1 else ()),
        service_name=shown,
    )


def judge_environment(seen: Seen) -> Answer:
    """Under which slug Traceloop returns the environment."""
    if not seen.facts:
        return no_trace(seen)
    slugs = sorted({span.environment for span in seen.facts if span.environment is not None})
    configured = seen.target.traceloop.environment
    if not slugs:
        return open_("not told", "Traceloop does not tell the environment of our trace.")
    if slugs == [configured]:
        return well(
            configured, f"Traceloop returns the environment as it is configured: {configured}.", environment=configured
        )
    suggestion = Suggestion(setting="traceloop.environment", value=slugs[0], why="the slug as Traceloop returns it")
    if all(is_same_environment(slug, configured) for slug in slugs):
        return well(
            slugs[0],
            f"Traceloop returns the environment as {', '.join(slugs)}; {configured} is understood as the same.",
            suggestion,
            environment=", ".join(slugs),
        )
    return wrong(
        ", ".join(slugs),
        f"Traceloop returns the environment {', '.join(slugs)}, where {configured} is configured.",
        "If that is the environment you mean, configure its slug as Traceloop returns it; else the key is that of another one.",
        suggestion,
        environment=", ".join(slugs),
    )


TRACES = Section(
    title="The canary's trace in Traceloop",
    questions=(
        Question(
            slug="trace_arrives",
            text="Does the canary's trace arrive?",
            judge=judge_arrival,
            needed=True,
            concerns=sends_canaries,
        ),
        Question(slug="deadlines", text="Do the deadlines suit how long it takes?", judge=judge_deadlines),
        Question(
            slug="span_count", text="How many spans has a whole trace?", judge=judge_span_count, concerns=sends_canaries
        ),
        Question(
            slug="service_name", text="Which service name is shown?", judge=judge_service_name, concerns=sends_canaries
        ),
        Question(
            slug="environment",
            text="Which environment is shown?",
            judge=judge_environment,
            needed=True,
            concerns=sends_canaries,
        ),
        *CONTENTS,
    ),
)
