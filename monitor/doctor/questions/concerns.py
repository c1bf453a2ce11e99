"""Which questions make sense for a target: by what is configured, not by what was seen."""

from monitor.doctor.seen import Seen


def has_control_plane(seen: Seen) -> bool:
    """Whether there is a control plane to ask."""
    return seen.target.control_plane is not None


def sends_canaries(seen: Seen) -> bool:
    """Whether canaries are sent at all."""
    return seen.target.checks.canary.enabled


def sends_control_spans(seen: Seen) -> bool:
    """Whether spans of our own are sent at all."""
    return seen.target.checks.control.enabled
