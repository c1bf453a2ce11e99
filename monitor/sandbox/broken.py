"""What is broken at this moment: the faults that are set, and what they ask of each service."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from monitor.core.model import Seconds
from monitor.sandbox.faults import FAULTS
from monitor.sandbox.faults.kinds import (
    OTEL,
    Act,
    Apply,
    Deed,
    Disturbance,
    Edit,
    Host,
    Manifest,
    Refusal,
    Refuse,
    Twist,
)

D = TypeVar("D", bound=Deed)


class Broken:
    """The set faults, in the order in which they were set; the newest has the first word where only one can have it."""

    def __init__(self) -> None:
        self._set: dict[str, tuple[Deed, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the set faults."""
        return tuple(self._set)

    def set(self, name: str, seconds: Seconds | None = None) -> None:
        """Set a fault, its delays replaced by `seconds` if given. Raises KeyError for a name that is not in the registry."""
        deeds = FAULTS[name].does
        self._set.pop(name, None)
        self._set[name] = deeds if seconds is None else tuple(_lasting(deed, seconds) for deed in deeds)

    def clear(self, name: str) -> None:
        """Mend; what is not set needs no mending."""
        self._set.pop(name, None)

    def disturbance(self, host: Host, path: str) -> Disturbance | None:
        """The trouble that a request to this host and path runs into."""
        return next((each for each in self._deeds(Disturbance) if each.concerns(host, path)), None)

    def closes_port(self, host: Host) -> bool:
        """Whether nobody is to listen for this host."""
        return any(each.closes_port and each.host is host for each in self._deeds(Disturbance))

    def edits(self) -> tuple[Edit, ...]:
        """The changes made to the exporter's configuration, the oldest first."""
        return tuple(reversed(tuple(self._deeds(Edit))))

    def applied(self, kind: str) -> tuple[Manifest, ...]:
        """The configurations of a type that somebody has applied, the oldest first."""
        return tuple(each.manifest for each in reversed(tuple(self._deeds(Apply))) if each.kind == kind)

    def refusal(self) -> Refusal | None:
        """Why no chat is completed, if none is."""
        return next((each.refusal for each in self._deeds(Refuse)), None)

    def does(self, twist: Twist) -> bool:
        """Whether a service is to act this way."""
        return any(each.twist is twist for each in self._deeds(Act))

    def seconds(self, twist: Twist) -> Seconds:
        """For how long; 0 if it is not to act this way."""
        return next((each.seconds for each in self._deeds(Act) if each.twist is twist), 0.0)

    def _deeds(self, kind: type[D]) -> Iterator[D]:
        for deeds in reversed(self._set.values()):
            for deed in deeds:
                if isinstance(deed, kind):
                    yield deed


def configurations_changed(name: str) -> frozenset[str]:
    """The types of the configurations that somebody changes when a fault is set, or mended."""
    deeds = FAULTS[name].does
    edited = {OTEL} if any(isinstance(deed, Edit) for deed in deeds) else set()
    return frozenset(edited | {deed.kind for deed in deeds if isinstance(deed, Apply)})


def _lasting(deed: Deed, seconds: Seconds) -> Deed:
    return replace(deed, seconds=seconds) if isinstance(deed, Disturbance | Act) else deed
