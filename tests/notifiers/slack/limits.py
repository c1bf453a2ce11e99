"""What a message of ours must keep beyond Slack's own limits, whatever it is made of."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_LONGEST_TEXT = 4000  # https://docs.slack.dev/reference/methods/chat.postMessage recommends no more
_LONGEST_SECTION = 3000
_LONGEST_BLOCKS = 13_200
_TOKENS = re.compile(
    r"<!date\^\d{1,11}\^\{date_short_pretty\} \{time\}\|\d{4}-\d\d-\d\d \d\d:\d\d UTC>"
    r"|<https?://[^<>|\s]{1,3000}\|[A-Za-z ]+>"
    r"|<!subteam\^S[0-9]+>"
)
_ENTITIES = re.compile(r"&(?:amp|lt|gt);")


def problems(payload: Mapping[str, Any]) -> list[str]:
    """Everything wrong, each as `<Slack's error>: <why>`."""
    return list(_problems(payload))


def texts(payload: Mapping[str, Any]) -> Iterator[str]:
    """Every text of a message's blocks; those of buttons are this program's own, and plain."""
    for block in payload.get("blocks") or ():
        if block["type"] == "actions":
            yield from (button["text"]["text"] for button in block["elements"])
            continue
        for each in [block["text"]] if "text" in block else block["elements"]:
            assert each["verbatim"] is True
            yield each["text"]


def utf16(text: str) -> int:
    """The length as JavaScript counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _problems(payload: Mapping[str, Any]) -> Iterator[str]:
    shown = list(texts(payload))
    if utf16(payload["text"]) > _LONGEST_TEXT:
        yield "msg_too_long: text"
    if any(utf16(text) > _LONGEST_SECTION for text in shown):
        yield "invalid_blocks: a text is too long"
    if sum(map(utf16, shown)) > _LONGEST_BLOCKS:
        yield "msg_blocks_too_long: all together"
    for text in (payload["text"], *shown):
        yield from _markup(text)


def _markup(text: str) -> Iterator[str]:
    """Only tokens of our own making, only whole entities, every code closed, nothing that turns the reader around."""
    rest = _ENTITIES.sub("", _TOKENS.sub("", text))
    for character in "<>&":
        if character in rest:
            yield f"invalid_blocks: a stray {character} in {text!r}"
    if any(line.count("`") % 2 for line in text.replace("```", "").split("\n")):
        yield f"invalid_blocks: a stray backtick in {text!r}"
    if re.search(r"@(?:here|channel|everyone)\b", text):
        yield f"invalid_blocks: a call in {text!r}"
    if re.search("[\u202a-\u202e\u2066-\u2069\x00-\x09\x0b-\x1f\ud800-\udfff]", text):
        yield f"invalid_blocks: an invisible power in {text!r}"
