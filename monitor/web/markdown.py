"""As much of Markdown as the runbooks use: headings, paragraphs, lists, code, links, emphasis. Everything else is text."""

import re
from collections.abc import Iterator

from monitor.web.html import Child, Html, join, tag

_INLINE = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\[(?P<text>[^\]]+)\]\((?P<href>[^()\s]+)\)"
    r"|<(?P<bare>https://[^\s<>]+)>"
    r"|\*\*(?P<strong>[^*]+)\*\*"
    r"|\*(?P<em>[^*]+)\*"
)
_ITEM = re.compile(r"(?P<mark>-|\d+\.) +(?P<text>.*)")
_SAFE_LINK = re.compile(r"https://|[a-z_]+(?:#[a-z-]+)?\Z")  # a public page, or another runbook


def render(source: str) -> Html:
    """Markdown as HTML."""
    return join(*_blocks(source.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Html]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("```"):
            end = next((n for n in range(at + 1, len(lines)) if lines[n].startswith("```")), len(lines))
            yield tag("pre", tag("code", "\n".join(lines[at + 1 : end])))
            at = end + 1
        elif line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            text = line.lstrip("# ")
            yield tag(f"h{min(level, 4)}", _inline(text), id=_slug(text))
            at += 1
        elif _ITEM.match(line):
            end = _end_of_block(lines, at)
            yield _list(lines[at:end])
            at = end
        elif not line.strip():
            at += 1
        else:
            end = _end_of_block(lines, at)
            yield tag("p", _inline(" ".join(part.strip() for part in lines[at:end])))
            at = end


def _end_of_block(lines: list[str], at: int) -> int:
    return next((n for n in range(at + 1, len(lines)) if not lines[n].strip() or lines[n][0] in "#`"), len(lines))


def _list(lines: list[str]) -> Html:
    """A list; a line that begins no item belongs to the one before."""
    items: list[str] = []
    for line in lines:
        item = _ITEM.match(line)
        if item is not None:
            items.append(item["text"])
        else:
            items[-1] += " " + line.strip()
    ordered = lines[0][0].isdigit()
    return tag("ol" if ordered else "ul", *(tag("li", _inline(item)) for item in items))


def _inline(text: str) -> Html:
    parts: list[Child] = []
    at = 0
    for found in _INLINE.finditer(text):
        parts.extend((text[at : found.start()], _span(found)))
        at = found.end()
    return join(*parts, text[at:])


def _span(found: re.Match[str]) -> Child:
    if found["code"] is not None:
        return tag("code", found["code"])
    if found["strong"] is not None:
        return tag("strong", _inline(found["strong"]))
    if found["em"] is not None:
        return tag("em", _inline(found["em"]))
    text, href = (found["bare"], found["bare"]) if found["bare"] else (found["text"], found["href"])
    return tag("a", text, href=href) if _SAFE_LINK.match(href) else found.group()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
