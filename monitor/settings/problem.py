"""What is wrong with a configuration, said so that it can be fixed, and never with a secret in it.

Nothing that was given is repeated: a secret may stand in any place by mistake. Only names are, and only those that look
like names.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]
"""Where a value belongs in the settings: ("targets", "prod", "gateway", "url"); list items by number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: `place` is a file with its line, an environment variable or a file of the secrets directory."""

    place: str
    path: KeyPath
    what: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, dotted(self.path), self.what) if part)


class ConfigError(Exception):
    """The configuration cannot be used. `problems` says why, one readable line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What all sources have in common: what is wrong, what is worth a warning, and every secret that stands in one of them.

    Without `open_files`, files of secrets and certificates are not read. `secrets_dir`: a directory of secrets is named.
    """

    open_files: bool = True
    secrets_dir: bool = False
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set, repr=False)

    def reject(self, place: str, path: KeyPath, what: str) -> None:
        """Note something that is wrong."""
        self.problems.append(Problem(place=place, path=path, what=what))


def dotted(path: KeyPath) -> str:
    """A path for people: `alerting.remind_every[1]`. Names that somebody chose are shown only where they look like names."""
    text = ""
    for place, part in enumerate(path):
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            is_target = place == 1 and path[0] == "targets" and re.fullmatch(r"[a-z0-9-]{1,24}", part)
            text += f".{part if is_target else shown_name(part)}"
    return text.removeprefix(".")


def shown_name(name: str) -> str:
    """A name that somebody else chose, or an ellipsis if it might be a secret in a wrong place.

    A name is short and made of words; digits and long runs of letters are what keys and tokens look like.
    """
    harmless = re.fullmatch(r"[A-Za-z_.-]{1,40}", name) and not re.search(r"[A-Za-z]{21}", name)
    return name if harmless else "…"


def did_you_mean(given: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word closest to what was given, or else the only one that it is a part of, as `drift` of `config_drift`."""
    by_lower = {word.lower(): word for word in known}
    close = difflib.get_close_matches(given.lower(), by_lower, n=1, cutoff=cutoff)
    whole = [word for word in by_lower if given.lower() in word.split("_")]
    if close or len(whole) == 1:
        return by_lower[(close or whole)[0]]
    return None


def unknown_name(given: str, known: Iterable[str]) -> str:
    """The sentence for a key nobody knows: a guess, or else the list of what is allowed here."""
    words = sorted(known)
    guess = did_you_mean(given, words)
    return f"unknown key; did you mean `{guess}`?" if guess else f"unknown key; allowed here: {', '.join(words)}"
