"""Whether a rule of the gateway's other configurations concerns a request of ours; None where that cannot be told."""

from typing import Any

import pytest

from monitor.core.gateway_policies import Caller, Condition, Matter, Profile, SwitchRule, concerns

CANARY = Profile(
    model="openai-main/gpt-4o-mini",
    metadata={"tfy_monitor": "canary", "team": "ml"},
    nonces=frozenset({"probe_id"}),
)
US = Caller(names=("virtualaccount:monitor", "monitor"), teams=("platform",))
TEAMS_HIDDEN = Caller(names=("virtualaccount:monitor", "monitor"))


def model(**more: Any) -> Condition:
    """A condition on the model."""
    return Condition(matter=Matter.MODEL, **more)


def subject(**more: Any) -> Condition:
    """A condition on the caller."""
    return Condition(matter=Matter.SUBJECT, **more)


def tag(key: str, *values: str) -> Condition:
    """A condition on an entry of the metadata."""
    return Condition(matter=Matter.METADATA, key=key, inside=values)


def concern(*conditions: Condition, profile: Profile = CANARY, caller: Caller | None = US) -> bool | None:
    """What is said of our canary."""
    return concerns(SwitchRule(name="r", conditions=conditions), profile, caller)


def test_a_rule_without_conditions_concerns_everything() -> None:
    """So does one whose conditions nothing can fail."""
    assert concern() is True
    assert concern(model(inside=("*",)), subject(), profile=Profile(), caller=None) is True


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        (model(inside=("openai-main/gpt-4o-mini", "x")), True),
        (model(inside=("x",)), False),
        (model(inside=("openai-main/*",)), None),  # whether that is a pattern is not documented
        (model(inside=("openai-main/*", "openai-main/gpt-4o-mini")), True),
        (model(outside=("openai-main/gpt-4o-mini",)), False),
        (model(outside=("x",)), True),
        (model(outside=("openai-main/*",)), None),
        (model(inside=("x",), outside=("openai-main/*",)), False),
        (model(inside=("*",), outside=("openai-main/gpt-4o-mini",)), False),
        (model(understood=False), None),
    ],
)
def test_a_condition_on_the_model(condition: Condition, answer: bool | None) -> None:
    """In a list, or not in one; a value that is excluded never matches."""
    assert concern(condition) is answer


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        (subject(inside=("virtualaccount:monitor",)), True),
        (subject(inside=("monitor",)), True),
        (subject(inside=("user:ada@example.com",)), False),
        (subject(inside=("team:platform",)), True),
        (subject(inside=("team:other",)), False),
        (subject(outside=("team:platform",)), False),
    ],
)
def test_a_condition_on_the_caller(condition: Condition, answer: bool) -> None:
    """By any of its names, or by its team."""
    assert concern(condition) is answer


def test_what_is_not_known_of_the_caller_is_not_guessed() -> None:
    """Neither who it is, nor in which teams."""
    assert concern(subject(inside=("virtualaccount:monitor",)), caller=None) is None
    assert concern(subject(inside=("team:platform",)), caller=TEAMS_HIDDEN) is None
    assert concern(subject(outside=("team:platform",)), caller=TEAMS_HIDDEN) is None
    assert concern(subject(inside=("user:ada@example.com",)), caller=TEAMS_HIDDEN) is False
    assert concern(model(inside=("x",)), profile=Profile()) is None


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        (tag("team", "ml"), True),
        (tag("team", "other"), False),
        (tag("tfy_monitor", "canary"), True),
        (tag("customer", "acme"), False),
        (tag("probe_id", "gtm-0123456789abcdef"), False),  # another one for each canary
        (tag("tfy_gateway_region", "eu"), None),  # added by the gateway
    ],
)
def test_a_condition_on_the_metadata(condition: Condition, answer: bool | None) -> None:
    """By what the canary sends."""
    assert concern(condition) is answer


def test_every_condition_must_hold() -> None:
    """One that fails decides, whatever cannot be told of the others."""
    puzzling = model(understood=False)
    assert concern(tag("team", "ml"), tag("tfy_monitor", "canary")) is True
    assert concern(tag("team", "ml"), puzzling) is None
    assert concern(tag("team", "other"), puzzling) is False


def test_a_rule_says_what_it_concerns() -> None:
    """In the words of the configuration; long lists are cut."""
    rule = SwitchRule(
        name="r",
        conditions=(
            model(inside=tuple("abcdefg")),
            subject(outside=("user:x",)),
            tag("team", "ml"),
            model(inside=("*",)),
            Condition(matter=Matter.METADATA, key="when", understood=False),
        ),
    )
    assert rule.scope == (
        "model in [a, b, c, d, e, 2 more], subject not in [user:x], metadata team in [ml], metadata when (not understood)"
    )
    assert not rule.everything
    assert SwitchRule(name="r", conditions=(model(inside=("*",)),)).scope == "everything"
    assert SwitchRule(name="r", conditions=(model(inside=("*",)),)).everything
