"""Would Slack take this message? Its limits and its blocks, checked without Slack.

https://docs.slack.dev/reference/block-kit/blocks, https://docs.slack.dev/reference/block-kit/composition-objects/text-object and
https://docs.slack.dev/reference/methods/chat.postMessage. That all blocks together may not hold more than about 13,200
characters is documented nowhere: https://github.com/slackapi/bolt-js/issues/2509.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

MOST_BLOCKS = 50
MOST_ATTACHMENTS = 100
LONGEST_TEXT = 40_000
LONGEST_BLOCKS = 13_200
_SECTION_TEXT = 3000
_FIELD_TEXT = 2000
_MOST_FIELDS = 10
_HEADER_TEXT = 150
_MOST_CONTEXT = 10
_MOST_ACTIONS = 25
_BUTTON_TEXT = 75
_LONGEST_VALUE = 2000
_LONGEST_ID = 255
_LONGEST_URL = 3000
_MARKDOWN_TEXT = 12_000

Problems = Iterator[str]
Block = Mapping[str, object]


def validate_message(payload: Mapping[str, object]) -> list[str]:
    """Everything for which Slack would refuse a message, each as `<Slack's error>: <where>: <why>`; empty if nothing."""
    return list(_problems(payload))


def _problems(payload: Mapping[str, object]) -> Problems:
    text, blocks, attachments = payload.get("text"), payload.get("blocks"), payload.get("attachments")
    if not text and not blocks and not attachments:
        yield "no_text: text: a message needs text, blocks or attachments"
    if text is not None and not isinstance(text, str):
        yield "invalid_arguments: text: not a text"
    elif text and len(text) > LONGEST_TEXT:
        yield f"msg_too_long: text: {len(text)} characters, at most {LONGEST_TEXT}"
    if blocks is not None:
        yield from _blocks(blocks, "blocks")
    if attachments is not None:
        yield from _attachments(attachments)


def _attachments(attachments: object) -> Problems:
    if not isinstance(attachments, list):
        yield "invalid_attachments: attachments: not a list"
        return
    if len(attachments) > MOST_ATTACHMENTS:
        yield f"too_many_attachments: attachments: {len(attachments)}, at most {MOST_ATTACHMENTS}"
    for number, attachment in enumerate(attachments):
        where = f"attachments[{number}]"
        if not isinstance(attachment, Mapping):
            yield f"invalid_attachments: {where}: not an object"
            continue
        unknown = sorted(set(attachment) - _ATTACHMENT_KEYS)
        if unknown:
            yield f"invalid_attachments: {where}: unknown keys {', '.join(unknown)}"
        if attachment.get("blocks") is not None:
            yield from _blocks(attachment["blocks"], f"{where}.blocks")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ATTACHMENT_KEYS = _words(
    "blocks color fallback author_icon author_link author_name author_subname fields footer footer_icon image_url "
    "mrkdwn_in pretext text thumb_url title title_link ts actions callback_id id"
)


def _blocks(blocks: object, where: str) -> Problems:
    if not isinstance(blocks, list):
        yield f"invalid_blocks_format: {where}: not a list"
        return
    if len(blocks) > MOST_BLOCKS:
        yield f"invalid_blocks: {where}: {len(blocks)} blocks, at most {MOST_BLOCKS}"
    ids: set[object] = set()
    for number, block in enumerate(blocks):
        here = f"{where}[{number}]"
        if not isinstance(block, Mapping):
            yield f"invalid_blocks: {here}: not an object"
            continue
        yield from (f"invalid_blocks: {here}{problem}" for problem in _block(block))
        if block.get("block_id") in ids:
            yield f"invalid_blocks: {here}.block_id: used twice"
        if "block_id" in block:
            ids.add(block["block_id"])
    characters = sum(map(_characters, blocks))
    if characters > LONGEST_BLOCKS:
        yield f"msg_blocks_too_long: {where}: {characters} characters, at most about {LONGEST_BLOCKS}"


def _characters(value: object) -> int:
    """How many characters of text there are in a structure of blocks."""
    if isinstance(value, Mapping):
        own = value.get("text")
        mine = len(own) if isinstance(own, str) else 0
        return mine + sum(_characters(each) for each in value.values() if isinstance(each, Mapping | list))
    return sum(map(_characters, value)) if isinstance(value, list) else 0


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a block may hold (besides `type` and `block_id`), and how it is checked further."""

    keys: frozenset[str]
    check: Callable[[Block], Problems]


def _block(block: Block) -> Problems:
    shape = _SHAPES.get(str(block.get("type")))
    if shape is None:
        yield f".type: unknown block {block.get('type')!r}"
        return
    unknown = sorted(set(block) - shape.keys - {"type", "block_id"})
    if unknown:
        yield f": unknown keys {', '.join(unknown)}"
    if "block_id" in block:
        yield from _string(block["block_id"], ".block_id", _LONGEST_ID)
    yield from shape.check(block)


def _section(block: Block) -> Problems:
    fields = block.get("fields")
    if block.get("text") is None and not fields:
        yield ": a section needs text or fields"
    if block.get("text") is not None:
        yield from _text(block["text"], ".text", _SECTION_TEXT)
    if fields is not None:
        yield from _several(fields, ".fields", _MOST_FIELDS, lambda field, here: _text(field, here, _FIELD_TEXT))
    if block.get("accessory") is not None:
        yield from _element(block["accessory"], ".accessory")


def _header(block: Block) -> Problems:
    yield from _text(block.get("text"), ".text", _HEADER_TEXT, plain=True)


def _context(block: Block) -> Problems:
    yield from _several(block.get("elements"), ".elements", _MOST_CONTEXT, _context_element)


def _context_element(element: object, here: str) -> Problems:
    if isinstance(element, Mapping) and element.get("type") == "image":
        yield from _image(element, here)
    else:
        yield from _text(element, here, _SECTION_TEXT)


def _actions(block: Block) -> Problems:
    yield from _several(block.get("elements"), ".elements", _MOST_ACTIONS, _element)
    elements = block.get("elements")
    ids = (
        [each.get("action_id") for each in elements if isinstance(each, Mapping)] if isinstance(elements, list) else []
    )
    named = [each for each in ids if each is not None]
    if len(set(map(str, named))) != len(named):
        yield ".elements: an action_id is used twice"


def _markdown(block: Block) -> Problems:
    yield from _string(block.get("text"), ".text", _MARKDOWN_TEXT)


def _picture(block: Block) -> Problems:
    yield from _image(block, "")
    if block.get("title") is not None:
        yield from _text(block["title"], ".title", _FIELD_TEXT, plain=True)


def _rich_text(block: Block) -> Problems:
    if not isinstance(block.get("elements"), list):
        yield ".elements: missing"


def _alert(block: Block) -> Problems:
    yield from _text(block.get("text"), ".text", _SECTION_TEXT)
    if block.get("level", "default") not in {"default", "info", "warning", "error", "success"}:
        yield ".level: unknown"


def _nothing(_block: Block) -> Problems:
    yield from ()


def _element(element: object, where: str) -> Problems:
    if not isinstance(element, Mapping):
        yield f"{where}: not an object"
    elif element.get("type") == "button":
        yield from _button(element, where)
    elif element.get("type") == "image":
        yield from _image(element, where)
    elif element.get("type") not in _OTHER_ELEMENTS:
        yield f"{where}.type: unknown element {element.get('type')!r}"


def _button(button: Block, where: str) -> Problems:
    unknown = sorted(set(button) - _BUTTON_KEYS)
    if unknown:
        yield f"{where}: unknown keys {', '.join(unknown)}"
    yield from _text(button.get("text"), f"{where}.text", _BUTTON_TEXT, plain=True)
    for key, limit in (("value", _LONGEST_VALUE), ("action_id", _LONGEST_ID), ("url", _LONGEST_URL)):
        if key in button:
            yield from _string(button[key], f"{where}.{key}", limit)
    if button.get("style", "primary") not in {"primary", "danger"}:
        yield f"{where}.style: neither primary nor danger"


def _image(image: Block, where: str) -> Problems:
    if not image.get("image_url") and not image.get("slack_file"):
        yield f"{where}: an image needs image_url or slack_file"
    yield from _string(image.get("alt_text"), f"{where}.alt_text", _LONGEST_VALUE)


def _text(text: object, where: str, limit: int, *, plain: bool = False) -> Problems:
    """A text object: https://docs.slack.dev/reference/block-kit/composition-objects/text-object."""
    if not isinstance(text, Mapping):
        yield f"{where}: not a text object"
        return
    kind = text.get("type")
    if kind not in {"plain_text", "mrkdwn"} or (plain and kind != "plain_text"):
        yield f"{where}.type: {kind!r} where {'plain_text' if plain else 'plain_text or mrkdwn'} belongs"
    flag = "emoji" if kind == "plain_text" else "verbatim"
    unknown = sorted(set(text) - {"type", "text", flag})
    if unknown:
        yield f"{where}: unknown keys {', '.join(unknown)}"
    yield from _string(text.get("text"), f"{where}.text", limit)


def _string(value: object, where: str, limit: int) -> Problems:
    if not isinstance(value, str) or not value:
        yield f"{where}: missing or empty"
    elif len(value) > limit:
        yield f"{where}: {len(value)} characters, at most {limit}"


def _several(values: object, where: str, most: int, check: Callable[[object, str], Problems]) -> Problems:
    if not isinstance(values, list) or not values:
        yield f"{where}: missing or empty"
        return
    if len(values) > most:
        yield f"{where}: {len(values)} elements, at most {most}"
    for number, value in enumerate(values):
        yield from check(value, f"{where}[{number}]")


_BUTTON_KEYS = _words("type text action_id url value style confirm accessibility_label")
_OTHER_ELEMENTS = _words(
    "checkboxes datepicker datetimepicker overflow radio_buttons static_select users_select conversations_select "
    "channels_select external_select timepicker workflow_button"
)


def _shape(keys: str, check: Callable[[Block], Problems] = _nothing) -> _Shape:
    return _Shape(keys=_words(keys), check=check)


_SHAPES: Mapping[str, _Shape] = {
    "section": _shape("text fields accessory expand", _section),
    "header": _shape("text", _header),
    "divider": _shape(""),
    "context": _shape("elements", _context),
    "actions": _shape("elements", _actions),
    "image": _shape("image_url slack_file alt_text title", _picture),
    "markdown": _shape("text", _markdown),
    "rich_text": _shape("elements", _rich_text),
    "table": _shape("rows column_settings"),
    "alert": _shape("text level", _alert),
}
