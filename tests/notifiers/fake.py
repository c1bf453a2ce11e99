"""A notifier that remembers what it was notified of, and fails when asked to."""

from collections import deque
from collections.abc import Callable, Mapping

from monitor.core.incident import Notice
from monitor.core.model import TargetName
from monitor.notifiers.slack import render
from monitor.ports import Undeliverable


class FakeNotifier:
    """Implements `monitor.ports.Notifier`. `failures` are raised one after the other, `notices` are what got through."""

    def __init__(self, name: str = "fake", mention_key: Callable[[TargetName], str] = lambda _target: "C1") -> None:
        self.name = name
        self.notices: list[Notice] = []
        self.lines: list[str] = []
        self.failures: deque[Undeliverable] = deque()
        self.closed = False
        self.mention_key = mention_key

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """Remember; the receipt is that of the first notice of an incident."""
        self._fail_if_due()
        self.notices.append(notice)
        self.lines.append(render.post(notice, render.Frame(redact=str)).text)
        known = notice.notified.receipt if notice.notified is not None else {}
        return {"number": known.get("number", str(len(self.notices)))}

    async def test(self, text: str) -> None:
        """Remember."""
        self._fail_if_due()
        self.lines.append(text)

    def close(self) -> None:
        """Remember."""
        self.closed = True

    def _fail_if_due(self) -> None:
        if self.failures:
            raise self.failures.popleft()
