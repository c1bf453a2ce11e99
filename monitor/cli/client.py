"""The running daemon as commands see it: which one is meant, and how it is asked."""

import argparse
import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.cli import UsageError
from monitor.cli.common import nobody_can_be_asked, say
from monitor.clock import SystemClock
from monitor.core.model import Service
from monitor.http import Answer, Http, Network
from monitor.ports import Garbled, Unreachable
from monitor.redaction import Redactor, all_visible
from monitor.settings import ConfigError, Loaded, load
from monitor.settings.load import find_file
from monitor.settings.secret import SecretSource, Unusable
from monitor.settings.sources import PREFIX
from monitor.settings.values import DAEMON, base_url, is_loopback, is_plain, url_problem

URL, _TOKEN = "TRACE_MONITOR_URL", "TRACE_MONITOR_ADMIN_TOKEN"
_TIMEOUT = 10.0
_OK, _REDIRECT, _UNAUTHORIZED = 200, 300, 401
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask, not to listen


class Failed(Exception):
    """The daemon could not be asked, or said no. Its text is for people, on one line."""


class Unanswered(Failed):
    """The daemon does not answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A way to one daemon. The token is what the environment gives, else what the configuration has.

    `loaded` is the configuration of that daemon; None where there is none, or where the address is of another daemon.
    """

    url: str
    token: str | None
    ca_file: str | None
    loaded: Loaded | None = None

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **parts: type) -> dict[str, Any]:
        """The JSON object of an answer, which has these parts. Raises Failed, and Unanswered if there is no answer."""
        answer = self._request(method, path, body)
        try:
            document = all_visible(answer.json())
        except Garbled:
            document = None
        if not isinstance(document, dict) or not all(isinstance(document.get(name), parts[name]) for name in parts):
            raise Failed(f"what answers at {self.url} is not Gateway Trace Monitor")
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
            raise Unanswered(f"the daemon does not answer at {self.url}: {error}") from None
        except OSError as error:
            raise Failed(nobody_can_be_asked(self.ca_file, error)) from None
        if not _OK <= answer.status < _REDIRECT:
            missing = answer.status == _UNAUTHORIZED and self.token is None
            how = f"; set {_TOKEN}, or name the daemon's configuration by --config" if missing else ""
            raise Failed(f"the daemon refused (HTTP {answer.status}): {_reason(answer, redactor)}{how}")
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
    given = arguments.url or os.environ.get(URL)
    url = base_url(given, DAEMON) if given else _own_url(loaded)
    problem = url_problem(url)
    if problem is not None:
        raise Failed(f"{'--url' if arguments.url else URL} {problem}")
    token = _token(loaded)
    if broken is not None and not (given and token):
        where = f"the daemon is asked at {url}{'' if token else ', without a token'}"
        say(f"{broken}\nwarning: this configuration cannot be used, so {where}")
    http = loaded.settings.http if loaded is not None else None
    if token and is_plain(url) and not is_loopback(url) and not (http and http.allow_http):
        raise Failed(f"the token would be sent to {url} unencrypted: use https, or set http.allow_http")
    own = loaded if arguments.config or not given else None
    return Client(url=url, token=token, ca_file=http.ca_file if http else None, loaded=own)


def _configuration(arguments: argparse.Namespace) -> tuple[Loaded | None, ConfigError | None]:
    """The configuration if there is a usable one, or what is wrong with the one at hand.

    There need be none: these commands also work with `--url` and a token alone.
    """
    try:
        return load(arguments.config, os.environ, Path.cwd()), None
    except ConfigError as error:
        if arguments.config:
            raise UsageError(str(error)) from None
        settings = {name for name in os.environ if name.upper().startswith(PREFIX)} - {URL, _TOKEN}
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
