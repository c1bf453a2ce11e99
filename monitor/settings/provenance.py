"""Where each setting comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.settings.given import Layer
from monitor.settings.lower import Where
from monitor.settings.problem import Path

DEFAULTS = "defaults"


@dataclass(frozen=True, slots=True)
class Provenance:
    """The places of every layer, the strongest first."""

    layers: Sequence[Mapping[Path, Where]]

    def where(self, path: Path) -> Where | None:
        """Where the effective value of a path was given; None: built in, or derived from another setting."""
        for candidate in _candidates(path):
            for places in self.layers:
                if candidate in places:
                    return places[candidate]
        return None

    def nearest(self, path: Path) -> Where | None:
        """Where a path was given, or else the innermost mapping around it that was given."""
        for length in range(len(path), 0, -1):
            if found := self.where(path[:length]):
                return found
        return None

    def place(self, path: Path, fallback: str) -> str:
        """Where to look when something is wrong with a path; `fallback` where nothing around it was given."""
        if exact := self.where(path):
            return exact.origin.place
        around = self.nearest(path)
        if around is None:
            return fallback
        return around.origin.place if around.origin.layer is Layer.FILE else around.origin.layer

    def as_given(self, path: Path) -> Path:
        """A path as it was given: a twin's name, or a path of `defaults`, instead of the setting's own."""
        exact = self.where(path)
        return exact.path if exact else path

    def from_defaults(self, path: Path) -> bool:
        """Whether the effective value of a target's setting is that of `defaults`."""
        found = self.where(path)
        return found is not None and found.path[:1] == (DEFAULTS,)


def _candidates(path: Path) -> list[Path]:
    """The paths whose value counts, the strongest first: a target's own, then that of `defaults`."""
    inherits = len(path) > 2 and path[0] == "targets"  # noqa: PLR2004 - targets, its name, something of it
    return [path, (DEFAULTS, *path[2:])] if inherits else [path]
