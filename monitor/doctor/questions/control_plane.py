"""What TrueFoundry's control plane tells of ourselves: whether it takes the token, and what that may read."""

from monitor.core.gateway_policies import SwitchSeen
from monitor.core.model import Service
from monitor.doctor.answer import Answer, Question, Section, open_, skipped, well, wrong
from monitor.doctor.questions.concerns import has_control_plane
from monitor.doctor.questions.errors import FORBIDDEN, TOKEN_ADVICE, cannot_tell, refuses_us
from monitor.doctor.questions.exporter import EXPORTER
from monitor.doctor.seen import Answered, Seen
from monitor.ports import Garbled, PortError, Refused

_PLANE = Service.CONTROL_PLANE
_PERMISSION = "gateway-controls:ListGatewayControls"
_GRANT = (
    f"The token lacks a permission, probably {_PERMISSION}. In TrueFoundry open Access, make a custom role (resource type: "
    "tenant) with this permission and give it to the monitor's virtual account. If it shall not have it, leave control_plane "
    "out of the configuration: then the exporter's settings are not watched."
)


def judge_left_out(_seen: Seen) -> Answer:
    """There is no control plane in the configuration."""
    return well(
        "left out",
        "No control_plane is configured: nobody watches the exporter's settings, and TrueFoundry's own store is not asked.",
        advice="Add control_plane (url, token) to the target, to be told who switched the exporter off, and when.",
    )


def judge_token(seen: Seen) -> Answer:
    """Reachable, and the token belongs to somebody."""
    match seen.tenant:
        case None:
            return skipped(seen.unfinished)
        case Answered(value=None):
            return _judge_no_tenant(seen)
        case Answered(value=tenant):
            return well(
                "accepted",
                f"TrueFoundry's control plane knows the token: it belongs to tenant {tenant}.",
                tenant=tenant,
            )
        case error:
            return refuses_us(error, _PLANE, TOKEN_ADVICE.format(setting="control_plane.token"))


def _judge_no_tenant(seen: Seen) -> Answer:
    """The session names no tenant: what another call with the same token says decides."""
    if seen.exporter is not None:
        return well(
            "accepted", "TrueFoundry's control plane accepts the token, although its session does not say whose it is."
        )
    said = "TrueFoundry's control plane answers, but does not know the token (no tenant in its session)."
    if isinstance(seen.config, Garbled):
        return open_(
            "not told", "TrueFoundry's control plane answers, but in a form that does not tell whose the token is."
        )
    return wrong("not known", said, TOKEN_ADVICE.format(setting="control_plane.token"))


def judge_readable(seen: Seen) -> Answer:
    """Whether the token may read the exporter's configuration."""
    match seen.config:
        case None:
            return skipped(seen.unfinished)
        case Answered(value=answer):
            if answer.seen is None and not seen.token_known:
                return open_(
                    answer.form,
                    f"The configuration reads as {answer.form}, but so might it for a token that is not accepted.",
                    "First see to it that the token is accepted.",
                )
            return well("yes", "The token may read the gateway's configuration.", form=answer.form)
        case Refused(status=status) as error if status == FORBIDDEN and not error.blocked:
            return wrong("403", f"The token may not read the gateway's configuration: {error}.", _GRANT, status=status)
        case error:
            return refuses_us(error, _PLANE, TOKEN_ADVICE.format(setting="control_plane.token"))


def judge_others(seen: Seen) -> Answer:
    """Whether the other configurations that can make traces vanish may be read."""
    if not seen.others:
        return skipped(seen.unfinished)
    readable = sorted(kind for kind, reply in seen.others.items() if isinstance(reply, Answered))
    failed = {kind: reply for kind, reply in seen.others.items() if isinstance(reply, PortError)}
    if not failed:
        made = [_describe(reply.value) for reply in seen.others.values() if isinstance(reply, Answered)]
        exist = "; ".join(each for each in made if each) or "none of them is configured"
        return well("yes", f"The other configurations may be read ({', '.join(readable)}): {exist}.")
    answer = cannot_tell(next(iter(failed.values())), _PLANE)
    return open_(
        answer.answer,
        f"Not every other configuration can be read ({', '.join(sorted(failed))}). {answer.summary}",
        _GRANT if answer.answer == str(FORBIDDEN) else answer.advice,
    )


def _describe(switch: SwitchSeen) -> str:
    """What one of them says, in a few words; empty if it says nothing."""
    mode = f" {switch.mode}" if switch.mode is not None else ""
    rules = f" {len(switch.rules)} rules, {sum(rule.off for rule in switch.rules)} of them off" if switch.rules else ""
    return f"{switch.kind}:{mode}{rules}" if mode or rules else ""


CONTROL_PLANE = Section(
    title="TrueFoundry's control plane",
    questions=(
        Question(
            slug="control_plane",
            text="Is there a control plane to ask?",
            judge=judge_left_out,
            concerns=lambda seen: not has_control_plane(seen),
        ),
        Question(
            slug="control_plane_token",
            text="Does the control plane answer, and accept the token?",
            judge=judge_token,
            needed=True,
            concerns=has_control_plane,
        ),
        Question(
            slug="config_readable",
            text="May the token read the gateway's configuration?",
            judge=judge_readable,
            needed=True,
            concerns=has_control_plane,
        ),
        Question(
            slug="other_configs",
            text="May it read what else can make traces vanish?",
            judge=judge_others,
            concerns=has_control_plane,
        ),
        *EXPORTER,
    ),
)
