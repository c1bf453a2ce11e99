"""One target's visit: asks everything once, by the checks of a single pass and beyond them, and keeps what it was told.

Beyond what `check` does it sends one request that the gateway must refuse, because its model does not exist: no provider is
reached, so it costs nothing. Everything else is a read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from monitor.checks.lookup import Look, Lookup
from monitor.core.canary import NONCE_ENTRY, Canary
from monitor.core.gateway_policies import SwitchKind
from monitor.core.model import CheckName, Instant, Seconds, Service, TargetName, TraceId
from monitor.core.trace import BY_NONCE, Narrowing, SpanFact
from monitor.daemon.compose import Adapters
from monitor.daemon.one_shot import OneShot, Print
from monitor.doctor.ear import Ear
from monitor.doctor.seen import Answered, Reply, Seen, StoreWatch
from monitor.doctor.store import look_on
from monitor.notifiers.slack import SlackBot
from monitor.ports import CanaryAnswer, CanaryRequest, Clock, PortError, Unreachable
from monitor.settings import Settings, Target
from monitor.traceloop import TraceloopReader
from monitor.truefoundry import TrueFoundryControlPlane

T = TypeVar("T")

NO_SUCH_MODEL = "gateway-trace-monitor/no-such-model"
"""Of no provider account, and no virtual model either: one that is refused often is taken out of use for everybody."""

_TIMEOUT: Seconds = 15.0
_STORE_TIMEOUT: Seconds = 30.0
_STORE_EVERY: Seconds = 5.0
_BEFORE: Seconds = 120.0
_REFUSED_WAITS: tuple[Seconds, ...] = (0.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """The request that must be refused: by what its trace could be found."""

    sent_at: Instant
    sent_id: TraceId
    nonce: str

    def as_canary(self) -> Canary:
        """What a trace is looked for by."""
        return Canary(id=self.sent_id[:16], sent_at=self.sent_at, sent_id=self.sent_id, span_id="", nonce=self.nonce)


class Visit:
    """Looks at one target; `seen` may be asked at any time, also when the visit was cut short."""

    def __init__(
        self,
        name: TargetName,
        settings: Settings,
        single: OneShot,
        adapters: Adapters,
        ear: Ear,
        *,
        slack: SlackBot | None,
        proxies: Mapping[Service, str],
        clock: Clock,
        say: Print,
    ) -> None:
        self._settings = settings
        self._single = single
        self._adapters = adapters
        self._ear = ear
        self._slack = slack
        self._clock = clock
        self._say = say
        self._silent: dict[Service, Unreachable] = {}
        self._refusal: _Refusal | None = None
        self._seen = Seen(
            name=name,
            target=settings.targets[name],
            settings=settings,
            state=single.journal.state,
            policy=single.journal.policy,
            now=clock.now(),
            overheard=ear.overheard(),
            ended=False,
            proxies=proxies,
        )

    @property
    def seen(self) -> Seen:
        """What is known by now."""
        journal = self._single.journal
        return replace(self._seen, state=journal.state, now=self._clock.now(), overheard=self._ear.overheard())

    async def run(self) -> None:
        """Ask once around, then look for the traces, then ask what needs them."""
        await asyncio.gather(self._ask_control_plane(), self._ask_gateway(), self._ask_traceloop())
        await self._ask_slack()
        await asyncio.gather(self._single.run(), self._watch_store())
        await self._look_back()
        self._learn(ended=True)

    # --- asking

    @property
    def _target(self) -> Target:
        return self._seen.target

    def _learn(self, **news: object) -> None:
        self._seen = replace(self._seen, **news)  # type: ignore[arg-type]  # by the names of its fields

    def _tell(self, text: str) -> None:
        self._say(f"{self._seen.name}: {text}")

    async def _ask(self, service: Service, ask: Callable[[], Awaitable[T]]) -> Reply[T]:
        """Ask; who has not answered once is not asked again, because that takes long."""
        if service in self._silent:
            return self._silent[service]
        try:
            return Answered(await ask())
        except Unreachable as error:
            if error.kind != "status":
                self._silent[service] = error
            return error
        except PortError as error:
            return error

    async def _ask_control_plane(self) -> None:
        plane = self._adapters.control_plane
        if plane is None:
            return
        self._tell("asking TrueFoundry's control plane")
        here = Service.CONTROL_PLANE
        self._learn(tenant=await self._ask(here, lambda: plane.name_tenant(timeout=_TIMEOUT)))
        self._learn(config=await self._ask(here, lambda: plane.read_export_config(timeout=_TIMEOUT)))
        for kind in SwitchKind:
            switch = await self._ask(here, partial(plane.read_switch, kind, timeout=_TIMEOUT))
            self._learn(others={**self._seen.others, kind: switch})

    async def _ask_gateway(self) -> None:
        gateway = self._adapters.gateway
        self._tell("asking the gateway")
        here = Service.GATEWAY
        self._learn(models=await self._ask(here, lambda: gateway.list_models(anonymous=False, timeout=_TIMEOUT)))
        self._learn(anonymous=await self._ask(here, lambda: gateway.list_models(anonymous=True, timeout=_TIMEOUT)))
        if self._target.checks.canary.enabled:
            self._tell(f"sending a request for a model that does not exist ({NO_SUCH_MODEL}): it costs nothing")
            self._learn(refused=await self._ask(here, self._send_refusal))

    async def _send_refusal(self) -> CanaryAnswer:
        draw = self._clock.draw_hex
        sent_id, nonce = TraceId(draw(32)), f"gtm-{draw(16)}"
        self._refusal = _Refusal(sent_at=self._clock.now(), sent_id=sent_id, nonce=nonce)
        return await self._adapters.gateway.complete(
            CanaryRequest(
                prompt=f"This request is meant to be refused. ({nonce})",
                model=NO_SUCH_MODEL,
                max_tokens=1,
                metadata={"tfy_monitor": "doctor", NONCE_ENTRY: nonce},
                traceparent=f"00-{sent_id}-{draw(16)}-01",
                timeout=_TIMEOUT,
            )
        )

    async def _ask_traceloop(self) -> None:
        self._tell("asking Traceloop")
        backend = self._adapters.backend
        self._learn(quick=await self._ask(Service.TRACELOOP, lambda: self._knock_quick(backend)))
        self._learn(window=await self._ask(Service.TRACELOOP, lambda: self._knock_window(backend)))
        if self._target.expected.protocol == "http":
            self._learn(json=await self._ask(Service.OTLP, lambda: self._adapters.ingest.try_json(timeout=_TIMEOUT)))
        await self._ask_environments()

    async def _ask_environments(self) -> None:
        for slug, reader in self._adapters.elsewhere.items():
            reply = await self._ask(Service.TRACELOOP, partial(self._knock_window, reader))
            self._learn(environments={**self._seen.environments, slug: reply})

    async def _knock_quick(self, reader: TraceloopReader) -> bool:
        """Whether the quick route answers, asked for a trace that nobody has."""
        await reader.read_trace(TraceId(self._clock.draw_hex(32)), nonce=None, timeout=_TIMEOUT)
        return True

    async def _knock_window(self, reader: TraceloopReader) -> bool:
        """Whether the documented route answers."""
        await reader.try_key(timeout=_TIMEOUT)
        return True

    async def _ask_slack(self) -> None:
        slack = self._slack
        if slack is not None:
            self._learn(slack=await self._ask(Service.SLACK, slack.identify))

    # --- the traces

    async def _watch_store(self) -> None:
        """Look into TrueFoundry's own store every few seconds, until it shows the whole trace of the canary."""
        plane = self._adapters.control_plane
        if plane is None or not self._target.checks.canary.enabled:
            return
        while (canary := await self._canary_with_id()) is not None:
            watch = await self._look_into_store(plane, canary)
            patience = self._single.journal.policy.arrival.look_closer_after
            if watch.whole_after is not None or watch.error is not None or watch.looked_for >= patience:
                return
            await self._clock.sleep(_STORE_EVERY)

    async def _canary_with_id(self) -> Canary | None:
        """The canary once it is known by which id its trace is to be found; None if that is never known."""
        deadline = self._clock.monotonic() + self._target.checks.canary.timeout + _TIMEOUT
        while self._clock.monotonic() < deadline:
            canary = self.seen.canary
            if canary is not None and canary.trace_id is not None and canary.answered_at is not None:
                return canary
            if canary is not None and canary.answered_at is None and self.seen.state.trend(CheckName.CANARY).last:
                return None
            await self._clock.sleep(1.0)
        return None

    async def _look_into_store(self, plane: TrueFoundryControlPlane, canary: Canary) -> StoreWatch:
        reply = await self._ask(
            Service.CONTROL_PLANE,
            lambda: plane.find_spans(
                canary.trace_id or canary.sent_id,
                since=canary.sent_at - _BEFORE,
                destination=canary.destination,
                timeout=_STORE_TIMEOUT,
            ),
        )
        watch = look_on(self._seen.store, reply, canary, self._clock.now())
        self._learn(store=watch)
        return watch

    async def _look_back(self) -> None:
        """What can only be asked when the traces have come."""
        canary = self.seen.canary
        here = Service.TRACELOOP
        if canary is not None and canary.trace_id is not None and canary.spans:
            self._tell("reading what the trace carries")
            self._learn(spans=await self._ask(here, partial(self._read_documented, canary, canary.trace_id)))
            self._learn(scope=await self._try_scope(canary.trace_id))
            await self._try_narrowings(canary)
        if self._refusal is not None and canary is not None and canary.spans:
            self._learn(refused_shown=await self._find_refused(self._refusal))

    async def _read_documented(self, canary: Canary, trace_id: TraceId | None) -> tuple[SpanFact, ...]:
        """The documented read, as the check reads it: narrowed down by what has proven itself."""
        single = self._single
        lookup = Lookup(self._adapters.backend, self._clock, others={})
        if single.arrival is not None:
            lookup = single.arrival.lookup
        named = replace(canary, trace_id=trace_id)
        journal = single.journal
        look = Look(canary=named, state=journal.state, policy=journal.policy, at=self._clock.now())
        return (await (lookup.search(look) if trace_id is None else lookup.document(look))).spans

    async def _try_narrowings(self, canary: Canary) -> None:
        """Each way to narrow a documented read down, tried on a trace that is known to be there."""
        root = next((span.name for span in self.seen.facts if not span.parent_id and span.name), None)
        for narrowing in (Narrowing.TRACE_ID, *sorted(BY_NONCE), *([Narrowing.SPAN_NAME] if root else [])):
            read = partial(
                self._adapters.backend.read_window,
                since=canary.sent_at - _BEFORE,
                until=self._clock.now() + 1.0,
                trace_id=canary.trace_id,
                nonce=canary.nonce,
                timeout=_TIMEOUT,
                narrowing=narrowing,
                span_name=root,
            )
            reply = await self._ask(Service.TRACELOOP, read)
            shown = Answered(bool(reply.value)) if isinstance(reply, Answered) else reply
            self._learn(narrowed={**self._seen.narrowed, narrowing: shown})

    async def _try_scope(self, trace_id: TraceId) -> Reply[bool]:
        """Whether the quick route shows our trace to the key of another environment, of the first that answers."""
        for reader in self._adapters.elsewhere.values():
            reply = await self._ask(
                Service.TRACELOOP, partial(reader.read_trace, trace_id, nonce=None, timeout=_TIMEOUT)
            )
            if isinstance(reply, Answered):
                return Answered(bool(reply.value))
        return None

    async def _find_refused(self, refusal: _Refusal) -> Reply[bool]:
        """Whether the refused request has a trace, now that one of a later request has come."""
        refused = self._seen.refused
        named = refused.value.trace_id if isinstance(refused, Answered) else None
        honoured = self._single.journal.state.honours_traceparent
        trace_id = named or (refusal.sent_id if honoured else None)
        reply: Reply[bool] = None
        for wait in _REFUSED_WAITS:
            await self._clock.sleep(wait)
            spans = await self._ask(
                Service.TRACELOOP,
                partial(self._read_documented, refusal.as_canary(), trace_id),
            )
            reply = Answered(bool(spans.value)) if isinstance(spans, Answered) else spans
            if not isinstance(reply, Answered) or reply.value:
                break
        return reply
