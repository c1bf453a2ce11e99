"""What an address is: loopback, link-local, in whatever form it is written."""

import ipaddress

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Cloud providers hand out credentials at link-local addresses, and one at a unique local one
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html).
_METADATA = ipaddress.ip_address("fd00:ec2::254")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


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
    """Whether an address reaches the machine's own metadata service, in whatever disguise of IPv6."""
    address = parse_address(host)
    return address is not None and any(each.is_link_local or each == _METADATA for each in _disguises(address))


def _disguises(address: _Address) -> list[_Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inside: list[_Address | None] = [address, address.ipv4_mapped, address.sixtofour]
    if address in _NAT64:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in inside if each is not None]
