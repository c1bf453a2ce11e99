"""Requests over the network: the one place that knows httpx.

A fresh connection each time. That is what a canary should measure; and httpcore 1.0 loses connections of its pool for ever when
a request is cancelled while others share it (https://github.com/encode/httpcore/issues/1093), which is just what deadlines do.
"""

import base64
import errno
import os
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import httpx

from monitor.core.address import is_link_local, parse_address
from monitor.core.model import Instant, Seconds
from monitor.http.exchange import Reply, Request, Stopwatch
from monitor.http.network import Lookup, Proxies, Resolver, look_up
from monitor.ports import Unreachable
from monitor.redaction import Redactor
from monitor.shortage import shortage

_FOREIGN = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, UnicodeError, MemoryError)
_NEXT_ADDRESS_AFTER: Seconds = 2.0  # an address that does not connect so fast is passed over while there is another
_MOST_ADDRESSES = 4
_BYTES = re.compile(r"(?:bytearray\()?b(['\"])(.*?)\1\)?")  # as Python writes them
_CONNECTION_REFUSED = os.strerror(errno.ECONNREFUSED).lower()
_PORTS = {"http": 80, "https": 443}
_PORT_END = 65_536
_LONGEST_HEAD = 256 * 1024  # of an answer, with all that comes before it; h11 takes 100 KiB for one
_PROXY_LOGIN = 407  # of an answer to a request that was forwarded, not tunnelled: https://www.rfc-editor.org/rfc/rfc9110#status.407


class Network:
    """The real `Transport`: TLS verified, names resolved once and connected to as resolved, redirects left alone."""

    def __init__(
        self,
        *,
        redactor: Redactor,
        ca_file: str | None = None,
        proxy: str | None = None,
        no_proxy: str | None = None,
        deny_link_local: bool = True,
        environ: Mapping[str, str] | None = None,
        lookup: Lookup = look_up,
    ) -> None:
        """`proxy` None means the environment's, an empty text none at all. Raises OSError if `ca_file` cannot be used."""
        self._redactor = redactor
        self._proxies = Proxies(proxy=proxy, no_proxy=no_proxy, environ=os.environ if environ is None else environ)
        self._deny_link_local = deny_link_local
        self._resolver = Resolver(lookup)
        self._trust = _trust(ca_file)

    @asynccontextmanager
    async def open(self, request: Request, watch: Stopwatch) -> AsyncIterator[Reply]:
        """As `Transport.open`."""
        try:
            url = httpx.URL(request.url)
            async with AsyncExitStack() as stack:
                stack.enter_context(watch.lateness)
                response = await self._send(request, url, watch, stack)
                yield Reply(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    chunks=cast("AsyncGenerator[bytes, None]", response.aiter_raw()),
                    certificate_expires_at=_certificate_expiry(response),
                )
        except _FOREIGN as error:
            # Without the cause: its text may quote a header, and a header is a secret.
            raise self._translate(error, request, watch) from None

    def dial(self, url: str) -> tuple[str | None, ssl.SSLContext]:
        """How a WebSocket is connected to: its proxy, and whom to trust. Names are not resolved here.

        Raises Unreachable for an address that is never asked, and for what is not a URL.
        """
        bare = url.replace("ws", "http", 1)  # ws: as http:, wss: as https:
        try:
            host = httpx.URL(bare).host
        except httpx.InvalidURL:
            raise Unreachable("not a WebSocket URL", kind="protocol") from None
        self._refuse_link_local(host)
        return self._proxies.proxy_of(bare), self._trust

    async def _send(self, request: Request, url: httpx.URL, watch: Stopwatch, stack: AsyncExitStack) -> httpx.Response:
        port = url.port or _PORTS.get(url.scheme, 0)
        if not url.host or not 0 < port < _PORT_END:
            raise Unreachable(f"not an http or https URL ({request.place})", kind="denied")
        self._refuse_link_local(url.host)
        proxy = self._proxies.proxy_for(url.scheme, url.host, port)
        if proxy is not None:
            if not proxy.startswith(("http://", "https://")):
                raise Unreachable(f"the monitor's proxy for {request.place} is neither http nor https", kind="proxy")
            return await self._ask_through(proxy, request, url, watch, stack)
        if parse_address(url.host) is not None:
            return await self._ask(request, url, watch, stack)
        watch.begin("resolve")
        found = list(await self._resolver.resolve(url.host, port))
        allowed = [address for address in found if not (self._deny_link_local and is_link_local(address))]
        if not allowed:
            self._refuse_link_local(found[0], url.host)
        addresses = allowed[:_MOST_ADDRESSES]
        for address in addresses[:-1]:
            try:
                return await self._ask(request, url, watch, stack, address=address, patience=_NEXT_ADDRESS_AFTER)
            except httpx.ConnectTimeout:
                continue
            except httpx.ConnectError:
                if watch.current != "connect":
                    raise
        return await self._ask(request, url, watch, stack, address=addresses[-1])

    def _refuse_link_local(self, address: str, host: str | None = None) -> None:
        if self._deny_link_local and is_link_local(address):
            what = f"{host or address} is a link-local address, which is never asked (http.deny_link_local)"
            raise Unreachable(what, kind="denied")

    async def _ask(
        self,
        request: Request,
        url: httpx.URL,
        watch: Stopwatch,
        stack: AsyncExitStack,
        *,
        address: str | None = None,
        proxy: str | None = None,
        patience: Seconds | None = None,
    ) -> httpx.Response:
        """Ask at one address, by one connection; the certificate is still that of the host's name."""
        headers = {"Host": url.netloc.decode("ascii"), "Connection": "close", **request.headers}
        # A user and password in the URL, as the header they stand for.
        if url.userinfo and "Authorization" not in headers:
            login = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        extensions: dict[str, Any] = {
            "trace": _Tracer(watch, stack, request.place).note,
            "timeout": {"connect": patience, "read": None, "write": None, "pool": None},
        }
        if address is not None:
            extensions["sni_hostname"] = url.raw_host.decode("ascii")
            url = url.copy_with(host=address)
        through = None
        if proxy is not None:
            through = httpx.Proxy(proxy, ssl_context=self._trust if proxy.startswith("https:") else None)
        transport = await stack.enter_async_context(
            httpx.AsyncHTTPTransport(verify=self._trust, trust_env=False, proxy=through)
        )
        response = await transport.handle_async_request(
            httpx.Request(request.method, url, headers=headers, content=request.body, extensions=extensions)
        )
        stack.push_async_callback(response.aclose)
        return response

    async def _ask_through(
        self, proxy: str, request: Request, url: httpx.URL, watch: Stopwatch, stack: AsyncExitStack
    ) -> httpx.Response:
        """Ask through our own proxy. What happens before the tunnel stands is its doing and says nothing about the service."""

        def ours(what: str) -> Unreachable:
            return Unreachable(f"the monitor's proxy {what}", kind="proxy", phases=watch.stop())

        try:
            watch.proxy = httpx.URL(proxy).netloc.decode("ascii")
            response = await self._ask(request, url, watch, stack, proxy=proxy)
        except httpx.ProxyError as error:
            said = self._redactor.show(str(error), 160)
            raise ours(f"refuses the connection to {request.place} ({said})") from None
        except httpx.InvalidURL:
            raise ours(f"for {request.place} is not a URL") from None
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            if shortage(error) or (watch.proxy is None and url.scheme == "https"):
                raise
            text = self._redactor.show(innermost(error), 160)
            what = "cannot be reached" if watch.current in ("connect", "tls") else "closes the connection"
            why = f" ({text})" if text else ""
            said = " ".join(filter(None, (watch.proxy, what)))
            raise ours(f"{said}, so {request.place} was not asked{why}") from None
        if url.scheme == "http" and response.status_code == _PROXY_LOGIN:
            raise ours(f"refuses the connection to {request.place} (it wants a login: HTTP 407)")
        watch.proxy = None
        return response

    def _translate(self, error: Exception, request: Request, watch: Stopwatch) -> Unreachable:
        """What happened, in plain words; what went wrong within the monitor itself accuses nobody."""
        kind, phase, text = "protocol", watch.current, self._redactor.show(innermost(error), 160)
        match error:
            case _ if lacking := shortage(error):
                what = f"the monitor is out of {lacking}, so {request.place} could not be asked"
                return Unreachable(what, kind="shortage", phases=watch.stop())
            case httpx.TimeoutException() | TimeoutError():
                kind, what = "timeout", "no connection in time" if phase == "connect" else "no answer in time"
            case httpx.ConnectError():
                kind, what = ("tls", "the TLS handshake failed") if phase == "tls" else ("connect", "no connection")
            case httpx.RemoteProtocolError() if _is_cut_off(str(error)):
                kind, what = "reset", "the connection was closed before the answer was complete"
            case httpx.RemoteProtocolError():
                what = "the answer is not HTTP"
            case httpx.NetworkError() | OSError():
                kind, what = "reset", "the connection broke"
            case _:
                what = "the request cannot be made"
        if kind == "connect" and text == _CONNECTION_REFUSED:
            what, text = text, ""
        return Unreachable(f"{what} ({request.place}{f': {text}' if text else ''})", kind=kind, phases=watch.stop())


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """The system's authorities, or the bundled ones where it has none at hand; and the operator's own besides."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        context = httpx.create_ssl_context(trust_env=False)
        context.load_default_certs()
    # Python 3.13 began to refuse private authorities for formal reasons; what is trusted must not depend on that.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


class _Tracer:
    """Follows httpcore's trace events (https://www.encode.io/httpcore/extensions/#trace).

    It also sees to it that the socket is closed: cancelled in the middle of a TLS handshake, httpcore 1.0 forgets it.
    """

    def __init__(self, watch: Stopwatch, stack: AsyncExitStack, place: str) -> None:
        self._watch = watch
        self._stack = stack
        self._place = place
        self._room: int | None = _LONGEST_HEAD  # None: the head is complete

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "proxy.start_tls.started":  # the tunnel stands: from here on it is the service that speaks
            self._watch.proxy = None
        match event.partition(".")[2]:
            case "connect_tcp.started":
                self._watch.begin("connect")
            case "connect_tcp.complete":
                self._stack.push_async_callback(info["return_value"].aclose)
                self._count(info["return_value"])
            case "start_tls.complete":
                self._count(info["return_value"])
            case "start_tls.started":
                self._watch.begin("tls")
            case "send_request_headers.started":
                self._watch.begin("processing")
            case "receive_response_headers.complete":
                self._room = None
                self._watch.begin("transfer")

    def _count(self, stream: Any) -> None:  # noqa: ANN401 - httpcore's AsyncNetworkStream, whose `read` is replaced
        """End an answer that never begins: httpcore skips interim answers (1xx) for as long as they come."""
        read = stream.read

        async def counted(*arguments: Any, **more: Any) -> bytes:  # noqa: ANN401 - as they are given
            piece: bytes = await read(*arguments, **more)
            if self._room is not None:
                self._room -= len(piece)
                if self._room < 0:
                    raise Unreachable(f"the response headers are longer than 256 KiB ({self._place})", kind="protocol")
            return piece

        stream.read = counted


def innermost(error: BaseException) -> str:
    """What is nearest to the cause, in the words of the system or of TLS: the layers above tell less, and in Python's words."""
    if isinstance(error, (httpx.LocalProtocolError, UnicodeError)):
        return "a header or the URL holds what HTTP does not allow"
    while True:  # of several attempts the first tells as much as the others
        group = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None
        cause = group or error.__cause__ or error.__context__
        if cause is None:
            break
        error = cause
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message
        case ssl.SSLError():  # its number is not one of the system's
            reason = getattr(error, "reason", None) or error.strerror or ""
            return reason.replace("_", " ").lower()
        case TimeoutError():  # `_translate` says so
            return ""
        case OSError(errno=int(number)) if number in errno.errorcode:
            return os.strerror(number).lower()
        case OSError(strerror=str(said)):
            return said
    said = str(error)
    if _is_cut_off(said):  # `_translate` says that; how much of it there was stands in parentheses
        return said.partition("(")[2].removesuffix(")")
    return _BYTES.sub(r"\2", said)


def _is_cut_off(said: str) -> bool:
    return "disconnected" in said or "peer closed" in said


def _certificate_expiry(response: httpx.Response) -> Instant | None:
    stream = response.extensions.get("network_stream")
    secured = stream.get_extra_info("ssl_object") if stream is not None else None
    certificate = secured.getpeercert() if secured is not None else None
    until = (certificate or {}).get("notAfter")
    return ssl.cert_time_to_seconds(until) if isinstance(until, str) else None
