"""Proof that a page would arrive: a test notice now and then, by the very way that a page would take."""

import asyncio
from collections.abc import Callable, Mapping

from monitor.core.events import Event, NoticeHandled
from monitor.core.incident import Reason
from monitor.core.model import Seconds, TargetName
from monitor.ports import Clock, Notifier, Undeliverable

AGAIN_AFTER: Seconds = 300.0
"""How soon a way that failed is tested again."""

_LIMIT: Seconds = 60.0
TEXT = "This is the monitor's regular self-test: a page about the gateway's traces would have arrived here."


class SelfTest:
    """Sends test notices and reports each as an event, so that the metrics date the last one that arrived.

    `ways` are single places, by name: a channel, an instance, so that one which fails keeps no other from being tested.
    """

    def __init__(self, ways: Mapping[str, Notifier], *, clock: Clock, publish: Callable[[Event], None]) -> None:
        self._ways = ways
        self._clock = clock
        self._publish = publish
        self._tested_at: Seconds = clock.monotonic()
        self._testing = asyncio.Lock()
        self.problems: Mapping[str, str] = {}

    async def run(self) -> None:
        """Test every way once."""
        async with self._testing:
            self.problems = await self._failures(self._ways)
            self._tested_at = self._clock.monotonic()

    async def run_again(self) -> None:
        """Test once more what failed, unless that was only just now."""
        async with self._testing:
            if self._clock.monotonic() - self._tested_at >= AGAIN_AFTER / 2:
                self.problems = await self._failures({name: self._ways[name] for name in self.problems})

    async def _failures(self, ways: Mapping[str, Notifier]) -> Mapping[str, str]:
        failures = {}
        for name, notifier in ways.items():
            outcome, detail = await try_way(notifier, TEXT, self._clock)
            self._publish(
                NoticeHandled(
                    notifier=notifier.name,
                    target=TargetName(""),
                    at=self._clock.now(),
                    reason=Reason.TEST,
                    outcome=outcome,
                    detail=detail,
                )
            )
            if outcome != "sent":
                failures[name] = detail
        return failures


async def try_way(notifier: Notifier, text: str, clock: Clock) -> tuple[str, str]:
    """Send a test notice: the outcome (sent, failed, or unknown: it may have arrived all the same), and why it is not `sent`."""
    try:
        async with clock.timeout(_LIMIT):
            await notifier.test(text)
    except Undeliverable as error:
        return "unknown" if error.unknown else "failed", str(error)
    except TimeoutError:
        return "unknown", f"no answer within {_LIMIT:.0f} s"
    return "sent", ""
