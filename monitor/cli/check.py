"""`trace-monitor check`: one pass of everything."""

import argparse
import asyncio
import json
import sys
from typing import Any

from monitor.app.once import Say, SinglePass, run_all
from monitor.app.passes import Selection, build_passes, network
from monitor.app.report import describe, severity_of_failures
from monitor.cli.asking import log_quietly, refuse_ca_file
from monitor.cli.common import FAILED, OK, UNKNOWN, USAGE, add_config, read_configuration, say
from monitor.cli.table import render, use_colour
from monitor.clock import SystemClock
from monitor.core.model import CheckName, Seconds, Severity, Verdict
from monitor.http import Http
from monitor.ports import Clock
from monitor.settings.duration import parse_duration

_CHOICES = ("config", "gateway", "canary", "control")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of this command."""
    parser = subparsers.add_parser("check", help="one pass of everything; waits for the traces")
    add_config(parser)
    parser.add_argument("--target", action="append", default=[], metavar="T", help="only this target (repeatable)")
    parser.add_argument(
        "--only",
        type=_names,
        metavar="CHECKS",
        help=f"only these, by commas: {', '.join(_CHOICES)}; canary includes arrival",
    )
    parser.add_argument(
        "--fail-on",
        choices=("warning", "critical"),
        default="warning",
        help="what makes the exit code 1 (default: warning)",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument(
        "--timeout", type=_duration, metavar="D", help="end after this; what is not known then is unknown"
    )
    parser.set_defaults(run=run)


def _names(text: str) -> frozenset[CheckName]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in _CHOICES:
            raise argparse.ArgumentTypeError(f"{name!r} is not a check; allowed: {', '.join(_CHOICES)}")
    if not names:
        raise argparse.ArgumentTypeError(f"names no check; allowed: {', '.join(_CHOICES)}")
    chosen = {CheckName(name) for name in names}
    return frozenset(chosen | ({CheckName.ARRIVAL} if CheckName.CANARY in chosen else set()))


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Look once at every selected target; the exit code."""
    loaded = read_configuration(arguments)
    if loaded is None:
        return USAGE
    foreign = [name for name in arguments.target if name not in loaded.settings.targets]
    if foreign:
        say(f"--target {foreign[0]}: there is no such target; allowed: {', '.join(loaded.settings.targets)}")
        return USAGE
    clock, redactor = SystemClock(), log_quietly(loaded)
    try:
        http = Http(clock=clock, transport=network(loaded.settings, redactor))
    except OSError as error:
        return refuse_ca_file(loaded, error)
    selection = Selection(targets=frozenset(arguments.target), checks=arguments.only)
    say_so = _progress(arguments.format)
    passes = build_passes(loaded.settings, selection, http=http, redactor=redactor, clock=clock, say=say_so)
    report = asyncio.run(_look(passes, clock, arguments.timeout))
    _print(report, arguments.format)
    return exit_code(report, Severity[arguments.fail_on.upper()])


async def _look(passes: list[SinglePass], clock: Clock, timeout: Seconds | None) -> dict[str, Any]:
    done = await run_all(passes, clock=clock, timeout=timeout)
    if not done:
        say(f"ended after {timeout:g} s: what was not seen by then is unknown")
    states = {str(one.journal.state.target): (one.journal.state, one.journal.policy) for one in passes}
    return describe(states, clock.now())


def _progress(form: str) -> Say:
    """Progress is for people who wait: on stderr, and beside JSON on a terminal only."""
    return say if form == "table" or sys.stderr.isatty() else _silent


def _silent(_text: str) -> None:
    return


def _print(report: dict[str, Any], form: str) -> None:
    if form == "json":
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        print(render(report, colour=use_colour(sys.stdout)), end="")


def exit_code(report: dict[str, Any], fail_on: Severity) -> int:
    """1 if any target fails badly enough, else 3 if any cannot tell, else 0."""
    worst = severity_of_failures(report)
    if worst is not None and worst >= fail_on:
        return FAILED
    verdicts = [target["verdict"] for target in report["targets"].values()]
    return UNKNOWN if Verdict.UNKNOWN.value in verdicts else OK
