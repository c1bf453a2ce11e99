"""From the command line's `--config`, the environment and the files to one frozen `Settings`, or to a list of what is wrong."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from monitor.settings.coherence import doubts, violations
from monitor.settings.document import Layer, Node, Origin, read_document
from monitor.settings.layer import Places, derivation, read_layer
from monitor.settings.model import Settings, build
from monitor.settings.problem import ConfigError, KeyPath, Problem, Reading, did_you_mean
from monitor.settings.schema import TWIN, Kind, setting_at
from monitor.settings.secret import PLACEHOLDER, SHORTEST_MASKED, STARS
from monitor.settings.sources import CONFIG, SECRETS_DIR, read_environment, read_secrets_dir, variable
from monitor.settings.target import BACKENDS

LOCAL = Path("trace-monitor.yaml")
GLOBAL = Path("/etc/trace-monitor/config.yaml")
_LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, where each comes from, and what is worth a warning. `path`: the file that was read, if there was one.

    `assumed`: the secrets that are given nowhere and were taken for granted, because no secret was to be read.
    """

    settings: Settings
    places: Places
    warnings: tuple[str, ...]
    path: Path | None
    secrets_dir: Path | None
    assumed: tuple[KeyPath, ...] = ()


def load(
    path: str | None,
    environ: Mapping[str, str],
    cwd: Path,
    *,
    over: Sequence[Node] = (),
    open_files: bool = True,
) -> Loaded:
    """Read everything. `path` is `--config`. Raises ConfigError.

    `over` outranks all of it, the strongest first. Without `open_files` no secret and no certificate is read from its file, and
    secrets need not be given at all, for whoever checks the rest on a machine that has none of them.
    """
    file = find_file(path, environ, cwd)
    if file is None:
        return parse("", environ, cwd, over=over, open_files=open_files)
    beside_us = file.relative_to(cwd) if file.is_relative_to(cwd) else file
    name = path or environ.get(CONFIG, "").strip() or str(beside_us)
    return parse(read_file(file), environ, cwd, file=file, name=name, over=over, open_files=open_files)


def parse(
    text: str,
    environ: Mapping[str, str],
    cwd: Path,
    *,
    file: Path | None = None,
    name: str = "configuration",
    over: Sequence[Node] = (),
    open_files: bool = True,
) -> Loaded:
    """The same with the text of the file, which is called `name` in complaints. Raises ConfigError."""
    given = environ.get(SECRETS_DIR, "").strip()
    reading = Reading(open_files=open_files, secrets_dir=bool(given))
    document = read_document(text, lambda line: Origin(layer=Layer.FILE, place=f"{name}:{line}"))
    secrets_dir = cwd / given if given else None
    trees: list[Node] = []
    if secrets_dir and (open_files or secrets_dir.is_dir()):
        trees = [read_secrets_dir(secrets_dir, [document], reading)]
    trees = [read_environment(environ, [*trees, document], reading), *trees]
    layers = [read_layer(tree, cwd, reading) for tree in (*over, *trees)]
    layers.append(read_layer(document, file.parent if file else cwd, reading))
    fallback = name if document else f"{name} (there is nothing in it)"
    if file is None:
        fallback = f"configuration (no file: neither ./{LOCAL} nor {GLOBAL} is there)"
    places = Places([where for _, where in layers], fallback)
    settings, assumed = _validate([values for values, _ in layers], places, reading)
    return Loaded(
        settings=settings,
        places=places,
        warnings=(*reading.warnings, *doubts(settings, with_secrets=open_files)),
        path=file,
        secrets_dir=secrets_dir,
        assumed=assumed,
    )


# --- the file --------------------------------------------------------------------------------------------------------


def find_file(path: str | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The file to read: `--config`, else TRACE_MONITOR_CONFIG, else the first that exists of the usual places."""
    named = path or environ.get(CONFIG, "").strip()
    if named:
        return cwd / named
    return next((file for file in (cwd / LOCAL, GLOBAL) if _is_there(file)), None)


def _is_there(file: Path) -> bool:
    """Whether a file is there; one that cannot be looked at is, so that reading it says why."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_file(file: Path) -> str:
    """The text of a file that an operator wrote. Raises ConfigError."""
    what = "is larger than 1 MiB, which no configuration is"
    content = b""
    try:
        with file.open("rb") as handle:
            content = handle.read(_LARGEST + 1)
        if len(content) <= _LARGEST:
            return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"is not text in UTF-8 (line {line})"
    except (OSError, ValueError) as error:
        what = f"cannot be read: {getattr(error, 'strerror', None) or 'no such file'}"
    raise ConfigError([Problem(place=str(file), path=(), what=what)])


# --- from the layers to the settings ---------------------------------------------------------------------------------


def _validate(
    layers: list[Mapping[str, Any]], places: Places, reading: Reading
) -> tuple[Settings, tuple[KeyPath, ...]]:
    """The settings, and the secrets that were taken for granted. Raises ConfigError."""
    spoiled = {problem.path[:-1] for problem in reading.problems}
    try:
        settings, assumed = _build(layers, open_files=reading.open_files)
    except ValidationError as error:
        twice = list(_two_backends(places))
        both = {(*problem.path[:2], backend) for problem in twice for backend in BACKENDS}
        found = [*twice, *(problem for problem in _explain(error, places, reading) if problem.path[:3] not in both)]
    else:
        complaints = violations(settings, with_secrets=reading.open_files)
        found = [*_two_backends(places), *(_problem(path, what, places) for path, what in complaints)]
        if not (found or spoiled):
            return settings, assumed
    problems = [*reading.problems, *(problem for problem in found if not _follows(problem.path, spoiled))]
    secrets = {text for text in reading.secrets if len(text) >= SHORTEST_MASKED}
    raise ConfigError(sorted((_without_secrets(problem, secrets) for problem in problems), key=_line))


def _two_backends(places: Places) -> Iterator[Problem]:
    """Targets with both sections, also where one of them is a variable: which of the two is meant cannot be known."""
    targets = dict.fromkeys(path[1] for each in places.layers for path in each if path[:1] == ("targets",) and path[1:])
    for name in targets:
        paths = [("targets", name, backend) for backend in BACKENDS]
        given = [where for path in paths if (where := places.where(path)) is not None and not where.null]
        # A target that names its backend inherits no other one.
        if len(given) == len(BACKENDS) and len({where.path[0] for where in given}) == 1:
            traceloop, phoenix = (where.path for where in given)
            beside = f"is given ({', '.join(places.spots(phoenix))}) beside `traceloop` ({', '.join(places.spots(traceloop))})"
            what = f"{beside}: a target has one trace backend; remove one of the two"
            yield Problem(place=places.place(paths[1]), path=paths[1], what=what)


def _follows(path: KeyPath, spoiled: set[KeyPath]) -> bool:
    """Whether a complaint follows from one about a section that was made before it.

    What is missing beside a key that was misspelt is the misspelt one; what would be made from a bad setting is missing, too.
    """
    setting = setting_at(path)
    is_made = setting is not None and setting.derived and (*path[:2], "control_plane") in spoiled
    return bool(is_made or {path, path[:-1]} & spoiled)


def _problem(path: KeyPath, what: str, places: Places) -> Problem:
    """A complaint with its place. Nobody wrote a default that was used, so it is named."""
    setting, where = setting_at(path), places.where(path)
    if setting and setting.derived and (where is None or where.null) and "its default" not in what:
        what += f"; it is not given, so its default is used: {derivation(path, setting, places)}"
    return Problem(place=places.place(path), path=where.path if where else path, what=what)


def _build(layers: list[Mapping[str, Any]], *, open_files: bool) -> tuple[Settings, tuple[KeyPath, ...]]:
    """Merge and validate; without files a placeholder stands for each secret that is needed and given nowhere."""
    placeholders: dict[str, Any] = {}
    assumed: list[KeyPath] = []
    while True:
        try:
            return build([*layers, placeholders]), tuple(assumed)
        except ValidationError as error:
            lacking = [each["loc"] for each in error.errors(include_url=False) if each["type"] == "missing"]
            secrets = {path: at for path in lacking if (at := setting_at(path)) and at.kind is Kind.SECRET}
            if open_files or not secrets:
                raise
        # What is made from another secret is not missing once that one is there.
        for *above, last in [path for path, at in secrets.items() if not at.derived] or secrets:
            section = placeholders
            for part in above:
                section = section.setdefault(str(part), {})
            section[str(last)] = PLACEHOLDER
            assumed.append((*above, last))


def _without_secrets(problem: Problem, secrets: set[str]) -> Problem:
    """Complaints quote nothing but names; should a name be a secret that also stands in its proper place, it goes too."""
    if not secrets:
        return problem
    pattern = re.compile("|".join(map(re.escape, sorted(secrets, key=len, reverse=True))))
    path = tuple(pattern.sub(STARS, part) if isinstance(part, str) else part for part in problem.path)
    return replace(problem, path=path, what=pattern.sub(STARS, problem.what))


def _line(problem: Problem) -> tuple[str, int]:
    """The order in which people fix a file."""
    name, _, line = problem.place.rpartition(":")
    return (name, int(line)) if line.isdecimal() else (problem.place, 0)


# --- pydantic's complaints, as sentences that say what is wrong and what is allowed ----------------------------------

_SENTENCES = {
    "bool_parsing": "is not a switch; allowed: true, false",
    "int_parsing": "is not a whole number",
    "int_parsing_size": "is not a whole number of a reasonable size",
    "int_from_float": "is not a whole number",
    "string_type": "is not a text",
    "greater_than_equal": "is too small; allowed: at least {ge}",
    "less_than_equal": "is too large; allowed: at most {le}",
    "greater_than": "is too small; allowed: more than {gt}",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a number",
    "refused": "{what}",
}


def _explain(error: ValidationError, places: Places, reading: Reading) -> list[Problem]:
    """One problem per complaint.

    A complaint about a value that was made from another one follows from that one, so it is left out where there are others.
    """
    problems: list[Problem] = []
    consequences: list[Problem] = []
    for details in error.errors(include_url=False):
        path = tuple(part for part in details["loc"] if part != "[key]")
        setting = setting_at(path)
        follows = setting and setting.derived and places.where(path) is None and details["type"] != "missing"
        (consequences if follows else problems).append(_problem(path, _sentence(details, path, reading), places))
    return problems or consequences


def _sentence(details: ErrorDetails, path: KeyPath, reading: Reading) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return _missing(path, reading)
    if kind in {"literal_error", "enum"}:
        allowed = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ")
        # Of a few short words the closest is often far away: what is not misspelt is not a guess.
        guess = did_you_mean(str(details["input"]), allowed.split(", "), cutoff=0.7)
        hint = f"did you mean `{guess}`? " if guess else ""
        return f"is not one of the words allowed here; {hint}allowed: {allowed}"
    return _SENTENCES.get(kind, "is not allowed here").format(**context)


def _missing(path: KeyPath, reading: Reading) -> str:
    name = str(path[-1])
    section, setting = setting_at(path[:-1]), setting_at(path)
    if section is None or section.kind is not Kind.SECTION:
        return "is missing"
    described = (section.type.model_fields[section.attributes[name]].description or "").rstrip(".")
    text = f"is missing ({described[:1].lower()}{described[1:]})" if described else "is missing"
    twin = f", `{name}{TWIN}`" if setting and setting.twinned else ""
    text += f"; give `{name}`{twin} or the variable {variable(path)}"
    if reading.secrets_dir and setting and setting.kind is Kind.SECRET:
        text += f" or, in the secrets directory, the file {'__'.join(map(str, path))}"
    return f"{text}; its default would be {setting.derived}" if setting and setting.derived else text
