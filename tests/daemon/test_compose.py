"""One target, wired to the world."""

from typing import Any

import pytest

from monitor.checks.evidence import CountersLook, GatewayPoliciesLook, OriginLook
from monitor.core.events import Event, RemoteAnswered
from monitor.core.model import CheckName, Service, TargetName
from monitor.daemon.compose import Deps, Parts, assemble, secrets_of
from monitor.http import Http, InProcess
from monitor.redaction import Redactor
from tests.daemon.home import DEMO, home
from tests.fakes.clock import FakeClock
from tests.fakes.remote import Remote, Reply
from tests.settings.samples import MINIMAL, settings, with_target

C = CheckName
PROD = TargetName("prod")
NO_CONTROL_PLANE = """\
targets:
  prod:
    gateway: {url: 'https://gw.example', token: tfy-Secret-1, model: m}
    traceloop: {api_key: tl_Secret_2, environment: prd}
"""


def parts(text: str) -> Parts:
    """Of the one target."""
    clock = FakeClock()
    deps = Deps(clock=clock, http=Http(clock=clock, transport=InProcess({}), redactor=Redactor()), redactor=Redactor())
    chosen = settings(text)
    return assemble(PROD, chosen.targets[PROD], chosen, deps, key=b"k", publish=lambda _event: None)


@pytest.mark.parametrize(
    ("text", "checks", "arrival", "origin"),
    [
        (MINIMAL, {C.CONFIG, C.GATEWAY, C.CANARY, C.CONTROL}, True, True),
        (NO_CONTROL_PLANE, {C.GATEWAY, C.CANARY, C.CONTROL}, True, False),
        (with_target("checks: {canary: {enabled: false}}"), {C.CONFIG, C.GATEWAY, C.CONTROL}, True, True),
        (with_target("checks: {arrival: {enabled: false}, control: {enabled: false}}"), None, False, True),
        (with_target("checks: {arrival: {enabled: false}}"), None, True, True),
        (with_target("checks: {origin: {enabled: false}}"), None, True, False),
        (with_target("checks: {config: {enabled: false}}"), {C.GATEWAY, C.CANARY, C.CONTROL}, True, True),
        (with_target("checks: {gateway: {enabled: false}}"), {C.CONFIG, C.CANARY, C.CONTROL}, True, True),
    ],
)
def test_what_is_enabled_is_made(text: str, checks: set[CheckName] | None, *, arrival: bool, origin: bool) -> None:
    """Whoever sends control spans reads them back, also where no canary's trace is awaited."""
    made = parts(text)
    assert checks is None or set(made.checks) == checks
    assert (made.arrival is not None, OriginLook in map(type, made.aside)) == (arrival, origin)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (MINIMAL, {OriginLook, GatewayPoliciesLook}),
        (with_target("checks: {origin: {enabled: false}}"), {GatewayPoliciesLook}),
        (with_target("checks: {config: {enabled: false}}"), {OriginLook}),
        (NO_CONTROL_PLANE, set()),
    ],
)
def test_what_looks_beside_the_checks(text: str, kinds: set[type]) -> None:
    """Only the control plane knows the gateway's configurations, and only where they may be read."""
    assert {type(look) for look in parts(text).aside} == kinds


async def test_the_gateways_metrics_prove_no_connectivity() -> None:
    """They are a page of the cluster's own network: that it answers says nothing of the way to Traceloop. They are counted."""
    clock = FakeClock()
    remote = Remote(clock, Reply(b'ai_gateway_spans_exported_total{outcome="success"} 5'))
    counted: list[Event] = []
    deps = Deps(clock=clock, http=remote.http, redactor=Redactor())
    chosen = settings(NO_CONTROL_PLANE.replace("model: m", "model: m, metrics_url: 'https://remote.example'"))
    adapters = assemble(PROD, chosen.targets[PROD], chosen, deps, key=b"k", publish=counted.append).adapters
    (page,) = adapters.span_metrics
    assert (await page.read(timeout=5)).exported == 5
    assert counted == [RemoteAnswered(target=PROD, service=Service.GATEWAY, outcome="2xx")]
    assert not await adapters.connectivity.another_service_answers(Service.OTLP)


async def test_the_collectors_metrics_are_read_beside_the_gateways() -> None:
    """Each page by a look of its own, and counted as a service of its own."""
    clock = FakeClock()
    remote = Remote(clock, Reply(b'otelcol_exporter_sent_spans{exporter="otlphttp"} 5'))
    counted: list[Event] = []
    deps = Deps(clock=clock, http=remote.http, redactor=Redactor())
    text = NO_CONTROL_PLANE.replace("model: m", "model: m, metrics_url: 'https://gateway.example'")
    text = text.replace("    gateway:", "    collector: {metrics_url: 'https://remote.example'}\n    gateway:")
    chosen = settings(text)
    made = assemble(PROD, chosen.targets[PROD], chosen, deps, key=b"k", publish=counted.append)
    assert [look.of for look in made.aside if isinstance(look, CountersLook)] == ["gateway", "collector"]
    _, page = made.adapters.span_metrics
    assert (await page.read(timeout=5)).sent == {"otlphttp": 5}
    assert counted == [RemoteAnswered(target=PROD, service=Service.COLLECTOR, outcome="2xx")]


async def test_every_request_is_counted_by_service() -> None:
    """For the metrics: service and outcome."""
    async with home() as it:
        await it.clock.advance(30)
        answered = [event for event in it.events if isinstance(event, RemoteAnswered)]
        assert {event.service for event in answered} >= {
            Service.CONTROL_PLANE,
            Service.GATEWAY,
            Service.TRACELOOP,
            Service.OTLP,
        }
        outcomes = {(event.target, event.outcome) for event in answered}
        assert outcomes == {
            (DEMO, "2xx"),
            (DEMO, "4xx"),
        }  # of logging and data routing nothing has been configured: 404


async def test_beside_a_dead_gateway_every_other_service_proves_connectivity() -> None:
    """Without a control plane Traceloop will do."""
    async with home() as it:
        await it.clock.advance(30)
        await it.sandbox.break_("gateway_unreachable")
        await it.sandbox.break_("control_plane_unreachable")
        await it.clock.advance(30)
        assert it.notified == ["opened demo"]


async def test_when_nobody_answers_our_own_network_is_the_suspect() -> None:
    """Nothing of the gateway's is reported; after ten minutes that we are blind."""
    async with home() as it:
        await it.clock.advance(30)
        await it.sandbox.break_("blind")
        await it.clock.advance(560)
        assert it.notified == []
        await it.clock.advance(120)
        assert [notice.incident.diagnosis.fault.value for notice in it.notifier.notices] == ["blind"]


def test_every_secret_is_known_to_the_redactor() -> None:
    """Whatever the configuration holds, also the password of a proxy."""
    text = (
        with_target(
            "expected: {headers: {x-tenant: header-Secret-5}}",
        ).replace("environment: prd}", "environment: prd, other_environments: {stg: {api_key: tl_Secret_6}}}")
        + "alerting:\n  slack: {bot_token: xoxb-Secret-3, channel: C1}\n"
        + "  webhook: {url: 'https://receiver.example/Secret7', secret: a-signing-secret}\n"
        + "heartbeat: {url: 'https://hc.example/Secret8'}\n"
        + "server: {admin_token: admin-Secret-9, read_token: read-Secret-10}\n"
        + "http: {proxy: 'http://user:proxy-Secret-11@proxy.example:3128'}\n"
    )
    known: Any = " ".join(secrets_of(settings(text)))
    for number in (1, 2, 3, 5, 6, 7, 8, 9, 10, 11):
        assert any(form in known for form in (f"Secret-{number}", f"Secret_{number}", f"Secret{number}")), number
