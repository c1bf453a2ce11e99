"""What the adapters ask with: a deadline over everything, a bounded body, and a listener that hears of every outcome."""

from collections.abc import Callable, Mapping
from contextlib import aclosing

from monitor.core.model import Instant, Seconds, Service
from monitor.http.answer import Answer, Body
from monitor.http.exchange import Request, Stopwatch, Transport
from monitor.http.observed import Exchange, OnExchange
from monitor.ports import Clock, Garbled, Unreachable
from monitor.version import VERSION

USER_AGENT = f"gateway-trace-monitor/{VERSION}"
"""Always sent: Cloudflare refuses the default names of libraries before TrueFoundry sees the request (error 1010)."""

OUTCOMES = (
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "dns",
    "connect",
    "tls",
    "timeout",
    "reset",
    "protocol",
    "denied",
    "proxy",
    "starved",
    "shortage",
)
"""Everything that can become of a request: the `outcome` label. The first four are answers."""

BODY_LIMIT = 4 * 1024 * 1024

_OK = 200
_TURN = 64  # so many chunks at most without a turn for everybody else
_BY_WAITING = frozenset({"timeout", "reset", "tls", "proxy"})  # a server, too, hangs up on who does not go on

OnPiece = Callable[[bytes], None]
OnAnswer = Callable[[Service, str], None]
OnCertificate = Callable[[Service, Instant], None]


def _ignore(_service: Service, _outcome: object) -> None:
    return


def _overlook(_exchange: Exchange) -> None:
    return


class Http:
    """Asks one request at a time, each by a connection of its own. Follows no redirect, keeps no cookie, retries nothing."""

    def __init__(
        self,
        *,
        clock: Clock,
        transport: Transport,
        on_answer: OnAnswer = _ignore,
        on_certificate: OnCertificate = _ignore,
        on_exchange: OnExchange = _overlook,
    ) -> None:
        """`on_answer` hears of every request's outcome, `on_certificate` until when a service's certificate holds.

        `on_exchange` is handed whole requests and answers, secrets and all: for those who keep or show nothing as it is.
        """
        self._clock = clock
        self._transport = transport
        self._on_answer = on_answer
        self._on_certificate = on_certificate
        self._on_exchange = on_exchange

    def listening(self, on_answer: OnAnswer, on_certificate: OnCertificate = _ignore) -> "Http":
        """The same way to the world, with other listeners: one for each target."""
        return Http(
            clock=self._clock,
            transport=self._transport,
            on_answer=on_answer,
            on_certificate=on_certificate,
            on_exchange=self._on_exchange,
        )

    def observed(self, on_exchange: OnExchange) -> "Http":
        """The same way to the world, overheard by somebody."""
        return Http(
            clock=self._clock,
            transport=self._transport,
            on_answer=self._on_answer,
            on_certificate=self._on_certificate,
            on_exchange=on_exchange,
        )

    async def request(
        self,
        service: Service,
        method: str,
        url: str,
        *,
        timeout: Seconds,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        body_limit: int = BODY_LIMIT,
        take: OnPiece | None = None,
    ) -> Answer:
        """Ask, and take any HTTP answer. Raises Unreachable when there is none within `timeout` seconds in all.

        The body of a 200 is handed to `take` in small pieces, if that is given, and is not kept; what `take` raises ends the request.
        """
        request = Request(
            method=method,
            url=url,
            headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity", **(headers or {})},
            body=body,
        )
        watch = Stopwatch(self._clock)
        began, started = self._clock.now(), self._clock.monotonic()

        def overheard(answer: Answer | None, failure: str | None = None) -> Exchange:
            took = self._clock.monotonic() - started
            return Exchange(service=service, request=request, began_at=began, took=took, answer=answer, failure=failure)

        try:
            answer, misread = await self._ask(request, watch, timeout=timeout, body_limit=body_limit, take=take)
        except Unreachable as error:
            self._on_exchange(overheard(None, error.kind))
            self._on_answer(service, error.kind)
            raise
        self._on_exchange(overheard(answer))
        self._on_answer(service, f"{min(max(answer.status // 100, 2), 5)}xx")
        if answer.certificate_expires_at is not None:
            self._on_certificate(service, answer.certificate_expires_at)
        if misread is not None:
            what = f"status {answer.status} with {answer.media_type or 'no content type'}: {misread}"
            raise Garbled(what, status=answer.status, evidence=answer.trail)
        return answer

    async def _ask(
        self, request: Request, watch: Stopwatch, *, timeout: Seconds, body_limit: int, take: OnPiece | None
    ) -> tuple[Answer, Garbled | None]:
        """The answer, and why whoever read it on the way did not understand it.

        What was waited for while the monitor itself did not run accuses nobody, however the waiting ended.
        """
        try:
            return await self._wait(request, watch, timeout=timeout, body_limit=body_limit, take=take)
        except Unreachable as error:
            if error.kind not in _BY_WAITING or not watch.lateness.starved:
                raise
            raise Unreachable(
                f"{error}; meanwhile the monitor itself did not run for {watch.lateness.seconds:.1f} s",
                kind="starved",
                phases=error.phases,
            ) from None

    async def _wait(
        self, request: Request, watch: Stopwatch, *, timeout: Seconds, body_limit: int, take: OnPiece | None
    ) -> tuple[Answer, Garbled | None]:
        misread: Garbled | None = None
        chunks_taken = 0
        try:
            async with self._clock.timeout(timeout), self._transport.open(request, watch) as reply:
                streams = take is not None and reply.status == _OK
                keep = not streams or self._on_exchange is not _overlook
                body = Body(encoding=reply.headers.get("content-encoding", ""), limit=body_limit, keep=keep)
                async with aclosing(reply.chunks) as chunks:
                    async for chunk in chunks:
                        chunks_taken += 1
                        if chunks_taken % _TURN == 0:  # chunks that came together are handed over without waiting
                            await self._clock.sleep(0)
                        for piece in body.pieces(chunk):
                            if take is not None and streams and misread is None:
                                try:
                                    take(piece)
                                except Garbled as error:
                                    misread = error
                                await self._clock.sleep(0)  # a long answer leaves room for everything else
                        if body.flaw is not None or misread is not None:
                            break
                answer = Answer(
                    status=reply.status,
                    headers=reply.headers,
                    body=body.content,
                    flaw=body.flaw,
                    cut_off=body.cut_off,
                    phases=watch.stop(),
                    certificate_expires_at=reply.certificate_expires_at,
                    size=body.size,
                )
                return answer, misread
        except TimeoutError:
            doing = _DOING.get(watch.current or "", "asking")
            if watch.proxy is not None:
                raise Unreachable(
                    f"our proxy {watch.proxy} does not connect us to {request.place} within {timeout:g} s",
                    kind="proxy",
                    phases=watch.stop(),
                ) from None
            raise Unreachable(
                f"{request.place}: no answer within {timeout:g} s (while {doing})",
                kind="timeout",
                phases=watch.stop(),
            ) from None


_DOING = {
    "resolve": "resolving the name",
    "connect": "connecting",
    "tls": "in the TLS handshake",
    "processing": "waiting for the answer",
    "transfer": "reading the answer",
}
