"""What Slack would refuse."""

from typing import Any

import pytest

from tests.fakes.block_kit import validate_message


def plain(text: str = "x") -> dict[str, Any]:
    """A plain text object."""
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str = "x") -> dict[str, Any]:
    """A formatted text object."""
    return {"type": "mrkdwn", "text": text}


def section(**more: Any) -> dict[str, Any]:
    """A section."""
    return {"type": "section", "text": mrkdwn(), **more}


def button(**more: Any) -> dict[str, Any]:
    """A button."""
    return {"type": "button", "text": plain("Runbook"), "url": "https://example.com", **more}


GOOD: dict[str, dict[str, Any]] = {
    "text alone": {"text": "hello"},
    "longest text": {"text": "x" * 40_000},
    "blocks alone": {"blocks": [section()]},
    "fifty blocks": {"text": "x", "blocks": [section()] * 50},
    "longest section": {"blocks": [section(text=mrkdwn("x" * 3000))]},
    "ten longest fields but one": {
        "blocks": [{"type": "section", "fields": [*[mrkdwn("x" * 1000)] * 9, mrkdwn("x" * 2000)]}]
    },
    "longest header": {"blocks": [{"type": "header", "text": plain("x" * 150)}]},
    "ten context elements": {"blocks": [{"type": "context", "elements": [mrkdwn()] * 10}]},
    "context image": {
        "blocks": [
            {"type": "context", "elements": [{"type": "image", "image_url": "https://e.com/i.png", "alt_text": "i"}]}
        ]
    },
    "twenty-five buttons": {"blocks": [{"type": "actions", "elements": [button()] * 25}]},
    "longest button": {
        "blocks": [{"type": "actions", "elements": [button(text=plain("x" * 75), value="x" * 2000, style="danger")]}]
    },
    "longest block id": {"blocks": [section(block_id="x" * 255)]},
    "accessory": {"blocks": [section(accessory=button())]},
    "divider": {"blocks": [{"type": "divider"}]},
    "markdown": {"blocks": [{"type": "markdown", "text": "**x**"}]},
    "rich text": {"blocks": [{"type": "rich_text", "elements": []}]},
    "alert": {"blocks": [{"type": "alert", "text": plain(), "level": "error"}]},
    "image": {"blocks": [{"type": "image", "image_url": "https://e.com/i.png", "alt_text": "i", "title": plain()}]},
    "coloured attachment": {"text": "x", "attachments": [{"color": "#f00", "fallback": "x", "blocks": [section()]}]},
    "hundred attachments": {"attachments": [{"text": "x"}] * 100},
    "longest link": {"blocks": [{"type": "actions", "elements": [button(url="https://e.com/" + "x" * 2986)]}]},
    "longest markdown": {"blocks": [{"type": "markdown", "text": "x" * 12_000}]},
    "longest together": {"blocks": [section(text=mrkdwn("x" * 2640))] * 5},
    "emoji and verbatim": {
        "blocks": [section(text={**mrkdwn(), "verbatim": True}, fields=[{**plain(), "emoji": True}])]
    },
}

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "no_text"),
    "empty text": ({"text": "", "blocks": []}, "no_text"),
    "text of another type": ({"text": 7}, "invalid_arguments"),
    "text too long": ({"text": "x" * 40_001}, "msg_too_long"),
    "blocks no list": ({"blocks": {"type": "divider"}}, "invalid_blocks_format"),
    "block no object": ({"blocks": ["divider"]}, "invalid_blocks"),
    "too many blocks": ({"text": "x", "blocks": [section()] * 51}, "invalid_blocks"),
    "unknown block": ({"blocks": [{"type": "paragraph"}]}, "invalid_blocks"),
    "unknown key": ({"blocks": [section(colour="red")]}, "invalid_blocks"),
    "section without anything": ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
    "section too long": ({"blocks": [section(text=mrkdwn("x" * 3001))]}, "invalid_blocks"),
    "section with empty text": ({"blocks": [section(text=mrkdwn(""))]}, "invalid_blocks"),
    "section with bare text": ({"blocks": [section(text="x")]}, "invalid_blocks"),
    "text object with unknown key": ({"blocks": [section(text={**mrkdwn(), "emoji": True})]}, "invalid_blocks"),
    "text object of unknown type": ({"blocks": [section(text={"type": "html", "text": "x"})]}, "invalid_blocks"),
    "too many fields": ({"blocks": [{"type": "section", "fields": [mrkdwn()] * 11}]}, "invalid_blocks"),
    "field too long": ({"blocks": [{"type": "section", "fields": [mrkdwn("x" * 2001)]}]}, "invalid_blocks"),
    "header too long": ({"blocks": [{"type": "header", "text": plain("x" * 151)}]}, "invalid_blocks"),
    "header formatted": ({"blocks": [{"type": "header", "text": mrkdwn()}]}, "invalid_blocks"),
    "context empty": ({"blocks": [{"type": "context", "elements": []}]}, "invalid_blocks"),
    "context too long": ({"blocks": [{"type": "context", "elements": [mrkdwn()] * 11}]}, "invalid_blocks"),
    "button in context": ({"blocks": [{"type": "context", "elements": [button()]}]}, "invalid_blocks"),
    "too many actions": ({"blocks": [{"type": "actions", "elements": [button()] * 26}]}, "invalid_blocks"),
    "button text too long": (
        {"blocks": [{"type": "actions", "elements": [button(text=plain("x" * 76))]}]},
        "invalid_blocks",
    ),
    "button formatted": ({"blocks": [{"type": "actions", "elements": [button(text=mrkdwn())]}]}, "invalid_blocks"),
    "button value too long": (
        {"blocks": [{"type": "actions", "elements": [button(value="x" * 2001)]}]},
        "invalid_blocks",
    ),
    "button of another style": ({"blocks": [{"type": "actions", "elements": [button(style="red")]}]}, "invalid_blocks"),
    "button with unknown key": ({"blocks": [{"type": "actions", "elements": [button(size=3)]}]}, "invalid_blocks"),
    "action id used twice": (
        {"blocks": [{"type": "actions", "elements": [button(action_id="a"), button(action_id="a")]}]},
        "invalid_blocks",
    ),
    "unknown element": ({"blocks": [section(accessory={"type": "slider"})]}, "invalid_blocks"),
    "element no object": ({"blocks": [section(accessory="button")]}, "invalid_blocks"),
    "block id too long": ({"blocks": [section(block_id="x" * 256)]}, "invalid_blocks"),
    "block id used twice": ({"blocks": [section(block_id="a"), section(block_id="a")]}, "invalid_blocks"),
    "image without alt text": ({"blocks": [{"type": "image", "image_url": "https://e.com/i.png"}]}, "invalid_blocks"),
    "image without address": ({"blocks": [{"type": "image", "alt_text": "i"}]}, "invalid_blocks"),
    "rich text without elements": ({"blocks": [{"type": "rich_text"}]}, "invalid_blocks"),
    "alert of unknown level": ({"blocks": [{"type": "alert", "text": plain(), "level": "page"}]}, "invalid_blocks"),
    "link too long": (
        {"blocks": [{"type": "actions", "elements": [button(url="https://e.com/" + "x" * 2987)]}]},
        "invalid_blocks",
    ),
    "markdown too long": ({"blocks": [{"type": "markdown", "text": "x" * 12_001}]}, "invalid_blocks"),
    "blocks too long together": (
        {"blocks": [*[section(text=mrkdwn("x" * 2640))] * 5, section()]},
        "msg_blocks_too_long",
    ),
    "attachments no list": ({"attachments": {}, "text": "x"}, "invalid_attachments"),
    "attachment no object": ({"attachments": ["x"]}, "invalid_attachments"),
    "attachment with unknown key": ({"attachments": [{"colour": "red", "text": "x"}]}, "invalid_attachments"),
    "too many attachments": ({"attachments": [{"text": "x"}] * 101}, "too_many_attachments"),
    "bad block in an attachment": ({"attachments": [{"blocks": [{"type": "paragraph"}]}]}, "invalid_blocks"),
}


@pytest.mark.parametrize("payload", GOOD.values(), ids=GOOD)
def test_slack_takes(payload: dict[str, Any]) -> None:
    """A message within the limits has no problems."""
    assert validate_message(payload) == []


@pytest.mark.parametrize(("payload", "error"), BAD.values(), ids=BAD)
def test_slack_refuses(payload: dict[str, Any], error: str) -> None:
    """A message beyond a limit has a problem that begins with Slack's error and says where."""
    problems = validate_message(payload)
    assert problems
    assert problems[0].startswith(f"{error}: ")


def test_every_problem_is_named() -> None:
    """Not only the first: who fixes a message sees all at once, each with its place."""
    problems = validate_message({"text": "x" * 40_001, "blocks": [section(text=mrkdwn("")), {"type": "paragraph"}]})
    assert [problem.split(": ")[1].split(".")[0] for problem in problems] == ["text", "blocks[0]", "blocks[1]"]
