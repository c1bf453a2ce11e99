"""The command line. stdout carries only the result; logs and progress go to stderr.

Exit codes: 0 well, 1 something failed, 2 configuration or usage, 3 cannot tell (`check` only).
"""

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence

from monitor.version import VERSION

MODULES = {
    "run": "monitor.cli.run",
    "check": "monitor.cli.check",
    "doctor": "monitor.cli.doctor",
    "config": "monitor.cli.config",
    "expected": "monitor.cli.config",
    "demo": "monitor.cli.demo",
    "sandbox": "monitor.cli.sandbox",
    "notify": "monitor.cli.notify",
    "explain": "monitor.cli.explain",
    "simulate": "monitor.cli.simulate",
    "status": "monitor.cli.client",
    "incidents": "monitor.cli.client",
    "ack": "monitor.cli.client",
    "silence": "monitor.cli.client",
    "healthcheck": "monitor.cli.healthcheck",
}
"""Where each command lives. Only the one that is asked for is imported, so that the daemon starts quickly and small."""


class UsageError(Exception):
    """A command cannot do what it was asked to: configuration or usage is wrong. Its text is for people; exit code 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(words)
    try:
        arguments = parser.parse_args(words)
    except SystemExit as end:
        if words[:1] == ["healthcheck"] and end.code:  # 2 means something else to Docker
            return 1
        raise
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except UsageError as error:
        from monitor.cli.common import USAGE, say  # noqa: PLC0415 - a health check does without

        say(str(error))
        return USAGE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `trace-monitor config show | head`: whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trace-monitor",
        description="Proves, minute by minute, that the gateway's traces really arrive in Traceloop.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    asked = next((word for word in words if word in MODULES), None)
    names = [MODULES[asked]] if asked is not None else sorted(set(MODULES.values()))
    gc.disable()  # imports make objects that stay: to look for garbage among them takes a tenth of the start
    try:
        for name in names:
            importlib.import_module(name).add_parser(subparsers)
    finally:
        gc.enable()
    return parser
