"""HTML that cannot be forgotten to be escaped: text is escaped unless it was made here."""

from html import escape

from monitor.redaction import visible

_VOID = frozenset({"meta", "link", "br", "hr", "img"})


class Html(str):
    """Markup made by this module: never escaped again."""

    __slots__ = ()


Child = str | Html | None


def tag(name: str, /, *children: Child, **attributes: str | None) -> Html:
    """An element. `class_` means class, an underscore in an attribute's name a hyphen; an attribute that is None is left out."""
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_safe(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{named}>")
    return Html(f"<{name}{named}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Several, one after the other; None is nothing."""
    return Html("".join(_safe(child) for child in children if child is not None))


def _safe(child: str) -> str:
    return child if isinstance(child, Html) else escape(visible(child, keep="\n"), quote=True)


def document(title: str, *body: Child, style: str, refresh: int | None = None) -> str:
    """A whole page without scripts; `refresh`: the browser asks again after so many seconds."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="refresh", content=str(refresh)) if refresh is not None else None,
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Html(style)),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *body), lang='en')}\n"
