"""What commands share that ask the world once and end: whom they ask, by what means, what they log, and how they show progress."""

import argparse
import sys

from monitor.cli.common import add_config, duration, read_configuration, refuse_ca_file, refuse_target, say
from monitor.clock import SystemClock
from monitor.daemon.compose import Deps, network, secrets_of
from monitor.daemon.one_shot import Print
from monitor.http import Http
from monitor.redaction import Redactor
from monitor.settings import Loaded
from monitor.telemetry.logging import configure


def add_scope(parser: argparse.ArgumentParser) -> None:
    """`--config`, `--target` and `--timeout`: which targets are asked, and for how long."""
    add_config(parser)
    parser.add_argument("--target", action="append", default=[], metavar="T", help="only this target (repeatable)")
    parser.add_argument(
        "--timeout", type=duration, metavar="D", help="end after this; what is not known then is unknown"
    )


def read_scope(arguments: argparse.Namespace) -> Loaded | None:
    """The settings, where every `--target` is one of theirs; None after a complaint (the command then ends with 2)."""
    loaded = read_configuration(arguments)
    if loaded is None:
        return None
    foreign = [name for name in arguments.target if name not in loaded.settings.targets]
    if foreign:
        refuse_target(foreign[0], loaded)
        return None
    return loaded


def prepare(loaded: Loaded) -> Deps | None:
    """The real clock and network, and a quiet log; None after a complaint (the command then ends with 2)."""
    clock, redactor = SystemClock(), _log_quietly(loaded)
    try:
        return Deps(
            http=Http(clock=clock, transport=network(loaded.settings, redactor)), redactor=redactor, clock=clock
        )
    except OSError as error:
        refuse_ca_file(loaded, error)
        return None


def _log_quietly(loaded: Loaded) -> Redactor:
    """Log warnings and what is worse to stderr, as a command that ends by itself wants it; without secrets, which it returns."""
    redactor = Redactor(secrets_of(loaded.settings))
    configure(level="warning", style=loaded.settings.log.format, redact=redactor.redact)
    return redactor


def progress(*, json: bool) -> Print:
    """Progress is for people who wait: on stderr, and beside JSON on a terminal only."""
    return _silent if json and not sys.stderr.isatty() else say


def _silent(_text: str) -> None:
    return
