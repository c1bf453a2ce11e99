"""Asks the services of one target: one ordinary pass of the checks, and the requests that go beyond it.

Beyond what `check` does it sends one request that the gateway must refuse, because its model does not exist: no provider is
reached, so it costs nothing. Everything else is a read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from monitor.checks.lookup import Look, Lookup
from monitor.core.canary import NONCE_ENTRY, Canary
from monitor.core.gateway_policies import GatewayPolicyKind
from monitor.core.model import CheckName, Seconds, Service, TargetName, TraceId
from monitor.core.state import TargetState
from monitor.core.trace import BY_NONCE, Narrowing
from monitor.daemon.compose import Deps, assemble
from monitor.daemon.compose_notifiers import slack_bot
from monitor.daemon.one_shot import OneShot, Print, Selection
from monitor.daemon.policy import at_once, policy_of
from monitor.doctor.snapshot import Answered, Reply, Snapshot, Spans, StoreWatch, Traffic
from monitor.http import Exchange, OnExchange, Proxies
from monitor.ports import CanaryRequest, PortError, Unreachable
from monitor.settings import Settings

T = TypeVar("T")

NO_SUCH_MODEL = "gateway-trace-monitor/no-such-model"
"""Of no provider account, and no virtual model either: one that is refused often is taken out of use for everybody."""

_KEY_DIGITS = 64
_TIMEOUT: Seconds = 15.0
_STORE_TIMEOUT: Seconds = 30.0
_STORE_EVERY: Seconds = 5.0
_BEFORE: Seconds = 120.0
_REFUSED_WAITS: tuple[Seconds, ...] = (0.0, 5.0, 10.0)


class Probe:
    """Asks about one target, and uses nothing that the daemon remembers of it.

    `snapshot` may be read at any time, also when a timeout has ended it. `on_exchange` gets every exchange, secrets and all;
    `environ` may name proxies.
    """

    def __init__(
        self,
        name: TargetName,
        settings: Settings,
        deps: Deps,
        *,
        say: Print,
        on_exchange: OnExchange | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        target, traffic = settings.targets[name], Traffic()
        key = bytes.fromhex(deps.clock.draw_hex(_KEY_DIGITS))

        def note(exchange: Exchange) -> None:
            traffic.note(exchange, self._our_traces())
            if on_exchange is not None:
                on_exchange(exchange)

        deps = replace(deps, http=deps.http.observed(note))
        parts = assemble(name, target, settings, deps, key=key, publish=lambda _event: None)
        policy = policy_of(target, at_once(settings.alerting), key)
        state = TargetState(target=name)
        self._pass = OneShot(state, policy, parts, Selection(), deps.clock, say=say)
        self._adapters = parts.adapters
        self._service = target.backend.traits.service
        self._slack = slack_bot(settings, deps)
        self._clock = deps.clock
        self._say: Print = lambda text: say(f"{name}: {text}")
        self._silent: dict[Service, Unreachable] = {}
        self._refusal: Canary | None = None  # the request that must be refused, by what its trace could be found
        self._seen = Snapshot(
            name=name,
            target=target,
            settings=settings,
            state=state,
            policy=policy,
            now=deps.clock.now(),
            traffic=traffic,
            ended=False,
            proxies=_proxies(settings, name, environ or {}),
        )

    @property
    def snapshot(self) -> Snapshot:
        """What is known by now."""
        return replace(self._seen, state=self._pass.target_store.state, now=self._clock.now())

    async def run(self) -> None:
        """Ask once around, then look for the traces, then ask what needs them."""
        await asyncio.gather(self._ask_control_plane(), self._ask_gateway(), self._ask_backend())
        if self._slack is not None:
            slack = self._slack
            self._seen.slack = await self._ask(Service.SLACK, lambda **_: slack.identify())
        await asyncio.gather(self._pass.run(), self._watch_store())
        canary = self.snapshot.canary
        if canary is not None and canary.trace_id is not None and canary.spans:
            await self._read_trace(canary, canary.trace_id)
        if canary is not None and canary.spans and self._refusal is not None:
            await self._find_refused(self._refusal)
        self._seen.ended = True

    def _our_traces(self) -> frozenset[TraceId]:
        state = self._pass.target_store.state
        canaries = {canary.trace_id for canary in state.canaries if canary.trace_id is not None}
        return frozenset(canaries | {control.trace_id for control in state.controls})

    async def _ask(self, service: Service, ask: Callable[..., Awaitable[T]], *what: object, **how: Any) -> Reply[T]:  # noqa: ANN401
        """Ask; a service that has not answered once is not asked again, because that takes long."""
        if service in self._silent:
            return self._silent[service]
        try:
            return Answered(await ask(*what, **{"timeout": _TIMEOUT, **how}))
        except Unreachable as error:
            if error.kind != "status":
                self._silent[service] = error
            return error
        except PortError as error:
            return error

    # --- before the canary

    async def _ask_control_plane(self) -> None:
        plane = self._adapters.control_plane
        if plane is None:
            return
        self._say("asking TrueFoundry's control plane")
        self._seen.tenant = await self._ask(Service.CONTROL_PLANE, plane.name_tenant)
        self._seen.config = await self._ask(Service.CONTROL_PLANE, plane.read_export_config)
        for kind in GatewayPolicyKind:
            self._seen.others[kind] = await self._ask(Service.CONTROL_PLANE, plane.read_gateway_policy, kind)

    async def _ask_gateway(self) -> None:
        gateway = self._adapters.gateway
        self._say("asking the gateway")
        self._seen.models = await self._ask(Service.GATEWAY, gateway.list_models, anonymous=False)
        self._seen.anonymous = await self._ask(Service.GATEWAY, gateway.list_models, anonymous=True)
        if not self._seen.target.checks.canary.enabled:
            return
        self._say(f"sending a request for a model that does not exist ({NO_SUCH_MODEL}); it costs nothing")
        sent_id, nonce = TraceId(self._clock.draw_hex(32)), f"gtm-{self._clock.draw_hex(16)}"
        self._refusal = Canary(id=sent_id[:16], sent_at=self._clock.now(), sent_id=sent_id, span_id="", nonce=nonce)
        request = CanaryRequest(
            prompt=f"This request is meant to be refused. ({nonce})",
            model=NO_SUCH_MODEL,
            max_tokens=1,
            metadata={"tfy_monitor": "doctor", NONCE_ENTRY: nonce},
            traceparent=f"00-{sent_id}-{self._clock.draw_hex(16)}-01",
            timeout=_TIMEOUT,
        )
        self._seen.refused = await self._ask(Service.GATEWAY, lambda **_: gateway.complete(request))

    async def _ask_backend(self) -> None:
        backend, ingest, service = self._adapters.backend, self._adapters.ingest, self._service
        self._say(f"asking {backend.traits.name}")
        nobodys = TraceId(self._clock.draw_hex(32))
        if not backend.traits.by_id_documented:
            self._seen.quick = await self._ask(service, backend.own.read_trace, nobodys, nonce=None)
        self._seen.window = await self._ask(service, backend.own.try_key)
        if self._seen.target.expected.protocol == "http":
            self._seen.json = await self._ask(Service.OTLP, ingest.try_json)
        for slug, reader in backend.elsewhere.items():
            self._seen.environments[slug] = await self._ask(service, reader.try_key)

    # --- while the traces are awaited

    async def _watch_store(self) -> None:
        """Look into TrueFoundry's own store every few seconds, until it shows the whole trace of the canary."""
        plane = self._adapters.control_plane
        if plane is None or not self._seen.target.checks.canary.enabled:
            return
        patience = self._seen.policy.arrival.look_closer_after
        while (canary := await self._canary_with_id()) is not None:
            reply = await self._ask(
                Service.CONTROL_PLANE,
                plane.find_spans,
                canary.trace_id,
                since=canary.sent_at - _BEFORE,
                destination=canary.destination,
                timeout=_STORE_TIMEOUT,
            )
            watch = (self._seen.store or StoreWatch()).after(reply, canary, self._clock.now())
            self._seen.store = watch
            if watch.whole_after is not None or watch.error is not None or watch.looked_for >= patience:
                return
            await self._clock.sleep(_STORE_EVERY)

    async def _canary_with_id(self) -> Canary | None:
        """The canary once it is known by which id its trace is to be found; None if that is never known."""
        deadline = self._clock.monotonic() + self._seen.target.checks.canary.timeout + _TIMEOUT
        while self._clock.monotonic() < deadline:
            seen = self.snapshot
            canary = seen.canary
            if canary is not None and canary.trace_id is not None and canary.answered_at is not None:
                return canary
            if canary is not None and canary.answered_at is None and seen.last(CheckName.CANARY):
                return None
            await self._clock.sleep(1.0)
        return None

    # --- when they have come

    async def _read_trace(self, canary: Canary, trace_id: TraceId) -> None:
        """What the trace carries, which filters find it, and whether another environment's key is shown it."""
        self._say("reading the trace's attributes")
        self._seen.spans = await self._ask(self._service, self._read_documented, canary)
        for reader in self._adapters.backend.elsewhere.values():
            reply = await self._ask(self._service, reader.read_trace, trace_id, nonce=None)
            if isinstance(reply, Answered):  # the first environment that the quick route is open to says it
                self._seen.scope = reply
                break
        root = next((span.name for span in self._seen.facts if not span.parent_id and span.name), None)
        for narrowing in (Narrowing.TRACE_ID, *sorted(BY_NONCE), *([Narrowing.SPAN_NAME] if root else [])):
            self._seen.narrowed[narrowing] = await self._ask(
                self._service,
                self._adapters.backend.own.read_window,
                since=canary.sent_at - _BEFORE,
                until=self._clock.now() + 1.0,
                trace_id=trace_id,
                nonce=canary.nonce,
                narrowing=narrowing,
                span_name=root,
            )

    async def _find_refused(self, refusal: Canary) -> None:
        """Look for the trace of the refused request, now that one of a later request has come."""
        refused = self._seen.refused
        named = refused.value.trace_id if isinstance(refused, Answered) else None
        honoured = self._pass.target_store.state.honours_traceparent
        wanted = replace(refusal, trace_id=named or (refusal.sent_id if honoured else None))
        for wait in _REFUSED_WAITS:
            await self._clock.sleep(wait)
            reply = await self._ask(self._service, self._read_documented, wanted)
            self._seen.refused_spans = reply
            if not isinstance(reply, Answered) or reply.value:
                return

    async def _read_documented(self, canary: Canary, **_: object) -> Spans:
        """The documented read, as the check reads it: narrowed down by what has proven itself."""
        target_store, arrival = self._pass.target_store, self._pass.arrival
        unproven = Lookup(self._adapters.backend.own, self._clock, others={})
        lookup = arrival.lookup if arrival is not None else unproven
        read = lookup.search if canary.trace_id is None else lookup.document
        return (
            await read(Look(canary=canary, state=target_store.state, policy=target_store.policy, at=self._clock.now()))
        ).spans


def _proxies(settings: Settings, name: TargetName, environ: Mapping[str, str]) -> dict[Service, str]:
    """Which services are asked through which proxy, without its password."""
    target = settings.targets[name]
    proxies = Proxies(proxy=settings.http.proxy, no_proxy=settings.http.no_proxy, environ=environ)
    backend = target.backend
    urls = {Service.GATEWAY: target.gateway.url, backend.traits.service: backend.url}
    if target.control_plane is not None:
        urls[Service.CONTROL_PLANE] = target.control_plane.url
    found = {service: proxies.proxy_of(url) for service, url in urls.items()}
    return {service: urlsplit(proxy).netloc.rpartition("@")[2] for service, proxy in found.items() if proxy is not None}
