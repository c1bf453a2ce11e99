"""A mapping that somebody wrote, read key by key; whatever is wrong is collected with its line."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from monitor.settings.document import Items, Node, Text, Tree
from monitor.settings.problem import KeyPath, Problem, unknown_name
from monitor.settings.values import parse_duration

T = TypeVar("T")


class Sheet:
    """One mapping. `problems` is shared by all that belong to one document.

    `sound`: it is a mapping of known keys, so that what is missing is missing, and not misspelt.
    """

    def __init__(self, given: Node, path: KeyPath, problems: list[Problem], known: Iterable[str]) -> None:
        self.given = given
        self.path = path
        self._problems = problems
        self.entries = given.entries if isinstance(given, Tree) else {}
        if not isinstance(given, Tree):
            self.refuse("a mapping belongs here")
        names = tuple(known)
        foreign = [key for key in self.entries if key not in names]
        self.sound = isinstance(given, Tree) and not foreign
        for key in foreign:
            self.refuse(unknown_name(key, names), key)

    def refuse(self, what: str, key: str | None = None) -> None:
        """Say what is wrong with a key, or with all of it."""
        origin = self.entries[key].origin if key in self.entries else self.given.origin
        path = self.path if key is None else (*self.path, key)
        self._problems.append(Problem(place=origin.place, path=path, what=what))

    def has(self, key: str) -> bool:
        """Whether a key stands there."""
        return key in self.entries

    def read(self, key: str, convert: Callable[[str], T]) -> T | None:
        """The value of a key; None if it is not there, or makes no sense, which is said."""
        given = self.entries.get(key)
        if given is None:
            return None
        if not isinstance(given, Text) or given.null:
            self.refuse("a single value belongs here", key)
            return None
        try:
            return convert(given.text.strip())
        except ValueError as error:
            self.refuse(str(error), key)
            return None

    def seconds(self, key: str) -> float | None:
        """A length of time."""
        return self.read(key, parse_duration)

    def items(self, key: str) -> tuple[Node, ...]:
        """The items of a list; a single value counts as a list of one, and nothing as an empty list."""
        given = self.entries.get(key)
        if given is None or (isinstance(given, Text) and given.null):
            return ()
        return given.items if isinstance(given, Items) else (given,)

    def below(self, key: str, known: Iterable[str]) -> "Sheet | None":
        """A mapping inside."""
        given = self.entries.get(key)
        return None if given is None else Sheet(given, (*self.path, key), self._problems, known)

    def item(self, key: str, place: int, given: Node, known: Iterable[str]) -> "Sheet":
        """A mapping in a list."""
        return Sheet(given, (*self.path, key, place), self._problems, known)
