"""What is looked at beside the checks: evidence, and no verdict."""

from dataclasses import replace

import pytest

from monitor.checks.evidence import CountersLook, GatewayPoliciesLook, OriginLook
from monitor.core.arrival import proof_key, store_is_proven
from monitor.core.canary import Canary, IdSource, Outcome
from monitor.core.gateway_policies import (
    Caller,
    Condition,
    ConditionField,
    GatewayPolicy,
    GatewayPolicyKind,
    GatewayRule,
    KnownGatewayPolicy,
    LoggingMode,
    Profile,
)
from monitor.core.inputs import CountersRead, GatewayPoliciesRead, OriginLooked
from monitor.core.model import CheckName
from monitor.core.pipeline_counters import CountedBy, PipelineCounters, SpanCounters
from monitor.core.state import Cadence, TargetState
from monitor.core.trace import Route
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from tests.checks.bench import PROD, Diary
from tests.core.build import POLICY, a_canary, policy, spans, trace_id
from tests.fakes.clock import START, FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.span_metrics import FakeSpanMetrics

ARRIVED, MISSING = Outcome.ARRIVED, Outcome.MISSING
LOGGING, GLOBAL, ROUTING = GatewayPolicyKind
QUIET = GatewayPolicy(kind=LOGGING, rules=(GatewayRule(name="quiet", off=True),))
MODE = GatewayPolicy(kind=GLOBAL, mode=LoggingMode.ALWAYS)


class Bench:
    """The three looks and everything around them."""

    def __init__(self, *canaries: Canary) -> None:
        self.clock, self.control_plane = FakeClock(), FakeControlPlane()
        self.metrics = FakeSpanMetrics(self.clock)
        hourly = Cadence(every=3600, every_while_failing=120, deadline=60)
        state = TargetState(target=PROD, canaries=canaries)
        self.diary = Diary(self.clock, policy(gateway_policies=hourly, pipeline_counters=hourly), state)
        self.origin = OriginLook(self.control_plane, self.clock)
        self.gateway_policies = GatewayPoliciesLook(self.control_plane, self.clock)
        self.pipeline_counters = CountersLook(self.metrics, self.clock)

    async def look(self) -> list[tuple[str, bool | None]]:
        """What was reported, by canary."""
        await self.origin.look(self.diary)
        return [(given.canary_id, given.found) for given in self.diary.given if isinstance(given, OriginLooked)]


def an_old(number: int, **more: object) -> Canary:
    """Answered two minutes ago."""
    return replace(a_canary(number), sent_at=START - 120, answered_at=START - 119, **more)  # type: ignore[arg-type]


async def test_each_is_due_as_the_core_says_and_serves_a_check() -> None:
    """At start, and then in an hour; also if nothing could be read. `check --only` does without what serves none of its checks."""
    bench = Bench()
    bench.control_plane.error = bench.metrics.error = Unreachable("down", kind="connect")
    for look in (bench.gateway_policies, bench.pipeline_counters):
        assert look.is_due(bench.diary.state, bench.diary.policy, START)
        await look.look(bench.diary)
        assert not look.is_due(bench.diary.state, bench.diary.policy, START + 3599)
        assert look.is_due(bench.diary.state, bench.diary.policy, START + 3600)
        assert not look.is_due(bench.diary.state, policy(), START + 3600)
    missed = Bench(an_old(1, outcome=MISSING))
    assert missed.origin.is_due(missed.diary.state, missed.diary.policy, START)
    await missed.look()
    assert not missed.origin.is_due(missed.diary.state, missed.diary.policy, START + 1)
    assert bench.origin.serves == bench.pipeline_counters.serves == {CheckName.CANARY}
    assert bench.gateway_policies.serves == {CheckName.CONFIG, CheckName.CANARY}


# --- TrueFoundry's own store -----------------------------------------------------------------------------------------


async def test_what_it_has_is_known_from_then_on() -> None:
    """And the store is proven as a route."""
    bench = Bench(an_old(1, outcome=MISSING))
    bench.control_plane.spans = list(spans(1))
    assert await bench.look() == [("c1", True)]
    assert bench.diary.state.canaries[0].origin is True
    assert proof_key(Route.OWN_STORE, "") in bench.diary.state.proofs


async def test_what_it_does_not_have_is_known_too() -> None:
    """An empty answer proves no route."""
    bench = Bench(an_old(1, outcome=MISSING))
    assert await bench.look() == [("c1", False)]
    assert bench.diary.state.canaries[0].origin is False
    assert bench.diary.state.proofs == {}


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("no answer", kind="timeout"),
        Refused("403", status=403),
        Garbled("HTML"),
        Gone("no such route"),
    ],
)
async def test_what_cannot_be_asked_is_not_reported(error: PortError) -> None:
    """It proves nothing."""
    bench = Bench(an_old(1, outcome=MISSING))
    bench.control_plane.error = error
    assert await bench.look() == []
    assert bench.diary.state.canaries[0].origin is None


async def test_the_newest_that_arrived_is_asked_for_the_proof() -> None:
    """Then the three newest that have not come: an answer for them counts only through a route that has shown something."""
    arrived = [an_old(number, outcome=ARRIVED) for number in (1, 2)]
    missed = [an_old(number, outcome=MISSING) for number in (3, 4, 5, 6)]
    bench = Bench(*arrived, *missed)
    assert [canary for canary, _ in await bench.look()] == ["c2", "c4", "c5", "c6"]


async def test_a_trace_that_has_not_come_yet_is_asked_for_from_look_closer_after_on() -> None:
    """Not before: most come within seconds."""
    waiting = replace(a_canary(1), sent_at=START - 60, answered_at=START - 60)
    young = replace(a_canary(2), sent_at=START - 59, answered_at=START - 59)
    in_part = replace(a_canary(3), sent_at=START - 90, answered_at=START - 90, spans=1)
    assert [canary for canary, _ in await Bench(waiting, young, in_part).look()] == ["c1"]


async def test_what_it_is_known_to_have_is_not_asked_for_again() -> None:
    """The store does not forget."""
    assert await Bench(an_old(1, outcome=MISSING, origin=True)).look() == []


async def test_a_refused_canary_is_none_of_its_business() -> None:
    """No trace of it need be there."""
    assert await Bench(an_old(1, outcome=MISSING, accepted=False)).look() == []


async def test_a_trace_without_an_id_is_asked_for_by_the_nonce() -> None:
    """What is found so brings the id along, and proves this way of asking alone."""
    bench = Bench(an_old(1, outcome=MISSING, trace_id=None, id_source=None))
    bench.control_plane.spans, bench.control_plane.by_nonce = list(spans(7)), {"gtm-1": trace_id(7)}
    assert await bench.look() == [("c1", True)]
    canary = bench.diary.state.canaries[0]
    assert (canary.trace_id, canary.id_source, canary.origin) == (trace_id(7), IdSource.NONCE, True)
    assert [asked.trace_id for asked in bench.control_plane.asked] == [None]
    assert set(bench.diary.state.proofs) == {proof_key(Route.OWN_STORE, "#nonce")}


async def test_that_the_nonce_is_not_found_counts_only_where_it_has_found_something() -> None:
    """A store that shows traces by their id need not know our metadata."""
    lost = an_old(2, outcome=MISSING, trace_id=None, id_source=None)
    bench = Bench(an_old(1, outcome=ARRIVED, id_source=IdSource.NONCE), lost)
    bench.control_plane.spans = list(spans(1))
    assert await bench.look() == [("c1", False), ("c2", False)]
    assert not store_is_proven(bench.diary.state.canaries[1], bench.diary.state.proofs, START)
    bench.control_plane.by_nonce = {"gtm-1": trace_id(1)}
    await bench.clock.advance(15)
    assert await bench.look() == [("c1", False), ("c2", False), ("c1", True), ("c2", False)]
    assert store_is_proven(bench.diary.state.canaries[1], bench.diary.state.proofs, START + 15)


async def test_it_is_asked_by_destination_and_from_a_while_before() -> None:
    """The feedback id says where the gateway keeps a trace; clocks differ."""
    bench = Bench(an_old(1, outcome=MISSING, destination="tfy-eu"))
    await bench.look()
    asked = bench.control_plane.asked[0]
    assert (asked.trace_id, asked.since, asked.destination) == (trace_id(1), START - 420, "tfy-eu")


async def test_having_nothing_to_ask_puts_off_nothing() -> None:
    """A look that found nobody worth asking for was no question."""
    bench = Bench(replace(a_canary(1), sent_at=START - 59, answered_at=START - 59))
    assert await bench.look() == []
    await bench.clock.advance(1)
    assert await bench.look() == [("c1", False)]


OURS = GatewayRule(
    name="eu", conditions=(Condition(matter=ConditionField.METADATA, key="tfy_monitor", inside=("canary",)),)
)
PERHAPS = GatewayRule(name="team", conditions=(Condition(matter=ConditionField.SUBJECT, inside=("team:ml",)),))


def routed(bench: Bench, *rules: GatewayRule, hours_ago: float = 0) -> None:
    """Data routing has been read."""
    seen = GatewayPolicy(kind=GatewayPolicyKind.ROUTING, rules=rules)
    memory = KnownGatewayPolicy(seen=seen, at=START - hours_ago * 3600)
    bench.diary = Diary(
        bench.clock,
        policy=replace(POLICY, profile=Profile(metadata={"tfy_monitor": "canary"})),
        state=replace(bench.diary.state, gateway_policies={GatewayPolicyKind.ROUTING: memory}),
    )


@pytest.mark.parametrize(
    ("rules", "hours_ago", "asked"),
    [
        ((OURS,), 0, ["eu"]),
        ((PERHAPS,), 0, ["default", "team"]),
        ((OURS,), 4, ["default"]),
        ((PERHAPS,) * 1, 4, ["default"]),
        (tuple(replace(PERHAPS, name=str(number)) for number in range(4)), 0, []),
    ],
)
async def test_where_the_gateway_does_not_say_the_destination_it_is_asked_by_data_routing(
    rules: tuple[GatewayRule, ...], hours_ago: float, asked: list[str]
) -> None:
    """Everywhere that the trace may be; of long ago nothing is believed; too many are not asked, and nothing is concluded."""
    bench = Bench(an_old(1, outcome=MISSING))
    routed(bench, *rules, hours_ago=hours_ago)
    assert await bench.look() == ([("c1", False)] if asked else [])
    assert [each.destination for each in bench.control_plane.asked] == asked
    if asked:
        assert bench.diary.only(OriginLooked).destinations == tuple(asked)


async def test_the_gateways_own_word_outranks_data_routing() -> None:
    """It says where it put this trace."""
    bench = Bench(an_old(1, outcome=MISSING, destination="us"))
    routed(bench, OURS)
    await bench.look()
    assert [each.destination for each in bench.control_plane.asked] == ["us"]


async def test_a_trace_is_not_looked_for_any_further_than_it_is_found() -> None:
    """Where it is, and whose request it was, is remembered."""
    bench = Bench(an_old(1, outcome=MISSING))
    routed(bench, PERHAPS)
    caller = Caller(names=("monitor",))
    bench.control_plane.spans = [replace(span, caller=caller) for span in spans(1)]
    await bench.look()
    found = bench.diary.only(OriginLooked)
    assert (found.found, found.destinations, found.caller) == (True, ("default",), caller)
    assert len(bench.control_plane.asked) == 1


async def test_a_destination_that_cannot_be_asked_leaves_it_open() -> None:
    """The trace may be there."""
    bench = Bench(an_old(1, outcome=MISSING))
    routed(bench, PERHAPS)
    bench.control_plane.error = Unreachable("no answer", kind="timeout")
    assert await bench.look() == []


async def test_it_is_not_asked_more_often_than_every_fifteen_seconds() -> None:
    """Also where it cannot be asked: a failing store must not be hammered."""
    bench = Bench(an_old(1, outcome=MISSING))
    bench.control_plane.error = Unreachable("no answer", kind="timeout")
    await bench.look()
    await bench.clock.advance(14)
    await bench.look()
    assert len(bench.control_plane.asked) == 1
    bench.clock.jump(-86_400)  # somebody sets the wall clock back: that must not close the store for a day
    await bench.clock.advance(1)
    await bench.look()
    assert len(bench.control_plane.asked) == 2


# --- the gateway's other configurations ------------------------------------------------------------------------------


async def _switches(bench: Bench) -> GatewayPoliciesRead:
    bench.control_plane.gateway_policies = {LOGGING: QUIET, GLOBAL: MODE}
    await bench.gateway_policies.look(bench.diary)
    return bench.diary.only(GatewayPoliciesRead)


async def test_all_three_are_read_and_remembered() -> None:
    """Also that there is none; no incident comes of it."""
    bench = Bench()
    assert (await _switches(bench)).hidden == ()
    remembered = {kind: memory.seen for kind, memory in bench.diary.state.gateway_policies.items()}
    assert remembered == {LOGGING: QUIET, GLOBAL: MODE, ROUTING: GatewayPolicy(kind=ROUTING, form="404")}
    assert {memory.at for memory in bench.diary.state.gateway_policies.values()} == {START}
    assert (bench.diary.state.incidents, bench.diary.events) == ((), [])


@pytest.mark.parametrize(
    ("error", "hidden"),
    [
        (Refused("403", status=403), (LOGGING,)),
        (Refused("401", status=401), (LOGGING,)),
        (Garbled("of another shape"), (LOGGING,)),
        (Refused("429", status=429), ()),
        (Refused("1010", status=403, blocked=True), ()),
    ],
)
async def test_one_that_cannot_be_read_keeps_no_other_from_being_read(
    error: PortError, hidden: tuple[GatewayPolicyKind, ...]
) -> None:
    """What is not ours to see is forgotten; what could not be asked this time is not."""
    bench = Bench()
    bench.control_plane.refusals[LOGGING] = error
    looked = await _switches(bench)
    assert ([seen.kind for seen in looked.seen], looked.hidden) == ([GLOBAL, ROUTING], hidden)


async def test_who_does_not_answer_is_asked_once() -> None:
    """Three timeouts say no more than one."""
    bench = Bench()
    bench.control_plane.refusals[LOGGING] = Unreachable("no answer", kind="timeout")
    looked = await _switches(bench)
    assert (looked.seen, looked.hidden, bench.control_plane.switch_reads) == ((), (), [LOGGING])


# --- the gateway's own counters --------------------------------------------------------------------------------------


async def test_each_reading_is_remembered() -> None:
    """No incident comes of it, whatever it shows."""
    bench = Bench()
    await bench.pipeline_counters.look(bench.diary)
    await bench.clock.advance(60)
    bench.metrics.failed = {"timeout": 3}
    await bench.pipeline_counters.look(bench.diary)
    readings = (SpanCounters(at=START), SpanCounters(at=START + 60, failed={"timeout": 3}))
    assert bench.diary.state.pipeline_counters.readings == readings
    assert (bench.diary.state.incidents, bench.diary.events) == ((), [])
    assert bench.metrics.timeouts == [10, 10]


async def test_the_collectors_counters_are_remembered_beside_the_gateways() -> None:
    """Read as often, by a look of its own; neither knows of the other's readings or problems."""
    bench = Bench()
    look = CountersLook(bench.metrics, bench.clock, CountedBy.COLLECTOR)
    hourly = replace(bench.diary.policy, collector_counters=bench.diary.policy.pipeline_counters)
    assert not look.is_due(bench.diary.state, bench.diary.policy, bench.clock.now())
    assert look.is_due(bench.diary.state, hourly, bench.clock.now())
    await look.look(bench.diary)
    assert not look.is_due(bench.diary.state, hourly, bench.clock.now())
    bench.metrics.error = Gone("404")
    await look.look(bench.diary)
    state = bench.diary.state
    assert (len(state.collector_counters.readings), state.collector_counters.problem) == (1, "404")
    assert (state.pipeline_counters, state.counters_read_at) == (PipelineCounters(), None)


@pytest.mark.parametrize(
    "error",
    [Unreachable("no answer", kind="timeout"), Refused("403", status=403), Gone("404"), Garbled("no counters")],
)
async def test_counters_that_cannot_be_read_say_why(error: PortError) -> None:
    """Where somebody asks, and nowhere else; what was read before stays."""
    bench = Bench()
    await bench.pipeline_counters.look(bench.diary)
    bench.metrics.error = error
    await bench.pipeline_counters.look(bench.diary)
    assert bench.diary.given[-1] == CountersRead(at=START, problem=str(error))
    assert (len(bench.diary.state.pipeline_counters.readings), bench.diary.state.pipeline_counters.problem) == (
        1,
        str(error),
    )
