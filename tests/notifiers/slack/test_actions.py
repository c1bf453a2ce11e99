"""Which buttons stand under a message, and what is read out of a press."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.incident import Notice
from monitor.core.model import Fault, TargetName
from monitor.notifiers.slack import render
from monitor.notifiers.slack.actions import Action, Ignored, Press, buttons, press_of
from monitor.redaction import Redactor
from tests.fakes.block_kit import validate_message
from tests.notifiers import notices
from tests.notifiers.slack.pressing import TEAM, pressed

FRAME = render.Frame(redact=Redactor().redact, pressable=True)


@pytest.mark.parametrize(
    ("notice", "labels"),
    [
        (notices.opened(), ["Acknowledge", "Silence 1 h", "Check now"]),
        (notices.acknowledged(), ["Silence 1 h", "Check now"]),
        (notices.silenced(), ["Acknowledge", "Check now"]),
        (notices.waiting(), ["Check now"]),
        (notices.resolved(), []),
    ],
)
def test_only_what_is_left_to_do_can_be_pressed(notice: Notice, labels: list[str]) -> None:
    """Nothing of what is over; no acknowledgement or silence twice, and none of what is fixed."""
    assert [button["text"]["text"] for button in buttons(notice)] == labels


def test_the_root_has_buttons_if_presses_arrive_and_a_reply_never() -> None:
    """A reply is not edited, so it would go on to offer what was done long ago."""

    def ids(message: render.Message) -> list[str]:
        assert validate_message({"text": message.text, "blocks": message.blocks}) == []
        return [
            each["action_id"] for block in message.blocks for each in block.get("elements", ()) if "action_id" in each
        ]

    assert ids(render.root(notices.opened(), FRAME)) == ids(render.post(notices.opened(), FRAME)) == [*Action]
    assert ids(render.reply(notices.changed(), FRAME)) == []
    assert ids(render.root(notices.opened(), replace(FRAME, pressable=False))) == []


def test_a_button_carries_its_incident_and_comes_back_as_it_was() -> None:
    """Incident, target, fault; what the person's client adds is who they are."""
    (button, *_) = buttons(notices.opened())
    press = press_of(pressed(button["action_id"], value=button["value"]), TEAM)
    assert press == Press(
        action=Action.ACKNOWLEDGE,
        incident_id="prod-20270115-080000",
        target=TargetName("prod"),
        fault=Fault.EXPORTER_DISABLED,
        user="U0123",
        name="ana",
        answer_url="https://hooks.slack.com/actions/T0123/1/x",
    )


def test_a_value_that_slack_would_refuse_is_no_button() -> None:
    """The message is worth more than its buttons."""
    assert buttons(notices.a_notice(incident=notices.an_incident(id="x" * 3000))) == []


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"id": "U0123", "username": "ana.k"}, "ana.k"),
        ({"id": "U0123", "name": " ana\n k "}, "ana k"),
        ({"id": "U0123", "name": 7}, "U0123"),
        ({"id": "U0123", "name": "a" * 500}, "a" * 79 + "…"),
        ({"id": "U0123", "name": "a\u202eb"}, "a\\u202eb"),
    ],
)
def test_a_name_is_one_short_visible_line(user: Mapping[str, Any], name: str) -> None:
    """It is shown to everybody; somebody without one is their id."""
    assert press_of(pressed(user=user), TEAM).name == name


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({}, "no press of a button"),
        ({"type": "view_submission"}, "no press of a button"),
        (pressed(team={"id": "T0FOREIGN"}), "another workspace"),
        (pressed(team=None), "another workspace"),
        (pressed(actions=[]), "names no button"),
        (pressed(actions={"0": 1}), "names no button"),
        (pressed(actions=[7]), "names no button"),
        (pressed("delete-everything"), "not one of this program's buttons"),
        (pressed(value="{"), "not one of this program's buttons"),
        (pressed(value="[" * 100_000), "not one of this program's buttons"),
        (pressed(value="[1, 2]"), "not one of this program's buttons"),
        (pressed(value="7"), "not one of this program's buttons"),
        (pressed(value='["prod-1", "prod", "no_such_fault"]'), "not one of this program's buttons"),
        (pressed(value='["prod-1", "prod", ["exporter_disabled"]]'), "not one of this program's buttons"),
        (pressed(value='[1, "prod", "exporter_disabled"]'), "does not say who pressed what"),
        (pressed(user={}), "does not say who pressed what"),
        (pressed(user="ana"), "does not say who pressed what"),
    ],
)
def test_what_is_no_press_of_ours_is_ignored_with_its_reason(payload: Mapping[str, Any], why: str) -> None:
    """Whatever comes, nothing of it is done and nothing crashes."""
    with pytest.raises(Ignored, match=why) as ignored:
        press_of(payload, TEAM)
    assert not ignored.value.expected


def test_the_press_of_a_link_is_expected() -> None:
    """Slack opens the page and notifies the program too."""
    with pytest.raises(Ignored) as ignored:
        press_of(pressed("open-truefoundry"), TEAM)
    assert ignored.value.expected
