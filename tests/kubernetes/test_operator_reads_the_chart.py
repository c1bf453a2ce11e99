"""Prometheus Operator's own code decodes what the chart renders, strictly, and validates the rules."""

from collections.abc import Mapping

import pytest
import yaml

from tests.kubernetes.cluster import CHART, Components, RefusedError, said

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

VALUES = CHART / "ci" / "everything-values.yaml"
SERVICE_MONITOR = {"metrics": {"podMonitor": {"enabled": False}, "serviceMonitor": {"enabled": True}}}


def _rendered(components: Components, *, more: Mapping[str, object] | None = None) -> str:
    command = [components.helm, "template", "trace-monitor", str(CHART), "--values", str(VALUES), "--values", "-"]
    return said(command, given=yaml.safe_dump(more or {}))


def test_the_operator_knows_every_field(components: Components) -> None:
    """PodMonitor, ServiceMonitor and PrometheusRule."""
    pods = components.operator("validate", given=_rendered(components))
    services = components.operator("validate", given=_rendered(components, more=SERVICE_MONITOR))
    assert sorted(pods.split()) == ["PodMonitor", "PrometheusRule", "trace-monitor", "trace-monitor"]
    assert sorted(services.split()) == ["PrometheusRule", "ServiceMonitor", "trace-monitor", "trace-monitor"]


@pytest.mark.parametrize("field", ["honorLabels", "podMetricsEndpoints", "annotations", "groups"])
def test_a_misspelled_field_is_refused(components: Components, field: str) -> None:
    """The decoder is strict: one letter is enough."""
    text = _rendered(components)
    assert f"{field}:" in text
    with pytest.raises(RefusedError, match=f'unknown field ".*{field}X"'):
        components.operator("validate", given=text.replace(f" {field}:", f" {field}X:"))


@pytest.mark.parametrize(
    ("written", "instead", "named"),
    [
        ("last_over_time(", "latest_over_time(", "unknown function with name"),
        ("humanizeDuration", "humaniseDuration", 'function "humaniseDuration" not defined'),
    ],
)
def test_a_broken_rule_is_refused(components: Components, written: str, instead: str, named: str) -> None:
    """The operator parses every expression and every annotation, too."""
    text = _rendered(components)
    assert written in text
    with pytest.raises(RefusedError, match=named):
        components.operator("validate", given=text.replace(written, instead))
