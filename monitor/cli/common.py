"""What commands share: the configuration, read or complained about, durations, and words to stderr."""

import argparse
import os
import sys
from pathlib import Path

from monitor.core.model import Seconds
from monitor.redaction import visible
from monitor.settings import ConfigError, Loaded, load
from monitor.settings.values import parse_duration

OK, FAILED, USAGE, UNKNOWN = 0, 1, 2, 3


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config PATH`, accepted after every command."""
    parser.add_argument("--config", metavar="PATH", help="the configuration file")


def duration(text: str) -> Seconds:
    """An argument such as 60s or 2h; the `type` of an option."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def say(text: str) -> None:
    """A word to the person, on stderr."""
    print(visible(text, keep="\n"), file=sys.stderr, flush=True)


def read_configuration(arguments: argparse.Namespace, *, open_files: bool = True) -> Loaded | None:
    """The settings; None after the complaints have been printed (the command then ends with 2)."""
    try:
        loaded = load(arguments.config, os.environ, Path.cwd(), open_files=open_files)
    except ConfigError as error:
        say(str(error))
        return None
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    return loaded


def refuse_target(name: str, loaded: Loaded) -> int:
    """Say which targets there are; the exit code."""
    say(f"--target {name}: there is no such target; allowed: {', '.join(loaded.settings.targets)}")
    return USAGE


def refuse_ca_file(loaded: Loaded, error: OSError) -> int:
    """Say why `http.ca_file` cannot be used; the exit code."""
    say(f"http.ca_file: {loaded.settings.http.ca_file} cannot be used: {error.strerror or error}")
    return USAGE
