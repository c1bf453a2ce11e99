"""Who hears what happens: metrics, log lines, the history. None of them can disturb the checks."""

import logging
from collections.abc import Callable

from monitor.core.events import Event

_log = logging.getLogger(__name__)

Listener = Callable[[Event], None]


class Listeners:
    """Everybody who hears of every event, in the order of joining."""

    def __init__(self, *first: Listener) -> None:
        self._all = list(first)
        self._failed: set[Listener] = set()

    def add(self, listener: Listener) -> None:
        """Hear of every event from now on."""
        self._all.append(listener)

    def publish(self, event: Event) -> None:
        """Tell every listener; one that fails is reported once and disturbs nobody."""
        for listener in self._all:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - a listener must not stop the checks
                if listener not in self._failed:
                    self._failed.add(listener)
                    _log.exception("a listener failed on %s", type(event).__name__)
