"""Where TrueFoundry's own store keeps a trace: data routing may send it to another destination than `default`.

https://github.com/truefoundry/truefoundry-python-sdk, `types/gateway_data_routing_config.py`. Which destination wins where
several match is not documented, so each that may have it is asked, and only if none has it, it is not there.
"""

from monitor.core.switches.rules import Caller, Profile, SwitchRule, concerns

DEFAULT_DESTINATION = "default"
_MOST = 4


def likely_destinations(
    rules: tuple[SwitchRule, ...], profile: Profile, caller: Caller | None
) -> tuple[str, ...] | None:
    """Where our canary's trace may be, the likeliest first; None where that is more than can be asked."""
    answers = [(rule, concerns(rule, profile, caller)) for rule in rules]
    surely = [rule.name for rule, answer in answers if answer is True]
    perhaps = [rule.name for rule, answer in answers if answer is None]
    names = tuple(dict.fromkeys([*surely, *([] if surely else [DEFAULT_DESTINATION]), *perhaps]))
    return names if len(names) <= _MOST else None
