"""Why a look could not see."""

import pytest

from monitor.checks.verdicts import CONTROL_PLANE, READ_API, cannot_see
from monitor.core.backend import TRACELOOP
from monitor.core.model import UnknownReason
from monitor.ports import Garbled, Gone, PortError, Refused, Undeliverable, Unreachable


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unreachable("no answer", kind="timeout"), UnknownReason.UNREACHABLE),
        (Unreachable("the monitor is out of memory", kind="shortage"), UnknownReason.SHORTAGE),
        (Unreachable("the monitor's proxy refuses", kind="proxy"), UnknownReason.PROXY),
        (Refused("no", status=401), UnknownReason.REFUSED),
        (Refused("no", status=429), UnknownReason.REFUSED),
        (Refused("1010", status=403, blocked=True), UnknownReason.BLOCKED),
        (Gone("no such route"), UnknownReason.GARBLED),
        (Garbled("no JSON"), UnknownReason.GARBLED),
        (Undeliverable("odd"), UnknownReason.UNREACHABLE),
        (PortError("odd"), UnknownReason.UNREACHABLE),
    ],
)
def test_every_error_of_a_port_has_its_reason(error: PortError, reason: UnknownReason) -> None:
    """It is never a fault."""
    result = cannot_see(error, "read it")
    assert (result.verdict.value, result.unknown_reason) == ("unknown", reason)
    assert result.summary.startswith(f"cannot read it: {error}")


def test_only_a_missing_permission_is_permanent() -> None:
    """A 403 that the service itself said; what stands before it may let us pass tomorrow."""
    assert cannot_see(Refused("no", status=403), "look").permanent
    assert not cannot_see(Refused("no", status=401), "look").permanent
    assert not cannot_see(Refused("1010", status=403, blocked=True), "look").permanent


def test_the_errors_evidence_comes_along() -> None:
    """By which the other side finds the request in its logs."""
    assert cannot_see(Refused("no", status=403, evidence={"cf-ray": "8a"}), "look").evidence == {"cf-ray": "8a"}


@pytest.mark.parametrize(
    ("error", "asked", "step"),
    [
        (
            Unreachable("500", kind="status", status=500),
            READ_API,
            "Traceloop's read API is failing (HTTP 500). See https://status.traceloop.com.",
        ),
        (
            Unreachable("503", kind="status", status=503),
            CONTROL_PLANE,
            "TrueFoundry's control plane is failing (HTTP 503). Ask TrueFoundry's support.",
        ),
        (Unreachable("502", kind="status", status=502), "it", "it is failing (HTTP 502). Check its status page."),
        (
            Refused("401", status=401),
            READ_API,
            "Give the monitor a valid credential: Traceloop's read API rejects the one it has (HTTP 401).",
        ),
        (
            Refused("429", status=429),
            READ_API,
            "Find out what sends so many requests to Traceloop's read API (HTTP 429). The monitor waits as long as it is asked to.",
        ),
        (Refused("403", status=403), CONTROL_PLANE, ""),
        (Refused("402", status=402), CONTROL_PLANE, ""),
        (Unreachable("no", kind="dns"), READ_API, ""),
    ],
)
def test_the_next_step_suits_the_answer(error: PortError, asked: str, step: str) -> None:
    """DNS and egress rules are no advice after an answer; a token that is refused is not asked too often."""
    assert TRACELOOP.name_in(cannot_see(error, "read it", asked=asked).step) == step


def test_a_permission_that_is_lacking_is_named() -> None:
    """Where the check knows it; the credential itself is good, so a 401 says something else."""
    for status, step in (
        (403, "Grant the monitor's virtual account `gateway-controls:ListGatewayControls`."),
        (401, "Give the monitor a valid credential: the control plane rejects the one it has (HTTP 401)."),
    ):
        refused = Refused("no", status=status)
        result = cannot_see(
            refused, "read it", asked="the control plane", permission="gateway-controls:ListGatewayControls"
        )
        assert result.step == step
