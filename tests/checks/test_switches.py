"""The look at the gateway's other configurations: evidence, and no verdict."""

import pytest

from monitor.checks.evidence import SwitchesLook
from monitor.core.gateway_policies import LoggingMode, SwitchKind, SwitchRule, SwitchSeen
from monitor.core.inputs import SwitchesLooked
from monitor.core.model import CheckName
from monitor.core.state import Cadence, TargetState
from monitor.ports import Garbled, PortError, Refused, Unreachable
from tests.checks.bench import PROD, Diary
from tests.core.build import policy
from tests.fakes.clock import START, FakeClock
from tests.fakes.control_plane import FakeControlPlane

LOGGING, GLOBAL, ROUTING = SwitchKind
RULE = SwitchSeen(kind=LOGGING, rules=(SwitchRule(name="quiet", off=True),))
MODE = SwitchSeen(kind=GLOBAL, mode=LoggingMode.ALWAYS)


class Bench:
    """One look and everything around it."""

    def __init__(self) -> None:
        self.clock, self.control_plane = FakeClock(), FakeControlPlane()
        cadence = Cadence(every=3600, every_while_failing=120, deadline=60)
        self.diary = Diary(self.clock, policy(switches=cadence), TargetState(target=PROD))
        self.look = SwitchesLook(self.control_plane, self.clock)
        self.control_plane.switches = {LOGGING: RULE, GLOBAL: MODE}

    async def seen(self) -> SwitchesLooked:
        """What was reported."""
        await self.look.look(self.diary)
        return self.diary.only(SwitchesLooked)


async def test_all_three_are_read_and_remembered() -> None:
    """Also that there is none; no incident comes of it."""
    bench = Bench()
    assert (await bench.seen()).hidden == ()
    remembered = {kind: memory.seen for kind, memory in bench.diary.state.switches.items()}
    assert remembered == {LOGGING: RULE, GLOBAL: MODE, ROUTING: SwitchSeen(kind=ROUTING, form="404")}
    assert {memory.at for memory in bench.diary.state.switches.values()} == {START}
    assert bench.diary.state.incidents == ()
    assert bench.diary.events == []


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
    error: PortError, hidden: tuple[SwitchKind, ...]
) -> None:
    """What is not ours to see is forgotten; what could not be asked this time is not."""
    bench = Bench()
    bench.control_plane.refusals[LOGGING] = error
    looked = await bench.seen()
    assert ([seen.kind for seen in looked.seen], looked.hidden) == ([GLOBAL, ROUTING], hidden)


async def test_who_does_not_answer_is_asked_once() -> None:
    """Three timeouts tell no more than one."""
    bench = Bench()
    bench.control_plane.refusals[LOGGING] = Unreachable("no answer", kind="timeout")
    looked = await bench.seen()
    assert (looked.seen, looked.hidden, bench.control_plane.switch_reads) == ((), (), [LOGGING])


async def test_it_is_due_as_the_core_says() -> None:
    """At start, and then in an hour; also if nothing could be read."""
    bench = Bench()
    bench.control_plane.error = Unreachable("down", kind="connect")
    assert bench.look.is_due(bench.diary.state, bench.diary.policy, START)
    await bench.seen()
    assert not bench.look.is_due(bench.diary.state, bench.diary.policy, START + 3599)
    assert bench.look.is_due(bench.diary.state, bench.diary.policy, START + 3600)


def test_it_serves_the_configuration_and_the_canary() -> None:
    """`check --only gateway` does without."""
    assert Bench().look.serves == {CheckName.CONFIG, CheckName.CANARY}
