"""Write `deploy/grafana/dashboard.json`, the dashboard for Grafana. `make dashboard`.

Three parts: all targets, one target, the monitor itself; `tools.grafana` has their panels.
"""

import json
import sys

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from monitor.telemetry.metrics import PREFIX
from tools.grafana.one_target import one_target
from tools.grafana.overview import overview
from tools.grafana.panels import SOURCE, link
from tools.grafana.queries import PAGE, UID, all_of
from tools.grafana.the_monitor import the_monitor


def variables() -> list[Builder[model.VariableModel]]:
    """What the reader chooses at the top."""

    def values(name: str, label: str, query: str) -> build.QueryVariable:
        return (
            build.QueryVariable(name)
            .label(label)
            .datasource(SOURCE)
            .query({"query": query, "refId": name})
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(model.VariableSort.NATURAL_ASC)
        )

    def several(variable: build.QueryVariable) -> build.QueryVariable:
        """All means all that there are, not `.*`: `up` and `process_…` are not the monitor's alone."""
        everything = model.VariableOption(selected=True, text=["All"], value=["$__all"])
        return variable.multi(True).include_all(True).current(everything)  # noqa: FBT003 - the SDK's own

    address = (
        f"{all_of('external_url_info')} or on (job, instance) "
        f'label_replace({all_of("build_info")}, "url", "http://$1", "instance", "(.+)")'
    )
    return [
        build.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        several(values("job", "Job", f"label_values({PREFIX}build_info, job)")),
        several(values("instance", "Monitor", f'label_values({PREFIX}build_info{{job=~"$job"}}, instance)')),
        values("target", "Target", f"label_values({all_of('target_severity')}, target)"),
        values("monitor_url", "Monitor's address", f"query_result({address})")
        .regex('/url="([^"]+)"/')
        .description("Used in links: `server.external_url`, or else the address that Prometheus scrapes."),
    ]


def dashboard() -> model.Dashboard:
    """The whole dashboard."""
    whole = (
        build.Dashboard("Gateway Trace Monitor")
        .uid(UID)
        .description(
            "Whether traces from TrueFoundry AI Gateways reach the trace backend, and where they are lost if not."
        )
        .tags(["gateway-trace-monitor", "truefoundry", "tracing"])
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .editable()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .links(
            [
                link("The monitor's page", f"{PAGE}/").icon("external link"),
                link("This target's page", f"{PAGE}/targets/${{target}}").icon("external link"),
                link("Silences", f"{PAGE}/silences").icon("external link"),
            ]
        )
        .variables(variables())
    )
    for title, panels in (
        ("All targets", overview()),
        ("Target: $target", one_target()),
        ("The monitor itself", the_monitor()),
    ):
        whole.with_row(build.Row(title))
        for panel in panels:
            whole.with_panel(panel)
    built = whole.build()
    for number, each in enumerate(built.panels or [], 1):
        each.id_val = number
    return built


def write() -> str:
    """The document, as it is kept."""
    return json.dumps(dashboard(), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(write())
