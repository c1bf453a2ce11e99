"""The part of the dashboard about the monitor itself: does it check, and would people be notified?"""

from grafana_foundation_sdk.models.common import BigValueTextMode

from tools.grafana.panels import GREEN, ORANGE, RED, YES, Panel, Query, chart, figure, words
from tools.grafana.queries import age, all_of, kept, process, quantile


def the_monitor() -> list[Panel]:
    """Does it check, and would people be notified?"""
    lag = all_of("event_loop_lag_seconds_bucket")
    requests = f"increase({all_of('remote_requests_total')}[$__rate_interval])"
    return [
        figure(
            "Notices pending",
            "Notices waiting to be delivered. The monitor keeps retrying them.",
            Query(f"max by (notifier) ({all_of('notices_pending')})", "{{notifier}}"),
            width=5,
            named=True,
            steps=[(None, GREEN), (1, ORANGE)],
            nothing="no notifier",
        ),
        figure(
            "Last notice delivered",
            "Time since each notifier last delivered a notice. A long time is normal while nothing happens; "
            "`alerting.self_test` proves that delivery works.",
            Query(age(all_of("notice_last_success_timestamp_seconds"), "notifier"), "{{notifier}}"),
            width=5,
            named=True,
            unit="s",
            nothing="none yet",
        ),
        figure(
            "Heartbeat",
            "Time since the dead man's switch last accepted a ping.",
            Query(age(all_of("heartbeat_last_success_timestamp_seconds"), "instance"), "accepted ago"),
            Query(f"max({all_of('heartbeat_failing')})", "failing"),
            width=5,
            named=True,
            unit="s",
            nothing="not configured",
            colors={"failing": [(None, "text"), (1, RED)]},
            renamed={"failing": YES},
        ),
        figure(
            "Configuration",
            "Whether the configuration that was last read is in use.",
            Query(f"min by (instance) ({all_of('reload_successful')})", "{{instance}}"),
            width=5,
            mapped=words((0, "refused", ORANGE), (1, "in use", GREEN)),
        ),
        figure(
            "Version",
            "Version of each running monitor.",
            Query(f"max by (version) ({all_of('build_info')})", "{{version}}"),
            width=4,
            text=BigValueTextMode.NAME,
        ),
        chart(
            "Attempts to notify",
            "Attempts to deliver a notice, by notifier and outcome.",
            Query(
                f"sum by (notifier, outcome) (increase({all_of('notices_total')}[$__rate_interval])) > 0",
                "{{notifier}} {{outcome}}",
            ),
            width=8,
            bars=True,
            stacked=True,
            nothing="No notices were sent.",
        ),
        chart(
            "Notices pending",
            "Notices waiting to be delivered. Dashed line: the alert TraceMonitorNoticesPending fires after ten minutes.",
            Query(f"max by (notifier) ({all_of('notices_pending')})", "{{notifier}}"),
            width=8,
            steps=[(None, "transparent"), (1, ORANGE)],
        ),
        chart(
            "Time since each check ran",
            "For the target that has waited longest. It normally stays below the check's interval; `arrival` runs only while "
            "a trace is awaited.",
            Query(f"max by (check) (time() - {all_of('check_last_run_timestamp_seconds')})", "{{check}}"),
            width=8,
            unit="s",
        ),
        chart(
            "Requests to remote services",
            "Requests by service and outcome.",
            Query(
                f"sum by (of, outcome) ({kept('service', requests)}) > 0",
                "{{of}} {{outcome}}",
            ),
            width=12,
            bars=True,
            stacked=True,
            interval="1m",
        ),
        chart(
            "Duration of checks, 95th percentile over one hour",
            "If a check takes longer than its interval, runs are skipped.",
            Query(quantile(0.95, all_of("check_duration_seconds_bucket"), "1h", "check"), "{{check}}"),
            width=12,
            unit="s",
        ),
        chart(
            "Event loop lag",
            "How late the event loop wakes up. More than a second means that something blocks it.",
            Query(quantile(0.99, lag, "$__rate_interval", "instance"), "p99 {{instance}}"),
            width=6,
            unit="s",
        ),
        chart(
            "Runs skipped",
            "Runs that were due while the previous run was still in progress.",
            Query(
                f"sum by (instance, reason) (increase({all_of('scheduler_skipped_total')}[$__rate_interval]))",
                "{{reason}} {{instance}}",
            ),
            width=6,
            bars=True,
        ),
        chart(
            "Memory",
            "Resident memory.",
            Query(process("process_resident_memory_bytes"), "{{instance}}"),
            width=6,
            unit="bytes",
        ),
        chart(
            "CPU",
            "CPU cores in use.",
            Query(f"rate({process('process_cpu_seconds_total')}[$__rate_interval])", "{{instance}}"),
            width=6,
            unit="none",
        ),
    ]
