"""The end, in order and in time, whatever hangs."""

import asyncio
from collections.abc import Mapping

from monitor.core.incident import Notice
from monitor.daemon.service import GRACE
from monitor.ports import Undeliverable
from tests.daemon.home import DEMO, Home, home
from tests.notifiers.fake import FakeNotifier

KUBERNETES = 30.0
"""How long a pod has by default (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination)."""


class Hanging(FakeNotifier):
    """Never answers."""

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """Never."""
        del notice
        await asyncio.Event().wait()
        raise AssertionError


async def test_idle_it_ends_at_once() -> None:
    """Nothing to wait for."""
    async with home() as it:
        await it.clock.advance(30.05)
        assert await it.stop(17.0) < 1.0
        assert it.daemon.draining


async def test_at_the_end_everything_known_is_written_down() -> None:
    """Also what was seen since something was last kept at once."""
    async with home() as it:
        await it.clock.advance(30.05)
        assert (await it.store.load()).targets[DEMO] != it.state()
        await it.stop(17.0)
        assert (await it.store.load()).targets[DEMO] == it.state()


async def test_what_runs_is_let_end() -> None:
    """A canary under way is answered and remembered."""
    async with home() as it:
        await it.clock.advance(30)
        it.sandbox.world.latency = 5.0
        await it.clock.run_until(lambda: it.state().canaries[-1].answered_at is None, limit=400)
        sent = it.state().canaries[-1].id
        assert await it.stop(17.0) <= 5.0
        saved = (await it.store.load()).targets[DEMO]
        assert {canary.id: canary.answered_at is not None for canary in saved.canaries}[sent]


async def test_what_hangs_is_left_within_the_grace() -> None:
    """Checks that never end and a notifier that never answers; what is known is written down."""
    async with home() as it:
        await it.clock.advance(30)
        await it.daemon.notify_by([Hanging()])
        await it.sandbox.break_("gateway_unreachable_black_hole")
        await it.sandbox.break_("control_plane_silent")
        await it.clock.run_until(lambda: it.state().incident, limit=120)
        assert await it.stop(17.0) <= 17.0
        saved = (await it.store.load()).targets[DEMO]
        assert saved.incident is not None
        assert saved.incident.notified == {}


async def test_a_canary_that_is_left_is_no_failure() -> None:
    """Abandoned is not failed: it is remembered as sent, and nothing is held against anybody."""
    async with home() as it:
        await it.clock.advance(30)
        it.sandbox.world.latency = 3600.0
        await it.clock.run_until(lambda: it.state().canaries[-1].answered_at is None, limit=400)
        before = it.state().check_states
        await it.stop(17.0)
        saved = (await it.store.load()).targets[DEMO]
        assert saved.canaries[-1].answered_at is None
        assert saved.check_states[next(iter(before))].confirmed == {}


async def left_alone(it: Home, error: Undeliverable) -> None:
    """Something is broken, and the notifier that was to deliver it has just failed."""
    await it.clock.advance(30)
    it.notifier.failures.append(error)
    await it.sandbox.break_("gateway_unreachable")
    await it.clock.run_until(lambda: it.daemon.notifiers["fake"].failing_since, limit=120)
    assert it.notified == []


async def test_what_is_due_is_reported_once_more() -> None:
    """Also by one that is left alone for a while; then every notifier is let go of."""
    async with home() as it:
        await left_alone(it, Undeliverable("busy"))
        await it.stop(17.0)
        assert (it.notified, it.notifier.closed) == (["opened demo"], True)


async def test_who_asked_to_wait_is_not_hurried_at_the_end() -> None:
    """It is reported by the next start."""
    async with home() as it:
        await left_alone(it, Undeliverable("busy", retry_after=3600.0))
        await it.stop(17.0)
        assert (it.notified, it.notifier.closed) == ([], True)


def test_the_grace_is_shorter_than_what_kubernetes_gives() -> None:
    """With room to spare for the start of the end."""
    assert GRACE <= KUBERNETES - 5
