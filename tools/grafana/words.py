"""What values are called on the dashboard, and their colours: the same in each panel."""

from tools.grafana.panels import BLUE, GREEN, GREY, ORANGE, RED, YELLOW, link, words
from tools.grafana.queries import PAGE

RUNBOOK = link("Runbook", f"{PAGE}/runbooks/${{__field.labels.fault}}")
SEVERITY = words((0, "healthy", GREEN), (1, "warning", ORANGE), (2, "critical", RED))
VERDICT = words((0, "not run yet", GREY), (1, "pass", GREEN), ((2, 3), "unknown", YELLOW), ((4, 7), "fail", RED))
YES = words((0, "no", "text"), (1, "yes", BLUE))
OUTCOMES = {
    "arrived": GREEN, "late": YELLOW, "incomplete": ORANGE, "missing": RED, "unknown": GREY, "recovered": BLUE,
}  # fmt: skip
SHARE = [(None, ORANGE), (0.95, YELLOW), (0.99, GREEN)]
