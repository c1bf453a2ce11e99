"""What settles the questions about TrueFoundry: its control plane, the exporter's settings, the gateway, and its own trace store."""

from collections import Counter

from monitor.core.canary import IdSource, Outcome
from monitor.core.drift import compare
from monitor.core.gateway_policies import DEFAULT_DESTINATION, GatewayPolicy
from monitor.core.key import key_is_refused, refute_headers, refuted_headers
from monitor.core.model import CheckName, CheckResult, Fault, Scalar, Service, Verdict
from monitor.core.refine import GIVE_US_THE_KEY
from monitor.core.state import TraceIdMode
from monitor.core.text import count_text, moment_text
from monitor.core.trace import BY_NONCE
from monitor.doctor.questions import (
    ADVICE,
    FORBIDDEN,
    UNAUTHORIZED,
    EarlyResult,
    Result,
    Suggestion,
    cannot_tell,
    explain,
    is_refusal,
    served_canary,
    skip,
    value_of,
)
from monitor.doctor.snapshot import Answered, Snapshot
from monitor.ports import ConfigAnswer, PortError, Refused

_PLANE, _GATEWAY = Service.CONTROL_PLANE, Service.GATEWAY


def control_plane(_seen: Snapshot) -> Result:
    return Result("left out")


def control_plane_token(seen: Snapshot) -> Result:
    tenant = value_of(seen.tenant, _PLANE, seen, ADVICE["PLANE_TOKEN"])
    if tenant is not None:
        return Result("accepted", tenant=tenant)
    # The session names no tenant: what another call with the same token says decides, if it says anything.
    match seen.config:
        case Answered(value=answer):
            return Result("not known" if answer.seen is None else "nameless")
        case Refused(blocked=False, status=status) if status == UNAUTHORIZED:
            return Result("not known")
        case _:
            return Result("not told")


def config_readable(seen: Snapshot) -> Result:
    if isinstance(seen.config, Refused) and is_refusal(seen.config) and seen.config.status == FORBIDDEN:
        return Result("403", {"error": seen.config}, status=FORBIDDEN)
    answer = value_of(seen.config, _PLANE, seen, ADVICE["PLANE_TOKEN"])
    if answer.seen is None and not seen.token_known:
        return Result("doubtful", {"form": answer.form}, word=answer.form)
    return Result("yes", form=answer.form)


def other_configs(seen: Snapshot) -> Result:
    if not seen.others:
        skip(seen.unfinished)
    read = {kind: reply.value for kind, reply in seen.others.items() if isinstance(reply, Answered)}
    errors = {kind: reply for kind, reply in seen.others.items() if isinstance(reply, PortError)}
    if not errors:
        exist = "; ".join(text for each in read.values() if (text := _describe(each)))
        return Result("yes", {"read": ", ".join(sorted(read)), "exist": exist or "none of them is configured"})
    first = explain(next(iter(errors.values())), _PLANE, seen.policy.backend)
    advice = ADVICE["GRANT"] if first.answer == str(FORBIDDEN) else first.advice
    said = {"unread": ", ".join(sorted(errors)), "summary": first.summary, "advice": advice}
    return Result("partly", said, word=first.answer)


def _describe(config: GatewayPolicy) -> str:
    """What one of them says, in a few words; empty if it says nothing."""
    mode = f" {config.mode}" if config.mode is not None else ""
    rules = f" {len(config.rules)} rules, {sum(rule.off for rule in config.rules)} of them off" if config.rules else ""
    return f"{config.kind}:{mode}{rules}" if mode or rules else ""


# --- the exporter's settings ------------------------------------------------------------------------------------------

_ABSENT = {"404": "by HTTP 404", "null": "by the answer null", "empty": "by an empty answer"}


def _config(seen: Snapshot) -> ConfigAnswer:
    """The answer to the read of the exporter's configuration."""
    if isinstance(seen.config, PortError):
        skip("the configuration cannot be read")
    return value_of(seen.config, _PLANE, seen)


def config_matches(seen: Snapshot) -> Result:
    answer, config = _config(seen), seen.exporter
    if config is None:
        if answer.seen is None and not seen.token_known:
            skip("the token is not accepted, so a missing configuration proves nothing")
        return Result("off")
    # Header values are not compared where the arrival of our trace refutes what is shown of them.
    shown = refute_headers(config, config, seen.state, seen.policy, seen.now)
    comparison = compare(seen.policy.expected, shown.config)
    unseen = f"; not comparable: {', '.join(comparison.not_comparable)}" if comparison.not_comparable else ""
    if not comparison.differences:
        return Result("yes", {"unseen": unseen}, equal=len(comparison.equal))
    refused = key_is_refused(seen.state) or (isinstance(seen.window, Refused) and seen.window.unauthorized)
    said = {
        "found": "; ".join(map(str, comparison.differences)),
        "unseen": unseen,
        "stops": " With these settings no trace arrives." if comparison.stops_export else "",
        "target": seen.name,
        "give_us_the_key": GIVE_US_THE_KEY,
    }
    return Result(
        "rotated" if comparison.other_key and refused else "no",
        said,
        differences=len(comparison.differences),
        paths=", ".join(difference.path for difference in comparison.differences),
    )


def config_changed(seen: Snapshot) -> Result:
    config = _config(seen).seen
    if config is None:
        skip("there is no traces exporter to check")
    who, at = config.updated_by, config.updated_at
    if who is None and at is None:
        return Result("not told")
    when = f" on {moment_text(at)}" if at is not None else ""
    return Result("told", {"when": when, "who": who or "an unnamed user"}, changed_by=who, changed_at=at)


def header_values(seen: Snapshot) -> Result:
    _config(seen)
    config = seen.exporter
    if config is None:
        skip("there is no traces exporter to check")
    if refuted_headers(refute_headers(config, config, seen.state, seen.policy, seen.now), seen.policy.expected):
        return Result("otherwise")
    kinds = sorted({secret.kind.value for secret in config.config.secrets().values()})
    if not kinds:
        return Result("no headers")
    return Result(kinds[0] if len(kinds) == 1 else "mixed", {"kinds": ", ".join(kinds)})


def absent_exporter(seen: Snapshot) -> Result:
    answer = seen.export_config
    if answer is not None and answer.off_as is not None:
        return Result(f"exporter {answer.off_as}")
    if answer is not None and answer.form in _ABSENT:
        return Result("missing", {"how": _ABSENT[answer.form]}, word=answer.form, form=answer.form)
    forms = [reply.value.form for reply in seen.others.values() if isinstance(reply, Answered)]
    if not forms:
        skip("no configuration can be read")
    absent = Counter(form for form in forms if form in _ABSENT).most_common(1)
    if not absent:
        return Result("not seen")
    form = absent[0][0]
    return Result("never made", {"how": _ABSENT[form]}, word=form, form=form)


# --- the gateway ------------------------------------------------------------------------------------------------------

_ADVICE = {
    Fault.GATEWAY_REFUSED: ADVICE["GATEWAY_TOKEN"],
    Fault.RATE_LIMITED: ADVICE["RAISE_LIMIT"],
    Fault.CANARY_REJECTED: ADVICE["GRANT_MODEL"],
    Fault.PROVIDER_FAILING: ADVICE["OTHER_MODEL"],
    Fault.GATEWAY_UNREACHABLE: ADVICE["GATEWAY_URL"],
}


def _passing(check: CheckName, seen: Snapshot) -> CheckResult:
    """The newest look of a check, where it passed; else the question is answered by what it says."""
    result = seen.last(check)
    if result is None:
        skip(seen.unfinished)
    if result.verdict is Verdict.PASS:
        return result
    said = result.summary if result.summary.endswith((".", "!", "?")) else f"{result.summary}."
    if result.verdict is Verdict.UNKNOWN:
        reason = result.unknown_reason.value if result.unknown_reason is not None else "unknown"
        raise EarlyResult(Result("check unknown", {"said": said}, word=reason, shown=_shown(result)))
    fault, advice = (result.fault.value, _ADVICE.get(result.fault, "")) if result.fault is not None else ("failed", "")
    raise EarlyResult(Result("check failed", {"said": said, "advice": advice}, word=fault, shown=_shown(result)))


def _shown(result: CheckResult) -> dict[str, Scalar]:
    return {name: value for name, value in result.evidence.items() if name in ("status", "kind", "model")}


def gateway_answers(seen: Snapshot) -> Result:
    if not seen.target.checks.gateway.enabled:
        skip("checks.gateway is switched off")
    status = _passing(CheckName.GATEWAY, seen).evidence.get("status")
    name = "wants a token" if status in (401, 403) else "404" if status == 404 else "open"  # noqa: PLR2004
    return Result(name, {"path": seen.target.checks.gateway.path}, status=status)


def models_listed(seen: Snapshot) -> Result:
    answer, model = value_of(seen.models, _GATEWAY, seen), seen.target.gateway.model
    if answer.models is None:
        if answer.status == UNAUTHORIZED:
            return Result("401", status=UNAUTHORIZED)
        return Result("no list", {"form": answer.form}, word=str(answer.status), status=answer.status)
    models = len(answer.models)
    said = {
        "count": count_text(models, "model"),
        "model": model,
        "some": ", ".join((*answer.models[:5], *(["…"] if answer.models[5:] else []))),
    }
    return Result("none" if not models else "listed" if model in answer.models else "not listed", said, models=models)


def canary_served(seen: Snapshot) -> Result:
    result = _passing(CheckName.CANARY, seen)
    return Result("yes", {"said": f"{result.summary[:1].upper()}{result.summary[1:]}"}, shown=_shown(result))


def usage_told(seen: Snapshot) -> Result:
    canary = served_canary(seen)
    tokens = canary.usage.get("input", 0) + canary.usage.get("output", 0)
    named = [name for name, value in (("model", canary.model), ("tokens", tokens)) if value]
    return Result(" and ".join(named), model=canary.model, tokens=tokens) if named else Result("nothing")


def no_token(seen: Snapshot) -> Result:
    answer = value_of(seen.anonymous, _GATEWAY, seen)
    status = answer.status
    if answer.blocked or status >= 500 or 300 <= status < 400:  # noqa: PLR2004
        return Result("cannot be told", word=str(status), status=status)
    form = "list" if answer.models is not None else answer.form
    return Result(form, word=f"{status} {form}", status=status, form=form)


# --- by what a trace is recognised ------------------------------------------------------------------------------------


def _names_trace(form: str | None) -> bool:
    """Whether the header of an answer named its trace."""
    return form not in (None, "absent", "unreadable")


def trace_id(seen: Snapshot) -> Result:
    honoured = _honours_traceparent(seen)
    by_filter = [seen.narrowed.get(each) for each in BY_NONCE]
    if _names_trace(seen.traffic.feedback):
        name, found = "feedback", TraceIdMode.FEEDBACK
        why = "the gateway returns the trace id in x-tfy-feedback-target-id"
    elif honoured:
        name, found = "traceparent", TraceIdMode.TRACEPARENT
        why = "the gateway returns no trace id, but continues the monitor's traceparent"
    elif honoured is None:
        return Result("not seen")
    else:
        filtered = any(isinstance(reply, Answered) and reply.value for reply in by_filter)
        name, found, why = "nonce filter" if filtered else "nonce", TraceIdMode.AUTO, "nothing else works here"
    if found is TraceIdMode(seen.target.gateway.trace_id):
        return Result(name)
    return Result(name, suggests=(Suggestion("gateway.trace_id", found.value, why),))


def _honours_traceparent(seen: Snapshot) -> bool | None:
    """Whether the gateway continues our trace; None: not known."""
    canary = served_canary(seen)
    if canary.id_source is IdSource.FEEDBACK:
        return canary.trace_id == canary.sent_id
    return seen.state.honours_traceparent


def feedback_header(seen: Snapshot) -> Result:
    served_canary(seen)
    form = seen.traffic.feedback or skip("the gateway served no canary")
    return Result("present", form=form) if _names_trace(form) else Result(form)


def traceparent(seen: Snapshot) -> Result:
    return Result({None: "not seen", True: "honoured", False: "ignored"}[_honours_traceparent(seen)])


def refused_request(seen: Snapshot) -> Result:
    answer = value_of(seen.refused, _GATEWAY, seen)
    status = answer.status
    if answer.blocked:
        return Result("turned away", status=status)
    if 200 <= status < 300:  # noqa: PLR2004
        return Result("served", status=status)
    if status not in (400, 403, 404, 422):
        return Result("cannot be told", word=str(status), status=status)
    message = f" ({answer.refusal.message})" if answer.refusal is not None and answer.refusal.message else ""
    named = "a" if _names_trace(seen.traffic.feedback_refused) else "no"
    said = f"A request for an unknown model is refused with HTTP {status}{message}; the answer carries {named} trace id"
    # That no trace of it comes means something only where the trace of a later request came whole.
    later = seen.canary is not None and seen.canary.outcome in (Outcome.ARRIVED, Outcome.LATE)
    match seen.refused_spans:
        case Answered(value=spans) if spans or later:
            return Result("traced" if spans else "not traced", {"refusal": said}, status=status)
        case _:
            return Result("not seen", {"refusal": said}, status=status)


# --- its own trace store, by which "never made" and "lost on the way" differ ------------------------------------------


def own_store(seen: Snapshot) -> Result:
    served_canary(seen)
    watch = seen.store
    if watch is None:
        skip("the trace's id there is not known")
    if watch.error is not None:
        if is_refusal(watch.error) and watch.error.status == FORBIDDEN:
            return Result("403", {"error": watch.error}, status=FORBIDDEN)
        return cannot_tell(watch.error, _PLANE)
    if watch.first_after is None:
        return Result("not shown", {"looked_for": watch.looked_for})
    if watch.whole_after is None:
        return Result("in part", {"looked_for": watch.looked_for}, spans=watch.spans)
    return Result(
        "shown",
        {"first": watch.first_after, "whole": watch.whole_after},
        spans=watch.spans,
        first_seconds=round(watch.first_after, 1),
        whole_seconds=round(watch.whole_after, 1),
    )


def store_destination(seen: Snapshot) -> Result:
    destination = served_canary(seen).destination
    if destination is None:
        return Result("not told")
    return Result("default" if destination == DEFAULT_DESTINATION else "another", destination=destination)
