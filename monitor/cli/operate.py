"""Commands that talk to the running daemon: `status`, `incidents`, `ack`, `silence`.

Where it does not answer, `status` and `incidents` show what its state file says.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import quote

from monitor.cli import UsageError
from monitor.cli.client import URL, Client, Failed, Unanswered, find
from monitor.cli.commands import COMMANDS
from monitor.cli.common import FAILED, OK, add_config, add_format, duration, print_json, say
from monitor.cli.table import incident_lines, render, silence_lines, status_lines, use_colour
from monitor.clock import SystemClock
from monitor.core.model import Fault
from monitor.notifiers.wording import utc

ADMIN = "the admin token"
"""Who did something, where nobody gave a name: the user of a container is nobody's name."""

# --- options ---------------------------------------------------------------------------------------------------------


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `status`, `incidents`, `ack` and `silence`."""
    status = _add_command(subparsers, "status", _status)
    _add_target(status, "show this target in detail (repeatable)")
    add_format(status)
    incidents = _add_command(subparsers, "incidents", _incidents)
    _add_target(incidents, "only this target (repeatable)")
    incidents.add_argument("--open", action="store_true", help="only those that are open")
    add_format(incidents)
    ack = _add_command(subparsers, "ack", _ack)
    ack.add_argument("incident", metavar="INCIDENT", help="its id, as in the message and in `trace-monitor incidents`")
    ack.add_argument("--by", default=ADMIN, metavar="NAME", help=f"who takes care of it (default: {ADMIN})")
    silence = subparsers.add_parser("silence")
    commands = silence.add_subparsers(metavar="COMMAND", required=True)
    add = _add_command(commands, "add", _silence_add, COMMANDS["silence add"].help)
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("--target", help="a target, or a pattern such as prod-*")
    which.add_argument("--all", action="store_const", const="*", dest="target", help="every target")
    faults = [fault.value for fault in Fault]
    add.add_argument("--fault", default=None, choices=faults, metavar="FAULT", help="only incidents of this name")
    add.add_argument(
        "--for", dest="duration", required=True, type=_length, metavar="D", help="how long, with a unit: 30m, 2h"
    )
    add.add_argument("--comment", default="", metavar="TEXT", help="why")
    add.add_argument("--by", default=ADMIN, metavar="NAME", help=f"who starts it (default: {ADMIN})")
    add_format(_add_command(commands, "list", _silence_list, COMMANDS["silence list"].help))
    expire = _add_command(commands, "expire", _silence_expire, COMMANDS["silence expire"].help)
    expire.add_argument("id", metavar="ID", help="as in `trace-monitor silence list`")


def _add_command(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[Client, argparse.Namespace], None],
    text: str = "",
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text)
    add_config(parser)
    parser.add_argument("--url", help=f"where the daemon listens (default: {URL}, else the configuration)")
    parser.set_defaults(run=partial(_run, command))
    return parser


def _add_target(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--target", action="append", default=[], metavar="T", help=text)


def _length(text: str) -> float:
    """How long a silence lasts: with its unit, because the 2 of somebody who means hours would be over at once."""
    if text.strip().replace(".", "", 1).isdecimal():
        raise argparse.ArgumentTypeError("needs a unit: 30s, 5m, 2h")
    return duration(text)


# --- the commands ----------------------------------------------------------------------------------------------------


def _run(command: Callable[[Client, argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    try:
        command(find(arguments), arguments)
    except Failed as error:
        say(str(error))
        return FAILED
    return OK


def _status(daemon: Client, arguments: argparse.Namespace) -> None:
    try:
        report = daemon.ask("GET", "/api/v1/status", targets=dict)
        if arguments.format != "json":
            report["incidents"] = daemon.ask("GET", "/api/v1/incidents", incidents=list)["incidents"]
            report["silences"] = daemon.ask("GET", "/api/v1/silences", silences=list)["silences"]
    except Unanswered as unanswered:
        report = _remembered(daemon, unanswered)
        if arguments.format == "json":  # as the daemon's own status has them
            report["incidents"] = [incident for incident in report["incidents"] if incident["open"]]
    chosen = _chosen(report, arguments.target)
    if arguments.format == "json":
        print_json(chosen)
        return
    colour = use_colour(sys.stdout)
    print("\n".join(status_lines(chosen, chosen["silences"], colour=colour)))
    if arguments.target:
        print(f"\n{render(chosen, colour=colour)}", end="")
    open_ones = [incident for incident in chosen["incidents"] if incident["open"]]
    if open_ones:
        print("\n" + "\n".join(incident_lines(open_ones, SystemClock().now())))


def _incidents(daemon: Client, arguments: argparse.Namespace) -> None:
    path = f"/api/v1/incidents{'?open=true' if arguments.open else ''}"
    try:
        found = daemon.ask("GET", path, incidents=list)["incidents"]
    except Unanswered as unanswered:
        found = [one for one in _remembered(daemon, unanswered)["incidents"] if one["open"] or not arguments.open]
    chosen = [one for one in found if not arguments.target or one["target"] in arguments.target]
    _print_list(chosen, partial(incident_lines, now=SystemClock().now()), "no incidents", arguments)


def _remembered(daemon: Client, unanswered: Unanswered) -> dict[str, Any]:
    from monitor.cli.remembered import read_state_file  # noqa: PLC0415 - takes longer than to ask the daemon

    return read_state_file(daemon, unanswered)


def _chosen(report: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The part of the report that is about these targets. Raises UsageError if one of them is not there."""
    if not names:
        return report
    for name in names:
        if name not in report["targets"]:
            raise UsageError(f"--target {name}: there is no such target; there are: {', '.join(report['targets'])}")
    return {
        **report,
        "targets": {name: target for name, target in report["targets"].items() if name in names},
        "incidents": [one for one in report.get("incidents", ()) if one["target"] in names],
    }


def _ack(daemon: Client, arguments: argparse.Namespace) -> None:
    path = f"/api/v1/incidents/{quote(arguments.incident, safe='')}/ack"
    daemon.ask("POST", path, {"by": arguments.by})
    print(f"{arguments.incident} is acknowledged by {arguments.by}")


def _silence_add(daemon: Client, arguments: argparse.Namespace) -> None:
    body = {
        "target": arguments.target,
        "fault": arguments.fault,
        "for": arguments.duration,
        "comment": arguments.comment,
        "author": arguments.by,
    }
    added = daemon.ask("POST", "/api/v1/silences", body, id=str, to=float)
    print(f"silence {added['id']} lasts until {utc(added['to'])}")
    covers = added.get("covers") or [arguments.target]  # a daemon of an earlier version does not say
    print(f"it covers {arguments.fault or 'any fault'} of {', '.join(map(str, covers))}")


def _silence_list(daemon: Client, arguments: argparse.Namespace) -> None:
    found = daemon.ask("GET", "/api/v1/silences", silences=list)["silences"]
    _print_list(found, silence_lines, "no silences", arguments)


def _silence_expire(daemon: Client, arguments: argparse.Namespace) -> None:
    daemon.ask("DELETE", f"/api/v1/silences/{quote(arguments.id, safe='')}")
    print(f"silence {arguments.id} has ended")


def _print_list(
    found: list[Any], lines: Callable[[list[Any]], Iterable[str]], none: str, arguments: argparse.Namespace
) -> None:
    if arguments.format == "json":
        print_json(found)
    elif found:
        print("\n".join(lines(found)))
    else:
        say(none)
