"""`trace-monitor simulate`: what would be told, to whom and when, on a virtual clock."""

import argparse
import json
import os
from pathlib import Path

from monitor.app.simulation.cast import Compose
from monitor.app.simulation.play import play
from monitor.app.simulation.render import as_json, as_text
from monitor.app.simulation.script import read_timeline
from monitor.cli.common import OK, USAGE, add_config, say
from monitor.redaction import Redactor
from monitor.settings import ConfigError, load
from monitor.telemetry.logging import configure


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of this command."""
    parser = subparsers.add_parser(
        "simulate",
        help="what would be told, to whom and when, by these thresholds: of a timeline, or of what was recorded",
    )
    parser.add_argument("timeline", nargs="?", metavar="TIMELINE", help="a timeline in YAML")
    add_config(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Tell the story; the exit code."""
    if arguments.timeline is None:
        say("simulate: a TIMELINE is needed")
        return USAGE
    # What goes wrong in the story is part of it, and stands there.
    configure(level="critical", style="text", redact=Redactor().redact)
    try:
        timeline = read_timeline(Path(arguments.timeline), arguments.timeline)
        played = play(timeline, _composing(arguments.config))
    except ConfigError as error:
        say(str(error))
        return USAGE
    if arguments.format == "json":
        print(json.dumps(as_json(played), indent=2, ensure_ascii=False))
    else:
        print(as_text(played), end="")
    return OK


def _composing(config: str | None) -> Compose | None:
    """Without `--config` a timeline is told by the built-in thresholds, so that it reads the same on every machine."""
    if config is None:
        return None
    return lambda over: load(config, os.environ, Path.cwd(), over=over, open_files=False)
