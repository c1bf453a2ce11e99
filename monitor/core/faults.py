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
    PHOENIX = "phoenix"
    EXPORT = "export"
    MONITOR = "monitor"


class Severity(IntEnum):
    """How bad: 0 healthy, 1 warning, 2 critical (also the value of the metric `target_severity`)."""

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
    VOLUME_LOSS = "volume_loss"
    TRACE_INCOMPLETE = "trace_incomplete"
    TRACE_LATE = "trace_late"
    TRACE_MISLABELLED = "trace_mislabelled"
    CHECK_FAILED = "check_failed"
    BLIND = "blind"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """One fault, in words.

    `title` says what is wrong, without the evidence, and `impact` what that means for the operator: `{since}` in it stands for the
    time since when, `{backend}` in any text for the name of the trace backend (`core.backend`). `when` is the evidence it needs and
    `settles` how much of that; `because` what the message gives as the reasons; `advice` the next step, where the evidence names
    no better one. `critical_if` says when a warning is critical after all. `explains` are mere consequences: listed under it,
    never beside it. `prevents_traces`: while it lasts no canary is served, so no trace can be missed.
    """

    fault: Fault
    component: Component
    severity: Severity
    title: str
    impact: str
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
"""What lost traces look like before their deadline."""

NOT_EXPORTED = frozenset({Fault.EXPORT_FAILING, Fault.TRACE_MISSING, Fault.VOLUME_LOSS}) | LATE
"""What becomes of traces that the exporter does not send, or the backend does not accept."""

WHERE = "AI Gateway → Controls → Settings → OTEL Config"
SINCE = "{since}"
"""The place in `impact` of the time since when."""

LOST = "Traces have been lost since {since}. Requests are not affected."
"""The impact once canaries are known to be lost."""

NOT_EXPORTED_FROM = (
    "No trace is exported from {since} on (the gateway may use its old settings for up to 5 min). "
    "Requests are not affected."
)
_UNCHECKED = "Traces have not been checked since {since}: the gateway serves no canary."
_LOSSES = "After `fail_after` losses in a row with no later arrival, or `loss_of` (three of the last twelve)."
_TRIAGE = "Whether TrueFoundry's own store has the traces, whether {backend} shows a test span, and the traces' ids."

_ROWS = (
    FaultRow(
        fault=Fault.GATEWAY_UNREACHABLE,
        component=Component.GATEWAY,
        severity=Severity.CRITICAL,
        title="The gateway is unreachable",
        impact="Requests to the gateway have failed since {since}, at least from where the monitor runs.",
        when="The gateway's health path does not answer (DNS, connect, TLS, timeout) while another service answers the "
        "monitor; or it answers with a redirect, or with a 5xx of its own.",
        settles="After `fail_after` checks in a row.",
        because="What failed, and that the monitor's own network works.",
        advice="Open the gateway's URL from another network. Check its pods, its ingress and its certificate.",
        explains=frozenset({Fault.CANARY_REJECTED, Fault.PROVIDER_FAILING}),
        prevents_traces=True,
    ),
    FaultRow(
        fault=Fault.GATEWAY_REFUSED,
        component=Component.GATEWAY,
        severity=Severity.WARNING,
        title="The gateway rejects the monitor's token",
        impact=f"{_UNCHECKED} Clients with other tokens are not affected.",
        when="The canary is answered with 401, and not by the provider.",
        settles="After `fail_after` canaries in a row.",
        because="The gateway's own words.",
        advice="Give the monitor a valid gateway token (TrueFoundry: Access Management → Virtual Accounts) as `gateway.token`, or as "
        "`control_plane.token` where it has no other, then run `trace-monitor check`.",
        prevents_traces=True,
    ),
    FaultRow(
        fault=Fault.RATE_LIMITED,
        component=Component.GATEWAY,
        severity=Severity.WARNING,
        title="The gateway rate-limits the canary",
        impact=f"{_UNCHECKED} Every client that shares this limit is refused too.",
        when="The canary is answered with 429: a rate limit or a budget.",
        settles="After `fail_after` canaries in a row; at once if `Retry-After` asks for more than 30 minutes. After a 429 the "
        "interval doubles, or follows `Retry-After`, up to 30 minutes.",
        because="The gateway's own words, and the rules that it says it applied.",
        advice="Raise the limit or the budget of the canary's account, or give it a virtual account of its own.",
        prevents_traces=True,
    ),
    FaultRow(
        fault=Fault.CANARY_REJECTED,
        component=Component.GATEWAY,
        severity=Severity.WARNING,
        title="The gateway rejects the canary request",
        impact=f"{_UNCHECKED} The gateway itself is healthy.",
        when="The canary is answered with 400, 403, 404 or another 4xx, with a redirect, with a 2xx that holds no chat "
        "completion, or from the cache.",
        settles="After `fail_after` canaries in a row.",
        because="The gateway's own words, and the guardrail that refused.",
        advice="Grant the model to the canary's account, or change `gateway.model` or `checks.canary`.",
        prevents_traces=True,
    ),
    FaultRow(
        fault=Fault.PROVIDER_FAILING,
        component=Component.PROVIDER,
        severity=Severity.WARNING,
        title="The model provider is failing",
        impact="Requests for the canary's model have failed since {since}; the gateway itself is healthy. Traces are not "
        "checked meanwhile.",
        when="The canary is answered with a 5xx in the gateway's error envelope, a 408, or the provider's 401; or with a "
        "5xx, or not at all, while the gateway answers its health path.",
        settles="After `fail_after` canaries in a row.",
        because="The provider's name and words, or that the gateway itself answers.",
        advice="Check the provider's status page, or point `gateway.model` at another provider.",
        prevents_traces=True,
    ),
    FaultRow(
        fault=Fault.EXPORTER_DISABLED,
        component=Component.CONFIG,
        severity=Severity.CRITICAL,
        title="Trace export is switched off",
        impact=NOT_EXPORTED_FROM,
        when="The manifest `gateway-otel-config` has no traces exporter; or it reads as 404, null or empty while the "
        "session endpoint answers the same token with a tenant's name. A warning if canaries sent `settle` or more after "
        "the change still arrive.",
        settles="At once by a manifest that was read; by 404, null or empty after `fail_after` checks in a row.",
        because="Who changed it and when, if that lies between the two checks that differ; or that traces still arrive.",
        advice=f"Switch on the traces exporter in {WHERE}. `trace-monitor expected` prints every field.",
        explains=NOT_EXPORTED,
    ),
    FaultRow(
        fault=Fault.CONFIG_DRIFT,
        component=Component.CONFIG,
        severity=Severity.WARNING,
        critical_if="it stops the export",
        title="The export configuration is not as expected",
        impact="Traces are still exported and requests are not affected; the difference has existed since {since}.",
        when="A field of the manifest differs. It stops the export, and is critical, if that is type, endpoint, "
        "encoding, an Authorization that is absent, malformed or another key than the monitor's, or a `when` filter that "
        "excludes the canary or cannot be evaluated; critical as well is an `exclude_request_data: true` that is not "
        "kept. A warning if traces still arrive, or if {backend} refuses the monitor's own key: then the key was "
        "probably rotated. With Phoenix another key may be as good: a warning until every trace that was sent with it is lost.",
        settles="At once by a manifest that was read; after `fail_after` checks in a row where headers are no longer "
        "shown.",
        because="Each field with its value and the value it should have, secrets as fingerprints; who changed it and "
        "when, if that lies between the two checks that differ.",
        advice=f"Set the fields that differ back in {WHERE}. `trace-monitor expected` prints every field.",
        explains=NOT_EXPORTED,
    ),
    FaultRow(
        fault=Fault.WRONG_ENVIRONMENT,
        component=Component.CONFIG,
        severity=Severity.CRITICAL,
        title="Traces go to the wrong {backend} environment",
        impact="Traces have been missing here since {since}; they are stored in the other environment and not lost. "
        "Requests are not affected.",
        when="One of `other_environments`, or {backend}'s per-trace route, shows the trace of a canary in another "
        "environment, and the documented read of the expected one does not show it; or that read shows it under another "
        "environment than `{section}.environment`.",
        settles="At once: the trace was found. Cleared by traces that arrive, or that are in neither environment.",
        because="The environment found and the one expected, and the trace's id.",
        advice="Put the key of the right environment into the exporter's Authorization header.",
        explains=NOT_EXPORTED,
    ),
    FaultRow(
        fault=Fault.CONTENT_LEAKED,
        component=Component.CONFIG,
        severity=Severity.CRITICAL,
        title="Traces contain request or response content",
        impact="Prompts or answers have been stored in {backend} since {since}, although they must not be.",
        when="A documented read of a whole trace shows what the canary asked or was answered although "
        "`exclude_request_data` is expected to be true, or a credential, or what `checks.canary.decoy` plants. It is "
        "recognised in a value, also where that is encoded; a name proves nothing.",
        settles="At once: one trace is one too many.",
        because="The attributes by name, never their values, and the trace's id.",
        advice="Set `exclude_request_data: true` on the traces exporter, then delete the traces that hold content in "
        "{backend}.",
    ),
    FaultRow(
        fault=Fault.CONTENT_MISSING,
        component=Component.CONFIG,
        severity=Severity.WARNING,
        title="Traces arrive without request and response content",
        impact="Traces have arrived without prompts and answers since {since}. Requests are not affected.",
        when="A documented read of a whole trace shows no content, redacted or not, although `exclude_request_data` is "
        "expected to be false.",
        settles="After `fail_after` traces in a row.",
        because="The traces' ids.",
        advice="Set `exclude_request_data: false` on the traces exporter, and check the gateway's logging "
        "configuration.",
    ),
    FaultRow(
        fault=Fault.TRACE_NOT_CREATED,
        component=Component.GATEWAY,
        severity=Severity.CRITICAL,
        title="The gateway creates no traces",
        impact=LOST,
        when="A trace is missing in {backend}, and TrueFoundry's own store, which has shown a span of a canary within "
        "the last day, does not have it either.",
        settles=_LOSSES,
        because=_TRIAGE,
        advice="Check the gateway's logging configuration, and the connection from the gateway to TrueFoundry's "
        "collector.",
        explains=LATE | {Fault.VOLUME_LOSS},
    ),
    FaultRow(
        fault=Fault.KEY_REJECTED,
        component=Component.TRACELOOP,
        severity=Severity.CRITICAL,
        title="{backend} rejects the exporter's key",
        impact=LOST,
        when="A documented route of {backend} (OTLP ingest, read API) answers 401 to the expected key, "
        "and the gateway is not known to carry another one.",
        settles="At once if the gateway's header, read literally after the 401, holds the same key; else after "
        "`fail_after`.",
        because="Which route refused, and whether the gateway carries the same key, if that is known.",
        advice="Generate a new key in {backend} (Settings → API keys) and put it into the gateway and into the monitor.",
        explains=NOT_EXPORTED | {Fault.INGEST_FAILING},
    ),
    FaultRow(
        fault=Fault.INGEST_FAILING,
        component=Component.TRACELOOP,
        severity=Severity.CRITICAL,
        title="{backend} does not accept traces",
        impact=LOST,
        when="The expected endpoint answers a test span with a 3xx, a 5xx or a 4xx other than 401 and 429, "
        "rejects it in part, or gives no answer while another service answers the monitor; or it accepts the span, and "
        "a documented read that succeeds at or after `missing_after` does not show it.",
        settles="After `fail_after` test spans in a row.",
        because="What the endpoint answered, or which test span is not shown, and whether this route has ever shown "
        "one.",
        advice="Check {status}, and report what was seen to {owner}. The gateway is not at fault.",
        explains=NOT_EXPORTED,
    ),
    FaultRow(
        fault=Fault.EXPORT_FAILING,
        component=Component.EXPORT,
        severity=Severity.CRITICAL,
        title="Traces are lost between TrueFoundry and {backend}",
        impact=LOST,
        when="A trace is missing in {backend}, TrueFoundry's own store has it, and {backend} shows a test span that "
        "was sent later.",
        settles=_LOSSES,
        because=_TRIAGE,
        advice="Report the ids of the lost traces to TrueFoundry's support. On a self-hosted collector check its egress "
        "and its log.",
        explains=LATE | {Fault.VOLUME_LOSS},
    ),
    FaultRow(
        fault=Fault.TRACE_MISSING,
        component=Component.EXPORT,
        severity=Severity.CRITICAL,
        title="Traces do not arrive in {backend}",
        impact=LOST,
        when="A read that succeeded at or after `missing_after` does not show the trace, by a route that has shown "
        "a span of the monitor's within the last day with the same key; and neither TrueFoundry's own store nor the test "
        "span shows which hop lost it.",
        settles=_LOSSES,
        because=_TRIAGE,
        advice="Look the lost traces up in TrueFoundry by their ids: if they are there, the export is broken; if not, "
        "the gateway creates none.",
        explains=LATE | {Fault.VOLUME_LOSS},
    ),
    FaultRow(
        fault=Fault.VOLUME_LOSS,
        component=Component.EXPORT,
        severity=Severity.WARNING,
        critical_if="less than half arrives",
        title="Traces of real requests are missing in {backend}",
        impact="Some requests have left no trace in {backend} since {since}. Requests are not affected.",
        when="Of the requests that the gateway served in a window of `checks.volume.every`, {backend} counts the traces of "
        "less than `min_ratio`. A window counts with `min_requests` or more; one in which traces were lost for a reason "
        "that is known does not.",
        settles="After `fail_after` windows in a row.",
        because="How many requests were served and how many traces are stored, by whom and in which time.",
        advice="Look for a `when` filter or a logging rule that leaves some requests out (AI Gateway → Controls → Settings), for "
        "sampling in a Collector, and check that {backend} still takes spans (quota, database).",
    ),
    FaultRow(
        fault=Fault.TRACE_INCOMPLETE,
        component=Component.EXPORT,
        severity=Severity.WARNING,
        title="Traces arrive incomplete",
        impact="Spans have been missing from traces since {since}. Requests are not affected.",
        when="At `missing_after` the root is missing, a parent is missing, or there are fewer spans than "
        "`complete_spans`.",
        settles="After `fail_after` traces in a row.",
        because="How many spans arrived, what is missing, and the traces' ids.",
        advice="Check the exporter for a `when` filter, and the collector's log for dropped spans.",
    ),
    FaultRow(
        fault=Fault.TRACE_LATE,
        component=Component.EXPORT,
        severity=Severity.WARNING,
        title="Traces arrive late",
        impact="Traces have arrived since {since}, but late. Requests are not affected.",
        when="A read that succeeded at `late_after` does not show the whole trace, by a route whose answer counts as "
        "absence.",
        settles="After `fail_after` traces in a row.",
        because="How many in a row, and the traces' ids.",
        advice="Check the exporter's queue and {status}. If this is normal for you, raise `checks.arrival.late_after`.",
    ),
    FaultRow(
        fault=Fault.TRACE_MISLABELLED,
        component=Component.EXPORT,
        severity=Severity.WARNING,
        title="Traces arrive with wrong labels",
        impact="Since {since} traces are stored, but dashboards and alerts that filter by these labels do not see them.",
        when="A documented read of a whole trace shows another service name, or a required resource attribute differs "
        "or is absent.",
        settles="After `fail_after` traces in a row.",
        because="Each label with its value and the value it should have, and the traces' ids.",
        advice="Compare `expected.service_name` and the exporter's `additional_resource_attributes` with what was found.",
    ),
    FaultRow(
        fault=Fault.CHECK_FAILED,
        component=Component.MONITOR,
        severity=Severity.WARNING,
        title="A check of the monitor itself fails",
        impact="What this check watches has not been checked since {since}. Nothing else is known to be wrong.",
        when="A check raises an unexpected error, or does not end in time.",
        settles="After `fail_after` times in a row; the first check that ends clears it.",
        because="The error's kind; the log has the traceback.",
        advice="Find the traceback in the monitor's log and report it as a bug of Gateway Trace Monitor.",
    ),
    FaultRow(
        fault=Fault.BLIND,
        component=Component.MONITOR,
        severity=Severity.WARNING,
        title="The monitor cannot check",
        impact="What this check watches has not been checked since {since}.",
        when="A check is unknown: no usable answer, no permission, something in front of the service, or no other "
        "service answers either. A spent budget does not count, nor a pause while the reason for it is confirmed.",
        settles="After two unknown results, and `blind_after` or twice the check's `every` since the first, whichever is "
        "longer.",
        because="What could not be read; whether only a person can fix it (then there are no reminders).",
        advice="Fix the monitor's own access. Nothing is known to be wrong with the gateway.",
    ),
)

FAULTS: Mapping[Fault, FaultRow] = MappingProxyType({row.fault: row for row in _ROWS})

ORDER: Mapping[Fault, int] = MappingProxyType({fault: place for place, fault in enumerate(FAULTS)})
"""The place of a fault in the table: the most upstream first."""

CONFIGURED = frozenset({Fault.EXPORTER_DISABLED, Fault.CONFIG_DRIFT})
"""What the configuration says by itself."""

LOSSES = frozenset({Fault.TRACE_NOT_CREATED, Fault.EXPORT_FAILING, Fault.TRACE_MISSING})
"""The names that a loss may get: `path.TRIAGE` decides which hop lost the traces."""

CAUSES = frozenset(row.fault for row in FAULTS.values() if Fault.TRACE_MISSING in row.explains)
"""What explains that no trace arrives. When one is fixed, its incident waits for traces before it resolves."""

MONITORS_OWN = frozenset({Fault.BLIND, Fault.CHECK_FAILED})
"""What is held against the monitor itself, and against nobody else."""
