"""`trace-monitor check`: one pass of everything."""

import argparse
import asyncio
import sys
from typing import Any

from monitor.cli.common import (
    FAILED,
    OK,
    UNKNOWN,
    add_format,
    add_scope,
    name_default_token,
    prepare,
    print_json,
    print_result,
    progress,
    read_scope,
    run_until,
)
from monitor.cli.table import render, use_colour
from monitor.core.model import CheckName, Seconds, Severity, Verdict
from monitor.daemon.one_shot import OneShot, Selection, one_shots
from monitor.daemon.status import describe, severity_of_failures
from monitor.ports import Clock
from monitor.redaction import all_visible

_CHOICES = ("config", "gateway", "canary", "control", "volume")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `check`."""
    parser = subparsers.add_parser("check")
    add_scope(parser)
    parser.add_argument(
        "--only",
        type=_names,
        metavar="CHECKS",
        help=f"only these checks, comma-separated: {', '.join(_CHOICES)}; canary includes arrival",
    )
    parser.add_argument(
        "--fail-on",
        choices=("warning", "critical"),
        default="warning",
        help="the lowest severity that makes the exit code 1 (default: warning)",
    )
    add_format(parser)
    parser.set_defaults(run=run)


def _names(text: str) -> frozenset[CheckName]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in _CHOICES:
            raise argparse.ArgumentTypeError(f"{name!r} is not a check; allowed: {', '.join(_CHOICES)}")
    if not names:
        raise argparse.ArgumentTypeError(f"no check is named; allowed: {', '.join(_CHOICES)}")
    chosen = {CheckName(name) for name in names}
    return frozenset(chosen | ({CheckName.ARRIVAL} if CheckName.CANARY in chosen else set()))


def run(arguments: argparse.Namespace) -> int:
    """Look once at every selected target; the exit code."""
    loaded = read_scope(arguments)
    deps = prepare(loaded)
    selection = Selection(targets=frozenset(arguments.target), checks=arguments.only)
    passes = one_shots(loaded.settings, selection, deps, say=progress(json=arguments.format == "json"))
    report = all_visible(asyncio.run(_look(passes, deps.clock, arguments.timeout)))
    for name, target in report["targets"].items():
        name_default_token(target, name, loaded)
    if arguments.format == "json":
        print_json(report)
    else:
        print_result(render(report, colour=use_colour(sys.stdout)), end="")
    return exit_code(report, Severity[arguments.fail_on.upper()])


async def _look(passes: list[OneShot], clock: Clock, timeout: Seconds | None) -> dict[str, Any]:
    await run_until((one.run for one in passes), clock, timeout)
    states = {str(one.target_store.state.target): (one.target_store.state, one.target_store.policy) for one in passes}
    return describe(states, clock.now())


def exit_code(report: dict[str, Any], fail_on: Severity) -> int:
    """1 if any target fails badly enough, else 3 if any cannot tell, else 0."""
    worst = severity_of_failures(report)
    if worst is not None and worst >= fail_on:
        return FAILED
    verdicts = [target["verdict"] for target in report["targets"].values()]
    return UNKNOWN if Verdict.UNKNOWN.value in verdicts else OK
