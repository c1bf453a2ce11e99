"""Write `docs/commands.md`: every command with its arguments and options, from the program's own parsers. `make docs`."""

import argparse
import importlib
import sys
from collections.abc import Iterator

from monitor.cli import MODULES
from monitor.cli.common import FAILED, OK, UNKNOWN, USAGE

_PREFACE = f"""\
# Commands

Written by `make docs` from the parsers in `monitor/cli`: change it there. `trace-monitor --help` lists the commands, and
`trace-monitor COMMAND --help` says the same as this page.

Only the result goes to stdout; logs and progress go to stderr.

| exit code | means |
|---|---|
| {OK} | it worked; of `check` and `doctor`: healthy |
| {FAILED} | something is wrong or failed; of `run`: a crash |
| {USAGE} | the configuration or the usage is wrong |
| {UNKNOWN} | it is not known (`check` only) |"""


def program() -> argparse.ArgumentParser:
    """The program's parser, with all its commands."""
    root = argparse.ArgumentParser(prog="trace-monitor")
    commands = root.add_subparsers(required=True)
    for module in dict.fromkeys(MODULES.values()):
        importlib.import_module(module).add_parser(commands)
    return root


def write() -> str:
    """The whole document."""
    parts = ["\n".join(_section(words, parser, summary)) for words, parser, summary in _walk(program())]
    return "\n\n".join((_PREFACE, *parts)) + "\n"


def _walk(parser: argparse.ArgumentParser, above: str = "") -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Every command by its words, such as `config validate`, with its line of help; one that has commands of its own comes first."""
    for action in parser._actions:  # noqa: SLF001 - argparse shows its arguments in no other way
        if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            continue
        help_of = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001 - the same
        for name, child in action.choices.items():
            words = f"{above} {name}".strip()
            yield words, child, help_of.get(name, "")
            yield from _walk(child, words)


def _section(words: str, parser: argparse.ArgumentParser, summary: str) -> Iterator[str]:
    yield f"## `trace-monitor {words}`"
    texts = [f"{text[0].upper()}{text[1:]}".rstrip(".") + "." for text in (summary, parser.description) if text]
    for text in dict.fromkeys(texts):
        yield ""
        yield text
    arguments = (action for action in parser._actions if _is_shown(action))  # noqa: SLF001 - the same
    rows = list(map(_row, arguments))
    if rows:
        yield ""
        yield "| argument | default | meaning |"
        yield "|---|---|---|"
        yield from rows
    if parser.epilog:
        yield ""
        yield "```"
        yield parser.epilog.strip()
        yield "```"


def _is_shown(action: argparse.Action) -> bool:
    hidden = (argparse._SubParsersAction, argparse._HelpAction)  # noqa: SLF001 - argparse has no other names for them
    return not isinstance(action, hidden) and action.help != argparse.SUPPRESS


def _row(action: argparse.Action) -> str:
    choices = "|".join(map(str, action.choices or ()))
    value = "" if action.nargs == 0 else f" {action.metavar or choices or action.dest.upper()}"
    names = ", ".join(f"`{option}{value}`" for option in action.option_strings) or f"`{value.strip()}`"
    names = names.replace("|", "\\|")  # or it would end the cell
    default = f"`{action.default}`" if action.default and isinstance(action.default, str | int) else ""
    meaning = (action.help or "").replace("%%", "%").replace("<", "&lt;")
    return f"| {names} | {default} | {meaning} |"


if __name__ == "__main__":
    sys.stdout.write(write())
