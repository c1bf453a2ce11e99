"""Prometheus Operator's own Go types decode what the chart renders, strictly."""

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
    pods = components.operator("decode", given=_rendered(components))
    services = components.operator("decode", given=_rendered(components, more=SERVICE_MONITOR))
    assert sorted(pods.split()) == ["PodMonitor", "PrometheusRule", "trace-monitor", "trace-monitor"]
    assert sorted(services.split()) == ["PrometheusRule", "ServiceMonitor", "trace-monitor", "trace-monitor"]


@pytest.mark.parametrize("field", ["honorLabels", "podMetricsEndpoints", "annotations", "groups"])
def test_a_misspelled_field_is_refused(components: Components, field: str) -> None:
    """The decoder is strict: one letter is enough."""
    text = _rendered(components)
    assert f"{field}:" in text
    with pytest.raises(RefusedError, match=f'unknown field ".*{field}X"'):
        components.operator("decode", given=text.replace(f" {field}:", f" {field}X:"))
