"""What commands share: the configuration, read or complained about, and words to stderr."""

import argparse
import os
import sys
from pathlib import Path

from monitor.settings import ConfigError, Loaded, load

OK, FAILED, USAGE, UNKNOWN = 0, 1, 2, 3


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config PATH`, accepted after every command."""
    parser.add_argument("--config", metavar="PATH", help="the configuration file")


def say(text: str) -> None:
    """A word to the person, on stderr."""
    print(text, file=sys.stderr, flush=True)


def read_configuration(arguments: argparse.Namespace) -> Loaded | None:
    """The settings; None after the complaints have been printed (the command then ends with 2)."""
    try:
        loaded = load(arguments.config, os.environ, Path.cwd())
    except ConfigError as error:
        say(str(error))
        return None
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    return loaded
