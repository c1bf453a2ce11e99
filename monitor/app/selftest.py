"""Proof that a page would arrive: a test notice now and then, by the very way that a page would take."""

from collections.abc import Callable, Iterable, Mapping

from monitor.core.events import Event, NoticeHandled
from monitor.core.incident import Reason
from monitor.core.model import Seconds, TargetName
from monitor.ports import Clock, Notifier, Undeliverable

_LIMIT: Seconds = 60.0
TEXT = "This is the monitor's regular self-test: a page about the gateway's traces would have arrived here."


class SelfTest:
    """Sends test notices and reports each as an event, so that the metrics date the last one that arrived."""

    def __init__(self, notifiers: Iterable[Notifier], *, clock: Clock, publish: Callable[[Event], None]) -> None:
        self._notifiers = tuple(notifiers)
        self._clock = clock
        self._publish = publish
        self.problems: Mapping[str, str] = {}

    async def run(self) -> None:
        """Test every way once."""
        problems: dict[str, str] = {}
        for notifier in self._notifiers:
            try:
                async with self._clock.timeout(_LIMIT):
                    await notifier.test(TEXT)
            except Undeliverable as error:
                problems[notifier.name] = str(error)
                self._report(notifier, "unknown" if error.unknown else "failed", str(error))
            except TimeoutError:
                problems[notifier.name] = f"no answer within {_LIMIT:.0f} s"
                self._report(notifier, "unknown", problems[notifier.name])
            else:
                self._report(notifier, "sent")
        self.problems = problems

    def _report(self, notifier: Notifier, outcome: str, detail: str = "") -> None:
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
