"""The queries of the dashboard for Grafana.

Several monitors that watch the same targets are read together: a target is as bad as the worst of them says.
"""

from monitor.telemetry.metrics import PREFIX

UID = "gateway-trace-monitor"
PAGE = "${monitor_url:raw}"
UNPROVEN_AFTER = 3600
"""From when on the alert GatewayTraceUnproven fires."""
CADENCE = "5m"
"""As often as a canary is sent: counted over less, its series are mostly zero."""


def all_of(name: str, **labels: str) -> str:
    """A metric of the chosen monitors. A label's value that begins with `~` is a regular expression."""
    chosen = {"job": "~$job", "instance": "~$instance", **labels}
    matchers = (f'{label}={"~" * value.startswith("~")}"{value.removeprefix("~")}"' for label, value in chosen.items())
    return f"{PREFIX}{name}{{{','.join(matchers)}}}"


def one(name: str, **labels: str) -> str:
    """A metric of the chosen target."""
    return all_of(name, target="$target", **labels)


def process(name: str) -> str:
    """A metric of the chosen monitors' processes."""
    return all_of(name).removeprefix(PREFIX)


def in_time(within: str) -> str:
    """The share of traces that arrived in time, as the shipped rules record it: counted over a month, it is too dear for a panel."""
    return f'min by (target) (target:{PREFIX}arrival:ratio_{within}{{job=~"$job"}})'


def verdicts(by: str, **labels: str) -> str:
    """One number per check: bits for pass (1), unknown (2) and fail (4); 0 before it has run."""
    weights = {"fail": 4, "unknown": 2, "pass": 1}
    return " + ".join(
        f"{weight} * max by ({by}) ({all_of('check_verdict', verdict=verdict, **labels)})"
        for verdict, weight in weights.items()
    )


def kept(label: str, series: str) -> str:
    """Series with one of the monitor's labels as `of`: Prometheus renames it where a label of its own has the same name.

    The Prometheus Operator adds `endpoint` and `service` to what it scrapes.
    """
    for name in (label, f"exported_{label}"):
        series = f'label_replace({series}, "of", "$1", "{name}", "(.+)")'
    return series


def quantile(share: float, bucket: str, within: str, by: str = "") -> str:
    """A quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) (rate({bucket}[{within}])))"


def age(timestamp: str, by: str) -> str:
    """The time since the newest of some timestamps."""
    return f"time() - max by ({by}) ({timestamp})"
