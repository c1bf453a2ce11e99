"""From the command line's `--config`, the environment and the files to one frozen `Settings`, or to a list of what is wrong."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from monitor.settings.coherence import doubts, violations
from monitor.settings.document import read_document
from monitor.settings.environment import CONFIG, SECRETS_DIR, read_environment
from monitor.settings.explain import explain
from monitor.settings.given import Given, Layer, Origin
from monitor.settings.lower import Lowered, lower
from monitor.settings.model import Settings, build
from monitor.settings.problem import ConfigError, Problem
from monitor.settings.provenance import Provenance
from monitor.settings.secret import MASK, SecretText
from monitor.settings.secrets_dir import read_secrets_dir
from monitor.settings.stand_in import build_without_secrets, without_files

LOCAL = Path("trace-monitor.yaml")
GLOBAL = Path("/etc/trace-monitor/config.yaml")
_LARGEST = 1024 * 1024
_SHORTEST_MASKED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, where each comes from, and what is worth a warning. `path`: the file that was read, if there was one."""

    settings: Settings
    provenance: Provenance
    warnings: tuple[str, ...]
    path: Path | None
    secrets_dir: Path | None


def load(
    path: str | None,
    environ: Mapping[str, str],
    cwd: Path,
    *,
    over: Sequence[Given] = (),
    open_files: bool = True,
) -> Loaded:
    """Read everything. `path` is `--config`. Raises ConfigError.

    `over` outranks all of it, the strongest first. Without `open_files` no secret and no certificate is read from its file, and
    secrets need not be given at all, for whoever checks the rest on a machine that has none of them.
    """
    file = find_file(path, environ, cwd)
    text = "" if file is None else read_file(file)
    name = _display(file, path or environ.get(CONFIG), cwd)
    return parse(text, environ, cwd, file=file, name=name, over=over, open_files=open_files)


def parse(
    text: str,
    environ: Mapping[str, str],
    cwd: Path,
    *,
    file: Path | None = None,
    name: str = "configuration",
    over: Sequence[Given] = (),
    open_files: bool = True,
) -> Loaded:
    """The same with the text of the file, which stands as `name` in complaints. Raises ConfigError."""
    tree = read_document(text, lambda line: Origin(layer=Layer.FILE, place=f"{name}:{line}"))
    given = environ.get(SECRETS_DIR, "").strip()
    secrets_dir = cwd / given if given else None
    mounted = read_secrets_dir(secrets_dir, [tree]) if secrets_dir and (open_files or secrets_dir.is_dir()) else None
    environment = read_environment(environ, [mounted.tree if mounted else None, tree])
    layers = [
        *(lower(each, cwd) for each in over),
        lower(environment.tree, cwd),
        lower(mounted.tree if mounted else None, cwd),
        lower(tree, file.parent if file else cwd),
    ]
    if not open_files:
        layers = [replace(layer, values=without_files(layer.values)) for layer in layers]
    problems = [*environment.problems, *(mounted.problems if mounted else [])]
    problems += [problem for layer in layers for problem in layer.problems]
    provenance = Provenance([layer.places for layer in layers])
    settings = _validate(layers, provenance, problems, _fallback(tree, file, name), open_files=open_files)
    return Loaded(
        settings=settings,
        provenance=provenance,
        warnings=(*environment.warnings, *(mounted.warnings if mounted else []), *doubts(settings)),
        path=file,
        secrets_dir=secrets_dir,
    )


def find_file(path: str | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The file to read: `--config`, else TRACE_MONITOR_CONFIG, else the first that exists of the usual places."""
    named = path or environ.get(CONFIG, "").strip()
    if named:
        return cwd / named
    return next((file for file in (cwd / LOCAL, GLOBAL) if _is_there(file)), None)


def _is_there(file: Path) -> bool:
    """Whether a file is there; one that cannot be looked at is, so that reading it tells why."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_file(file: Path) -> str:
    """The text of a file that an operator wrote. Raises ConfigError."""
    try:
        with file.open("rb") as handle:
            content = handle.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such file"
        raise _unreadable(file, f"cannot be read: {reason}") from None
    if len(content) > _LARGEST:
        raise _unreadable(file, "is larger than 1 MiB, which no configuration is")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(file, f"is not text in UTF-8 (line {line})") from None


def _unreadable(file: Path, what: str) -> ConfigError:
    return ConfigError([Problem(place=str(file), path=(), what=what)])


def _display(file: Path | None, asked: str | None, cwd: Path) -> str:
    """A file as people call it: as they gave it, or relative to where they are."""
    if file is None:
        return "configuration"
    if asked:
        return asked
    return str(file.relative_to(cwd)) if file.is_relative_to(cwd) else str(file)


def _fallback(tree: Given | None, file: Path | None, name: str) -> str:
    """The place of what is given nowhere."""
    if file is None:
        return f"configuration (no file: neither ./{LOCAL} nor {GLOBAL} is there)"
    return f"{name} (there is nothing in it)" if tree is None else name


def _validate(
    layers: list[Lowered], provenance: Provenance, problems: list[Problem], fallback: str, *, open_files: bool
) -> Settings:
    settings: Settings | None = None
    make = build if open_files else build_without_secrets
    try:
        settings = make([layer.values for layer in layers])
    except ValidationError as error:
        spoiled = {problem.path[:-1] for problem in problems}
        # What is missing beside a key that was misspelt is the misspelt one.
        problems += [each for each in explain(error, provenance, fallback) if each.path[:-1] not in spoiled]
    else:
        for path, what in violations(settings):
            place = provenance.place(path, fallback)
            problems.append(Problem(place=place, path=provenance.as_given(path), what=what))
    if problems or settings is None:
        raise ConfigError(sorted(_without_secrets(problems, layers), key=_line))
    return settings


def _line(problem: Problem) -> tuple[str, int]:
    """The order in which people mend a file."""
    name, _, line = problem.place.rpartition(":")
    return (name, int(line)) if line.isdecimal() else (problem.place, 0)


def _without_secrets(problems: list[Problem], layers: list[Lowered]) -> list[Problem]:
    """Complaints quote nothing but names; should a name be a secret that also stands in its proper place, it goes too."""
    secrets = {text for layer in layers for text in _texts(layer.values) if len(text) >= _SHORTEST_MASKED}
    if not secrets:
        return problems
    pattern = re.compile("|".join(map(re.escape, sorted(secrets, key=len, reverse=True))))
    return [
        replace(
            problem,
            path=tuple(pattern.sub(MASK, part) if isinstance(part, str) else part for part in problem.path),
            what=pattern.sub(MASK, problem.what),
        )
        for problem in problems
    ]


def _texts(values: object) -> list[str]:
    match values:
        case SecretText(value=value):
            return [value.strip()]
        case dict():
            return [text for value in values.values() for text in _texts(value)]
        case list():
            return [text for value in values for text in _texts(value)]
        case _:
            return []
