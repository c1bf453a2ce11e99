"""Several targets behind one trace backend that are in trouble together: what is said of that, and who is not mentioned again.

Each target has an incident of its own, also then: it names its own hop, and it resolves by itself. But one backend that fails is one
event to the people who are on call. So every message says how many of the targets behind that backend are affected, the first one
mentions, and the others of the same wave do not.

Example: four targets share https://api.traceloop.com, and it refuses spans from 10:00 on. `prod` opens at 10:06 and mentions; `eu`
opens at 10:07 and `us` at 10:09 without a mention: "3 of 4 targets behind this Traceloop are affected: prod, eu, us".
"""

from collections.abc import Callable, Collection, Mapping

from monitor.core.address import normal_url
from monitor.core.incident import Corroboration, Diagnosis, Incident
from monitor.core.model import Fault, Instant, Seconds, TargetName
from monitor.core.state import Policy, TargetState

Targets = Collection[tuple[TargetState, Policy]]

# What a backend that fails looks like from one target: it refuses the key or the span, or traces do not come, come late or in part
# (a loss is named by how much is known of the hops, so two targets may name the same outage differently). What is left out: a trace
# that the gateway never made, a gateway that does not serve, an exporter that is off, set differently or sends to another
# environment. Those have their cause before the backend, in each target by itself.
MAY_BE_THE_BACKEND = frozenset(
    {
        Fault.KEY_REJECTED,
        Fault.INGEST_FAILING,
        Fault.EXPORT_FAILING,
        Fault.TRACE_MISSING,
        Fault.TRACE_INCOMPLETE,
        Fault.TRACE_LATE,
        Fault.VOLUME_LOSS,
    }
)

WAVE: Seconds = 900.0
"""So long after a mention the others of its wave add none. At the default settings every target has noticed a loss by then."""


def corroborations(targets: Targets) -> Mapping[str, Corroboration]:
    """What is said of each open incident that others share, by its id; nothing of one that is alone."""
    if sum(state.incident is not None and _is_affected(state.incident) for state, _ in targets) <= 1:
        return {}  # nearly always, and asked whenever anything changes
    behind: dict[tuple[str, str], list[TargetState]] = {}
    for state, policy in targets:
        if policy.backend_url and state.removed_at is None:
            behind.setdefault((policy.backend.name, normal_url(policy.backend_url)), []).append(state)
    found: dict[str, Corroboration] = {}
    for (name, _), sharing in behind.items():
        open_ones = [state.incident for state in sharing if state.incident is not None]
        affected = sorted(filter(_is_affected, open_ones), key=lambda one: (one.opened_at, one.target))
        if len(affected) > 1:
            together = Corroboration(
                backend=name,
                targets=tuple(one.target for one in affected),
                of=len(sharing),
                since=affected[-1].opened_at,
            )
            found.update((one.id, together) for one in affected)
    return found


def _is_affected(incident: Incident) -> bool:
    """Whether it may be the backend now; a cause that is fixed, and waits for traces, is over."""
    return incident.diagnosis.waiting is None and may_be_the_backend(incident.diagnosis)


def may_be_the_backend(diagnosis: Diagnosis) -> bool:
    """Whether what is wrong may be what others behind the same backend see too."""
    return not MAY_BE_THE_BACKEND.isdisjoint((diagnosis.fault, *diagnosis.also))


def has_mentioned(
    incident: Incident,
    together: Corroboration | None,
    targets: Targets,
    notifier: str,
    key: Callable[[TargetName], str],
    now: Instant,
) -> bool:
    """Whether the same people were mentioned a short while ago for another incident of the same wave.

    What shares a `key` mentions the same people in the same channel.
    """
    if together is None:
        return False
    affected = frozenset(together.targets)
    others = (state.incident for state, _ in targets if state.target in affected)
    notified = (
        one.notified.get(notifier)
        for one in others
        if one is not None and one.id != incident.id and key(one.target) == key(incident.target)
    )
    mentions = (one.mentioned_at for one in notified if one is not None and one.mentioned_at is not None)
    return any(now - at < WAVE for at in mentions)
