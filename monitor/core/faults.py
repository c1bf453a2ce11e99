"""The faults: their names, and the table whose rows say what each is, when it is said, what it explains, what to do next.

`docs/diagnosis.md`, the heads of the runbooks, `trace-monitor explain` and the advice in messages are made from these rows. The order
is that of the contract, the most upstream first, and decides ties. Rows are data and need no predicate; those that evidence refines
are looked at in `refine`, those that show in traces in `outcomes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType


class Component(StrEnum):
    """Who has to do something."""

    GATEWAY = "gateway"
    PROVIDER = "provider"
    CONFIG = "config"
    TRACELOOP = "traceloop"
    EXPORT = "export"
    MONITOR = "monitor"


class Severity(IntEnum):
    """How bad: 0 well, 1 warning, 2 critical (also the value of the metric `target_severity`)."""

    NONE = 0
    WARNING = 1
    CRITICAL = 2

    @property
    def word(self) -> str:
        """The word operators configure and read."""
        return self.name.lower()


class Fault(StrEnum):
    """Everything that can be wrong, most upstream first: the order decides ties."""

    GATEWAY_UNREACHABLE = "gateway_unreachable"
    GATEWAY_REFUSED = "gateway_refused"
    RATE_LIMITED = "rate_limited"
    CANARY_REJECTED = "canary_rejected"
    PROVIDER_FAILING = "provider_failing"
    EXPORTER_DISABLED = "exporter_disabled"
    CONFIG_DRIFT = "config_drift"
    WRONG_ENVIRONMENT = "wrong_environment"
    CONTENT_LEAKED = "content_leaked"
    CONTENT_MISSING = "content_missing"
    TRACE_NOT_CREATED = "trace_not_created"
    KEY_REJECTED = "key_rejected"
    INGEST_FAILING = "ingest_failing"
    EXPORT_FAILING = "export_failing"
    TRACE_MISSING = "trace_missing"
    TRACE_INCOMPLETE = "trace_incomplete"
    TRACE_LATE = "trace_late"
    TRACE_MISLABELLED = "trace_mislabelled"
    CHECK_FAILED = "check_failed"
    BLIND = "blind"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """One fault, in words.

    `meaning` completes "what broke"; `when` is the evidence it needs and `settles` how much of that; `because` what the message
    gives as the reasons; `advice` the next step, where the evidence names no better one. `critical_if` says when a warning is
    critical after all. `explains` are mere consequences: shown below it, never beside it. `prevents_traces`: while it lasts no canary
    is served, so no trace can be missed.
    """

    fault: Fault
    component: Component
    severity: Severity
    meaning: str
    when: str
    settles: str
    because: str
    advice: str
    explains: frozenset[Fault] = frozenset()
    prevents_traces: bool = False
    critical_if: str = ""

    @property
    def severity_text(self) -> str:
        """How bad, in words."""
        word = self.severity.word
        return f"{Severity.CRITICAL.word} if {self.critical_if}, else {word}" if self.critical_if else word


LATE = frozenset({Fault.TRACE_INCOMPLETE, Fault.TRACE_LATE})
"""What traces that get lost look like before they are given up."""

NOT_EXPORTED = frozenset({Fault.EXPORT_FAILING, Fault.TRACE_MISSING}) | LATE
"""What becomes of traces that the exporter does not send, or Traceloop does not take."""

WHERE = "AI Gateway, Controls, Settings, OTEL Config"
_LOSSES = "After `fail_after` losses in a row with no later arrival, or `loss_of` (three of the last twelve)."
_TRIAGE = "What the own store and the control span say, and the traces' ids."

_ROWS = (
    FaultRow(
        fault=Fault.GATEWAY_UNREACHABLE,
        component=Component.GATEWAY,
        severity=Severity.CRITICAL,
        meaning="The gateway does not answer",
        when="Its health path gives no answer (DNS, connect, TLS, timeout) while another service answers the monitor, "
        "or it answers a 3xx, or a 5xx of its own.",
        settles="After `fail_after` looks in a row.",
        because="What failed, and that the monitor's own network works.",
        advice="Open the gateway's URL from another network; look at its pods, its ingress and its certificate.",
        explains=frozenset({Fault.CANARY_REJECTED, Fault.PROVIDER_FAILING}),
        prevents_traces=True,
    ),
    FaultRow(
        fault=Fault.GATEWAY_REFUSED,
        component=Component.GATEWAY,
        severity=Severity.WARNING,
        meaning="The gateway refuses the canary's token",
        when="The canary is answered 401, and not by the provider.",
        settles="After `fail_after` looks in a row.",
        because="The gateway's own words.",
        advice="Give the monitor a valid gateway token (TrueFoundry, Access, Virtual Accounts), then run "
        "`trace-monitor check`.",
        prevents_traces=True,
    ),
    FaultRow(
        fault=Fault.RATE_LIMITED,
        component=Component.GATEWAY,
        severity=Severity.WARNING,
        meaning="The gateway answers the canary with 429: a rate limit or a budget",
        when="The canary is answered 429.",
        settles="After `fail_after` looks in a row; meanwhile fewer canaries are sent.",
        because="The gateway's own words, and the rules that it says it applied.",
        advice="Raise the limit or the budget of the canary's account, or give it a virtual account of its own.",
        prevents_traces=True,
    ),
    FaultRow(
        fault=Fault.CANARY_REJECTED,
        component=Component.GATEWAY,
        severity=Severity.WARNING,
        meaning="The gateway is well and will not serve the canary",
        when="The canary is answered 400, 403, 404 or another 4xx, a 3xx, a 2xx that is no chat completion, or from "
        "the cache.",
        settles="After `fail_after` looks in a row.",
        because="The gateway's own words, and the guardrail that refused.",
        advice="Look at the refusal: grant the model to the canary's account, or change `gateway.model` or "
        "`checks.canary`.",
        prevents_traces=True,
    ),
    FaultRow(
        fault=Fault.PROVIDER_FAILING,
        component=Component.PROVIDER,
        severity=Severity.WARNING,
        meaning="The gateway is well, the model provider behind it is not",
        when="The canary is answered a 5xx in the gateway's error envelope, a 408, or a 401 of the provider's; or with "
        "a 5xx, or not at all, while the gateway answers its health path.",
        settles="After `fail_after` looks in a row.",
        because="The provider's name and words, or that the gateway itself answers.",
        advice="Look at the provider's status page, or point `gateway.model` at another provider.",
        prevents_traces=True,
    ),
    FaultRow(
        fault=Fault.EXPORTER_DISABLED,
        component=Component.CONFIG,
        severity=Severity.CRITICAL,
        meaning="The gateway's traces exporter is off",
        when="The manifest `gateway-otel-config` has no traces exporter; or it reads as 404, null or empty while the "
        "session answers the same token with a tenant's name. A warning if canaries sent `settle` or more after the "
        "change arrive all the same.",
        settles="At once by a manifest that was read; by 404, null or empty after `fail_after` looks in a row.",
        because="Who changed it last and when, as the manifest tells; or that traces arrive all the same.",
        advice=f"Switch it on: {WHERE}; `trace-monitor expected` prints every field.",
        explains=NOT_EXPORTED,
    ),
    FaultRow(
        fault=Fault.CONFIG_DRIFT,
        component=Component.CONFIG,
        severity=Severity.WARNING,
        critical_if="it stops the export",
        meaning="The gateway's export configuration is not as expected",
        when="A field of the manifest differs. It stops the export, and is critical, if that is type, endpoint, "
        "encoding, an Authorization that is absent, malformed or another key than ours, or a `when` filter that "
        "excludes our canary or cannot be evaluated; critical as well is an `exclude_request_data: true` that is not "
        "kept. A warning if traces arrive all the same, or if Traceloop refuses our own key: then it was probably "
        "rotated.",
        settles="At once by a manifest that was read; after `fail_after` looks in a row where headers are no longer "
        "shown.",
        because="Each field with what was expected and what was found, secrets as fingerprints; who changed it last "
        "and when.",
        advice=f"Set the fields that differ back: {WHERE}; `trace-monitor expected` prints every field.",
        explains=NOT_EXPORTED,
    ),
    FaultRow(
        fault=Fault.WRONG_ENVIRONMENT,
        component=Component.CONFIG,
        severity=Severity.CRITICAL,
        meaning="The traces arrive in another Traceloop environment",
        when="One of `other_environments`, or Traceloop's per-trace route, shows the trace of a canary in another "
        "environment, and the documented read of ours does not show it; or that read shows it under another environment "
        "than `traceloop.environment`.",
        settles="At once: it is no absence. Traces that are not there either, nor here, clear it.",
        because="The environment found and the one expected, and the trace's id.",
        advice="Put the key of the right environment into the exporter's Authorization header.",
        explains=NOT_EXPORTED,
    ),
    FaultRow(
        fault=Fault.CONTENT_LEAKED,
        component=Component.CONFIG,
        severity=Severity.CRITICAL,
        meaning="The exported traces carry content or a credential that they must not",
        when="A documented read of a whole trace shows what the canary asked or was answered although "
        "`exclude_request_data` is expected to be true, or a credential. It is recognised in a value, also where that "
        "is encoded; a name proves nothing.",
        settles="At once: one trace is one too many.",
        because="The attributes by name, never their values, and the trace's id.",
        advice="Set `exclude_request_data: true` on the traces exporter and delete the traces that hold content in "
        "Traceloop.",
    ),
    FaultRow(
        fault=Fault.CONTENT_MISSING,
        component=Component.CONFIG,
        severity=Severity.WARNING,
        meaning="The exported traces lack the request and response content that is expected",
        when="A documented read of a whole trace shows no content, redacted or not, although `exclude_request_data` is "
        "expected to be false.",
        settles="After `fail_after` traces in a row.",
        because="The traces' ids.",
        advice="Set `exclude_request_data: false` on the traces exporter, and look at the gateway's logging "
        "configuration.",
    ),
    FaultRow(
        fault=Fault.TRACE_NOT_CREATED,
        component=Component.GATEWAY,
        severity=Severity.CRITICAL,
        meaning="The gateway answers, but makes no trace",
        when="A trace is missing in Traceloop, and TrueFoundry's own store, which has shown us a span of ours within a "
        "day, does not have it either.",
        settles=_LOSSES,
        because=_TRIAGE,
        advice="Look at the gateway's logging configuration and at the hop from the gateway to TrueFoundry's collector.",
        explains=LATE,
    ),
    FaultRow(
        fault=Fault.KEY_REJECTED,
        component=Component.TRACELOOP,
        severity=Severity.CRITICAL,
        meaning="Traceloop refuses the exporter's key",
        when="A documented route of Traceloop (OTLP ingest, `/v2/warehouse/spans`) answers 401 to the expected key, "
        "and the gateway is not known to carry another one.",
        settles="At once if the gateway's header, read literally after the 401, holds the same key; else after "
        "`fail_after`.",
        because="Which route refused, and whether the gateway carries the same key or that cannot be told.",
        advice="Generate a new key in Traceloop (Settings, API keys) and put it into the gateway and into the monitor.",
        explains=NOT_EXPORTED | {Fault.INGEST_FAILING},
    ),
    FaultRow(
        fault=Fault.INGEST_FAILING,
        component=Component.TRACELOOP,
        severity=Severity.CRITICAL,
        meaning="Traceloop does not take in traces",
        when="The expected endpoint answers a span of our own with a 3xx, a 5xx or a 4xx other than 401 and 429, "
        "rejects it in part, or gives no answer while another service answers the monitor; or it accepts the span, and "
        "a documented read that succeeds at or after `missing_after` does not show it.",
        settles="After `fail_after` spans in a row.",
        because="What the endpoint answered, or which control span is not shown, and whether this route has ever shown "
        "us one.",
        advice="Look at https://status.traceloop.com and write to Traceloop with what was seen; the gateway is not at "
        "fault.",
        explains=NOT_EXPORTED,
    ),
    FaultRow(
        fault=Fault.EXPORT_FAILING,
        component=Component.EXPORT,
        severity=Severity.CRITICAL,
        meaning="TrueFoundry has the traces and Traceloop is well, but they do not get from one to the other",
        when="A trace is missing in Traceloop, TrueFoundry's own store has it, and Traceloop shows a control span that "
        "was sent later.",
        settles=_LOSSES,
        because=_TRIAGE,
        advice="Write to TrueFoundry's support with the ids of the lost traces; look at the egress of a self-hosted "
        "collector.",
        explains=LATE,
    ),
    FaultRow(
        fault=Fault.TRACE_MISSING,
        component=Component.EXPORT,
        severity=Severity.CRITICAL,
        meaning="Traces do not arrive in Traceloop",
        when="A look that succeeded at or after `missing_after` does not show the trace, by a route that has shown us "
        "a span of ours within a day with the same key; and the own store or the control span cannot tell the hops "
        "apart.",
        settles=_LOSSES,
        because=_TRIAGE,
        advice="Look the lost traces up in TrueFoundry by their ids: if they are there, the export is broken; if not, "
        "the gateway made none.",
        explains=LATE,
    ),
    FaultRow(
        fault=Fault.TRACE_INCOMPLETE,
        component=Component.EXPORT,
        severity=Severity.WARNING,
        meaning="Traces arrive in part",
        when="At `missing_after` the root is missing, a parent dangles, or there are fewer spans than `complete_spans`.",
        settles="After `fail_after` traces in a row.",
        because="How many spans arrived, what is missing, and the traces' ids.",
        advice="Look for a `when` filter on the exporter, and for dropped spans in the collector's log.",
    ),
    FaultRow(
        fault=Fault.TRACE_LATE,
        component=Component.EXPORT,
        severity=Severity.WARNING,
        meaning="Traces arrive late",
        when="A look that succeeded at `late_after` does not show the whole trace, by a route whose silence counts.",
        settles="After `fail_after` traces in a row.",
        because="How many in a row, and the traces' ids.",
        advice="Look at the exporter's queue and at Traceloop's status. If the traces come after all, and so late is "
        "normal for you, raise `checks.arrival.late_after`.",
    ),
    FaultRow(
        fault=Fault.TRACE_MISLABELLED,
        component=Component.EXPORT,
        severity=Severity.WARNING,
        meaning="Traces arrive under another service name or without a required resource attribute",
        when="A documented read of a whole trace shows another service name, or a required resource attribute differs "
        "or is absent.",
        settles="After `fail_after` traces in a row.",
        because="Each label with what was expected and what was found, and the traces' ids.",
        advice="Compare `expected.service_name` and `additional_resource_attributes` of the exporter with what was "
        "found.",
    ),
    FaultRow(
        fault=Fault.CHECK_FAILED,
        component=Component.MONITOR,
        severity=Severity.WARNING,
        meaning="A check of the monitor itself failed",
        when="A check raises an error that nobody expected, or does not end in its time.",
        settles="After `fail_after` looks in a row; the first look that ends clears it.",
        because="The error's kind; the log has the traceback.",
        advice="Look at the monitor's log and report the traceback.",
    ),
    FaultRow(
        fault=Fault.BLIND,
        component=Component.MONITOR,
        severity=Severity.WARNING,
        meaning="The monitor cannot look",
        when="A check is unknown: no usable answer, no permission, something in front of the service, or no witness. A "
        "budget that is spent is not that, nor a pause while the reason for it is confirmed.",
        settles="After two unknown looks, and `blind_after` or twice the check's `every` since the first, whichever is "
        "longer.",
        because="What could not be read, and whether only a human can mend it; then nobody is reminded.",
        advice="Look at the reason: it is about the monitor's own access, not about the gateway.",
    ),
)

FAULTS: Mapping[Fault, FaultRow] = MappingProxyType({row.fault: row for row in _ROWS})

ORDER: Mapping[Fault, int] = MappingProxyType({fault: place for place, fault in enumerate(FAULTS)})
"""The place of a fault in the table: the most upstream first."""

CONFIGURED = frozenset({Fault.EXPORTER_DISABLED, Fault.CONFIG_DRIFT})
"""What the configuration says by itself."""

LOSSES = frozenset({Fault.TRACE_NOT_CREATED, Fault.EXPORT_FAILING, Fault.TRACE_MISSING})
"""The names that a loss may get: `refine.TRIAGE` decides which hop lost the traces."""

CAUSES = frozenset(row.fault for row in FAULTS.values() if Fault.TRACE_MISSING in row.explains)
"""What explains that no trace arrives. When one is fixed, its incident waits for traces before it resolves."""

MONITORS_OWN = frozenset({Fault.BLIND, Fault.CHECK_FAILED})
"""What is held against the monitor itself, and against nobody else."""
