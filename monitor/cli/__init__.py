"""The command line. stdout carries only the result; logs and progress go to stderr.

Exit codes: 0 done, 1 something failed, 2 configuration or usage, 3 not known (`check` only), 130 Ctrl-C.
"""

import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

OK, USAGE, INTERRUPTED = 0, 2, 130


class UsageError(Exception):
    """A command cannot do what it was asked to: configuration or usage is wrong. Its text is for people; exit code 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Ctrl-C never shows a traceback."""
    is_program = argv is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_program:  # while modules are imported nothing needs to be put in order: the process just ends
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = OK
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv), is_program=is_program)
        sys.stdout.flush()
    except UsageError as error:
        from monitor.cli.common import say  # noqa: PLC0415 - a health check does without

        say(str(error))
        return USAGE
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the second one ends the process at once
        return INTERRUPTED
    except BrokenPipeError:
        drop_output()
    return code


def drop_output() -> None:
    """Whoever read has read enough (`trace-monitor check | head`): what is still to be printed goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str], *, is_program: bool) -> int:
    from monitor.cli.commands import NAMES, PROG, overview  # noqa: PLC0415 - see `main`: as little as can be before it

    first = words[0] if words else ""
    if first in ("-h", "--help", "help"):
        sys.stdout.write(overview())
        return OK
    if first == "--version":
        from monitor.version import VERSION  # noqa: PLC0415 - only here

        sys.stdout.write(f"{PROG} {VERSION}\n")
        return OK
    if first not in NAMES:
        from monitor.cli.parser import refuse_command  # noqa: PLC0415 - only for errors

        sys.stderr.write(f"{PROG}: {refuse_command(words)}\n`{PROG} --help` lists the commands\n")
        return USAGE
    parser = parser_of(first)
    try:
        arguments = parser.parse_args(words)
    except SystemExit as end:
        if first == "healthcheck" and end.code:  # 2 means something else to Docker
            return 1
        raise
    if is_program:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return int(arguments.run(arguments))


def parser_of(*names: str) -> "argparse.ArgumentParser":
    """The parser of these commands. Nothing of the others is imported, so that the daemon starts quickly and small."""
    import gc  # noqa: PLC0415 - see `main`
    import importlib  # noqa: PLC0415 - the same

    from monitor.cli.commands import COMMANDS, PROG  # noqa: PLC0415 - the same
    from monitor.cli.parser import Parser  # noqa: PLC0415 - the same

    parser = Parser(prog=PROG)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    gc.disable()  # imports make objects that stay: to look for garbage among them takes a tenth of the start
    try:
        for module in dict.fromkeys(COMMANDS[name].module for name in names):
            importlib.import_module(f"monitor.cli.{module}").add_parser(subparsers)
    finally:
        gc.enable()
    return parser
