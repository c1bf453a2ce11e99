"""Where a request really goes: names to addresses, addresses that are never asked, and proxies."""

import asyncio
import contextlib
import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from monitor.core.address import is_loopback, parse_address
from monitor.ports import Unreachable
from monitor.shortage import shortage

Lookup = Callable[[str, int], Sequence[str]]
"""A host and port to addresses, best first; may block; raises OSError or UnicodeError."""

_MOST_LOOKUPS = 32  # that may hang at once; a thread that asks a dead resolver cannot be cancelled
_PORTS = {"http": 80, "https": 443}


def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver; the order is its own (RFC 6724)."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """Looks names up in threads that can be abandoned: they are daemons, so not even the end of the process waits for them."""

    def __init__(self, lookup: Lookup = look_up) -> None:
        self._lookup = lookup
        self._hanging = 0

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Addresses of a host, best first. Raises Unreachable (dns, shortage)."""
        if self._hanging >= _MOST_LOOKUPS:
            raise Unreachable(f"{host} cannot be resolved: {self._hanging} lookups are hanging already", kind="dns")
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Sequence[str] | Exception] = loop.create_future()
        self._hanging += 1

        def deliver(answer: Sequence[str] | Exception) -> None:
            self._hanging -= 1
            if not answered.done():
                answered.set_result(answer)

        def work() -> None:
            answer: Sequence[str] | Exception
            try:
                answer = self._lookup(host, port)
            except (OSError, UnicodeError) as error:
                answer = _own_shortage() or error
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(deliver, answer)

        try:
            threading.Thread(target=work, name="resolve", daemon=True).start()
        except RuntimeError as error:
            deliver(error)
        answer = await answered
        why = "it has no address"
        if isinstance(answer, Exception):
            if lacking := shortage(answer):
                raise Unreachable(f"the monitor is out of {lacking}, so {host} cannot be resolved", kind="shortage")
            why = (isinstance(answer, OSError) and answer.strerror) or "the name cannot be looked up"
        elif answer:
            return answer
        raise Unreachable(f"{host} cannot be resolved: {why}", kind="dns")


def _own_shortage() -> OSError | None:
    """Whether a lookup failed because it could open nothing: the resolver says only that the name cannot be resolved."""
    try:
        socket.socket().close()
    except OSError as error:
        return error
    return None


class Proxies:
    """Which proxy a URL is asked through: the configured one, else the environment's; loopback never.

    The variables are the usual ones, the lower-case form first: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, whose entries
    are separated by commas or blanks, as by curl (https://curl.se/docs/manpage.html#NOPROXY).
    """

    def __init__(self, *, proxy: str | None = None, no_proxy: str | None = None, environ: Mapping[str, str]) -> None:
        def variable(name: str) -> str | None:
            return environ.get(name.lower()) or environ.get(name) or None

        self._by_scheme = {
            scheme: (proxy or None)
            if proxy is not None
            else variable(f"{scheme.upper()}_PROXY") or variable("ALL_PROXY")
            for scheme in ("http", "https")
        }
        exempt = no_proxy if no_proxy is not None else variable("NO_PROXY") or ""
        self._exempt = exempt.lower().replace(",", " ").split()

    def proxy_of(self, url: str) -> str | None:
        """The proxy for a URL, or None for a direct connection, or for what is not a URL."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            return None
        return self.proxy_for(parts.scheme, host, port)

    def proxy_for(self, scheme: str, host: str, port: int) -> str | None:
        """The proxy's URL, or None for a direct connection."""
        proxy = self._by_scheme.get(scheme)
        if proxy is None or is_loopback(host) or any(_exempts(entry, host.lower(), port) for entry in self._exempt):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"


def _exempts(entry: str, host: str, port: int) -> bool:
    """Whether one entry of NO_PROXY covers a host: `*`, a name and all below it, an address, a network; maybe a port."""
    if entry == "*":
        return True
    ported = re.fullmatch(r"(\[[^\]]*\]|[^:]+):([0-9]+)", entry)  # the colons of a bare IPv6 address lead to no port
    name, wanted = ported.groups() if ported is not None else (entry, "")
    if wanted not in ("", str(port)):
        return False
    if parse_address(host) is not None:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(name.strip("[]"), strict=False)
        except ValueError:
            return False
    name = name.removeprefix("*").lstrip(".")
    return host == name or host.endswith(f".{name}")
