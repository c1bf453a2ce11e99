"""What the adapters ask with: a deadline over everything, a bounded body, and a listener that is notified of every outcome."""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from monitor.core.model import Instant, Seconds, Service
from monitor.http.answer import TRAIL, Answer, Body
from monitor.http.exchange import Exchange, Request, Stopwatch, Transport
from monitor.ports import Clock, Garbled, Unreachable
from monitor.redaction import Redactor
from monitor.version import VERSION

USER_AGENT = f"gateway-trace-monitor/{VERSION}"
"""Always sent: Cloudflare refuses the default names of libraries before TrueFoundry sees the request (error 1010)."""

_ANSWERS = ("2xx", "3xx", "4xx", "5xx")
_FAILURES = ("dns", "connect", "tls", "timeout", "reset", "protocol", "denied", "proxy", "starved", "shortage")
OUTCOMES = (*_ANSWERS, *_FAILURES)
"""Everything that can become of a request: the `outcome` label."""

BODY_LIMIT = 4 * 1024 * 1024

_OK = 200
_CONTENT_TYPE = "content-type"
_TURN = 64  # so many chunks at most without a turn for everybody else
_BY_WAITING = frozenset({"timeout", "reset", "tls", "proxy"})  # a server, too, hangs up on who does not go on
_DOING = {
    "resolve": "resolving the name",
    "connect": "connecting",
    "tls": "in the TLS handshake",
    "processing": "waiting for the answer",
    "transfer": "reading the answer",
}


OnPiece = Callable[[bytes], None]
OnAnswer = Callable[[Service, str], None]
OnCertificate = Callable[[Service, Instant], None]
OnExchange = Callable[[Exchange], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Asks one request at a time, each by a connection of its own. Follows no redirect, keeps no cookie, retries nothing.

    `on_answer` gets every request's outcome, `on_certificate` when a service's certificate expires. `on_exchange` is handed
    whole requests and answers, secrets and all: for those who keep or show nothing as it is.
    """

    clock: Clock
    transport: Transport
    redactor: Redactor
    on_answer: OnAnswer | None = None
    on_certificate: OnCertificate | None = None
    on_exchange: OnExchange | None = None

    def listening(self, on_answer: OnAnswer, on_certificate: OnCertificate | None = None) -> "Http":
        """The same way to the world, with other listeners: one for each target."""
        return replace(self, on_answer=on_answer, on_certificate=on_certificate)

    def observed(self, on_exchange: OnExchange) -> "Http":
        """The same way to the world, recorded by somebody."""
        return replace(self, on_exchange=on_exchange)

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
        own = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        request = Request(method=method, url=url, headers={**own, **(headers or {})}, body=body)
        started = self.clock.monotonic()
        ended = partial(Exchange, service=service, request=request, began_at=self.clock.now())
        try:
            answer, misread = await self._ask(request, timeout, body_limit, take)
        except Unreachable as error:
            self._report(ended(took=self.clock.monotonic() - started, failure=error.kind))
            raise
        self._report(ended(took=self.clock.monotonic() - started, answer=answer))
        if misread is not None:
            what = f"status {answer.status} with {answer.media_type or 'no content type'}: {misread}"
            raise Garbled(what, status=answer.status, evidence=answer.trail)
        return answer

    def _report(self, exchange: Exchange) -> None:
        """Notify the listeners of what became of a request."""
        if self.on_exchange is not None:
            self.on_exchange(exchange)
        if self.on_answer is not None:
            status = exchange.answer.status if exchange.answer is not None else 0
            self.on_answer(exchange.service, exchange.failure or f"{min(max(status // 100, 2), 5)}xx")
        until = exchange.answer.certificate_expires_at if exchange.answer is not None else None
        if self.on_certificate is not None and until is not None:
            self.on_certificate(exchange.service, until)

    async def _ask(
        self, request: Request, timeout: Seconds, body_limit: int, take: OnPiece | None
    ) -> tuple[Answer, Garbled | None]:
        """The answer, and why whoever read it on the way did not understand it. Raises Unreachable."""
        watch = Stopwatch(self.clock)
        try:
            async with self.clock.timeout(timeout):
                return await self._receive(request, watch, body_limit, take)
        except TimeoutError:
            kind = "timeout" if watch.proxy is None else "proxy"
            within = f"{round(timeout, 1 if timeout > 1 else 3):g} s"  # what is left of a deadline is 9.99996 s
            what = f"no answer within {within} ({request.place}, while {_DOING.get(watch.current or '', 'asking')})"
            if watch.proxy is not None:
                what = f"the monitor's proxy {watch.proxy} does not connect to {request.place} within {within}"
            error = Unreachable(what, kind=kind, phases=watch.stop())
        except Unreachable as raised:
            error = raised
        if error.kind in _BY_WAITING and watch.lateness.starved:
            # What was waited for while the monitor itself did not run accuses nobody, however the waiting ended.
            what = f"{error}; meanwhile the monitor itself did not run for {watch.lateness.seconds:.1f} s"
            raise Unreachable(what, kind="starved", phases=error.phases)
        raise error

    async def _receive(
        self, request: Request, watch: Stopwatch, body_limit: int, take: OnPiece | None
    ) -> tuple[Answer, Garbled | None]:
        misread: Garbled | None = None
        chunks_taken = 0
        async with self.transport.open(request, watch) as reply:
            streams = take is not None and reply.status == _OK
            keep = not streams or self.on_exchange is not None
            body = Body(encoding=reply.headers.get("content-encoding", ""), limit=body_limit, keep=keep)
            async with aclosing(reply.chunks) as chunks:
                async for chunk in chunks:
                    chunks_taken += 1
                    if chunks_taken % _TURN == 0:  # chunks that came together are handed over without waiting
                        await self.clock.sleep(0)
                    for piece in body.pieces(chunk):
                        if take is not None and streams and misread is None:
                            try:
                                take(piece)
                            except Garbled as error:
                                misread = error
                            await self.clock.sleep(0)  # a long answer leaves room for everything else
                    if body.flaw is not None or misread is not None:
                        break
            # By its content type an answer is described to people.
            described = {
                name: self.redactor.redact(said) for name, said in reply.headers.items() if name == _CONTENT_TYPE
            }
            answer = Answer(
                status=reply.status,
                headers={**reply.headers, **described},
                body=body.content,
                flaw=body.flaw,
                cut_off=body.cut_off,
                phases=watch.stop(),
                certificate_expires_at=reply.certificate_expires_at,
                size=body.size,
                trail={name: self.redactor.show(reply.headers[name], 80) for name in TRAIL if name in reply.headers},
            )
            return answer, misread
