"""Why a look could not see."""

import pytest

from monitor.checks.blindness import cannot_see
from monitor.core.model import Blindness
from monitor.ports import Garbled, Gone, PortError, Refused, Undeliverable, Unreachable


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unreachable("no answer", kind="timeout"), Blindness.UNREACHABLE),
        (Unreachable("our proxy refuses", kind="proxy"), Blindness.PROXY),
        (Refused("no", status=401), Blindness.REFUSED),
        (Refused("no", status=429), Blindness.REFUSED),
        (Refused("1010", status=403, blocked=True), Blindness.BLOCKED),
        (Gone("no such route"), Blindness.GARBLED),
        (Garbled("no JSON"), Blindness.GARBLED),
        (Undeliverable("odd"), Blindness.UNREACHABLE),
        (PortError("odd"), Blindness.UNREACHABLE),
    ],
)
def test_every_error_of_a_port_has_its_reason(error: PortError, reason: Blindness) -> None:
    """It is never a fault."""
    finding = cannot_see(error, "read it")
    assert (finding.verdict.value, finding.blindness) == ("unknown", reason)
    assert finding.summary.startswith(f"could not read it: {error}")


def test_only_a_missing_permission_is_permanent() -> None:
    """A 403 that the service itself said; what stands before it may let us pass tomorrow."""
    assert cannot_see(Refused("no", status=403), "look").permanent
    assert not cannot_see(Refused("no", status=401), "look").permanent
    assert not cannot_see(Refused("1010", status=403, blocked=True), "look").permanent


def test_the_errors_evidence_comes_along() -> None:
    """By which the other side finds the request in its logs."""
    assert cannot_see(Refused("no", status=403, evidence={"cf-ray": "8a"}), "look").evidence == {"cf-ray": "8a"}
