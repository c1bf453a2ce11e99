"""Write `docs/commands.md`: every command with its options, examples and exit codes, from the program's own parsers. `make docs`."""

import argparse
from collections.abc import Iterator

from monitor.cli import parser_of
from monitor.cli.commands import COMMANDS, NAMES, PROG

_PREFACE = f"""\
# Commands

Written by `make docs` from `monitor/cli/commands.py` and the parsers in `monitor/cli`: change it there. `{PROG} --help` lists the
commands, and `{PROG} COMMAND --help` says the same as this page.

Only the result goes to stdout; logs and progress go to stderr. Ctrl-C ends any command with exit code 130, and
`run`, `sandbox` and `demo` with 0."""


def write() -> str:
    """The whole document."""
    parsers = dict(_walk(parser_of(*NAMES)))
    parts = [_PREFACE, "\n".join(_overview())]
    parts += ["\n".join(_section(words, parsers[words])) for words in COMMANDS]
    return "\n\n".join(parts) + "\n"


def _overview() -> Iterator[str]:
    yield "| for | command | |"
    yield "|---|---|---|"
    for name in NAMES:
        yield f"| {COMMANDS[name].group} | [`{name}`](#{PROG}-{name}) | {COMMANDS[name].help} |"


def _walk(parser: argparse.ArgumentParser, above: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command by its words, such as `config validate`, with its parser."""
    for action in parser._actions:  # noqa: SLF001 - argparse shows its arguments in no other way
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            for name, child in action.choices.items():
                words = f"{above} {name}".strip()
                yield words, child
                yield from _walk(child, words)


def _section(words: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    command = COMMANDS[words]
    yield f"## `{PROG} {words}`"
    yield ""
    yield command.description
    rows = [_row(action) for action in parser._actions if _is_shown(action)]  # noqa: SLF001 - the same
    if rows:
        yield ""
        yield "| argument | default | meaning |"
        yield "|---|---|---|"
        yield from rows
    yield ""
    yield "```"
    yield from (f"{PROG} {example}" for example in command.examples)
    yield "```"
    yield ""
    yield f"Exit codes: {'; '.join(f'`{code}` {meaning}' for code, meaning in command.exits.items())}."
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
