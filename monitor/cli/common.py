"""What commands share: options, the configuration or a complaint about it, words to stderr, and what it takes to look once."""

import argparse
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.cli import UsageError, drop_output
from monitor.clock import SystemClock
from monitor.core.model import Fault, Seconds
from monitor.ports import Clock
from monitor.redaction import Redactor, visible
from monitor.settings import ConfigError, Loaded, load
from monitor.settings.values import parse_duration
from monitor.telemetry.logging import configure

if TYPE_CHECKING:
    from monitor.daemon.compose import Deps

OK, FAILED, USAGE, UNKNOWN = 0, 1, 2, 3


# --- what is said ----------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """A word to the person, on stderr."""
    print(visible(text, keep="\n"), file=sys.stderr, flush=True)


def print_result(text: str, *, end: str = "\n") -> None:
    """What a command was asked for. A reader that ends early changes nothing of the exit code that follows."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        drop_output()


def print_json(result: object) -> None:
    """The result of a command that was asked for JSON."""
    print_result(json.dumps(result, indent=2, ensure_ascii=False))


def progress(*, json: bool) -> Callable[[str], None]:
    """Progress is for people who wait: on stderr, and beside JSON on a terminal only."""
    return (lambda _text: None) if json and not sys.stderr.isatty() else say


# --- options ---------------------------------------------------------------------------------------------------------


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config PATH`, accepted after every command."""
    parser.add_argument("--config", metavar="PATH", help="the configuration file")


def add_format(parser: argparse.ArgumentParser) -> None:
    """`--format`: a table for people, or JSON."""
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default: table")


def add_scope(parser: argparse.ArgumentParser) -> None:
    """`--config`, `--target` and `--timeout`: which targets are asked, and for how long."""
    add_config(parser)
    parser.add_argument("--target", action="append", default=[], metavar="T", help="only this target (repeatable)")
    parser.add_argument(
        "--timeout",
        type=duration,
        metavar="D",
        help="end after this; what has not been checked by then is reported as unknown",
    )


def duration(text: str) -> Seconds:
    """An argument such as 60s or 2h; the `type` of an option."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# --- the configuration -----------------------------------------------------------------------------------------------


def read_configuration(arguments: argparse.Namespace, *, open_files: bool = True) -> Loaded:
    """The settings; their warnings are said. Raises UsageError."""
    try:
        loaded = load(arguments.config, os.environ, Path.cwd(), open_files=open_files)
    except ConfigError as error:
        raise UsageError(str(error)) from None
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    return loaded


def read_scope(arguments: argparse.Namespace, *, open_files: bool = True) -> Loaded:
    """The settings, where every `--target` is one of theirs. Raises UsageError."""
    loaded = read_configuration(arguments, open_files=open_files)
    for name in arguments.target:
        if name not in loaded.settings.targets:
            allowed = ", ".join(loaded.settings.targets)
            raise UsageError(f"--target {name}: there is no such target; allowed: {allowed}")
    return loaded


def name_default_token(target: dict[str, Any], name: str, loaded: Loaded) -> None:
    """Say in the object of a target whose gateway refuses the token where that token comes from, if nobody has configured one."""
    given = loaded.places.where(("targets", name, "gateway", "token"))
    if target["fault"] == Fault.GATEWAY_REFUSED and (given is None or given.null):
        default = "No `gateway.token` is configured, so the control plane's token was used. It may lack access to the gateway."
        target["because"] = [*target["because"], default]


def nobody_can_be_asked(ca_file: object, error: OSError) -> str:
    """Why: because of `http.ca_file`, if there is one, else because of this machine."""
    what = "the network" if ca_file is None else f"http.ca_file: {ca_file}"
    return f"{what} cannot be used: {error.strerror or error}"


# --- what it takes to look once --------------------------------------------------------------------------------------


def prepare(loaded: Loaded) -> "Deps":
    """The real clock and network, and a log of warnings to stderr. Raises UsageError."""
    from monitor.daemon.compose import Deps, network, secrets_of  # noqa: PLC0415 - most commands ask nobody
    from monitor.http import Http  # noqa: PLC0415

    clock, redactor = SystemClock(), Redactor(secrets_of(loaded.settings))
    configure(level="warning", style=loaded.settings.log.format, redact=redactor.redact)
    try:
        http = Http(clock=clock, transport=network(loaded.settings, redactor), redactor=redactor)
    except OSError as error:
        raise UsageError(nobody_can_be_asked(loaded.settings.http.ca_file, error)) from None
    return Deps(http=http, redactor=redactor, clock=clock)


async def run_until(runs: Iterable[Callable[[], Awaitable[None]]], clock: Clock, timeout: Seconds | None) -> None:
    """Look at several targets side by side; where `--timeout` ended it, that is said."""
    from monitor.daemon.one_shot import run_all  # noqa: PLC0415 - most commands ask nobody

    if not await run_all(runs, clock=clock, timeout=timeout):
        say(f"ended after {timeout:g} s: what had not been checked by then is reported as unknown")
