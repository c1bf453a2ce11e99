"""Names of settings outside the file: `TARGETS__PROD_EU__GATEWAY__MODEL` of the environment, file names of a secrets directory."""

from collections.abc import Iterable, Sequence

from monitor.settings.given import Given, Tree
from monitor.settings.problem import Path, Problem, unknown_name
from monitor.settings.shape import Fields, Hidden, Shape, Table, Value, settings_shape

SEPARATOR = "__"


class UnknownName(Exception):
    """A name that leads nowhere: the path up to where it ends, and why. `astray`: its very first word is unknown."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(what)
        self.path = path
        self.what = what
        self.astray = len(path) <= 1


def locate(name: str, known: Sequence[Given | None]) -> tuple[tuple[str, ...], Shape]:
    """The path and shape a name stands for. `known`: what weaker layers gave, whose spelling of keys is kept.

    Raises UnknownName.
    """
    if not name:
        raise UnknownName((), "is no name")
    return _locate(name.lower(), settings_shape(), known, ())


def _locate(
    rest: str, shape: Shape, known: Sequence[Given | None], path: tuple[str, ...]
) -> tuple[tuple[str, ...], Shape]:
    if not rest:
        return path, shape
    match shape:
        case Fields(of=of):
            head, separator, tail = rest.partition(SEPARATOR)
            if head in of and bool(separator) == bool(tail):
                return _locate(tail, of[head], _below(known, head), (*path, head))
            if shape.twin_of(head) and not separator:
                return (*path, head), Value(nullable=True)
            raise UnknownName((*path, head), unknown_name(head, shape.names()))
        case Table(value=value):
            key, tail = _key(rest, shape, known)
            return _locate(tail, value, _below(known, key), (*path, key))
        case Hidden(inline=True) if rest == "file":
            return (*path, rest), Value()
        case Value(free=True):
            return (*path, *rest.split(SEPARATOR)), shape
        case _:
            raise UnknownName(path, "is a single value; nothing is below it")


def _key(rest: str, shape: Table, known: Sequence[Given | None]) -> tuple[str, str]:
    """The key at the head of a name, in the spelling that a weaker layer used, and what follows."""
    keys = {key for tree in known if isinstance(tree, Tree) for key in tree.entries}
    flat = _flat(rest)
    for key in sorted(keys, key=lambda key: (-len(key), key)):
        if flat == _flat(key) or flat.startswith(f"{_flat(key)}{SEPARATOR}"):
            return key, rest[len(key) + len(SEPARATOR) :]
    head, _, tail = rest.partition(SEPARATOR)
    return (head.replace("_", "-") if shape.dashed else head), tail


def _flat(key: str) -> str:
    """How a key looks in the name of a variable."""
    return "".join(character if character.isascii() and character.isalnum() else "_" for character in key).lower()


def _below(known: Iterable[Given | None], key: str) -> list[Given | None]:
    return [tree.entries.get(key) for tree in known if isinstance(tree, Tree)]


def plant(root: Tree, path: tuple[str, ...], given: Given) -> Problem | None:
    """Put a value into a tree; the problem if its place is taken."""
    node = root
    for part in path[:-1]:
        below = node.entries.setdefault(part, Tree(entries={}, origin=given.origin))
        if not isinstance(below, Tree):
            return _taken(below, path, given)
        node = below
    present = node.entries.get(path[-1])
    if present is None:
        node.entries[path[-1]] = given
        return None
    return _taken(present, path, given)


def _taken(present: Given, path: Path, given: Given) -> Problem:
    return Problem(place=given.origin.place, path=path, what=f"is given twice: {present.origin.place} collides with it")
