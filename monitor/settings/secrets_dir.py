"""A mounted secrets directory as a layer of the settings: one file per value, named like the variable without its prefix.

Kubernetes mounts a Secret so, with every file a link through `..data`, which it swaps as a whole when the Secret changes:
https://kubernetes.io/docs/concepts/configuration/secret/. The files are therefore opened by their own name each time.
"""

import os.path
from collections.abc import Sequence
from pathlib import Path as FilePath

from monitor.settings.environment import SECRETS_DIR, Read, add
from monitor.settings.given import Given, Layer, Origin, Text, Tree
from monitor.settings.names import SEPARATOR, UnknownName, locate
from monitor.settings.problem import Problem, did_you_mean, shown_name
from monitor.settings.secret import Unusable, read_secret
from monitor.settings.shape import settings_shape

_MOST_ENTRIES = 10_000


def read_secrets_dir(directory: FilePath, known: Sequence[Given | None]) -> Read:
    """The settings among the files of a directory; hidden entries and directories are none."""
    read = Read(tree=Tree(entries={}, origin=Origin(layer=Layer.SECRETS, place=SECRETS_DIR)))
    try:
        names = sorted(entry.name for entry in directory.iterdir() if not entry.name.startswith("."))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such directory"
        read.problems.append(Problem(place=SECRETS_DIR, path=(), what=f"cannot be read: {reason}"))
        return read
    unknown: list[str] = []
    for name in names[:_MOST_ENTRIES]:
        if os.path.isdir(directory / name):  # noqa: PTH112 - Path.is_dir raises where this says no
            continue
        try:
            path, shape = locate(name, known)
        except UnknownName as error:
            if problem := _complain(directory / name, error):
                read.problems.append(problem)
            else:
                unknown.append(shown_name(name))
            continue
        place = str(directory / name)
        try:
            content = read_secret(directory / name).strip()
        except Unusable as error:
            read.problems.append(Problem(place=place, path=path, what=str(error)))
            continue
        origin = Origin(layer=Layer.SECRETS, place=place)
        add(read, path, shape, Text(text=content, origin=origin, file=directory / name))
    if unknown:
        read.warnings.append(f"files of {SECRETS_DIR} that name no setting are ignored: {', '.join(unknown)}")
    return read


def _complain(file: FilePath, error: UnknownName) -> Problem | None:
    """A name that leads into the settings and then nowhere is a mistake; any other is none of our business."""
    if not error.astray:
        return Problem(place=str(file), path=error.path, what=error.what)
    head, _, tail = file.name.partition(SEPARATOR)
    guess = did_you_mean(head, settings_shape().of, cutoff=0.7) if tail else None
    return Problem(place=str(file), path=(), what=f"unknown name; did you mean {guess}{SEPARATOR}…?") if guess else None
