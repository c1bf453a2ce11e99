"""Commands that talk to the running daemon: `status`, `incidents`, `ack`, `silence`. They find it, ask it, and print what it says."""

import argparse
import asyncio
import getpass
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from monitor.cli import UsageError
from monitor.cli.common import FAILED, OK, add_config, add_format, duration, print_json, say
from monitor.cli.table import render, use_colour
from monitor.clock import SystemClock
from monitor.core.model import Fault, Service
from monitor.http import Answer, Http, Network
from monitor.ports import Garbled, Unreachable
from monitor.redaction import Redactor, all_visible
from monitor.settings import ConfigError, Loaded, load
from monitor.settings.load import find_file
from monitor.settings.secret import SecretSource, Unusable
from monitor.settings.sources import PREFIX
from monitor.settings.values import DAEMON, base_url, is_loopback, is_plain, url_problem

_URL, _TOKEN = "TRACE_MONITOR_URL", "TRACE_MONITOR_ADMIN_TOKEN"
_TIMEOUT = 10.0
_OK, _REDIRECT, _UNAUTHORIZED = 200, 300, 401
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask, not to listen


class Failed(Exception):
    """The daemon could not be asked, or said no. Its text is for people, on one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A way to one daemon. The token is what the environment gives, else what the configuration has."""

    url: str
    token: str | None
    ca_file: str | None

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **parts: type) -> dict[str, Any]:
        """The JSON object of an answer, which has these parts. Raises Failed."""
        answer = self._request(method, path, body)
        try:
            document = all_visible(answer.json())
        except Garbled:
            document = None
        if not isinstance(document, dict) or not all(isinstance(document.get(name), parts[name]) for name in parts):
            raise Failed(f"what answers at {self.url} is no Gateway Trace Monitor")
        return document

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = json.dumps(body).encode() if body is not None else None
        url = f"{self.url.rstrip('/')}{path}"
        redactor = Redactor([self.token] if self.token else ())
        try:
            transport = Network(redactor=redactor, ca_file=self.ca_file)
            http = Http(clock=SystemClock(), transport=transport, redactor=redactor)
            answer = asyncio.run(
                http.request(Service.DAEMON, method, url, headers=headers, body=content, timeout=_TIMEOUT)
            )
        except Unreachable as error:
            raise Failed(f"the daemon does not answer at {self.url}: {error}") from None
        except OSError as error:
            raise Failed(f"http.ca_file: {self.ca_file} cannot be used: {error.strerror or error}") from None
        if not _OK <= answer.status < _REDIRECT:
            missing = answer.status == _UNAUTHORIZED and self.token is None
            how = f"; give it by {_TOKEN}, or name the daemon's configuration by --config" if missing else ""
            raise Failed(f"the daemon says no (HTTP {answer.status}): {_reason(answer, redactor)}{how}")
        return answer


def _reason(answer: Answer, redactor: Redactor) -> str:
    """What an error answer says: the daemon's own words, or the beginning of somebody else's page."""
    try:
        body = answer.json()
    except Garbled:
        return redactor.show(answer.text(1000), 200)
    words = (body.get("error") or body.get("detail")) if isinstance(body, dict) else None
    return redactor.show(str(words or body), 300)


# --- which daemon ----------------------------------------------------------------------------------------------------


def find(arguments: argparse.Namespace) -> Client:
    """The daemon that is meant: by `--url`, by the environment, or by the configuration. Raises Failed or UsageError."""
    loaded, broken = _configuration(arguments)
    given = arguments.url or os.environ.get(_URL)
    url = base_url(given, DAEMON) if given else _own_url(loaded)
    problem = url_problem(url)
    if problem is not None:
        raise Failed(f"{'--url' if arguments.url else _URL} {problem}")
    token = _token(loaded)
    if broken is not None and not (given and token):
        where = f"the daemon is asked at {url}{'' if token else ', without a token'}"
        say(f"{broken}\nwarning: this configuration cannot be used, so {where}")
    http = loaded.settings.http if loaded is not None else None
    if token and is_plain(url) and not is_loopback(url) and not (http and http.allow_http):
        raise Failed(f"a token would be sent to {url} in the clear: use https, or set http.allow_http")
    return Client(url=url, token=token, ca_file=http.ca_file if http else None)


def _configuration(arguments: argparse.Namespace) -> tuple[Loaded | None, ConfigError | None]:
    """The configuration if there is a usable one, or what is wrong with the one at hand.

    There need be none: these commands also work with `--url` and a token alone.
    """
    try:
        return load(arguments.config, os.environ, Path.cwd()), None
    except ConfigError as error:
        if arguments.config:
            raise UsageError(str(error)) from None
        settings = {name for name in os.environ if name.upper().startswith(PREFIX)} - {_URL, _TOKEN}
        at_hand = settings or find_file(None, os.environ, Path.cwd()) is not None
        return None, error if at_hand else None


def _own_url(loaded: Loaded | None) -> str:
    if loaded is None:
        return "http://127.0.0.1:9797"
    server = loaded.settings.server
    host = _EVERYWHERE.get(server.host, server.host)
    return f"{'https' if server.tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}:{server.port}"


def _token(loaded: Loaded | None) -> str | None:
    given = os.environ.get(_TOKEN)
    if given:
        try:
            return SecretSource(given).get()
        except Unusable as unusable:
            raise Failed(f"{_TOKEN} {unusable}") from None
    server = loaded.settings.server if loaded is not None else None
    source = (server.admin_token or server.read_token) if server is not None else None
    return source.get() if source is not None else None


# --- options ---------------------------------------------------------------------------------------------------------


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `status`, `incidents`, `ack` and `silence`."""
    status = _add_command(subparsers, "status", "what the running daemon sees", _status)
    add_format(status)
    incidents = _add_command(subparsers, "incidents", "the incidents it remembers", _incidents)
    incidents.add_argument("--open", action="store_true", help="only those that last")
    add_format(incidents)
    ack = _add_command(subparsers, "ack", "take an incident: no more reminders until it gets worse", _ack)
    ack.add_argument("incident", metavar="INCIDENT")
    ack.add_argument("--by", default=None, metavar="WHO", help="who has it (default: the user)")
    silence = subparsers.add_parser("silence", help="mute notifications for a while")
    commands = silence.add_subparsers(metavar="COMMAND", required=True)
    add = _add_command(commands, "add", "begin a silence", _silence_add)
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("--target", help="a target, or a pattern such as prod-*")
    which.add_argument("--all", action="store_const", const="*", dest="target", help="every target")
    faults = [fault.value for fault in Fault]
    add.add_argument("--fault", default=None, choices=faults, metavar="FAULT", help="only this fault")
    add.add_argument("--for", dest="duration", required=True, type=_length, metavar="D", help="how long, such as 2h")
    add.add_argument("--comment", default="", help="why")
    add_format(_add_command(commands, "list", "the silences there are", _silence_list))
    expire = _add_command(commands, "expire", "end a silence", _silence_expire)
    expire.add_argument("id", metavar="ID")


def _add_command(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    command: Callable[[Client, argparse.Namespace], None],
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=text)
    add_config(parser)
    parser.add_argument("--url", help=f"where the daemon listens (default: {_URL}, else the configuration)")
    parser.set_defaults(run=partial(_run, command))
    return parser


def _length(text: str) -> float:
    """How long a silence lasts: with its unit, because the 2 of somebody who means hours would be over at once."""
    if text.strip().replace(".", "", 1).isdecimal():
        raise argparse.ArgumentTypeError("needs a unit, such as 30m or 2h")
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
    report = daemon.ask("GET", "/api/v1/status", targets=dict)
    if arguments.format == "json":
        print_json(report)
        return
    print(render(report, colour=use_colour(sys.stdout)), end="")
    for incident in report.get("incidents", []):
        print(_incident_line(incident))


def _incidents(daemon: Client, arguments: argparse.Namespace) -> None:
    path = f"/api/v1/incidents{'?open=true' if arguments.open else ''}"
    found = daemon.ask("GET", path, incidents=list)["incidents"]
    _print_list(found, _incident_line, "no incidents", arguments)


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
    added = daemon.ask("POST", "/api/v1/silences", body, id=str)
    print(f"silence {added['id']} lasts until {_time(added.get('to'))}")
    covers = added.get("covers") or [arguments.target]  # a daemon of an earlier version does not say
    print(f"it covers {arguments.fault or 'any fault'} of {', '.join(map(str, covers))}")


def _silence_list(daemon: Client, arguments: argparse.Namespace) -> None:
    found = daemon.ask("GET", "/api/v1/silences", silences=list)["silences"]
    _print_list(found, _silence_line, "no silences", arguments)


def _silence_expire(daemon: Client, arguments: argparse.Namespace) -> None:
    daemon.ask("DELETE", f"/api/v1/silences/{quote(arguments.id, safe='')}")
    print(f"silence {arguments.id} has ended")


def _print_list(
    found: list[Any], line: Callable[[dict[str, Any]], str], none: str, arguments: argparse.Namespace
) -> None:
    if arguments.format == "json":
        print_json(found)
        return
    for each in found:
        print(line(each))
    if not found:
        say(none)


def _incident_line(incident: dict[str, Any]) -> str:
    state = "open" if incident["open"] else "resolved"
    by = f"  (acknowledged by {incident['acknowledged_by']})" if incident["acknowledged_by"] else ""
    what = f"{incident['severity']:<8}  {incident['fault']}  {incident['summary']}"
    return f"{incident['id']}  {state:<8}  {what}{by}"


def _silence_line(silence: dict[str, Any]) -> str:
    state = "active" if silence["active"] else "inactive"
    until = "weekly" if silence["weekly"] else f"until {_time(silence['to'])}"
    what = f"{silence['target']} {silence['fault'] or 'any fault'}"
    return f"{silence['id']}  {state:<8}  {until}  {what}  {silence['comment']}".rstrip()


def _time(at: object) -> str:
    if not isinstance(at, int | float):
        return "somebody ends it"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _user() -> str:
    """Who asks; in a container the number may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
