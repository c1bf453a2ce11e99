"""What can be pressed under a message, and what a press that comes back says. Pure.

A button carries the incident, the target and the fault that its message shows, and nothing secret. What comes back was made by
Slack of a message of this program's, and is read as strictly as any foreign text:
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from monitor.core.incident import Notice
from monitor.core.model import Fault, Seconds, TargetName
from monitor.core.notify import acknowledged
from monitor.redaction import clamp

SILENCE_FOR: Seconds = 3600.0

_LONGEST_VALUE = 2000
_LONGEST_NAME = 80


class Action(StrEnum):
    """A button, by its `action_id`."""

    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence-1h"
    CHECK = "check-now"

    @property
    def label(self) -> str:
        """What stands on it."""
        return {"acknowledge": "Acknowledge", "silence-1h": "Silence 1 h"}.get(self.value, "Check now")


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Somebody pressed a button. `name` is the person's, fit to be shown; `answer_url` a secret of Slack's, good for half an hour."""

    action: Action
    incident_id: str
    target: TargetName
    fault: Fault
    user: str
    name: str
    answer_url: str = field(default="", repr=False)


class Ignored(Exception):
    """Why a payload is no press of one of our buttons. `expected`: nothing that needs to be said."""

    def __init__(self, why: str, *, expected: bool = False) -> None:
        super().__init__(why)
        self.expected = expected


def buttons(notice: Notice) -> list[dict[str, Any]]:
    """What can still be done about an incident: https://docs.slack.dev/reference/block-kit/block-elements/button-element.

    They hang on the root alone, which is edited in place: a reply would go on to offer what was done long ago.
    """
    incident = notice.incident
    value = json.dumps([incident.id, incident.target, incident.diagnosis.fault], separators=(",", ":"))
    if not incident.open or len(value) > _LONGEST_VALUE:
        return []
    fixed = incident.diagnosis.waiting is not None
    done = {
        Action.ACKNOWLEDGE: fixed or acknowledged(incident),
        Action.SILENCE: fixed or notice.silenced_until is not None,
    }
    return [
        {"type": "button", "text": {"type": "plain_text", "text": each.label}, "action_id": each.value, "value": value}
        for each in Action
        if not done.get(each)
    ]


def press_of(payload: Mapping[str, Any], team: str) -> Press:
    """The press that a payload describes. Raises Ignored: it is something else, or another workspace's."""
    if payload.get("type") != "block_actions":
        raise Ignored("it is no press of a button")
    if _text(payload, "team", "id") != team:
        raise Ignored("it comes from another workspace")
    actions = payload.get("actions")
    pressed = actions[0] if isinstance(actions, list) and len(actions) == 1 else None
    if not isinstance(pressed, Mapping):
        raise Ignored("it names no button")
    if str(pressed.get("action_id")).startswith("open-"):  # a link: Slack has opened it, and notifies the program too
        raise Ignored("it is a link", expected=True)
    try:
        action = Action(str(pressed.get("action_id")))
        incident_id, target, fault = json.loads(str(pressed.get("value")))
        known = Fault(fault)
    except (ValueError, TypeError, RecursionError):
        raise Ignored("it is not one of this program's buttons") from None
    user = _text(payload, "user", "id")
    if not user or not isinstance(incident_id, str) or not isinstance(target, str):
        raise Ignored("it does not say who pressed what")
    name = _text(payload, "user", "name") or _text(payload, "user", "username") or user
    url = payload.get("response_url")
    return Press(
        action=action,
        incident_id=incident_id,
        target=TargetName(target),
        fault=known,
        user=user,
        name=clamp(" ".join(name.split()), _LONGEST_NAME),
        answer_url=url if isinstance(url, str) else "",
    )


def _text(payload: Mapping[str, Any], section: str, key: str) -> str:
    found = payload.get(section)
    value = found.get(key) if isinstance(found, Mapping) else None
    return value if isinstance(value, str) else ""
