"""The part of the dashboard about all targets: how is everything?"""

from tools.grafana.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    SEVERITY,
    SHARE,
    VERDICT,
    Column,
    Panel,
    Query,
    chart,
    figure,
    link,
    rows,
    timeline,
)
from tools.grafana.queries import PAGE, UID, UNPROVEN_AFTER, age, all_of, in_time, process, verdicts


def overview() -> list[Panel]:
    """How is everything?"""
    severity = f"max by (target) ({all_of('target_severity')})"
    switch = (
        f"/d/{UID}?var-target=${{__value.raw}}&${{datasource:queryparam}}&${{job:queryparam}}&${{instance:queryparam}}"
        "&${monitor_url:queryparam}&${__url_time_range}"
    )
    links = (
        link("Show this target below", switch, new_tab=False),
        link("The monitor's page", f"{PAGE}/targets/${{__value.raw}}"),
    )
    return [
        figure(
            "Targets",
            "Number of healthy targets, and of targets with an open incident of each severity.",
            Query(f"count({severity} == 0) or vector(0)", "healthy"),
            Query(f"count({severity} == 1) or vector(0)", "warning"),
            Query(f"count({severity} == 2) or vector(0)", "critical"),
            width=9,
            named=True,
            colors={
                "healthy": [(None, "text"), (1, GREEN)],
                "warning": [(None, "text"), (1, ORANGE)],
                "critical": [(None, "text"), (1, RED)],
            },
        ),
        figure(
            "Open incidents",
            "A target has at most one open incident. It stays open after the cause is fixed, until traces arrive again.",
            Query(f"sum(max by (target) ({all_of('incident_open')}))"),
            width=4,
            steps=[(None, GREEN), (1, ORANGE)],
        ),
        figure(
            "Silenced",
            "Targets with an active silence: nobody is notified about their incidents.",
            Query(f"sum(max by (target) ({all_of('silence_active')}))"),
            width=4,
            steps=[(None, "text"), (1, BLUE)],
        ),
        figure(
            "Monitors up",
            "Whether Prometheus can scrape the selected monitors.",
            Query(f"""sum({process("up")})""", "up"),
            Query(f"""count({process("up")} == 0) or vector(0)""", "down"),
            width=7,
            named=True,
            colors={"up": [(None, RED), (1, GREEN)], "down": [(None, "text"), (1, RED)]},
        ),
        rows(
            "Targets now",
            "In time: the share of judged canaries whose trace arrived before `late_after`, from the recording rules. The "
            "columns for 1 d and 30 d are updated by the hour.",
            Query(severity),
            Query(age(all_of("check_last_pass_timestamp_seconds", check="arrival"), "target")),
            Query(in_time("1h")),
            Query(in_time("1d")),
            Query(in_time("30d")),
            Query(f"max by (target) ({all_of('traces_pending')})"),
            width=16,
            nothing="no target",
            sort_by="State",
            columns={
                "target": Column(name="Target", links=links),
                "Value #A": Column(name="State", words=SEVERITY),
                "Value #B": Column(name="Last arrival", unit="s", steps=[(None, "text"), (UNPROVEN_AFTER, ORANGE)]),
                "Value #C": Column(name="In time, 1 h", unit="percentunit", steps=SHARE),
                "Value #D": Column(name="1 d", unit="percentunit", steps=SHARE),
                "Value #E": Column(name="30 d", unit="percentunit", steps=SHARE),
                "Value #F": Column(name="Awaited"),
            },
        ),
        rows(
            "Active faults",
            "Every confirmed fault, with a link to its runbook.",
            Query(f"max by (target, fault) ({all_of('fault_active')}) == 1"),
            width=8,
            nothing="No fault is active.",
            columns={
                "target": Column(name="Target", links=links),
                "fault": Column(name="Fault", links=(link("Runbook", f"{PAGE}/runbooks/${{__value.raw}}"),)),
            },
        ),
        timeline(
            "Severity",
            "The severity of each target's open incident. A gap means that the monitor was not scraped.",
            Query(severity, "{{target}}"),
            width=12,
            mapped=SEVERITY,
        ),
        timeline(
            "Verdict of each check",
            "The latest verdict of each check. `unknown` is not a failure: the check could not be made.",
            Query(verdicts("target, check"), "{{target}} · {{check}}"),
            width=12,
            mapped=VERDICT,
        ),
        chart(
            "Time since the last trace arrived",
            "It rises while no canary's trace arrives, whatever the reason. Dashed line: the threshold of the alert "
            "GatewayTraceUnproven.",
            Query(age(all_of("check_last_pass_timestamp_seconds", check="arrival"), "target"), "{{target}}"),
            width=12,
            unit="s",
            steps=[(None, "transparent"), (UNPROVEN_AFTER, ORANGE)],
        ),
        chart(
            "Traces in time, last hour",
            "The share of canaries judged in the preceding hour whose trace arrived before `late_after`.",
            Query(in_time("1h"), "{{target}}"),
            width=12,
            unit="percentunit",
            ratio=True,
            nothing="no canary was judged",
        ),
    ]
