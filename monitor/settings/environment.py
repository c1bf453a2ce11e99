"""The environment as a layer of the settings."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.settings.document import read_document
from monitor.settings.given import Given, Layer, Origin, Text, Tree
from monitor.settings.names import SEPARATOR, UnknownName, locate, plant
from monitor.settings.problem import ConfigError, Path, Problem, did_you_mean
from monitor.settings.shape import Fields, Many, Shape, Table, settings_shape

PREFIX = "TRACE_MONITOR_"
CONFIG = f"{PREFIX}CONFIG"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
URL = f"{PREFIX}URL"
ADMIN_TOKEN = f"{PREFIX}ADMIN_TOKEN"
_OWN = tuple(name.removeprefix(PREFIX) for name in (CONFIG, SECRETS_DIR, URL, ADMIN_TOKEN))

# What Kubernetes sets for every Service of the namespace:
# https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_ADDRESS = r"[0-9a-fA-F.:]+"
_OTHER = r"([A-Z0-9]+_)*"  # of a Service whose name begins like ours; two underscores would be a setting
_SERVICE_LINKS = (
    (re.compile(rf"{_OTHER}SERVICE_HOST"), re.compile(_ADDRESS)),
    (re.compile(rf"{_OTHER}SERVICE_PORT(_[A-Z0-9]+)*"), re.compile(r"[0-9]+")),
    (re.compile(rf"{_OTHER}PORT(_[0-9]+_(TCP|UDP|SCTP))?"), re.compile(r"(tcp|udp|sctp)://.*")),
    (re.compile(rf"{_OTHER}PORT_[0-9]+_(TCP|UDP|SCTP)_PROTO"), re.compile(r"tcp|udp|sctp")),
    (re.compile(rf"{_OTHER}PORT_[0-9]+_(TCP|UDP|SCTP)_PORT"), re.compile(r"[0-9]+")),
    (re.compile(rf"{_OTHER}PORT_[0-9]+_(TCP|UDP|SCTP)_ADDR"), re.compile(_ADDRESS)),
)

_CLOSE, _CLOSE_BELOW = 0.8, 0.85  # how alike two names must be; the name of a section in common makes them so already


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One layer as it was found outside the file."""

    tree: Tree
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_environment(environ: Mapping[str, str], known: Sequence[Given | None]) -> Read:
    """The settings among the variables. An empty variable counts as not set, as `${X:-}` of compose files makes them."""
    read = Read(tree=Tree(entries={}, origin=Origin(layer=Layer.ENVIRONMENT, place="environment")))
    ours = {name: text for name, text in environ.items() if name.upper().startswith(PREFIX)}
    unknown: list[str] = []
    empty: list[str] = []
    for name in sorted(ours, key=lambda name: (name.count(SEPARATOR), name)):
        rest = name[len(PREFIX) :].upper()
        if rest in _OWN or is_service_link(rest, ours[name]):
            continue
        if not name.isascii():
            unknown.append(ascii(name))
            continue
        try:
            path, shape = locate(rest, known)
        except UnknownName as error:
            if not error.astray:
                read.problems.append(Problem(place=name, path=error.path, what=error.what))
            elif guess := _guess(rest):
                read.problems.append(
                    Problem(place=name, path=(), what=f"unknown variable; did you mean {PREFIX}{guess}?")
                )
            else:
                unknown.append(name)
            continue
        if ours[name].strip():
            add(read, path, shape, Text(text=ours[name], origin=Origin(layer=Layer.ENVIRONMENT, place=name)))
        else:
            empty.append(name)
    if unknown:
        read.warnings.append(f"unknown variables are ignored: {', '.join(unknown)}")
    if empty:
        read.warnings.append(f"empty variables count as not set (null clears a value): {', '.join(empty)}")
    return read


def add(read: Read, path: tuple[str, ...], shape: Shape, text: Text) -> None:
    """Put one text into a layer; mappings and lists are written as YAML's flow style, which JSON is a part of.

    Quotes around the whole are no part of it: `docker run --env-file` keeps them (https://github.com/moby/moby/issues/46773).
    """
    text = _unquoted(text)
    given: Given | None = text
    opening = {Fields: "{", Table: "{", Many: "["}.get(type(shape))
    if opening and text.text.lstrip().startswith(opening):
        try:
            given = read_document(text.text, lambda _line: text.origin)
        except ConfigError as error:
            read.problems.extend(Problem(place=text.origin.place, path=path, what=each.what) for each in error.problems)
            return
    if given is not None and (problem := plant(read.tree, path, given)):
        read.problems.append(problem)


def _unquoted(text: Text) -> Text:
    bare = text.text.strip()
    inside = bare[1:-1]
    quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'" and bare[0] not in inside
    return replace(text, text=inside, plain=False) if quoted else text


def variable(path: Path) -> str:
    """The name of the variable that sets this path."""
    return PREFIX + SEPARATOR.join(str(part).replace("-", "_") for part in path).upper()


def is_service_link(rest: str, value: str) -> bool:
    """Whether Kubernetes set this variable for a Service that happens to be called like us."""
    return any(name.fullmatch(rest) and form.fullmatch(value) for name, form in _SERVICE_LINKS)


def _guess(rest: str) -> str | None:
    """The known name that this one is close to. One underscore where two belong is the usual slip.

    A word in common is not close: compose files keep names of their own, such as `…_DATA` or `…_STATE_DIR`, beside ours.
    """
    names = _known_names()
    single = {name.replace(SEPARATOR, "_"): name for name in names}
    if guess := single.get(re.sub("_+", "_", rest)):
        return guess
    sections = {name.upper(): shape for name, shape in settings_shape().of.items()}
    for section, shape in sections.items():
        if rest.startswith(f"{section}_"):
            below = [name for name in names if name.startswith(f"{section}{SEPARATOR}")]
            close = difflib.get_close_matches(rest, below, n=1, cutoff=_CLOSE_BELOW)
            nests = isinstance(shape, Table) or any(name.count(SEPARATOR) > 1 for name in below)
            return close[0] if close else f"{section}{SEPARATOR}…" if nests else None
    head, _, tail = rest.partition(SEPARATOR)
    if tail and (meant := did_you_mean(head, sections, cutoff=0.7)):
        return f"{meant}{SEPARATOR}{tail}"
    if rest in {"CONFIG_FILE", "CONFIG_PATH"}:
        return "CONFIG"
    if (of_server := f"SERVER{SEPARATOR}{rest}") in names:
        return of_server
    close = difflib.get_close_matches(rest, [*names, *sections], n=1, cutoff=_CLOSE)
    return close[0] if close else None


def _known_names() -> list[str]:
    """The names of everything that has no freely chosen name in its path."""

    def below(shape: Shape, path: str) -> list[str]:
        if not isinstance(shape, Fields):
            return [path]
        twins = [f"{path}{SEPARATOR}{name}" for name in shape.names() if name not in shape.of]
        return twins + [leaf for name, inner in shape.of.items() for leaf in below(inner, f"{path}{SEPARATOR}{name}")]

    every = [leaf for name, shape in settings_shape().of.items() for leaf in below(shape, name)]
    return [name.upper() for name in every] + list(_OWN)
