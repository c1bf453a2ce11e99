"""What the canary's trace carries: names, content, credentials, attributes of the resource."""

from monitor.core.drift import ATTRIBUTES
from monitor.doctor.answer import Answer, Question, Suggestion, open_, well, wrong
from monitor.doctor.questions.concerns import sends_canaries
from monitor.doctor.questions.errors import no_trace
from monitor.doctor.seen import Answered, Seen

_NAMES = {"gen_ai.": "gen_ai.*", "llm.": "llm.*", "tfy.": "tfy.*"}
_EXCLUDE = "In TrueFoundry open AI Gateway, Controls, Settings, OTEL Config, edit, and switch Exclude Request Data on."


def judge_naming(seen: Seen) -> Answer:
    """How the model's attributes are named."""
    if not seen.facts:
        return no_trace(seen)
    prefixes = seen.overheard.prefixes
    answer = "gen_ai" if "gen_ai." in prefixes else "llm" if "llm." in prefixes else "tfy" if prefixes else "none"
    model = next((span.model for span in seen.facts if span.model is not None), None)
    tokens = sum(sum(span.usage.values()) for span in seen.facts[:1]) or None
    carries = f"The trace carries the model ({model})." if model is not None else "The trace does not carry the model."
    names = ", ".join(_NAMES[prefix] for prefix in sorted(prefixes)) or "none that are known"
    only = (
        " Only TrueFoundry's own: dashboards of Traceloop that want gen_ai.* stay empty (the gateway writes them by a feature flag)."
        if answer == "tfy"
        else ""
    )
    return well(answer, f"Attributes are named {names}.{only} {carries}", model=model, tokens=tokens)


def judge_metadata(seen: Seen) -> Answer:
    """In which form the request's metadata come."""
    if not seen.facts:
        return no_trace(seen)
    form = seen.overheard.metadata
    said = {
        "text": "as one text of JSON (Traceloop makes a text of every value, so a map would look the same)",
        "object": "as an object",
        "flat": "as one attribute for each entry",
        None: "not at all: a trace cannot be found by them",
    }[form]
    return well(form or "absent", f"The request's metadata (tfy.request.metadata) come {said}.")


def judge_content(seen: Seen) -> Answer:
    """Whether request and response content is in the traces."""
    if not seen.facts:
        return no_trace(seen)
    told = [span.content for span in seen.facts if span.content is not None]
    names = sorted({name for content in told for name in content})
    unproven = sorted({name for span in seen.facts for name in span.unproven})
    wanted = seen.target.expected.exclude_request_data
    if not told:
        return open_("not told", "Traceloop does not tell whether our trace holds content.")
    if not names and (unproven or any(span.redacted for span in seen.facts)):
        return _judge_unproven(unproven, expected=wanted)
    said = (
        f"Request and response content is in the trace ({', '.join(names)})" if names else "No content is in the trace"
    )
    if wanted is None:
        why = (
            "content is in the traces; true if it must not be"
            if names
            else "no content is in the traces, so watch that it stays so"
        )
        return well(
            "present" if names else "absent",
            f"{said}. Nothing is checked about that so far.",
            Suggestion(setting="expected.exclude_request_data", value=not names, why=why),
            attributes=len(names),
        )
    if wanted and names:
        return wrong(
            "leaked",
            f"{said}, although it must stay out.",
            f"{_EXCLUDE} Then delete the traces in Traceloop.",
            attributes=len(names),
        )
    if not wanted and not names:
        return wrong(
            "missing",
            f"{said}, although it is expected.",
            "Switch Exclude Request Data off (AI Gateway, Controls, Settings, OTEL Config), and look at the logging configuration.",
        )
    return well("present" if names else "absent", f"{said}, as expected.", attributes=len(names))


def _judge_unproven(names: list[str], *, expected: bool | None) -> Answer:
    """Nothing that the canary asked or was answered is in the trace, but something stands where content would."""
    if not names:
        return well(
            "redacted", "Request and response content is in the trace as marks only: it was redacted on its way."
        )
    where = ", ".join(names)
    said = f"What is named like content ({where}) holds neither what the canary asked nor what it was answered"
    if expected:
        return open_("not proven", f"{said}. It may be content all the same: look at a trace in Traceloop.")
    return well("not proven", f"{said}.", attributes=len(names))


def judge_credentials(seen: Seen) -> Answer:
    """Whether a credential is in the trace."""
    if not seen.facts:
        return no_trace(seen)
    names = sorted({name for span in seen.facts for name in span.credentials})
    if not names:
        return well("none", "No credential is among the trace's attributes.")
    return wrong(
        "found",
        f"The trace holds what looks like a credential, in {', '.join(names)}.",
        "Change that credential, tell TrueFoundry, and delete the traces in Traceloop.",
        attributes=", ".join(names),
    )


def judge_resource(seen: Seen) -> Answer:
    """Which resource attributes arrive, and which of them prove that the present configuration is in force."""
    told = [span.resource for span in seen.facts if span.resource is not None]
    if not told:
        return no_trace(seen) if not seen.facts else open_("not told", "Traceloop does not show resource attributes.")
    arrived = {name: value for resource in told for name, value in resource.items()}
    expected = seen.target.expected.resource_attributes
    missing = sorted(name for name, value in expected.items() if arrived.get(name) != value)
    names = ", ".join(sorted(arrived)) or "none"
    if missing:
        return wrong(
            "missing",
            f"Expected resource attributes do not arrive as they should: {', '.join(missing)} (there are: {names}).",
            "Look at Additional Resource Attributes of the exporter; a change takes five minutes to be in force.",
        )
    if expected:
        return well(
            "as expected", f"The expected resource attributes arrive ({', '.join(sorted(expected))}).", names=names
        )
    added = {name: value for name, value in _added(seen).items() if arrived.get(name) == value}
    if added:
        return well(
            "added",
            f"The exporter's additional resource attributes arrive: {', '.join(sorted(added))}.",
            Suggestion(
                setting="expected.resource_attributes",
                value=added,
                why="they arrive only if the present configuration is in force",
            ),
            names=names,
        )
    return well(
        "seen",
        f"Resource attributes that arrive: {names}.",
        advice="An additional resource attribute at the exporter, such as an environment, would prove with every trace that the "
        "present configuration is in force.",
        names=names,
    )


def _added(seen: Seen) -> dict[str, str]:
    """The resource attributes that the exporter is set to add, as far as its configuration can be read."""
    if not isinstance(seen.config, Answered) or seen.config.value.seen is None:
        return {}
    prefix = f"{ATTRIBUTES}."
    fields = seen.config.value.seen.config.fields
    return {path.removeprefix(prefix): str(value) for path, value in fields.items() if path.startswith(prefix)}


CONTENTS: tuple[Question, ...] = (
    Question(slug="content", text="Is content in the trace?", judge=judge_content, concerns=sends_canaries),
    Question(
        slug="credentials", text="Is a credential in the trace?", judge=judge_credentials, concerns=sends_canaries
    ),
    Question(
        slug="resource_attributes",
        text="Which resource attributes arrive?",
        judge=judge_resource,
        concerns=sends_canaries,
    ),
    Question(slug="naming", text="How are attributes named?", judge=judge_naming, concerns=sends_canaries),
    Question(
        slug="metadata", text="How do the request's metadata come?", judge=judge_metadata, concerns=sends_canaries
    ),
)
