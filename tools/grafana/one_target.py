"""The part of the dashboard about one target: what is broken, and since when?"""

from monitor.settings.target import ArrivalCheck
from tools.grafana.panels import (
    GREEN,
    GREY,
    ORANGE,
    RED,
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
from tools.grafana.words import OUTCOMES, RUNBOOK, SEVERITY, VERDICT

_ARRIVAL = ArrivalCheck()  # as it is built in


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
            "The time since a canary's trace was last seen whole in the trace backend.",
            Query(f"time() - max({one('check_last_pass_timestamp_seconds', check='arrival')})"),
            width=4,
            unit="s",
            steps=[(None, "text"), (UNPROVEN_AFTER, ORANGE)],
            nothing="none yet",
        ),
        figure(
            "Traces awaited",
            "Canaries that were answered and whose trace is not there yet.",
            Query(f"max({one('traces_pending')})"),
            width=4,
        ),
        figure(
            "Differences",
            "Fields of the export configuration that are not as expected.",
            Query(f"max({one('config_differences')})"),
            width=4,
            steps=[(None, GREEN), (1, ORANGE)],
            mapped=words((None, "cannot be read", GREY)),
        ),
        figure(
            "Labels and content checked",
            "Whether service name, resource attributes and content of the newest trace could be read.",
            Query(f"max({one('labels_judged')})"),
            width=4,
            mapped=words((0, "not readable", GREY), (1, "yes", GREEN), (None, "not yet", GREY)),
        ),
        figure(
            "Budget left today",
            "The share of the UTC day's canaries or tokens that is left, whichever is smaller.",
            Query(f"min({one('canary_budget_remaining_ratio')})"),
            width=4,
            unit="percentunit",
            decimals=0,
            steps=[(None, ORANGE), (0.1, "text")],
        ),
        timeline(
            "Faults",
            "Every fault that was confirmed in this period. A click leads to its runbook.",
            Query(f"{faults} and on (fault) {ever} == 1", "{{fault}}"),
            width=12,
            mapped=words((0, "no", "transparent"), (1, "active", RED)),
            nothing="No fault was active.",
            links=[RUNBOOK],
        ),
        timeline(
            "Checks",
            "What each check said last.",
            Query(verdicts("check", target="$target"), "{{check}}"),
            width=12,
            mapped=VERDICT,
        ),
        heat(
            "Arrival of traces",
            "How long traces took from the gateway's answer until they were whole in the trace backend.",
            Query(f"sum by (le) (increase({arrivals}[$__rate_interval]))", "{{le}}"),
            width=12,
            unit="s",
            interval=CADENCE,
        ),
        chart(
            "Arrival, quantiles of one hour",
            "Dashed: `late_after` (yellow) and `missing_after` (red) as they are built in.",
            Query(quantile(0.5, arrivals, "1h"), "p50"),
            Query(quantile(0.95, arrivals, "1h"), "p95"),
            width=12,
            unit="s",
            steps=[(None, "transparent"), (_ARRIVAL.late_after, YELLOW), (_ARRIVAL.missing_after, RED)],
        ),
        chart(
            "Canaries by what became of their trace",
            "`recovered` comes besides: a trace that was missing and arrived after all.",
            Query(f"sum by (outcome) (increase({one('traces_total')}[$__rate_interval]))", "{{outcome}}"),
            width=12,
            bars=True,
            stacked=True,
            interval=CADENCE,
            colors=OUTCOMES,
        ),
        chart(
            "Phases of the last canary's request",
            "Where the time of the gateway's answer goes; `processing` contains the model provider.",
            Query(f"max by (phase) ({one('canary_phase_seconds')})", "{{phase}}"),
            width=12,
            unit="s",
            stacked=True,
        ),
        chart(
            "The gateway's answer, quantiles of one hour",
            "From a canary's request to the whole answer.",
            Query(quantile(0.5, answers, "1h"), "p50"),
            Query(quantile(0.95, answers, "1h"), "p95"),
            width=8,
            unit="s",
        ),
        chart(
            "Differences of the configuration",
            "Fields that are not as expected; nothing while the configuration cannot be read.",
            Query(f"max({one('config_differences')})", "fields"),
            width=8,
        ),
        chart(
            "Tokens per hour",
            "What the canaries used.",
            Query(f"sum by (kind) (increase({one('canary_tokens_total')}[1h]))", "{{kind}}"),
            width=8,
            stacked=True,
        ),
        chart(
            "Budget left",
            "It begins anew at midnight UTC. Dashed: the alert TraceMonitorCanaryBudgetLow, which does not fire late in the day.",
            Query(f"min({one('canary_budget_remaining_ratio')})", "left"),
            width=8,
            unit="percentunit",
            ratio=True,
            steps=[(None, ORANGE), (0.1, "transparent")],
        ),
        gauges(
            "Certificates expire in",
            "Of the services that are asked by TLS. Orange: less than the 14 days of the alert GatewayCertificateExpiring.",
            Query(f"min by (of) ({kept('endpoint', one('certificate_expiry_timestamp_seconds'))}) - time()", "{{of}}"),
            width=8,
            unit="s",
            steps=[(None, ORANGE), (14 * 86400, GREEN)],
            nothing="No certificate was seen.",
        ),
        gauges(
            "Tokens expire in",
            "Of the tokens that show it. Orange: less than the 7 days of the alert GatewayTokenExpiring.",
            Query(f"min by (credential) ({one('token_expiry_timestamp_seconds')}) - time()", "{{credential}}"),
            width=8,
            unit="s",
            steps=[(None, ORANGE), (7 * 86400, GREEN)],
            nothing="No token shows when it expires.",
        ),
    ]
