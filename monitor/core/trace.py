"""What a trace must look like to count as arrived, and what its spans say about the configuration in force.

Spans are reduced to facts at the adapter's border, so that no prompt, completion or credential ever gets further: of content
only the attribute names are kept. A gateway's trace is a small tree: root `ChatCompletion: …`, `Model: …`, the network call
(https://www.truefoundry.com/docs/ai-gateway/fetch-request-logs-trace-inspection).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from monitor.core.gateway_policies import Caller
from monitor.core.model import Instant, Scalar, TraceId
from monitor.core.text import code, count_text, distinguish


class Route(StrEnum):
    """By which way a trace was looked for. Absence counts only through a route that has shown a test span or a canary's span."""

    TRACE = "trace"  # GET /v2/projects/default/traces/{id}/spans: quick, undocumented
    WAREHOUSE = "warehouse"  # GET /v2/warehouse/spans: documented
    NONCE = "nonce"  # the warehouse, searched for the canary's nonce: never proves absence
    OWN_STORE = "own_store"  # TrueFoundry's spans/query


class Narrowing(StrEnum):
    """How the rows of a documented read are narrowed down to a canary's trace, in the order in which they are tried.

    Whether a backend honours one is unknown until it has shown a span of the monitor's: until then its silence proves nothing. A busy
    environment holds more rows in a second than can be read, so there the window alone does not do.
    """

    TRACE_ID = "trace_id"  # `filters`: the column trace_id equals the canary's
    MARKER = "marker"  # of a test span: the monitor's own attribute, as a parameter
    ATTRIBUTE = "attribute"  # of a canary: the attribute that holds its nonce alone, as a parameter
    METADATA = "metadata"  # of a canary: `filters`: the attribute that holds its metadata contains its nonce
    SPAN_NAME = "span_name"  # the parameter span_name: only the root, and everybody's who has the same name
    WINDOW = "window"  # the seconds in which it was sent, and every row of them


BY_NONCE = frozenset({Narrowing.ATTRIBUTE, Narrowing.METADATA})
"""What finds the trace of a canary whose trace id is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFact:
    """One span, reduced to what is judged. None means that the route does not show it.

    `content` names the attributes that are proven to hold request or response content, `unproven` those that are named like it and
    hold something else, `credentials` those that hold a credential, `decoys` what was planted;
    `redacted`: a mark is where content would be.
    `usage` and `model` are evidence, never a fault: https://opentelemetry.io/docs/specs/semconv/gen-ai/ and older names.
    `caller` is whose request it was, where TrueFoundry's own store shows that. `started_at` is by the clock of whoever made it.
    """

    trace_id: TraceId
    span_id: str
    parent_id: str = ""
    name: str = ""
    environment: str | None = None
    service_name: str | None = None
    resource: Mapping[str, str] | None = None
    content: tuple[str, ...] | None = None
    unproven: tuple[str, ...] = ()
    redacted: bool = False
    credentials: tuple[str, ...] = ()
    decoys: tuple[str, ...] = ()
    model: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    caller: Caller | None = None
    started_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSeen:
    """One successful look for a trace: which spans there were, by which route, begun when.

    `narrowing`: how a documented read was narrowed down; None for other routes.
    """

    route: Route
    at: Instant
    spans: tuple[SpanFact, ...] = ()
    narrowing: Narrowing | None = None

    @property
    def span_ids(self) -> frozenset[str]:
        """Distinct spans: retries and page borders show one twice (https://opentelemetry.io/docs/specs/otlp/)."""
        return frozenset(span.span_id for span in self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """Whether the tree is whole: `why` says in plain words what is missing."""

    complete: bool
    why: str = ""


def judge_completeness(seen: TraceSeen, *, own_parent: str, wanted: int | None) -> Completeness:
    """Whole = the root is there, no parent dangles, and there are at least `wanted` spans.

    `own_parent` is the span id that we sent in `traceparent`: it counts as present although nobody exports it. A trace
    that is whole is complete once its count is stable over two looks.
    """
    ids = seen.span_ids
    if not ids:
        return Completeness(complete=False, why="no span has arrived")
    if not any(span.parent_id in ("", own_parent) for span in seen.spans):
        return Completeness(complete=False, why="the root span is missing")
    dangling = {span.parent_id for span in seen.spans} - ids - {"", own_parent}
    if dangling:
        return Completeness(
            complete=False, why=f"{count_text(len(dangling), 'parent span is', 'parent spans are')} missing"
        )
    if wanted is not None and len(ids) < wanted:
        return Completeness(complete=False, why=f"{len(ids)} of {wanted} spans have arrived")
    return Completeness(complete=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a trace must say of itself. `content` None: not checked; True: must be there; False: must not."""

    service_name: str
    resource_attributes: Mapping[str, str] = field(default_factory=dict)
    content: bool | None = None


_LABELS_OF_TRACELOOP = {"development": "dev", "staging": "stg", "production": "prd", "prod": "prd"}


def is_same_environment(one: str, other: str) -> bool:
    """Whether two words name one environment: its slug, as recorded, or its label, as Traceloop's own example shows it.

    https://www.traceloop.com/docs/settings/projects-and-environments; a slug is the label in lower case with dashes.
    """
    return _slug(one) == _slug(other)


def _slug(word: str) -> str:
    slug = "-".join(word.casefold().split())
    return _LABELS_OF_TRACELOOP.get(slug, slug)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelJudgement:
    """What the documented read says of a trace's labels and content; each empty tuple is good news.

    `environment`: the one that the trace is in, where that is not the expected one. `configured`: whether it carries the resource
    attributes that the exporter is meant to add, so that it went by the configured exporter; None: none are expected, or shown.
    `credential_alone`: what leaked is a credential, and no content; `decoy_alone`: what was planted, and should have been redacted.
    """

    mislabelled: tuple[str, ...] = ()
    leaked: tuple[str, ...] = ()
    credential_alone: bool = False
    decoy_alone: bool = False
    content_missing: bool = False
    environment: str | None = None
    configured: bool | None = None
    evidence: Mapping[str, Scalar] = field(default_factory=dict)


def judge_labels(seen: TraceSeen, expected: Labels, *, environment: str | None = None) -> LabelJudgement:
    """Judge the environment (None: not checked), service name, resource attributes and content.

    What the route does not show is not held against anybody.
    """
    names = {span.service_name for span in seen.spans if span.service_name is not None}
    mislabelled = [
        f"the service name {_unlike(expected.service_name, name)}" for name in sorted(names - {expected.service_name})
    ]
    resources = [span.resource for span in seen.spans if span.resource is not None]
    wrong = [
        f"the resource attribute {code(key)} {_unlike(value, other)}"
        for key, value in expected.resource_attributes.items()
        for other in sorted({resource.get(key) for resource in resources} - {value}, key=str)
    ]
    configured = not wrong if expected.resource_attributes and resources else None
    shown_content = [span.content for span in seen.spans if span.content is not None]
    content = sorted({name for names_ in shown_content for name in names_})
    unproven = sorted({name for span in seen.spans for name in span.unproven})
    logged = bool(content or unproven) or any(span.redacted for span in seen.spans)
    credentials = sorted({name for span in seen.spans for name in span.credentials})
    decoys = sorted({name for span in seen.spans for name in span.decoys})
    suspicion = {"may_carry_content": ", ".join(unproven[:5])} if unproven and expected.content is False else {}
    adds = ", ".join(sorted(expected.resource_attributes))
    way = {"export_path": f"the configured exporter, which adds {adds}"} if configured else {}
    leaked_content = content if expected.content is False else []
    return LabelJudgement(
        mislabelled=(*mislabelled, *wrong),
        leaked=tuple(dict.fromkeys((*credentials, *decoys, *leaked_content))),
        credential_alone=bool(credentials) and not leaked_content and not decoys,
        decoy_alone=bool(decoys) and not leaked_content and not credentials,
        content_missing=expected.content is True and bool(shown_content) and not logged,
        environment=_other_environment(seen, environment),
        configured=configured,
        evidence={**_evidence(seen), **suspicion, **way},
    )


def _unlike(expected: str, found: str | None) -> str:
    if not found:
        return f"is not set, should be {code(expected)}"
    expected, found = distinguish(expected, found)
    return f"is {code(found)}, should be {code(expected)}"


def _other_environment(seen: TraceSeen, expected: str | None) -> str | None:
    """Where the spans are, if none of them is where it is expected."""
    found = sorted({span.environment for span in seen.spans if span.environment is not None})
    if expected is None or any(is_same_environment(each, expected) for each in found):
        return None
    return found[0] if found else None


def _evidence(seen: TraceSeen) -> Mapping[str, Scalar]:
    evidence: dict[str, Scalar] = {"spans": len(seen.span_ids)}
    for span in seen.spans:
        if span.model is not None:
            evidence.setdefault("model", span.model)
        if span.service_name is not None:
            evidence.setdefault("service_name", span.service_name)
        for kind, count in span.usage.items():
            evidence.setdefault(f"{kind}_tokens", count)
    return evidence


def compare_with_answer(
    evidence: Mapping[str, Scalar], *, model: str | None, usage: Mapping[str, int]
) -> Mapping[str, Scalar]:
    """What a trace says of its model and tokens beside what the gateway answered: evidence, never a fault.

    A gateway may name a model with its provider, a provider with its date, and count tokens in its own way.
    """
    compared = [_beside("model", evidence.get("model"), model)]
    compared += [_beside(f"{kind}_tokens", evidence.get(f"{kind}_tokens"), usage.get(kind)) for kind in _KINDS]
    said = [sentence for sentence in compared if sentence]
    return {**evidence, "beside_the_answer": ", ".join(said)} if said else evidence


_KINDS = ("input", "output")
_DATED = re.compile(r"[-@:]?\d{4}-?\d{2}-?\d{2}$")


def _beside(what: str, traced: Scalar, answered: Scalar) -> str:
    if traced is None or answered is None:
        return ""
    if _plain(traced) == _plain(answered):
        return f"{what} {traced} as answered"
    return f"{what} {traced} (the answer said {answered})"


def _plain(value: Scalar) -> Scalar:
    """The name of a model without its provider and its date."""
    return _DATED.sub("", value.rpartition("/")[2].casefold()) if isinstance(value, str) else value
