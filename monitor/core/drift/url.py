"""Two spellings of one URL: https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2 and section 6.2.3."""

import re

_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://(?:([^/?#@]*)@)?(\[[^\]/?#]*\]|[^:/?#@\[]*)(?::([0-9]*))?(/[^?#]*)?(.*)"
)
_AUTHORITY = re.compile(r"[A-Za-z0-9._-]+:[0-9]+")
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def normal_url(url: str) -> str:
    """The one spelling that every spelling of a URL is equal to; what is no URL stays as it is, a gRPC address in lower case."""
    matched = _URL.fullmatch(url)
    if matched is None:
        return url.lower() if _AUTHORITY.fullmatch(url) else url
    scheme, user, host, port, path, rest = matched.groups(default="")
    scheme = scheme.lower()
    login = f"{user}@" if user else ""
    shown = "" if port in ("", _DEFAULT_PORTS.get(scheme)) else f":{port}"
    return f"{scheme}://{login}{_decoded(host).lower()}{shown}{_without_dots(_decoded(path)) or '/'}{_decoded(rest)}"


def _decoded(part: str) -> str:
    """What need not be percent-encoded is not; what must be is in upper case."""

    def once(found: re.Match[str]) -> str:
        character = chr(int(found[1], 16))
        return character if _UNRESERVED.fullmatch(character) else found[0].upper()

    return _ENCODED.sub(once, part)


def _without_dots(path: str) -> str:
    """https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[max(1, len(kept) - 1) :]
        elif segment != ".":
            kept.append(segment)
    return "/".join([*kept, ""] if segments[-1] in (".", "..") else kept)
