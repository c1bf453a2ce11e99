"""The sources outside the file: variables of the environment, and the files of a mounted secrets directory.

Both name a setting by its path: `TRACE_MONITOR_TARGETS__PROD_EU__GATEWAY__MODEL`, `targets__prod-eu__gateway__token`.
"""

import difflib
import os.path
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from monitor.settings.document import Layer, Node, Origin, Text, Tree, read_document
from monitor.settings.problem import ConfigError, KeyPath, Reading, did_you_mean, shown_name, unknown_name
from monitor.settings.schema import Kind, Setting, whole
from monitor.settings.secret import Unusable, read_secret
from monitor.settings.values import Mark

PREFIX = "TRACE_MONITOR_"
CONFIG = f"{PREFIX}CONFIG"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
_OWN = ("CONFIG", "SECRETS_DIR", "URL", "ADMIN_TOKEN")
_MOST_ENTRIES = 10_000
_CLOSE, _CLOSE_BELOW = 0.8, 0.85  # how alike two names must be; the name of a section in common makes them so already

# What Kubernetes sets for every Service of the namespace, also for one whose name begins like ours (two underscores would be a
# setting): https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_SERVICE_LINK = re.compile(
    r"""([A-Z0-9]+_)*(
        SERVICE_HOST=[0-9a-fA-F.:]+ | SERVICE_PORT(_[A-Z0-9]+)*=[0-9]+ | PORT(_[0-9]+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://.* |
        PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO=(tcp|udp|sctp) | PORT=[0-9]+ | ADDR=[0-9a-fA-F.:]+)
    )""",
    re.VERBOSE,
)


class _Source:
    """A source whose names are paths, while it is put together as a tree. `known`: the trees of weaker ones."""

    def __init__(self, layer: Layer, place: str, known: Sequence[Node | None], reading: Reading) -> None:
        self.tree = Tree(entries={}, origin=Origin(layer=layer, place=place))
        self._known = known
        self._reading = reading
        self.unknown: list[str] = []
        """The places of names that are not a setting's, nor close to one."""

    def look_up(self, name: str, place: str, guess: Callable[[str], str | None]) -> tuple[KeyPath, Setting] | None:
        """The path and setting of a name, unless it leads nowhere: then it is a mistake, or somebody else's."""
        path, found = locate(name, self._known)
        if isinstance(found, Setting):
            return path, found
        if len(path) > 1:
            self._reading.reject(place, path, found)
        elif what := guess(name):  # not even the first word is known, but the name is close to one that is
            self._reading.reject(place, (), what)
        else:
            self.unknown.append(place)
        return None

    def add(self, path: KeyPath, setting: Setting, text: Text) -> None:
        """Put a text in its place; mappings and lists are written as YAML's flow style, which JSON is a part of.

        Quotes around the whole do not belong to it: `docker run --env-file` keeps them (https://github.com/moby/moby/issues/46773).
        """
        bare, place = text.text.strip(), text.origin.place
        if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'" and bare[0] not in bare[1:-1]:
            text = replace(text, text=bare[1:-1], plain=False)
        node: Node | None = text
        opening = {Kind.SECTION: "{", Kind.MAPPING: "{", Kind.LIST: "["}.get(setting.kind)
        if opening and text.text.lstrip().startswith(opening):
            try:
                node = read_document(text.text, lambda _line: text.origin)
            except ConfigError as error:
                for each in error.problems:
                    self._reading.reject(place, path, each.what)
                return
        if node is not None and (taken := self._put(path, node)):
            self._reading.reject(place, path, f"is given twice: {taken.origin.place} collides with it")

    def _put(self, path: KeyPath, node: Node) -> Node | None:
        """Put a node in its place; what has taken it already."""
        parent = self.tree
        *above, last = map(str, path)
        for part in above:
            below = parent.entries.setdefault(part, Tree(entries={}, origin=node.origin))
            if not isinstance(below, Tree):
                return below
            parent = below
        present = parent.entries.setdefault(last, node)
        return None if present is node else present


def locate(name: str, known: Sequence[Node | None]) -> tuple[KeyPath, Setting | str]:
    """The path and setting a name stands for; or the path up to where it leads nowhere, and why.

    `known`: what weaker layers gave, whose spelling of keys is kept.
    """
    path: KeyPath = ()
    setting, rest = whole(), name.lower()
    while rest or not path:
        head, separator, tail = rest.partition("__")
        if setting.kind is Kind.SECTION:
            if setting.twin_of(head) and not separator:
                return (*path, head), Setting(str)
            if head not in setting.keys or bool(separator) != bool(tail):
                return (*path, head), unknown_name(head, setting.names())
            key, setting = head, setting.keys[head]
        elif setting.kind is Kind.MAPPING:
            key, tail = _key(rest, known, dashed=Mark.DASHED in setting.marks)
            setting = setting.each
        elif setting.takes_file and rest == "file":
            return (*path, rest), Setting(str)
        elif setting.type is Any:
            return (*path, *rest.split("__")), setting
        else:
            return path, "is a single value; nothing is below it"
        known = [node.entries.get(key) for node in known if isinstance(node, Tree)]
        path, rest = (*path, key), tail
    return path, setting


def _key(rest: str, known: Sequence[Node | None], *, dashed: bool) -> tuple[str, str]:
    """The key at the head of a name, in the spelling that a weaker layer used, and what follows."""

    def flat(key: str) -> str:
        return re.sub(r"[^A-Za-z0-9]", "_", key).lower()

    keys = {key for node in known if isinstance(node, Tree) for key in node.entries}
    for key in sorted(keys, key=lambda key: (-len(key), key)):
        if f"{flat(rest)}__".startswith(f"{flat(key)}__"):
            return key, rest[len(key) + 2 :]
    head, _, tail = rest.partition("__")
    return (head.replace("_", "-") if dashed else head), tail


def variable(path: KeyPath) -> str:
    """The name of the variable that sets this path."""
    return PREFIX + "__".join(str(part).replace("-", "_") for part in path).upper()


def read_environment(environ: Mapping[str, str], known: Sequence[Node | None], reading: Reading) -> Tree:
    """The settings among the variables. An empty variable counts as not set, as `${X:-}` of compose files makes them."""
    source = _Source(Layer.ENVIRONMENT, "environment", known, reading)
    ours = {name: text for name, text in environ.items() if name.upper().startswith(PREFIX)}
    empty: list[str] = []
    for name in sorted(ours, key=lambda name: (name.count("__"), name)):
        rest = name[len(PREFIX) :].upper()
        if not name.isascii():
            source.unknown.append(ascii(name))
        elif rest not in _OWN and not _SERVICE_LINK.fullmatch(f"{rest}={ours[name]}"):
            located = source.look_up(rest, name, _guess_variable)
            if located and ours[name].strip():
                source.add(*located, Text(text=ours[name], origin=Origin(layer=Layer.ENVIRONMENT, place=name)))
            elif located:
                empty.append(name)
    if source.unknown:
        reading.warnings.append(f"unknown variables are ignored: {', '.join(source.unknown)}")
    if empty:
        reading.warnings.append(f"empty variables count as not set (null clears a value): {', '.join(empty)}")
    return source.tree


def _guess_variable(rest: str) -> str | None:
    """What to say of a name that is close to a known one. One underscore where two belong is the usual slip.

    A word in common is not close: compose files keep names of their own, such as `…_DATA` or `…_STATE_DIR`, beside ours.
    """
    guess = _close_to(rest, [*_names_below(whole()), *_OWN])
    return f"unknown variable; did you mean {PREFIX}{guess}?" if guess else None


def _close_to(rest: str, names: Sequence[str]) -> str | None:
    if guess := {name.replace("__", "_"): name for name in names}.get(re.sub("_+", "_", rest)):
        return guess
    sections = {name.upper(): setting for name, setting in whole().keys.items()}
    for section, setting in sections.items():
        if rest.startswith(f"{section}_"):
            below = [name for name in names if name.startswith(f"{section}__")]
            close = difflib.get_close_matches(rest, below, n=1, cutoff=_CLOSE_BELOW)
            nests = setting.kind is Kind.MAPPING or any(name.count("__") > 1 for name in below)
            return close[0] if close else f"{section}__…" if nests else None
    head, _, tail = rest.partition("__")
    if tail and (meant := did_you_mean(head, sections, cutoff=0.7)):
        return f"{meant}__{tail}"
    if rest in {"CONFIG_FILE", "CONFIG_PATH"}:
        return "CONFIG"
    if f"SERVER__{rest}" in names:
        return f"SERVER__{rest}"
    close = difflib.get_close_matches(rest, [*names, *sections], n=1, cutoff=_CLOSE)
    return close[0] if close else None


def _names_below(setting: Setting) -> Iterator[str]:
    """The names of everything below a section that has no freely chosen name in its path."""
    for name in setting.names():
        below = list(_names_below(setting.keys[name])) if name in setting.keys else []
        yield from (f"{name.upper()}__{rest}" for rest in below)
        if not below:
            yield name.upper()


def read_secrets_dir(directory: Path, known: Sequence[Node | None], reading: Reading) -> Tree:
    """The settings among the files of a directory, one file a value; hidden entries and directories are none.

    Kubernetes mounts a Secret so, with every file a link through `..data`, which it swaps as a whole when the Secret changes:
    https://kubernetes.io/docs/concepts/configuration/secret/. The files are therefore opened by their own name each time.
    """
    source = _Source(Layer.SECRETS, SECRETS_DIR, known, reading)
    names: list[str] = []
    try:
        names = sorted(entry.name for entry in directory.iterdir() if not entry.name.startswith("."))
    except (OSError, ValueError) as error:
        reading.reject(SECRETS_DIR, (), f"cannot be read: {getattr(error, 'strerror', None) or 'no such directory'}")
    for name in names[:_MOST_ENTRIES]:
        file, place = directory / name, str(directory / name)
        if os.path.isdir(file):  # noqa: PTH112 - Path.is_dir raises where this says no
            continue
        if located := source.look_up(name, place, _guess_entry):
            try:
                text = read_secret(file).strip()
            except Unusable as error:
                reading.reject(place, located[0], str(error))
            else:
                source.add(*located, Text(text=text, origin=Origin(layer=Layer.SECRETS, place=place), file=file))
    if source.unknown:
        unknown = ", ".join(shown_name(Path(place).name) for place in source.unknown)
        reading.warnings.append(f"files of {SECRETS_DIR} that name no setting are ignored: {unknown}")
    return source.tree


def _guess_entry(name: str) -> str | None:
    head, _, tail = name.partition("__")
    guess = did_you_mean(head, whole().keys, cutoff=0.7) if tail else None
    return f"unknown name; did you mean {guess}__…?" if guess else None
