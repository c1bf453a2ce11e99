"""What a worker is given, and what it shows of itself."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from monitor.core.events import Event
from monitor.core.model import Instant, Seconds, TargetName
from monitor.core.silence import Silence
from monitor.ports import Clock, Notifier
from monitor.runner import TargetJournal


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One way to tell. `mention_key` names channel and mention of a target: they share the limit of one a minute."""

    notifier: Notifier
    mention_key: Callable[[TargetName], str] = str


@dataclass(slots=True)
class NotifierHealth:
    """What is known of one notifier, for the page and the metrics. `permanent`: only a human can mend what it suffers from."""

    pending: int = 0
    last_success_at: Instant | None = None
    failing_since: Instant | None = None
    last_error: str = ""
    permanent: bool = False
    refused: tuple[str, ...] = ()  # the places that refuse what they are told, where there are several
    unrefreshed: str = ""  # who could not be told again what they forget
    unrefreshed_since: Seconds | None = None  # since when nobody could, by the monotonic clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all workers share, in monotonic seconds.

    `mentioned` says when somebody was called last, by route and channel; `held`, until when a notifier asked to be left alone.
    """

    clock: Clock
    publish: Callable[[Event], None]
    journals: Callable[[], Iterable[TargetJournal]]
    silences: Callable[[], tuple[Silence, ...]]
    labels: Callable[[TargetName], Mapping[str, str]]
    mentioned: dict[str, Seconds] = field(default_factory=dict)
    held: dict[str, Seconds] = field(default_factory=dict)
