"""What a month costs."""

import pytest

from monitor.settings.coherence import monthly_cost
from tests.settings.samples import prod, with_target


def test_requests_and_spans_of_the_defaults() -> None:
    """288 canaries of three spans and 48 control spans a day, thirty days."""
    cost = monthly_cost(prod())
    assert (cost.canaries, cost.canaries_at_most, cost.control_spans, cost.spans_per_canary) == (288, 500, 48, 3)
    assert (cost.requests, cost.requests_at_most) == (8640, 15_000)
    assert (cost.spans, cost.spans_at_most) == (27_360, 46_440)


def test_spans_per_canary_are_those_of_a_complete_trace() -> None:
    """If somebody has counted them."""
    assert monthly_cost(prod(with_target("checks: {arrival: {complete_spans: 5}}"))).spans == (288 * 5 + 48) * 30


@pytest.mark.parametrize(
    ("checks", "requests", "spans"),
    [("{canary: {enabled: false}}", 0, 1440), ("{control: {enabled: false}}", 8640, 25_920)],
)
def test_what_is_switched_off_costs_nothing(checks: str, requests: float, spans: float) -> None:
    """Neither canaries nor control spans."""
    cost = monthly_cost(prod(with_target(f"checks: {checks}")))
    assert (cost.requests, cost.spans) == (requests, spans)
