"""What the switches mean for our canary, as sentences of evidence, and for other traffic, as what a healthy canary does not prove.

Whether a request that is not logged leaves no trace at all, or one without content, is not documented unambiguously
(https://www.truefoundry.com/docs/ai-gateway/logging-config; truefoundry-sdk, `types/logging_mode_never.py`): both are said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitor.core.drift import Filter, admits
from monitor.core.moments import changed_text
from monitor.core.switches.rules import Caller, LoggingMode, Profile, SwitchRule, SwitchSeen, concerns

_HEADER = "`X-TFY-LOGGING-CONFIG`"
_UNLOGGED = "leaves no trace, or one without content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What was seen of every switch (None: nothing is known of it), and what is known of our canary.

    `attributes` are those of the canary's root span; `discreet`: content is expected to stay out of the traces.
    """

    logging: SwitchSeen | None = None
    settings: SwitchSeen | None = None
    routing: SwitchSeen | None = None
    filters: tuple[Filter, ...] = ()
    profile: Profile = Profile()
    caller: Caller | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    discreet: bool = False

    def concerned(self, rule: SwitchRule) -> bool | None:
        """Whether a rule concerns our canary."""
        return concerns(rule, self.profile, self.caller)

    @property
    def denials(self) -> tuple[tuple[SwitchRule, bool | None], ...]:
        """The logging rules that are off, and whether each concerns our canary. One is enough: denial wins."""
        rules = self.logging.rules if self.logging is not None else ()
        return tuple((rule, self.concerned(rule)) for rule in rules if rule.off)


# --- for our canary --------------------------------------------------------------------------------------------------


def why_not_logged(setting: Setting) -> tuple[str, ...]:
    """Why our canary may leave no trace, or one without content: what is certain, else what is possible."""
    certain = tuple(_denial(rule, setting) for rule, answer in setting.denials if answer is True)
    if setting.settings is not None and setting.settings.mode is LoggingMode.NEVER:
        never = "the gateway's global settings log no request (logging mode `never`)"
        certain += (f"{never}: such a request {_UNLOGGED}{_changed(setting.settings)}",)
    possible = (
        f"the gateway's logging rule `{rule.name}` is off for {rule.scope}: whether that concerns our canary cannot be told"
        for rule, answer in setting.denials
        if answer is None
    )
    return certain or tuple(possible)


def surely_not_logged(setting: Setting) -> str | None:
    """The switch that keeps our canary from being logged, by its name; None where there is none for certain."""
    rule = next((rule for rule, answer in setting.denials if answer is True), None)
    if rule is not None:
        return f"the gateway's logging rule `{rule.name}`"
    never = setting.settings is not None and setting.settings.mode is LoggingMode.NEVER
    return "the gateway's logging mode `never`" if never else None


def _denial(rule: SwitchRule, setting: Setting) -> str:
    whom = "every request" if rule.everything else f"{rule.scope}, and so for our canary"
    return f"the gateway's logging rule `{rule.name}` is off for {whom}: such a request {_UNLOGGED}{_changed(setting.logging)}"


def _changed(seen: SwitchSeen | None) -> str:
    said = changed_text(seen.updated_at, seen.updated_by) if seen is not None else None
    return f" ({said})" if said is not None else ""


def why_not_exported(setting: Setting) -> tuple[str, ...]:
    """Why our canary's root span may not be exported although the gateway made it: a filter, also one that is expected."""
    said = {
        False: "excludes our canary",
        None: "cannot be evaluated for our canary",
    }
    answers = ((rule, admits(rule, setting.attributes)) for rule in setting.filters)
    return tuple(f"the exporter's filter {rule} {said[answer]}" for rule, answer in answers if answer is not True)


def where_routed(setting: Setting) -> tuple[str, ...]:
    """Which destination of TrueFoundry's own store our canary's traces are routed to, if not to the default one."""
    rules = setting.routing.rules if setting.routing is not None else ()
    return tuple(
        f"data routing keeps our canary's traces in the destination `{rule.name}` of TrueFoundry's own store"
        for rule in rules
        if setting.concerned(rule) is True
    )[:1]


# --- for other traffic -----------------------------------------------------------------------------------------------


def unproven(setting: Setting) -> tuple[str, ...]:
    """What a canary that is well does not prove, because other traffic is treated otherwise."""
    return tuple(dict.fromkeys((*_unlogged(setting), *_unfiltered(setting), *_routed(setting))))


def _unlogged(setting: Setting) -> Iterator[str]:
    for rule, answer in setting.denials:
        if rule.everything:
            continue
        if answer is not True:
            yield f"logging is off for {rule.scope} (rule `{rule.name}`): such a request {_UNLOGGED}"
        elif setting.discreet:
            yield (
                f"logging is off for our canary (rule `{rule.name}`): that its trace holds no content does not prove that "
                "the content of other traffic stays out"
            )
    mode = setting.settings.mode if setting.settings is not None else None
    if mode is LoggingMode.OPT_IN:
        yield f"a request is logged only if it asks for it ({_HEADER}), as the canary does: any other {_UNLOGGED}"
    if mode is LoggingMode.OPT_OUT:
        yield f"a request may ask not to be logged ({_HEADER}), which the canary never does: such a request {_UNLOGGED}"


def _unfiltered(setting: Setting) -> Iterator[str]:
    for rule in setting.filters:
        if rule.understood:
            yield f"the exporter sends only spans with {rule}: no other span arrives, however well the canary does"
        else:
            yield f"the exporter's filter on {rule} decides which spans arrive: the canary proves nothing of others"


def _routed(setting: Setting) -> Iterator[str]:
    for rule in setting.routing.rules if setting.routing is not None else ():
        if rule.everything:
            continue
        if setting.concerned(rule) is True:
            yield f"data routing treats the canary otherwise than other traffic (destination `{rule.name}`, {rule.scope})"
        else:
            yield f"data routing keeps {rule.scope} in another destination (`{rule.name}`), which no canary visits"
