"""The parser of every command: help with examples and exit codes from the table, and errors that say what was meant."""

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from monitor.cli.commands import COMMANDS, NAMES, PROG, more_about

_UNRECOGNIZED = "unrecognized arguments: "
_CHOICE = re.compile(r"invalid choice: '(?P<given>[^']*)'(?P<list> \(choose from (?P<allowed>.*)\))$")
_SHOWN_CHOICES = 20
"""Of more than these a message shows none: it would be a page of names."""


class Parser(argparse.ArgumentParser):
    """argparse's, which knows by its `prog` which command of the table it is."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - argparse's own options
        self.command = str(given.get("prog") or "").removeprefix(PROG).strip()
        if self.command in COMMANDS:
            given.setdefault("description", COMMANDS[self.command].description)
        super().__init__(**given)

    def format_help(self) -> str:
        """Options first, then examples and exit codes."""
        return super().format_help() + (more_about(self.command) if self.command in COMMANDS else "")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - argparse's own types
        """A word too many is an error of the command that it was given to, not of the whole program."""
        known, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(_UNRECOGNIZED + " ".join(rest))
        return known, rest

    def error(self, message: str) -> NoReturn:
        """With what was meant, where a word is close to one that there is."""
        hint = self._hint(message)
        choice = _CHOICE.search(message)
        if choice and choice["allowed"].count(",") >= _SHOWN_CHOICES:
            message = f"{message[: choice.start('list')]}; `{self.prog} --help` lists what there is"
        super().error(f"{message}{hint}")

    def _hint(self, message: str) -> str:
        if message.startswith(_UNRECOGNIZED):
            given = message.removeprefix(_UNRECOGNIZED).split()[0].partition("=")[0]
            options = [option for option in self._option_string_actions if option.startswith("--")]
            return did_you_mean(given, options) if given.startswith("-") else ""
        if choice := _CHOICE.search(message):
            return did_you_mean(choice["given"], re.findall(r"[\w.*/-]+", choice["allowed"]))
        return ""


def did_you_mean(given: str, there_are: Iterable[str]) -> str:
    """`; did you mean …?`, if something is close."""
    import difflib  # noqa: PLC0415 - only for errors

    close = difflib.get_close_matches(given.lower(), list(there_are), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def refuse_command(words: Sequence[str]) -> str:
    """Why a command line whose first word is no command cannot be understood."""
    if not words:
        return "a command is needed"
    first = words[0]
    if first.startswith("-"):
        behind = next((word for word in words if word in NAMES), None)
        return f"{first} belongs after the command" + (f": {PROG} {behind} {first} …" if behind else "")
    return f"there is no command {first!r}{did_you_mean(first, NAMES)}"
