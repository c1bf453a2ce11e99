"""Commands that talk to the running daemon: `status`, `incidents`, `ack`, `silence`, `healthcheck`."""

import argparse
import asyncio
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from monitor.cli.common import FAILED, OK, USAGE, add_config, say
from monitor.cli.table import render, use_colour
from monitor.clock import SystemClock
from monitor.core.model import Fault, Service
from monitor.http import Answer, Http, Network
from monitor.ports import Garbled, Unreachable
from monitor.redaction import Redactor
from monitor.settings import ConfigError, Loaded, load
from monitor.settings.duration import parse_duration

URL, TOKEN = "TRACE_MONITOR_URL", "TRACE_MONITOR_ADMIN_TOKEN"
_TIMEOUT = 10.0
_OK, _REDIRECT = 200, 300


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of these commands."""
    status = _command(subparsers, "status", "what the running daemon sees", _status)
    status.add_argument("--format", choices=("table", "json"), default="table")
    incidents = _command(subparsers, "incidents", "the incidents it remembers", _incidents)
    incidents.add_argument("--open", action="store_true", help="only those that last")
    incidents.add_argument("--format", choices=("table", "json"), default="table")
    ack = _command(subparsers, "ack", "take an incident: no more reminders until it gets worse", _ack)
    ack.add_argument("incident", metavar="INCIDENT")
    ack.add_argument("--by", default=None, metavar="WHO", help="who has it (default: the user)")
    _command(subparsers, "healthcheck", "for the container's HEALTHCHECK", _healthcheck)
    _add_silence(subparsers)


def _command(subparsers: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse's
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text)
    add_config(parser)
    parser.add_argument(
        "--url", default=None, help=f"where the daemon listens (default: {URL}, else the configuration)"
    )
    parser.set_defaults(run=run)
    return parser


def _add_silence(subparsers: Any) -> None:  # noqa: ANN401 - argparse's
    silence = subparsers.add_parser("silence", help="mute telling for a while")
    commands = silence.add_subparsers(metavar="COMMAND", required=True)
    add = _command(commands, "add", "begin a silence", _silence_add)
    add.add_argument("--target", default="*", help="a target, or a pattern such as prod-*")
    add.add_argument(
        "--fault", default=None, choices=[fault.value for fault in Fault], metavar="FAULT", help="only this fault"
    )
    add.add_argument("--for", dest="duration", required=True, type=_duration, metavar="D", help="how long, such as 2h")
    add.add_argument("--comment", default="", help="why")
    _command(commands, "list", "the silences in force", _silence_list)
    expire = _command(commands, "expire", "end a silence", _silence_expire)
    expire.add_argument("id", metavar="ID")


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _status(arguments: argparse.Namespace) -> int:
    report = _ask(arguments, "GET", "/api/v1/status")
    if report is None:
        return FAILED
    print(
        json.dumps(report, indent=2) if arguments.format == "json" else render(report, colour=use_colour(sys.stdout)),
        end="",
    )
    if arguments.format == "json":
        print()
    return OK


def _incidents(arguments: argparse.Namespace) -> int:
    answer = _ask(arguments, "GET", f"/api/v1/incidents{'?open=true' if arguments.open else ''}")
    if answer is None:
        return FAILED
    found = answer["incidents"] if isinstance(answer, dict) else answer
    if arguments.format == "json":
        print(json.dumps(found, indent=2))
        return OK
    for incident in found:
        state = "open" if incident["open"] else "resolved"
        print(f"{incident['id']}  {state:<8}  {incident['severity']:<8}  {incident['fault']}  {incident['summary']}")
    if not found:
        say("no incidents")
    return OK


def _ack(arguments: argparse.Namespace) -> int:
    by = arguments.by or getpass.getuser()
    answer = _ask(arguments, "POST", f"/api/v1/incidents/{quote(arguments.incident, safe='')}/ack", {"by": by})
    return _done(answer, f"{arguments.incident} is acknowledged by {by}")


def _silence_add(arguments: argparse.Namespace) -> int:
    body = {
        "target": arguments.target,
        "fault": arguments.fault,
        "duration_seconds": arguments.duration,
        "comment": arguments.comment,
        "author": getpass.getuser(),
    }
    answer = _ask(
        arguments, "POST", "/api/v1/silences", {key: value for key, value in body.items() if value is not None}
    )
    return _done(answer, f"silence {answer.get('id') if isinstance(answer, dict) else ''} has begun")


def _silence_list(arguments: argparse.Namespace) -> int:
    answer = _ask(arguments, "GET", "/api/v1/silences")
    if answer is None:
        return FAILED
    print(json.dumps(answer, indent=2))
    return OK


def _silence_expire(arguments: argparse.Namespace) -> int:
    answer = _ask(arguments, "DELETE", f"/api/v1/silences/{quote(arguments.id, safe='')}")
    return _done(answer, f"silence {arguments.id} has ended")


def _healthcheck(arguments: argparse.Namespace) -> int:
    return OK if _ask(arguments, "GET", "/healthz") is not None else FAILED


def _done(answer: Any, text: str) -> int:  # noqa: ANN401 - JSON
    if answer is None:
        return FAILED
    print(text)
    return OK


# --- asking the daemon -----------------------------------------------------------------------------------------------


def _ask(arguments: argparse.Namespace, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401
    """The JSON of an answer, {} for one without; None after the failure has been said."""
    loaded = _configuration(arguments)
    url = arguments.url or os.environ.get(URL) or _own_url(loaded)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    token = _token(loaded)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        answer = asyncio.run(_request(method, f"{url.rstrip('/')}{path}", headers, body, _ca_file(loaded)))
    except (Unreachable, OSError) as error:
        say(f"the daemon does not answer at {url}: {error}")
        return None
    if not _OK <= answer.status < _REDIRECT:
        say(f"the daemon says no (HTTP {answer.status}): {_reason(answer)}")
        return None
    try:
        return answer.json() if answer.body.strip() else {}
    except Garbled:
        return {}


async def _request(
    method: str, url: str, headers: dict[str, str], body: dict[str, Any] | None, ca_file: str | None
) -> Answer:
    http = Http(clock=SystemClock(), transport=Network(redactor=Redactor(), ca_file=ca_file))
    content = json.dumps(body).encode() if body is not None else None
    return await http.request(Service.WEBHOOK, method, url, headers=headers, body=content, timeout=_TIMEOUT)


def _reason(answer: Answer) -> str:
    try:
        body = answer.json()
    except Garbled:
        return Redactor().show(answer.text(300), 200)
    return str(body.get("error") or body.get("detail") or body) if isinstance(body, dict) else str(body)


def _configuration(arguments: argparse.Namespace) -> Loaded | None:
    """The configuration if there is a usable one: these commands also work with `--url` and a token alone."""
    try:
        return load(arguments.config, os.environ, Path.cwd())
    except ConfigError as error:
        if arguments.config:
            say(str(error))
            sys.exit(USAGE)
        return None


def _own_url(loaded: Loaded | None) -> str:
    if loaded is None:
        return "http://127.0.0.1:9797"
    server = loaded.settings.server
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(server.host, server.host)  # noqa: S104 - where to ask, not to listen
    return f"{'https' if server.tls_cert else 'http'}://{host}:{server.port}"


def _ca_file(loaded: Loaded | None) -> str | None:
    return loaded.settings.http.ca_file if loaded is not None else None


def _token(loaded: Loaded | None) -> str | None:
    given = os.environ.get(TOKEN)
    if given:
        return given.strip()
    server = loaded.settings.server if loaded is not None else None
    source = (server.admin_token or server.read_token) if server is not None else None
    return source.get() if source is not None else None
