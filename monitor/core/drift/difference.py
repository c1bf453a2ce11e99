"""One field that is not as it should be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that is not as it should be. `critical` also where nothing stops but content leaks."""

    path: str
    expected: str
    actual: str
    stops_export: bool = False
    critical: bool = False
    hint: str | None = None

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.path}: expected {self.expected}, found {self.actual}{hint}"
