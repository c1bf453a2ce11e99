"""What differs from the guide's table, and filters to differ by."""

from collections.abc import Mapping
from typing import Any

from monitor.core.drift import Difference, Filter, compare
from tests.core.build import expectation, manifest


def differences(changes: Mapping[str, Any] | None = None, **given: Any) -> tuple[Difference, ...]:
    """What differs from the guide's table after some changes."""
    return compare(expectation(), manifest(changes, **given)).differences


def only(changes: Mapping[str, Any] | None = None, **given: Any) -> Difference:
    """The one difference."""
    (one,) = differences(changes, **given)
    return one


CANARY_ONLY = Filter(key="tfy.span_type", values=("ChatCompletion",))
AGENTS_ONLY = Filter(key="tfy.span_type", values=("AgentResponse", "MCP"))
TEAM = Filter(key="tfy.request.team", values=("ml",))
ODD = Filter(key="duration", values=(), understood=False)
