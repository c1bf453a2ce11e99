"""Commands that talk to the running daemon: `status`, `incidents`, `ack`, `silence`."""

import argparse
import getpass
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from monitor.cli.client import URL, Client, Failed, find
from monitor.cli.common import FAILED, OK, add_config, duration, say
from monitor.cli.table import render, use_colour
from monitor.core.model import Fault

Run = Callable[[Client, argparse.Namespace], None]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of these commands."""
    status = _command(subparsers, "status", "what the running daemon sees", _status)
    _add_format(status)
    incidents = _command(subparsers, "incidents", "the incidents it remembers", _incidents)
    incidents.add_argument("--open", action="store_true", help="only those that last")
    _add_format(incidents)
    ack = _command(subparsers, "ack", "take an incident: no more reminders until it gets worse", _ack)
    ack.add_argument("incident", metavar="INCIDENT")
    ack.add_argument("--by", default=None, metavar="WHO", help="who has it (default: the user)")
    _add_silence(subparsers)


def _command(subparsers: Any, name: str, text: str, run: Run) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse's
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text)
    add_config(parser)
    parser.add_argument(
        "--url", default=None, help=f"where the daemon listens (default: {URL}, else the configuration)"
    )
    parser.set_defaults(run=partial(_run, run))
    return parser


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("table", "json"), default="table")


def _add_silence(subparsers: Any) -> None:  # noqa: ANN401 - argparse's
    silence = subparsers.add_parser("silence", help="mute telling for a while")
    commands = silence.add_subparsers(metavar="COMMAND", required=True)
    add = _command(commands, "add", "begin a silence", _silence_add)
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("--target", help="a target, or a pattern such as prod-*")
    which.add_argument("--all", action="store_const", const="*", dest="target", help="every target")
    add.add_argument(
        "--fault", default=None, choices=[fault.value for fault in Fault], metavar="FAULT", help="only this fault"
    )
    add.add_argument("--for", dest="duration", required=True, type=_length, metavar="D", help="how long, such as 2h")
    add.add_argument("--comment", default="", help="why")
    _add_format(_command(commands, "list", "the silences there are", _silence_list))
    expire = _command(commands, "expire", "end a silence", _silence_expire)
    expire.add_argument("id", metavar="ID")


def _length(text: str) -> float:
    """How long a silence lasts: with its unit, because the 2 of somebody who means hours would be over at once."""
    if text.strip().replace(".", "", 1).isdecimal():
        raise argparse.ArgumentTypeError("needs a unit, such as 30m or 2h")
    return duration(text)


def _run(command: Run, arguments: argparse.Namespace) -> int:
    try:
        command(find(arguments), arguments)
    except Failed as error:
        say(str(error))
        return FAILED
    return OK


# --- the commands ----------------------------------------------------------------------------------------------------


def _status(daemon: Client, arguments: argparse.Namespace) -> None:
    report = daemon.ask("GET", "/api/v1/status")
    _part(report, "targets", dict, daemon)
    if arguments.format == "json":
        print(_json(report))
    else:
        print(render(report, colour=use_colour(sys.stdout)), end="")
        for incident in report.get("incidents", []):
            print(_incident_line(incident))


def _incidents(daemon: Client, arguments: argparse.Namespace) -> None:
    found = _part(
        daemon.ask("GET", f"/api/v1/incidents{'?open=true' if arguments.open else ''}"), "incidents", list, daemon
    )
    if arguments.format == "json":
        print(_json(found))
        return
    for incident in found:
        print(_incident_line(incident))
    if not found:
        say("no incidents")


def _ack(daemon: Client, arguments: argparse.Namespace) -> None:
    by = arguments.by or _user()
    daemon.ask("POST", f"/api/v1/incidents/{quote(arguments.incident, safe='')}/ack", {"by": by})
    print(f"{arguments.incident} is acknowledged by {by}")


def _silence_add(daemon: Client, arguments: argparse.Namespace) -> None:
    body = {
        "target": arguments.target,
        "fault": arguments.fault,
        "for": arguments.duration,
        "comment": arguments.comment,
        "author": _user(),
    }
    added = daemon.ask("POST", "/api/v1/silences", body)
    print(f"silence {_part(added, 'id', str, daemon)} lasts until {_moment(added.get('to'))}")
    covers = added.get("covers") or [arguments.target]  # a daemon of an earlier version does not say
    print(f"it covers {arguments.fault or 'any fault'} of {', '.join(map(str, covers))}")


def _silence_list(daemon: Client, arguments: argparse.Namespace) -> None:
    found = _part(daemon.ask("GET", "/api/v1/silences"), "silences", list, daemon)
    if arguments.format == "json":
        print(_json(found))
        return
    for silence in found:
        state = "active" if silence["active"] else "inactive"
        until = "weekly" if silence["weekly"] else f"until {_moment(silence['to'])}"
        what = f"{silence['target']} {silence['fault'] or 'any fault'}"
        print(f"{silence['id']}  {state:<8}  {until}  {what}  {silence['comment']}".rstrip())
    if not found:
        say("no silences")


def _silence_expire(daemon: Client, arguments: argparse.Namespace) -> None:
    daemon.ask("DELETE", f"/api/v1/silences/{quote(arguments.id, safe='')}")
    print(f"silence {arguments.id} has ended")


# --- what they say ---------------------------------------------------------------------------------------------------


def _part(answer: dict[str, Any], name: str, kind: type, daemon: Client) -> Any:  # noqa: ANN401 - JSON
    """A part of an answer that every answer of a daemon has. Raises Failed."""
    if not isinstance(answer.get(name), kind):
        raise Failed(f"what answers at {daemon.url} is no Gateway Trace Monitor")
    return answer[name]


def _incident_line(incident: dict[str, Any]) -> str:
    state = "open" if incident["open"] else "resolved"
    by = f"  (acknowledged by {incident['acknowledged_by']})" if incident["acknowledged_by"] else ""
    what = f"{incident['severity']:<8}  {incident['fault']}  {incident['summary']}"
    return f"{incident['id']}  {state:<8}  {what}{by}"


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _moment(at: object) -> str:
    if not isinstance(at, int | float):
        return "somebody ends it"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _user() -> str:
    """Who asks; in a container the number may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
