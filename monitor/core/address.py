"""Addresses and URLs: loopback and link-local hosts, and two spellings of one URL."""

import ipaddress
import re

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Cloud providers hand out credentials at link-local addresses, and one at a unique local one
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html).
_METADATA = ipaddress.ip_address("fd00:ec2::254")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://(?:([^/?#@]*)@)?(\[[^\]/?#]*\]|[^:/?#@\[]*)(?::([0-9]*))?(/[^?#]*)?(.*)"
)
_AUTHORITY = re.compile(r"[A-Za-z0-9._-]+:[0-9]+")
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def parse_address(host: str) -> _Address | None:
    """The address that a host is written as; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine by its name or number."""
    address = parse_address(host)
    if address is not None:
        return address.is_loopback
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def is_link_local(host: str) -> bool:
    """Whether an address reaches the machine's own metadata service, also as an IPv4 address inside an IPv6 one."""
    address = parse_address(host)
    forms: list[_Address | None] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        forms += [address.ipv4_mapped, address.sixtofour]
        if address in _NAT64:
            forms.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return any(form is not None and (form.is_link_local or form == _METADATA) for form in forms)


def normal_url(url: str) -> str:
    """The spelling that every spelling of a URL is equal to (https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2 and 6.2.3).

    What is no URL stays as it is, a gRPC address in lower case.
    """
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

    def decode(found: re.Match[str]) -> str:
        character = chr(int(found[1], 16))
        return character if _UNRESERVED.fullmatch(character) else found[0].upper()

    return _ENCODED.sub(decode, part)


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
