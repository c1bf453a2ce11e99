"""What the gateway's other configurations say, as values, and whether a rule of theirs concerns a request of ours.

Logging, global settings and data routing decide what becomes of a trace besides the exporter. Shapes and semantics:
https://github.com/truefoundry/truefoundry-python-sdk (`types/gateway_logging_config.py`, `types/logging_mode_*.py`,
`types/gateway_data_routing_config*.py`, `types/in_not_in.py`) and https://www.truefoundry.com/docs/ai-gateway/logging-config.
What is not known is None, and accuses nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from monitor.core.model import ForeignInstant, Instant


class GatewayPolicyKind(StrEnum):
    """The configurations besides the exporter's own that decide what becomes of a trace, by their type."""

    LOGGING = "gateway-logging-config"
    GLOBAL = "gateway-global-settings"
    ROUTING = "gateway-data-routing-config"


class ConditionField(StrEnum):
    """What a condition looks at."""

    MODEL = "model"
    SUBJECT = "subject"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of a rule: what it looks at is among `inside` (None: anything is), and not among `outside`.

    `key` is the entry of the metadata. `understood` is False where the configuration says more than is documented.
    """

    matter: ConditionField
    key: str = ""
    inside: tuple[str, ...] | None = None
    outside: tuple[str, ...] = ()
    understood: bool = True

    @property
    def everything(self) -> bool:
        """Whether no request can fail it."""
        return self.understood and not self.outside and (self.inside is None or ANY in self.inside)

    def __str__(self) -> str:
        what = f"{self.matter} {self.key}".strip()
        inside = f" in [{_some(self.inside)}]" if self.inside is not None else ""
        outside = f" not in [{_some(self.outside)}]" if self.outside else ""
        return f"{what}{inside}{outside}" if self.understood else f"{what} (not understood)"


ANY = "*"
_SHOWN = 5


def _some(words: tuple[str, ...]) -> str:
    more = f", {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return f"{', '.join(words[:_SHOWN])}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRule:
    """A rule with a name, of logging (on, or `off`) or of data routing (a destination): it concerns what meets all conditions."""

    name: str
    conditions: tuple[Condition, ...] = ()
    off: bool = False

    @property
    def everything(self) -> bool:
        """Whether it concerns every request."""
        return all(condition.everything for condition in self.conditions)

    @property
    def scope(self) -> str:
        """What it concerns, in words."""
        return ", ".join(str(condition) for condition in self.conditions if not condition.everything) or "everything"


class LoggingMode(StrEnum):
    """The global logging setting: https://www.truefoundry.com/docs/ai-gateway/request-logging."""

    ALWAYS = "always"
    NEVER = "never"
    OPT_OUT = "opt_out"  # header_controlled, logged by default
    OPT_IN = "opt_in"  # header_controlled, not logged by default


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPolicy:
    """One look at one of these configurations. Neither rules nor mode: nothing is configured.

    `form`: manifest, 404, null, empty. `rules` of logging are in no order, destinations are in theirs.
    """

    kind: GatewayPolicyKind
    form: str = "manifest"
    rules: tuple[GatewayRule, ...] = ()
    mode: LoggingMode | None = None
    updated_at: ForeignInstant | None = None
    updated_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownGatewayPolicy:
    """The newest look at one of these configurations that could see it."""

    seen: GatewayPolicy
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose requests the canaries are, as TrueFoundry's own store shows it.

    `names` are the forms in which a rule may name the account; `teams` None: not shown. `account` is the fingerprint of the
    tokens that were used.
    """

    names: tuple[str, ...]
    teams: tuple[str, ...] | None = None
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a canary before it is sent: a rule is evaluated against it.

    `nonces` are the entries of its metadata that are another for each canary.
    """

    model: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    nonces: frozenset[str] = frozenset()


def concerns(rule: GatewayRule, profile: Profile, caller: Caller | None) -> bool | None:
    """Whether a rule concerns our canary; None where that is not known."""
    met = [_meets(condition, profile, caller) for condition in rule.conditions]
    if False in met:
        return False
    return None if None in met else True


def _meets(condition: Condition, profile: Profile, caller: Caller | None) -> bool | None:
    if condition.everything:
        return True
    if not condition.understood:
        return None
    match condition.matter:
        case ConditionField.MODEL:
            return None if profile.model is None else _judge(condition, (profile.model,))
        case ConditionField.SUBJECT:
            if caller is None:
                return None
            names = (*caller.names, *(f"{TEAM}{team}" for team in caller.teams or ()))
            return _judge(condition, names, teams_known=caller.teams is not None)
        case ConditionField.METADATA:
            value = profile.metadata.get(condition.key)
            if condition.key in profile.nonces:
                return _judge(condition, ())
            if value is None and condition.key.startswith(ADDED_BY_THE_GATEWAY):
                return None
            return _judge(condition, () if value is None else (value,))
    assert_never(condition.matter)


TEAM = "team:"
ADDED_BY_THE_GATEWAY = "tfy_"
"""A gateway of TrueFoundry's cloud adds entries such as `tfy_gateway_region`: which values, is not known here."""


def _judge(condition: Condition, names: tuple[str, ...], *, teams_known: bool = True) -> bool | None:
    """Whether a request with these names, and no others unless its teams are not known, meets a condition."""

    def is_among(words: tuple[str, ...]) -> bool | None:
        if ANY in words or any(name in words for name in names):
            return True
        patterns = any(ANY in word for word in words)  # whether `openai-main/*` is a pattern is not documented
        teams = any(word.startswith(TEAM) for word in words)
        return None if patterns or (teams and not teams_known) else False

    outside = is_among(condition.outside)
    inside = True if condition.inside is None else is_among(condition.inside)
    if outside is True or inside is False:
        return False
    return None if outside is None or inside is None else True


DEFAULT_DESTINATION = "default"
_MOST_DESTINATIONS = 4


def likely_destinations(
    rules: tuple[GatewayRule, ...], profile: Profile, caller: Caller | None
) -> tuple[str, ...] | None:
    """Where TrueFoundry's own store may keep our canary's trace, the likeliest first; None where that is more than can be asked.

    Data routing may send it to another destination than `default`. Which wins where several match is not documented, so each that
    may have it is asked, and only if none has it, it is not there.
    """
    answers = [(rule, concerns(rule, profile, caller)) for rule in rules]
    surely = [rule.name for rule, answer in answers if answer is True]
    possibly = [rule.name for rule, answer in answers if answer is None]
    names = tuple(dict.fromkeys([*surely, *([] if surely else [DEFAULT_DESTINATION]), *possibly]))
    return names if len(names) <= _MOST_DESTINATIONS else None
