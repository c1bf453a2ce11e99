"""A timeline as values: what happens when, in order. Offsets are seconds from its start."""

from dataclasses import dataclass
from enum import StrEnum

from monitor.core.model import CheckName, Fault, Finding, Instant, Seconds, TargetName
from monitor.settings.document import Node

WARM_UP: Seconds = 900.0
"""How long everything has been well before a timeline begins: every check has passed, every route is proven."""

AFTERWARDS: Seconds = 1800.0
"""How long a timeline goes on after its last moment unless it says so."""


class Ending(StrEnum):
    """How the daemon ends before it is started again."""

    STOPPED = "stopped"  # SIGTERM
    KILLED = "killed"  # SIGKILL
    KILLED_AFTER_SENDING = "killed_after_sending"  # when the next message stands in Slack, before that is written down


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Something breaks. `seconds` replaces its delays."""

    fault: str
    seconds: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """It works again."""

    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """What a check finds whenever it looks from now on, `looks` times at most; None: what is really there."""

    check: CheckName
    finding: Finding | None
    looks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doom:
    """What becomes of the traces of the canaries that are sent from now on: `arrived`, or one of `words.FATES`."""

    fate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """The daemon ends and is started again after `down` seconds."""

    ending: Ending
    down: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Hush:
    """Somebody adds a silence of so many seconds."""

    fault: Fault | None
    seconds: Seconds
    comment: str
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """Somebody takes what is open."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """Other settings are loaded, on top of those so far."""

    settings: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """A target is taken out of the configuration."""


Deed = Break | Mend | Say | Doom | Restart | Hush | Acknowledge | Reload | Remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens. `target` is a pattern, `words` says it to people, `place` is the line it stands in."""

    at: Seconds
    deed: Deed
    words: str
    target: str = "*"
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A whole story. `targets` empty: those of the configuration, or one that is called `prod`."""

    start: Instant
    warm_up: Seconds
    until: Seconds
    targets: tuple[TargetName, ...]
    settings: Node | None
    steps: tuple[Step, ...]
