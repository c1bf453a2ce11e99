"""`trace-monitor doctor`: a first contact with one's own tenant, and what to set."""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from monitor.cli.common import (
    FAILED,
    OK,
    USAGE,
    add_scope,
    name_default_token,
    prepare,
    print_json,
    print_result,
    progress,
    read_scope,
    run_until,
    say,
)
from monitor.cli.doctor_text import render
from monitor.cli.table import use_colour
from monitor.core.model import Verdict
from monitor.daemon.compose import Deps
from monitor.doctor.probe import Probe
from monitor.doctor.recording import CannotRecord, Recorder
from monitor.doctor.report import describe_probes
from monitor.redaction import all_visible
from monitor.settings import Loaded


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of this command."""
    parser = subparsers.add_parser("doctor")
    add_scope(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="write redacted answers into this directory, for a bug report"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask about every selected target; 0 if everything works that a trusted monitor needs."""
    loaded = read_scope(arguments)
    deps = prepare(loaded)
    try:
        recorder = Recorder(loaded.settings, arguments.record, clock=deps.clock) if arguments.record else None
    except CannotRecord as error:
        say(f"--record {arguments.record}: {error}")
        return USAGE
    report: dict[str, Any] = {"targets": {}}
    try:
        report = asyncio.run(_ask(loaded, deps, arguments, recorder))
    finally:
        if recorder is not None:
            recorder.close(report)
    for name, target in report["targets"].items():
        name_default_token(target["check"], name, loaded)
    shown = all_visible(report)
    if arguments.format == "json":
        print_json(shown)
    else:
        print_result(render(shown, colour=use_colour(sys.stdout)), end="")
    if recorder is not None:
        done = f"recorded {recorder.count} exchanges in {arguments.record}: review them before you send them"
        say(recorder.problem or done)
    return OK if report["verdict"] == Verdict.PASS.value else FAILED


async def _ask(loaded: Loaded, deps: Deps, arguments: argparse.Namespace, recorder: Recorder | None) -> dict[str, Any]:
    probes = [
        Probe(
            name,
            loaded.settings,
            deps,
            say=progress(json=arguments.format == "json"),
            on_exchange=recorder.record if recorder is not None else None,
            environ=os.environ,
        )
        for name in loaded.settings.targets
        if name in arguments.target or not arguments.target
    ]
    await run_until((probe.run for probe in probes), deps.clock, arguments.timeout)
    return describe_probes(probe.snapshot for probe in probes)
