"""`trace-monitor doctor`: a first contact with one's own tenant, and what to set."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from monitor.cli.common import FAILED, OK, USAGE, add_scope, prepare, progress, read_scope, say
from monitor.cli.findings import render
from monitor.cli.table import use_colour
from monitor.core.model import Seconds, TargetName, Verdict
from monitor.daemon.one_shot import run_all
from monitor.doctor.recording import Recorder, Unfit
from monitor.doctor.report import describe_visits
from monitor.doctor.visits import Equipment, build_visits
from monitor.http import Exchange
from monitor.redaction import all_visible
from monitor.settings import Loaded


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of this command."""
    parser = subparsers.add_parser(
        "doctor",
        help="a first contact with your own tenant: what works, what is missing, what to set",
        description="Asks every service what only your own tenant can answer, says what to do about what is missing, and suggests "
        "settings. Sends one canary, one span of its own, and one request that is refused; waits for the traces.",
    )
    add_scope(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="write redacted answers into this new directory, for a bug report"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Visit every selected target; 0 if everything works that a trusted monitor needs."""
    loaded = read_scope(arguments)
    means = prepare(loaded)
    try:
        recorder = Recorder(loaded.settings, arguments.record, clock=means.clock) if arguments.record else None
    except Unfit as unfit:
        say(f"--record {arguments.record}: {unfit}")
        return USAGE
    equipment = Equipment(
        http=means.http,
        redactor=means.redactor,
        clock=means.clock,
        say=progress(json=arguments.format == "json"),
        overhear=recorder.hear if recorder is not None else _overlook,
        environ=os.environ,
    )
    report = all_visible(_visit(loaded, equipment, arguments, recorder))
    _print(report, arguments.format)
    if recorder is not None:
        say(
            recorder.problem
            or f"recorded {recorder.count} exchanges in {arguments.record}: look them through, then send them"
        )
    return OK if report["verdict"] == Verdict.PASS.value else FAILED


def _visit(
    loaded: Loaded, equipment: Equipment, arguments: argparse.Namespace, recorder: Recorder | None
) -> dict[str, Any]:
    """The report; a recording is finished whatever ends the visit."""
    targets = frozenset(TargetName(name) for name in arguments.target)
    try:
        report = asyncio.run(_look(loaded, targets, equipment, arguments.timeout))
        if recorder is not None:
            recorder.conclude(report)
    finally:
        if recorder is not None:
            recorder.close()
    return report


async def _look(
    loaded: Loaded, targets: frozenset[TargetName], equipment: Equipment, timeout: Seconds | None
) -> dict[str, Any]:
    visits = build_visits(loaded.settings, targets, equipment)
    if not await run_all((visit.run for visit in visits), clock=equipment.clock, timeout=timeout):
        say(f"ended after {timeout:g} s: what was not seen by then is unknown")
    return describe_visits(visit.seen for visit in visits)


def _overlook(_exchange: Exchange) -> None:
    return


def _print(report: dict[str, Any], form: str) -> None:
    if form == "json":
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        print(render(report, colour=use_colour(sys.stdout)), end="")
