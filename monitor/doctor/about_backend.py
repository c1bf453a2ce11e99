"""What settles the questions about the trace backend: its routes and keys, and what the canary's trace carries when it arrives."""

import math

from monitor.core.canary import Outcome
from monitor.core.drift import ATTRIBUTES
from monitor.core.model import CheckName, Fault, Seconds, Service, Verdict
from monitor.core.state import ArrivalPolicy
from monitor.core.trace import Narrowing, Route, is_same_environment
from monitor.doctor.questions import (
    ADVICE,
    UNAUTHORIZED,
    Result,
    Suggestion,
    explain,
    is_refusal,
    said_by,
    skip,
    trace_facts,
    value_of,
)
from monitor.doctor.snapshot import Answered, Snapshot
from monitor.ports import Gone, PortError, Refused
from monitor.settings.values import format_duration

_SOON = 1.0


def warehouse(seen: Snapshot) -> Result:
    backend = seen.policy.backend
    advice = ADVICE["KEY"].format(setting=f"{backend.slug}.api_key", backend=backend.name, keys=backend.keys)
    value_of(seen.window, backend.service, seen, advice)
    return Result("200" if seen.target.backend.api_key is not None else "no key", status=200)


def trace_route(seen: Snapshot) -> Result:
    refused_too = isinstance(seen.window, PortError) and is_refusal(seen.window)
    match seen.quick:
        case Refused(blocked=False, status=status) if status == UNAUTHORIZED and refused_too:
            return Result("401", status=status)
        case Refused(blocked=False, status=401 | 403 | 404) | Gone() as closed:
            instead = "; the documented read API is used instead" if isinstance(seen.window, Answered) else ""
            return Result("closed", {"instead": instead}, word=str(closed.status), status=closed.status)
        case reply:
            value_of(reply, seen.policy.backend.service, seen)
            return Result("open", status=200)


def ingest_key(seen: Snapshot) -> Result:
    control, result = seen.control, seen.last(CheckName.CONTROL)
    if control is None:
        skip(seen.unfinished)
    if control.accepted:
        return Result("accepted")
    if seen.state.key_refused_at is not None and seen.state.key_refused_at >= control.sent_at:
        return Result("401", {"setting": f"{seen.policy.backend.slug}.api_key"}, status=UNAUTHORIZED)
    if result is None:
        skip(seen.unfinished)
    if result.verdict is Verdict.FAIL:
        fault = result.fault.value if result.fault is not None else "failed"
        return Result("failing", {"said": result.summary}, word=fault)
    reason = result.unknown_reason.value if result.unknown_reason is not None else "unknown"
    return Result("cannot be told", {"said": result.summary}, word=reason)


def ingest_answer(seen: Snapshot) -> Result:
    form = seen.traffic.accepted
    return Result(form, form=form) if form is not None else skip("no span was accepted")


def json_ingest(seen: Snapshot) -> Result:
    answer = value_of(seen.json, Service.OTLP, seen)
    status = answer.status
    if 200 <= status < 300:  # noqa: PLR2004
        return Result("accepted", status=status)
    if answer.blocked or status in (401, 429) or status >= 500:  # noqa: PLR2004
        return Result("cannot be told", word=str(status), status=status)
    if seen.target.expected.encoding == "json":
        return Result("refused but expected", {"code": status})
    return Result("refused", status=status)


def control_shown(seen: Snapshot) -> Result:
    control, result = seen.control, seen.last(CheckName.CONTROL)
    if control is None or not control.accepted:
        skip("no test span was accepted")
    if control.shown_at is not None:
        took = max(0.0, control.shown_at - control.sent_at)
        route = "the quick route" if control.route == Route.TRACE else "the documented read API"
        return Result("yes", {"route": route, "took": took}, seconds=round(took, 1))
    if result is not None and result.fault is Fault.INGEST_FAILING:
        return Result("never shown", {"said": result.summary})
    return Result("not seen", {"why": said_by(result)})


_NARROWINGS = {
    Narrowing.TRACE_ID: "the trace id in `filters`",
    Narrowing.ATTRIBUTE: "an attribute as a parameter",
    Narrowing.METADATA: "a part of the metadata in `filters`",
    Narrowing.SPAN_NAME: "`span_name`",
}
_PARAMETERS = {
    Narrowing.TRACE_ID: "`trace_id`",
    Narrowing.ATTRIBUTE: "`attribute`",
    Narrowing.SPAN_NAME: "`name`",
}
"""The same where each is a parameter of its own, and a part of a value is none."""


def attribute_filter(seen: Snapshot) -> Result:
    """By which filters the documented read finds our trace: how it is read in a busy environment."""
    if not seen.narrowed:
        skip("no trace was shown")
    called = _PARAMETERS if seen.policy.backend.by_id_documented else _NARROWINGS
    asked = {each: reply for each in called if (reply := seen.narrowed.get(each)) is not None}
    works = [each for each, reply in asked.items() if isinstance(reply, Answered) and reply.value]
    if not works:
        return Result("none")
    rest = ", ".join(text for each, text in called.items() if each in asked and each not in works)
    said = {
        "by": ", ".join(called[each] for each in works),
        "but": f" It does not find it by {rest}." if rest else "",
    }
    name = "found by name alone" if works == [Narrowing.SPAN_NAME] else "found"
    return Result(name, said, word=works[0].value, works=", ".join(works))


def warehouse_lag(seen: Snapshot) -> Result:
    trace = seen.canary.trace_id if seen.canary is not None else None
    shown, hidden = seen.traffic.shown_at, seen.traffic.hidden_at
    if trace is None or (Route.TRACE, trace) not in shown:
        skip("the quick route showed no trace to compare with")
    if (Route.WAREHOUSE, trace) not in shown:
        return Result("not seen")
    quick = shown[Route.TRACE, trace]
    most = shown[Route.WAREHOUSE, trace] - quick
    least = hidden.get((Route.WAREHOUSE, trace), -math.inf) - quick
    if least < 0 or most <= _SOON:
        return Result("together")
    return Result("behind", {"least": least, "most": most}, seconds_at_most=round(most, 1))


def trace_scope(seen: Snapshot) -> Result:
    if not isinstance(seen.scope, Answered):
        skip("this needs a key of another environment that the quick route accepts, and a trace that arrived")
    return Result("project" if seen.scope.value else "environment")


def other_environments(seen: Snapshot) -> Result:
    if not seen.environments:
        skip(seen.unfinished)
    errors = {slug: reply for slug, reply in seen.environments.items() if isinstance(reply, PortError)}
    if not errors:
        return Result("yes", {"slugs": ", ".join(sorted(seen.environments))})
    refused = {slug: error for slug, error in errors.items() if is_refusal(error)}
    slug, error = next(iter((refused or errors).items()))
    slugs = ", ".join(sorted(refused or errors))
    if refused:
        setting = f"traceloop.other_environments.{slug}.api_key"
        return Result("refused", {"slugs": slugs, "error": error, "setting": setting}, word=str(error.status))
    first = explain(error, seen.policy.backend.service, seen.policy.backend)
    return Result(
        "cannot be told", {"slugs": slugs, "summary": first.summary, "advice": first.advice}, word=first.answer
    )


# --- the canary's trace -----------------------------------------------------------------------------------------------


def trace_arrives(seen: Snapshot) -> Result:
    if not seen.target.checks.arrival.enabled:
        skip("checks.arrival is switched off")
    if seen.canary is None or not seen.canary.accepted:
        skip("no trace could be created: the gateway served no canary")
    canary, took = seen.canary, seen.canary.arrival_seconds
    if canary.elsewhere is not None:
        return Result("other environment", environment=canary.elsewhere)
    match canary.outcome:
        case (Outcome.ARRIVED | Outcome.LATE) as outcome if took is not None:
            return Result("late" if outcome is Outcome.LATE else "yes", {"took": took}, seconds=round(took, 1))
        case Outcome.MISSING:
            return Result("missing")
        case Outcome.INCOMPLETE:
            return Result("incomplete", {"why": canary.incomplete}, spans=canary.spans)
        case _:
            return Result("not seen", {"why": said_by(seen.last(CheckName.ARRIVAL))}, trace_id=canary.trace_id)


CACHE: Seconds = 300.0
"""How long the exporter goes by an old configuration (`cache_ttl` in https://github.com/truefoundry/infra-charts)."""

_STEP: Seconds = 30.0


def deadlines(seen: Snapshot) -> Result:
    canary, control = seen.canary, seen.control
    times = [canary.arrival_seconds if canary is not None else None]
    if control is not None and control.shown_at is not None:
        times.append(max(0.0, control.shown_at - control.sent_at))
    took = max((time for time in times if time is not None), default=None)
    if took is None:
        skip("no trace was seen to arrive, so there is nothing to measure")
    suggested = suggest_deadlines(seen.policy.arrival, took)
    name = "too tight" if suggested else "suitable"
    return Result(name, {"took": took}, suggests=suggested, seconds=round(took, 1))


def suggest_deadlines(policy: ArrivalPolicy, measured: Seconds) -> tuple[Suggestion, ...]:
    """The deadlines that leave too little room for `measured`, each with one that does not.

    One measurement is no distribution: so nothing is tightened, and what is too tight is given room.
    """
    why = f"a trace took {measured:.0f} s"
    least = {
        "look_closer_after": (policy.look_closer_after, 1.25 * measured, why),
        "late_after": (policy.late_after, 1.5 * measured, why),
        "missing_after": (policy.missing_after, 2.5 * measured, why),
        "settle": (policy.settle, CACHE + measured, f"the exporter caches its configuration for 5m, and {why}"),
    }
    return tuple(
        Suggestion(f"checks.arrival.{name}", format_duration(math.ceil(wanted / _STEP) * _STEP), reason)
        for name, (configured, wanted, reason) in least.items()
        if configured < wanted
    )


def span_count(seen: Snapshot) -> Result:
    canary = seen.canary
    if canary is None or not canary.accepted or canary.outcome not in (Outcome.ARRIVED, Outcome.LATE):
        skip("no complete trace of a served request was seen")
    names = ", ".join(sorted({span.name.partition(":")[0].partition(" ")[0] for span in seen.facts}))
    said, word = {"names": f" ({names})" if names else ""}, str(canary.spans)
    if seen.target.checks.arrival.complete_spans == canary.spans:
        return Result("configured", said, word=word, spans=canary.spans)
    why = "a complete trace had this many; leave it out if a virtual model retries or falls back"
    suggestion = Suggestion("checks.arrival.complete_spans", canary.spans, why)
    return Result("counted", said, word=word, suggests=(suggestion,), spans=canary.spans)


def service_name(seen: Snapshot) -> Result:
    names = sorted({span.service_name for span in trace_facts(seen) if span.service_name is not None})
    expected, shown = seen.target.expected.service_name, ", ".join(names)
    if not names:
        return Result("not told")
    if names == [expected]:
        return Result("expected", word=shown, service_name=shown)
    why = "the name that the gateway uses; set it only if that is intended"
    suggests = (Suggestion("expected.service_name", names[0], why),) if len(names) == 1 else ()
    return Result("other", {"expected": expected}, word=shown, suggests=suggests, service_name=shown)


def environment(seen: Snapshot) -> Result:
    slugs = sorted({span.environment for span in trace_facts(seen) if span.environment is not None})
    configured, shown = seen.policy.environment or "", ", ".join(slugs)
    if not slugs:
        return Result("not told")
    if slugs == [configured]:
        return Result("configured", word=shown, environment=shown)
    suggestion = Suggestion("traceloop.environment", slugs[0], "the slug as Traceloop returns it")
    same = all(is_same_environment(slug, configured) for slug in slugs)
    return Result(
        "same" if same else "other",
        {"configured": configured},
        word=slugs[0] if same else shown,
        suggests=(suggestion,),
        environment=shown,
    )


def content(seen: Snapshot) -> Result:
    facts, wanted = trace_facts(seen), seen.target.expected.exclude_request_data
    shown = [span.content for span in facts if span.content is not None]
    if not shown:
        return Result("not told")
    names = sorted({name for each in shown for name in each})
    unproven = sorted({name for span in facts for name in span.unproven})
    if not names and unproven:
        said = {"names": ", ".join(unproven)}
        return Result("doubtful", said) if wanted else Result("not proven", said, attributes=len(unproven))
    if not names and any(span.redacted for span in facts):
        return Result("redacted")
    said, name = {"names": ", ".join(names)}, "present" if names else "absent"
    if wanted is None:
        if names:
            why = "content is in the traces; set true if it must not be"
        else:
            why = "no content is in the traces; true keeps that checked"
        suggestion = Suggestion("expected.exclude_request_data", not names, why)
        said["judged"] = ". This is not checked yet"
        return Result(name, said, suggests=(suggestion,), attributes=len(names))
    if wanted and names:
        return Result("leaked", said, attributes=len(names))
    if not wanted and not names:
        return Result("missing")
    return Result(name, {**said, "judged": ", as expected"}, attributes=len(names))


def credentials(seen: Snapshot) -> Result:
    names = sorted({name for span in trace_facts(seen) for name in span.credentials})
    return Result("found", attributes=", ".join(names)) if names else Result("none")


def resource_attributes(seen: Snapshot) -> Result:
    """Which arrive, and which of them prove that the present configuration is in force."""
    shown = [span.resource for span in trace_facts(seen) if span.resource is not None]
    if not shown:
        return Result("not told")
    arrived = {name: value for resource in shown for name, value in resource.items()}
    names, expected = ", ".join(sorted(arrived)) or "none", seen.target.expected.resource_attributes
    missing = sorted(name for name, value in expected.items() if arrived.get(name) != value)
    if missing:
        return Result("missing", {"missing": ", ".join(missing), "arrived": names})
    if expected:
        return Result("as expected", {"expected": ", ".join(sorted(expected))}, names=names)
    prefix, config = f"{ATTRIBUTES}.", seen.export_config
    fields = config.seen.config.fields if config is not None and config.seen is not None else {}
    configured = {path.removeprefix(prefix): str(value) for path, value in fields.items() if path.startswith(prefix)}
    added = {name: value for name, value in configured.items() if arrived.get(name) == value}
    if not added:
        return Result("seen", names=names)
    why = "they arrive only if the present configuration is in effect"
    suggestion = Suggestion("expected.resource_attributes", added, why)
    return Result("added", {"added": ", ".join(sorted(added))}, suggests=(suggestion,), names=names)


def naming(seen: Snapshot) -> Result:
    facts, prefixes = trace_facts(seen), sorted(seen.traffic.prefixes)
    model = next((span.model for span in facts if span.model is not None), None)
    carries = f"The trace carries the model ({model})." if model is not None else "The trace does not carry the model."
    word = next((name for name in ("gen_ai", "llm", "tfy") if f"{name}." in prefixes), "none")
    names = ", ".join(f"{prefix}*" for prefix in prefixes) or "no known prefix"
    return Result(
        "tfy" if word == "tfy" else "named",
        {"names": names, "carries": carries},
        word=word,
        model=model,
        tokens=sum(facts[0].usage.values()) or None,
    )


def metadata(seen: Snapshot) -> Result:
    trace_facts(seen)
    return Result(seen.traffic.metadata or "absent")
