"""What TrueFoundry's own trace store tells: the witness that separates "never made" from "lost on the way"."""

from monitor.core.gateway_policies import DEFAULT_DESTINATION
from monitor.core.model import Service
from monitor.doctor.answer import Answer, Question, Section, open_, skipped, well
from monitor.doctor.questions.concerns import has_control_plane, sends_canaries
from monitor.doctor.questions.errors import FORBIDDEN, cannot_tell
from monitor.doctor.seen import Seen
from monitor.ports import Refused

_WITHOUT = "Without it a lost trace is found all the same; only whether the gateway never made it cannot be told."
_ACCESS = (
    "In TrueFoundry open AI Gateway, Controls, Data Access, and let the monitor's account see its own traces: use the same account "
    f"for the canary and for control_plane. {_WITHOUT}"
)


def judge_store(seen: Seen) -> Answer:
    """Whether the store may be read and shows our trace, and how soon."""
    if not seen.served:
        return skipped("the gateway served no canary")
    watch = seen.store
    match watch:
        case None:
            return skipped("it is not known by which id the trace would be found there")
        case _ if isinstance(watch.error, Refused) and not watch.error.blocked and watch.error.status == FORBIDDEN:
            return open_(
                "403", f"The token may not read TrueFoundry's own trace store: {watch.error}.", _ACCESS, status=403
            )
        case _ if watch.error is not None:
            return cannot_tell(watch.error, Service.CONTROL_PLANE)
        case _ if watch.first_after is None:
            return open_(
                "not shown",
                f"TrueFoundry's own trace store did not show our trace within {watch.looked_for:.0f} s: perhaps a data access rule "
                "hides it from this account, or it is kept at another destination.",
                _ACCESS,
            )
        case _ if watch.whole_after is None:
            return open_(
                "in part",
                f"TrueFoundry's own trace store showed {watch.spans} spans of our trace, not all within {watch.looked_for:.0f} s.",
                spans=watch.spans,
            )
        case _:
            return well(
                "shown",
                f"TrueFoundry's own trace store shows our trace ({watch.spans} spans): first after {watch.first_after:.0f} s, "
                f"whole after at most {watch.whole_after:.0f} s.",
                spans=watch.spans,
                first_seconds=round(watch.first_after, 1),
                whole_seconds=round(watch.whole_after, 1),
            )


def judge_destination(seen: Seen) -> Answer:
    """Where the store keeps our trace."""
    canary = seen.canary
    if canary is None or not canary.accepted:
        return skipped("the gateway served no canary")
    if canary.destination is None:
        return well("default", "The gateway does not tell where its own store keeps the trace: `default` is asked.")
    return well(
        DEFAULT_DESTINATION if canary.destination == DEFAULT_DESTINATION else "another",  # its name is the tenant's own
        f"TrueFoundry's own store keeps the trace at the destination `{canary.destination}`.",
        destination=canary.destination,
    )


def _concerns(seen: Seen) -> bool:
    return has_control_plane(seen) and sends_canaries(seen)


OWN_STORE = Section(
    title="TrueFoundry's own trace store",
    questions=(
        Question(
            slug="own_store", text="Does the own store show the canary's trace?", judge=judge_store, concerns=_concerns
        ),
        Question(
            slug="store_destination", text="Where does it keep the trace?", judge=judge_destination, concerns=_concerns
        ),
    ),
)
