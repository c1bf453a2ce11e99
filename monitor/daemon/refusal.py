"""A configuration that was refused: the one before stays in force, but a restart would fail. So it is shown, and told once."""

from collections.abc import Callable, Mapping

from monitor.core.events import Event, NoticeHandled
from monitor.core.incident import Reason
from monitor.core.model import Seconds, TargetName
from monitor.daemon.selftest import try_way
from monitor.ports import Clock, Notifier


class Refusal:
    """What is wrong with the configuration at hand, since when, and who was told of it."""

    def __init__(self, clock: Clock, publish: Callable[[Event], None]) -> None:
        self._clock = clock
        self._publish = publish
        self._problem = ""
        self._since: Seconds = 0.0
        self._told: set[str] = set()

    @property
    def problem(self) -> str:
        """Why the configuration is refused; empty while it is not."""
        return self._problem

    def refuse(self, problem: str) -> None:
        """It is refused, or still."""
        if not self._problem:
            self._since = self._clock.monotonic()
        self._problem = problem

    def end(self) -> None:
        """A good one was loaded."""
        self._problem = ""

    def troubles(self) -> tuple[str, ...]:
        """For the page."""
        return (self._text(),) if self._problem else ()

    async def tell(self, ways: Mapping[str, Notifier], *, after: Seconds) -> None:
        """Tell each way once when it has lasted so long, and once that it is over; who was not reached is tried the next time."""
        if self._problem and self._clock.monotonic() - self._since >= after:
            reason, text, names = Reason.OPENED, f"warning: {self._text()}", ways.keys() - self._told
        elif not self._problem and self._told:
            reason, text, names = Reason.RESOLVED, "resolved: a good configuration is loaded", self._told & ways.keys()
            self._told = set(names)
        else:
            return
        for name in sorted(names):
            outcome, detail = await try_way(ways[name], text, self._clock)
            at, notifier = self._clock.now(), ways[name].name
            self._publish(
                NoticeHandled(
                    notifier=notifier, target=TargetName(""), at=at, reason=reason, outcome=outcome, detail=detail
                )
            )
            if outcome != "failed":
                (self._told.discard if reason is Reason.RESOLVED else self._told.add)(name)

    def _text(self) -> str:
        ago = (self._clock.monotonic() - self._since) / 60
        return (
            f"the monitor's configuration is refused, for {ago:.0f} min: the one before is in force, but a restart would "
            f"fail. {self._problem}"
        )
