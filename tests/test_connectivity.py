"""Nobody is accused while our own network is the suspect."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from monitor.connectivity import ConnectivityProbe
from monitor.core.model import Service
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from tests.fakes.clock import FakeClock

GATEWAY, TRACELOOP, CONTROL_PLANE = Service.GATEWAY, Service.TRACELOOP, Service.CONTROL_PLANE


class Town:
    """Three services that answer as set, and count how often they were asked."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: list[Service] = []
        self.replies: dict[Service, PortError | float | None] = {}
        self.probe = ConnectivityProbe(clock, {service: self._asking(service) for service in Service})

    def _asking(self, service: Service) -> Callable[[], Awaitable[object]]:
        async def ask() -> None:
            self.asked.append(service)
            reply = self.replies.get(service, Unreachable("down", kind="connect"))
            if isinstance(reply, PortError):
                raise reply
            await self.clock.sleep(reply or 0)

        return ask


@pytest.fixture
def town() -> Town:
    """All are down."""
    return Town(FakeClock())


async def test_another_that_has_just_answered_counts_without_being_asked(town: Town) -> None:
    """The regular requests of the checks are evidence enough."""
    town.probe.note(TRACELOOP, "4xx")
    await town.clock.advance(60)
    assert await town.probe.another_service_answers(GATEWAY)
    assert town.asked == []


async def test_an_old_answer_proves_nothing(town: Town) -> None:
    """After a minute the network may have gone; the others are asked, and all are down."""
    town.probe.note(TRACELOOP, "2xx")
    await town.clock.advance(60.1)
    assert not await town.probe.another_service_answers(GATEWAY)
    assert set(town.asked) == set(Service) - {GATEWAY}


async def test_an_answer_from_before_the_silence_proves_nothing(town: Town) -> None:
    """However fresh: our network may have gone between the two. Whoever was not asked since is asked, once."""
    town.probe.note(TRACELOOP, "2xx")
    await town.clock.advance(10)
    town.probe.note(GATEWAY, "timeout")
    assert not await town.probe.another_service_answers(GATEWAY)
    assert TRACELOOP in town.asked
    town.asked.clear()
    await town.clock.advance(5)
    town.probe.note(GATEWAY, "timeout")
    assert not await town.probe.another_service_answers(GATEWAY)
    assert town.asked == []


async def test_an_answer_since_the_silence_began_counts_for_a_minute(town: Town) -> None:
    """To the second."""
    town.probe.note(GATEWAY, "connect")
    await town.clock.advance(1)
    town.probe.note(TRACELOOP, "2xx")
    await town.clock.advance(60)
    town.probe.note(GATEWAY, "connect")
    assert await town.probe.another_service_answers(GATEWAY)
    await town.clock.advance(0.1)
    assert not await town.probe.another_service_answers(GATEWAY)


async def test_a_silence_that_was_broken_begins_anew(town: Town) -> None:
    """What answered in the first silence may have gone before the second."""
    town.probe.note(GATEWAY, "connect")
    await town.clock.advance(1)
    town.probe.note(TRACELOOP, "2xx")
    assert await town.probe.another_service_answers(GATEWAY)
    town.probe.note(GATEWAY, "2xx")
    await town.clock.advance(1)
    town.probe.note(GATEWAY, "connect")
    assert not await town.probe.another_service_answers(GATEWAY)


async def test_the_suspect_does_not_count_for_itself(town: Town) -> None:
    """Its own earlier answer does not count, and it is not asked."""
    town.probe.note(GATEWAY, "2xx")
    assert not await town.probe.another_service_answers(GATEWAY)
    assert GATEWAY not in town.asked


async def test_traceloops_two_sides_do_not_count_against_each_other(town: Town) -> None:
    """They are one service, behind one front."""
    town.probe.note(Service.OTLP, "2xx")
    assert not await town.probe.another_service_answers(TRACELOOP)
    assert Service.OTLP not in town.asked
    assert await town.probe.another_service_answers(GATEWAY)


@pytest.mark.parametrize("outcome", ["timeout", "connect", "dns", "tls", "reset", "protocol", "denied"])
async def test_who_was_asked_in_vain_is_not_asked_again(town: Town, outcome: str) -> None:
    """Within a minute each is asked once, by whomever."""
    for service in Service:
        town.probe.note(service, outcome)
    assert not await town.probe.another_service_answers(GATEWAY)
    assert town.asked == []
    await town.clock.advance(61)
    assert not await town.probe.another_service_answers(GATEWAY)
    assert not await town.probe.another_service_answers(GATEWAY)
    assert len(town.asked) == len(Service) - 1


async def test_what_we_could_not_ask_for_want_of_our_own_resources_says_nothing_of_anybody(town: Town) -> None:
    """It counts neither as asked nor as silent."""
    town.probe.note(TRACELOOP, "2xx")
    await town.clock.advance(1)
    town.probe.note(GATEWAY, "shortage")
    await town.clock.advance(1)
    assert await town.probe.another_service_answers(GATEWAY)
    assert town.asked == []


@pytest.mark.parametrize("reply", [None, Refused("no", status=401), Gone("where"), Garbled("what")])
async def test_any_answer_will_do(town: Town, reply: PortError | None) -> None:
    """A refusal came over the network too."""
    town.replies[TRACELOOP] = reply
    assert await town.probe.another_service_answers(GATEWAY)


async def test_the_other_services_are_asked_at_once_and_in_bounded_time(town: Town) -> None:
    """The first answer settles it; nobody waits for the slow, and after five seconds for nobody."""
    town.replies = {TRACELOOP: 3.0, CONTROL_PLANE: 60.0}
    asking = asyncio.ensure_future(town.probe.another_service_answers(GATEWAY))
    assert await town.clock.run_until(asking.done) == 3
    assert await asking
    assert town.clock.waiting == 0

    town = Town(FakeClock())
    town.replies = {TRACELOOP: 30.0, CONTROL_PLANE: 60.0}
    asking = asyncio.ensure_future(town.probe.another_service_answers(GATEWAY))
    assert await town.clock.run_until(asking.done) == 5
    assert not await asking


async def test_two_that_ask_together_share_the_answer(town: Town) -> None:
    """Two checks that fail at the same moment do not ask everybody twice."""
    town.replies[CONTROL_PLANE] = 2.0
    both = asyncio.gather(town.probe.another_service_answers(GATEWAY), town.probe.another_service_answers(TRACELOOP))
    await town.clock.advance(2)
    assert all(await both)
    assert town.asked.count(CONTROL_PLANE) == 1


async def test_a_cancelled_question_leaves_nobody_running(town: Town) -> None:
    """At shutdown the other services are let go."""
    town.replies[TRACELOOP] = 4.0
    asking = asyncio.ensure_future(town.probe.another_service_answers(GATEWAY))
    await town.clock.advance(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert town.clock.waiting == 0
