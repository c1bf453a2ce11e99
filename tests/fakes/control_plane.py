"""A control plane in memory."""

from dataclasses import dataclass

from monitor.core.config_memory import ConfigSeen
from monitor.core.gateway_policies import GatewayPolicy, GatewayPolicyKind
from monitor.core.model import Instant, Seconds, TraceId
from monitor.core.trace import SpanFact
from monitor.ports import ConfigAnswer, PortError


@dataclass(frozen=True)
class SpansAsked:
    """One look into the own store."""

    trace_id: TraceId | None
    since: Instant
    destination: str | None


class FakeControlPlane:
    """Implements `monitor.ports.ControlPlane`: answers by `config`, `form`, `gateway_policies`, `knows_us`, `spans`; raises `error`.

    `refusals` are raised for one of the other configurations alone.
    """

    def __init__(self, config: ConfigSeen | None = None) -> None:
        self.config = config
        self.form = "404"
        self.gateway_policies: dict[GatewayPolicyKind, GatewayPolicy] = {}
        self.refusals: dict[GatewayPolicyKind, PortError] = {}
        self.knows_us = True
        self.spans: list[SpanFact] = []
        self.by_nonce: dict[str, TraceId] = {}  # the trace whose metadata hold a nonce
        self.error: PortError | None = None
        self.reads = 0
        self.switch_reads: list[GatewayPolicyKind] = []
        self.sessions = 0
        self.asked: list[SpansAsked] = []

    async def read_export_config(self, *, timeout: Seconds) -> ConfigAnswer:
        """The configuration, or the form in which there is none."""
        del timeout
        self.reads += 1
        self._fail()
        return ConfigAnswer(seen=self.config) if self.config is not None else ConfigAnswer(seen=None, form=self.form)

    async def read_gateway_policy(self, kind: GatewayPolicyKind, *, timeout: Seconds) -> GatewayPolicy:
        """As set; else there is none."""
        del timeout
        self.switch_reads.append(kind)
        self._fail()
        if kind in self.refusals:
            raise self.refusals[kind]
        return self.gateway_policies.get(kind, GatewayPolicy(kind=kind, form=self.form))

    async def token_works(self, *, timeout: Seconds) -> bool:
        """As set."""
        del timeout
        self.sessions += 1
        self._fail()
        return self.knows_us

    async def find_spans(
        self,
        trace_id: TraceId | None,
        *,
        since: Instant,
        destination: str | None,
        timeout: Seconds,
        nonce: str | None = None,
    ) -> tuple[SpanFact, ...]:
        """Those of the trace; without an id, those of the trace that is said to hold the nonce."""
        del timeout
        self.asked.append(SpansAsked(trace_id, since, destination))
        self._fail()
        wanted = trace_id if trace_id is not None else self.by_nonce.get(nonce or "")
        return tuple(span for span in self.spans if span.trace_id == wanted)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error
