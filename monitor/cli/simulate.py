"""`trace-monitor simulate`: who would be notified, of what and when, on a virtual clock."""

import argparse
import os
from pathlib import Path

from monitor.cli.common import OK, USAGE, add_config, duration, print_json, print_result, read_scope, say
from monitor.clock import SystemClock
from monitor.core.model import Seconds
from monitor.daemon.compose import secrets_of
from monitor.redaction import Redactor
from monitor.settings import ConfigError, load
from monitor.simulate.output import as_json, as_text
from monitor.simulate.replay import replay
from monitor.simulate.simulate import Compose, simulate
from monitor.simulate.simulation import Report
from monitor.simulate.timeline import read_timeline
from monitor.store.snapshot import load_snapshot
from monitor.telemetry.logging import configure

_A_WEEK: Seconds = 7 * 86_400.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of this command."""
    parser = subparsers.add_parser("simulate")
    parser.add_argument("timeline", nargs="?", metavar="TIMELINE", help="a timeline in YAML")
    add_config(parser)
    parser.add_argument("--from-history", action="store_true", help="instead: what the state file has recorded")
    parser.add_argument("--since", type=duration, metavar="D", help="with --from-history: how far back (default: 7d)")
    parser.add_argument(
        "--target", action="append", default=[], metavar="T", help="with --from-history: only this (repeatable)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the simulation; the exit code."""
    if arguments.from_history == (arguments.timeline is not None):
        say("simulate: either a TIMELINE or --from-history is needed")
        return USAGE
    if not arguments.from_history and (arguments.since is not None or arguments.target):
        say("simulate: --since and --target go with --from-history; a timeline says itself when and at which target")
        return USAGE
    return _replay(arguments) if arguments.from_history else _simulate(arguments)


def _simulate(arguments: argparse.Namespace) -> int:
    # What goes wrong in a simulation is part of it, and is printed there.
    configure(level="critical", style="text", redact=Redactor().redact)
    try:
        report = simulate(read_timeline(Path(arguments.timeline), arguments.timeline), _composing(arguments.config))
    except ConfigError as error:
        say(str(error))
        return USAGE
    return _print(report, arguments)


def _replay(arguments: argparse.Namespace) -> int:
    """Beside a running daemon or without one; nothing is written."""
    loaded = read_scope(arguments)
    configure(level="critical", style="text", redact=Redactor(secrets_of(loaded.settings)).redact)
    path = Path(loaded.settings.state.path)
    since = SystemClock().now() - (_A_WEEK if arguments.since is None else arguments.since)
    snapshot = load_snapshot(path, history_since=since)
    targets = tuple(name for name in loaded.settings.targets if not arguments.target or name in arguments.target)
    report = replay(loaded, snapshot, targets, since) if snapshot.problem is None else None
    if report is None:
        say(snapshot.problem or f"{path} (state.path) has recorded nothing of {', '.join(targets)} since then")
        return USAGE
    return _print(report, arguments)


def _print(report: Report, arguments: argparse.Namespace) -> int:
    if arguments.format == "json":
        print_json(as_json(report))
    else:
        print_result(as_text(report), end="")
    return OK


def _composing(config: str | None) -> Compose | None:
    """Without `--config` a timeline is simulated by the built-in thresholds, so that it reads the same on every machine."""
    if config is None:
        return None
    return lambda over: load(config, os.environ, Path.cwd(), over=over, open_files=False)
