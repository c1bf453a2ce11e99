"""The command line. stdout carries only the result; logs and progress go to stderr.

Exit codes: 0 done, 1 something failed, 2 configuration or usage, 3 not known (`check` only), 130 Ctrl-C.
"""

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence

from monitor.cli.commands import COMMANDS, NAMES, PROG, overview
from monitor.version import VERSION

OK, USAGE, INTERRUPTED = 0, 2, 130


class UsageError(Exception):
    """A command cannot do what it was asked to: configuration or usage is wrong. Its text is for people; exit code 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(words)
        sys.stdout.flush()
    except UsageError as error:
        from monitor.cli.common import say  # noqa: PLC0415 - a health check does without

        say(str(error))
        return USAGE
    except KeyboardInterrupt:
        import signal  # noqa: PLC0415 - seldom needed

        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the process at once, without a traceback
        return INTERRUPTED
    except BrokenPipeError:  # `trace-monitor config show | head`: whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def _run(words: list[str]) -> int:
    first = words[0] if words else ""
    if first in ("-h", "--help", "help"):
        sys.stdout.write(overview())
        return OK
    if first == "--version":
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
    return int(arguments.run(arguments))


def parser_of(*names: str) -> argparse.ArgumentParser:
    """The parser of these commands. Nothing of the others is imported, so that the daemon starts quickly and small."""
    from monitor.cli.parser import Parser  # noqa: PLC0415 - `--help` and `--version` do without

    parser = Parser(prog=PROG)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    gc.disable()  # imports make objects that stay: to look for garbage among them takes a tenth of the start
    try:
        for module in dict.fromkeys(COMMANDS[name].module for name in names):
            importlib.import_module(f"monitor.cli.{module}").add_parser(subparsers)
    finally:
        gc.enable()
    return parser
