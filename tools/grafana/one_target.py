"""The part of the dashboard about one target: what is broken, and since when?"""

from monitor.settings.target import ArrivalCheck, VolumeCheck
from tools.grafana.panels import (
    GREEN,
    GREY,
    ORANGE,
    OUTCOMES,
    RED,
    RUNBOOK,
    SEVERITY,
    VERDICT,
    YELLOW,
    Panel,
    Query,
    chart,
    figure,
    gauges,
    heat,
    timeline,
    words,
)
from tools.grafana.queries import CADENCE, UNPROVEN_AFTER, kept, one, quantile, verdicts

_ARRIVAL = ArrivalCheck()  # the defaults
_MIN_RATIO = VolumeCheck().min_ratio


def one_target() -> list[Panel]:
    """What is it like, and since when?"""
    faults = f"max by (fault) ({one('fault_active')})"
    ever = f"max by (fault) (max_over_time({one('fault_active')}[$__range] @ end()))"
    arrivals = one("trace_arrival_seconds_bucket")
    answers = one("canary_duration_seconds_bucket")
    return [
        figure(
            "State",
            "The severity of the open incident.",
            Query(f"max({one('target_severity')})"),
            width=4,
            mapped=SEVERITY,
        ),
        figure(
            "Last arrival",
            "Time since a complete canary trace was last found in the trace backend.",
            Query(f"time() - max({one('check_last_pass_timestamp_seconds', check='arrival')})"),
            width=4,
            unit="s",
            steps=[(None, "text"), (UNPROVEN_AFTER, ORANGE)],
            nothing="none yet",
        ),
        figure(
            "Traces awaited",
            "Answered canaries whose trace has not arrived yet.",
            Query(f"max({one('traces_pending')})"),
            width=4,
        ),
        figure(
            "Differences",
            "Fields of the export configuration that differ from what is expected.",
            Query(f"max({one('config_differences')})"),
            width=4,
            steps=[(None, GREEN), (1, ORANGE)],
            mapped=words((None, "cannot be read", GREY)),
        ),
        figure(
            "Labels and content checked",
            "Whether the service name, resource attributes and content of the newest trace could be checked.",
            Query(f"max({one('labels_judged')})"),
            width=4,
            mapped=words((0, "no", GREY), (1, "yes", GREEN), (None, "not yet", GREY)),
        ),
        figure(
            "Budget left today",
            "The share of today's (UTC) budget of canaries or tokens that is left, whichever is smaller.",
            Query(f"min({one('canary_budget_remaining_ratio')})"),
            width=4,
            unit="percentunit",
            decimals=0,
            steps=[(None, ORANGE), (0.1, "text")],
        ),
        timeline(
            "Faults",
            "Every fault confirmed in this period. Click one to open its runbook.",
            Query(f"{faults} and on (fault) {ever} == 1", "{{fault}}"),
            width=12,
            mapped=words((0, "no", "transparent"), (1, "active", RED)),
            nothing="No fault was active.",
            links=[RUNBOOK],
        ),
        timeline(
            "Checks",
            "The latest verdict of each check.",
            Query(verdicts("check", target="$target"), "{{check}}"),
            width=12,
            mapped=VERDICT,
        ),
        heat(
            "Arrival of traces",
            "Time from the gateway's answer until the complete trace was in the trace backend.",
            Query(f"sum by (le) (increase({arrivals}[$__rate_interval]))", "{{le}}"),
            width=12,
            unit="s",
            interval=CADENCE,
        ),
        chart(
            "Arrival time, quantiles over one hour",
            "Dashed lines: the defaults of `late_after` (yellow) and `missing_after` (red).",
            Query(quantile(0.5, arrivals, "1h"), "p50"),
            Query(quantile(0.95, arrivals, "1h"), "p95"),
            width=12,
            unit="s",
            steps=[(None, "transparent"), (_ARRIVAL.late_after, YELLOW), (_ARRIVAL.missing_after, RED)],
        ),
        chart(
            "Canaries by outcome",
            "What happened to each canary's trace. `recovered` is counted in addition: a missing trace that arrived after all.",
            Query(f"sum by (outcome) (increase({one('traces_total')}[$__rate_interval]))", "{{outcome}}"),
            width=8,
            bars=True,
            stacked=True,
            interval=CADENCE,
            colors=OUTCOMES,
        ),
        chart(
            "Real requests with a trace",
            "The share of the gateway's requests in the last counted window whose trace is in the trace backend, where "
            "`checks.volume` is enabled. Dashed line: the default of `min_ratio`.",
            Query(f"min({one('volume_ratio')})", "with a trace"),
            width=8,
            unit="percentunit",
            steps=[(None, ORANGE), (_MIN_RATIO, "transparent")],
            nothing="checks.volume is off or has not counted",
        ),
        chart(
            "Phases of the last canary's request",
            "How the gateway's response time is spent. `processing` includes the model provider.",
            Query(f"max by (phase) ({one('canary_phase_seconds')})", "{{phase}}"),
            width=8,
            unit="s",
            stacked=True,
        ),
        chart(
            "Gateway response time, quantiles over one hour",
            "From a canary's request to the end of the answer.",
            Query(quantile(0.5, answers, "1h"), "p50"),
            Query(quantile(0.95, answers, "1h"), "p95"),
            width=8,
            unit="s",
        ),
        chart(
            "Configuration differences",
            "Fields that differ from what is expected. No data while the configuration cannot be read.",
            Query(f"max({one('config_differences')})", "fields"),
            width=8,
        ),
        chart(
            "Tokens per hour",
            "Tokens used by canaries.",
            Query(f"sum by (kind) (increase({one('canary_tokens_total')}[1h]))", "{{kind}}"),
            width=8,
            stacked=True,
        ),
        chart(
            "Budget left",
            "Resets at midnight UTC. Dashed line: the threshold of the alert TraceMonitorCanaryBudgetLow, which does not fire "
            "late in the day.",
            Query(f"min({one('canary_budget_remaining_ratio')})", "left"),
            width=8,
            unit="percentunit",
            ratio=True,
            steps=[(None, ORANGE), (0.1, "transparent")],
        ),
        gauges(
            "Certificates expire in",
            "Certificates of the services that the monitor reaches over TLS. Orange: less than 14 days, as in the alert "
            "GatewayCertificateExpiring.",
            Query(f"min by (of) ({kept('endpoint', one('certificate_expiry_timestamp_seconds'))}) - time()", "{{of}}"),
            width=8,
            unit="s",
            steps=[(None, ORANGE), (14 * 86400, GREEN)],
            nothing="No certificate has been seen.",
        ),
        gauges(
            "Tokens expire in",
            "Tokens whose expiry can be read. Orange: less than 7 days, as in the alert GatewayTokenExpiring.",
            Query(f"min by (credential) ({one('token_expiry_timestamp_seconds')}) - time()", "{{credential}}"),
            width=8,
            unit="s",
            steps=[(None, ORANGE), (7 * 86400, GREEN)],
            nothing="No token with a readable expiry.",
        ),
    ]
