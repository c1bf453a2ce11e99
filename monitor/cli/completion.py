"""`trace-monitor completion bash|zsh|fish`: a static script, made from the parsers of all commands."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.cli import parser_of
from monitor.cli.commands import COMMANDS, NAMES, PROG
from monitor.cli.common import OK

_FILES = ("PATH", "DIR", "TIMELINE")  # metavars whose values are files


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What can follow one command: commands and values that stand alone, and options, each with its values."""

    command: str
    alone: tuple[str, ...]
    options: dict[str, tuple[str, ...] | None]
    """None: it takes no value. An empty tuple: any value. `<file>`: a file."""


FILE = "<file>"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `completion`."""
    parser = subparsers.add_parser("completion")
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.add_argument("--config", metavar="PATH", help="ignored: nothing is configured here")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    words = list(walk("", parser_of(*NAMES)))
    print("\n".join(_fish(words) if arguments.shell == "fish" else _bash(words, zsh=arguments.shell == "zsh")))
    return OK


def walk(command: str, parser: argparse.ArgumentParser) -> Iterator[Words]:
    """What can follow each command of a parser; the innermost first."""
    alone: list[str] = []
    options: dict[str, tuple[str, ...] | None] = {}
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way to read a parser
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            alone += action.choices
            for name, inner in action.choices.items():
                yield from walk(f"{command} {name}".strip(), inner)
        elif action.option_strings:
            options[action.option_strings[-1]] = None if action.nargs == 0 else _values(action)
        else:
            alone += _values(action)
    yield Words(command=command, alone=tuple(alone), options=options)


def _values(action: argparse.Action) -> tuple[str, ...]:
    if action.choices is not None:
        return tuple(map(str, action.choices))
    if action.metavar == "FAULT":
        from monitor.core.model import Fault  # noqa: PLC0415 - only here

        return tuple(fault.value for fault in Fault)
    return (FILE,) if action.metavar in _FILES else ()


def _bash(words: list[Words], *, zsh: bool) -> Iterator[str]:
    """One function. It finds the command among the words, then offers what that command takes; zsh runs the same."""
    if zsh:
        yield "autoload -U +X compinit && compinit"
        yield "autoload -U +X bashcompinit && bashcompinit"
    yield "_trace_monitor() {"
    yield '  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command="" word'
    yield '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield '    case "$command $word" in'
    yield f'      {"|".join(_quoted(_path(each)) for each in words if each.command)}) command="$command $word" ;;'
    yield "    esac"
    yield "  done"
    yield "  COMPREPLY=()"
    yield '  case "$command $before" in'
    for each in words:
        for option, values in each.options.items():
            if values is not None:
                yield f"    {_quoted(f'{_path(each)} {option}')}) {_offer(values)}; return ;;"
    yield "  esac"
    yield '  case "$command" in'
    for each in words:
        everything = (*each.alone, *each.options) if each.command else each.alone
        yield f"    {_quoted(_path(each))}) {_offer(everything)} ;;"
    yield "  esac"
    yield "}"
    yield f"complete -F _trace_monitor {PROG}"


def _path(words: Words) -> str:
    return f" {words.command}" if words.command else ""


def _quoted(text: str) -> str:
    return f'"{text}"'


def _offer(values: tuple[str, ...]) -> str:
    known = " ".join(values)
    if FILE in values:
        return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current"))'
    return f'COMPREPLY=($(compgen -W "{known}" -- "$current"))' if known else ":"


def _fish(words: list[Words]) -> Iterator[str]:
    """A line per word: fish shows its meaning beside it."""
    yield f"complete -c {PROG} -f"
    for each in words:
        when = _fish_condition(each)
        for word in each.alone:
            about = COMMANDS.get(f"{each.command} {word}".strip())
            meaning = f" -d '{about.help}'" if about is not None and word != FILE else ""
            yield f"complete -c {PROG} -n '{when}' " + ("-F" if word == FILE else f"-a '{word}'{meaning}")
        for option, values in each.options.items() if each.command else ():
            takes = "" if values is None else " -r -F" if FILE in values else f" -x -a '{' '.join(values)}'"
            yield f"complete -c {PROG} -n '{when}' -l {option.removeprefix('--')}{takes}"


def _fish_condition(words: Words) -> str:
    if not words.command:
        return "__fish_use_subcommand"
    return "; and ".join(f"__fish_seen_subcommand_from {name}" for name in words.command.split())
