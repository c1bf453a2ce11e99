"""What a URL must look like before anything is sent to it."""

import re
from urllib.parse import SplitResult, urlsplit

from monitor.core import address

_VISIBLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
# The resolver makes an address of it, whatever its reader takes it for: https://url.spec.whatwg.org/#ends-in-a-number-checker.
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0[xX][0-9A-Fa-f]*)")
_AUTHORITY = re.compile(r"[A-Za-z0-9._-]+:[0-9]{1,5}")
# None of these is in a URL (https://www.rfc-editor.org/rfc/rfc3986#section-2); each is a quote or what nothing has replaced.
_FOREIGN = re.compile(r"[\"<>\\^`{|}]|\$\(")


CONTROL_PLANE = re.compile(r"/api(/.*)?")
GATEWAY = re.compile(r"/(chat/completions|completions|embeddings|responses|messages|models|health)")
TRACELOOP = re.compile(r"/v1/(traces|metrics|logs)|/v2/.*")
SLACK = re.compile(r"/[a-z]+(\.[A-Za-z]+)+")
ALERTMANAGER = re.compile(r"/api/v[12](/.*)?|/-/(healthy|ready|reload)|/metrics")
DAEMON = re.compile(r"/metrics|/healthz|/readyz|/api/v1(/.*)?|/runbooks(/.*)?|/-/reload")
"""What is below the base URL of each: as guides, error messages and browsers show it, and as people paste it."""


def url_problem(url: str, *, query: bool = False, login: bool = False) -> str | None:
    """Why this is not a usable http or https URL; never quotes it. `query`, `login`: whether it may have one."""
    if not _VISIBLE.fullmatch(url):
        return "is not a URL: it holds blanks or characters that are not visible ASCII"
    if _FOREIGN.search(url) and not login:  # a password is often not encoded as it should be
        return "is not a URL: it holds quotes, or a placeholder such as ${NAME} that nothing has replaced"
    parts = _split(url)
    if parts is None or parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        return "is not a URL; allowed: https://host[:port][/path], or http://"
    if not is_host(parts.hostname):
        return "is not a URL: its host is not a host name"
    if "@" in parts.netloc and not login:
        return "holds credentials; give them in the setting that is meant for them"
    if not query and (parts.query or "?" in url):
        return "has a query (after `?`), which is not allowed here"
    if parts.fragment or "#" in url:
        return "has a fragment (after `#`), which is not allowed"
    return None


def base_url(url: str, below: re.Pattern[str] | None = None) -> str:
    """A URL to which paths are appended: without what is below it, and without a slash at its end."""
    head = re.match(r"\s*[A-Za-z]+://[^/?#\s]*", url)
    bare = url.strip().rstrip("/")
    if head is None or below is None:
        return bare
    authority = head[0].strip()
    path = bare[len(authority) :]
    found = next(
        (start for start in range(len(path)) if path[start] == "/" and below.fullmatch(path, start)), len(path)
    )
    return f"{authority}{path[:found]}".rstrip("/")


def authority_problem(text: str) -> str | None:
    """Why this is not `host:port`, as gRPC exporters want it."""
    host, _, port = text.rpartition(":")
    good = _AUTHORITY.fullmatch(text) is not None and is_host(host) and int(port) <= 65535  # noqa: PLR2004
    return None if good else "is not an address; allowed for gRPC: host:port, or a URL"


def is_loopback(url: str) -> bool:
    """Whether a URL stays on this machine."""
    return address.is_loopback(host_of(url))


def is_link_local(url: str) -> bool:
    """Whether a URL names a link-local address, where clouds keep their metadata service: just what the client refuses."""
    return address.is_link_local(host_of(url))


def is_plain(url: str) -> bool:
    """Whether what is sent to a URL can be read on the way."""
    return url.lower().startswith("http://")


def host_of(url: str) -> str:
    """The host of a URL or of `host:port`, in lower case."""
    parts = urlsplit(url if "://" in url else f"//{url}")
    return (parts.hostname or "").rstrip(".")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_host(host: str) -> bool:
    """Whether this is the name or the address of a host, without brackets and port."""
    if address.parse_address(host.rstrip(".")) is not None:
        return True
    return _HOST.fullmatch(host) is not None and not _NUMBER.fullmatch(host.rstrip("."))
