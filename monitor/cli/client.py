"""Asking the running daemon: where it is, with which token, and what is said when it does not answer."""

import argparse
import asyncio
import json
import os
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from monitor.cli.common import USAGE, say
from monitor.clock import SystemClock
from monitor.core.model import Service
from monitor.http import Answer, Http, Network
from monitor.ports import Garbled, Unreachable
from monitor.redaction import Redactor, all_visible
from monitor.settings import ConfigError, Loaded, load
from monitor.settings.secret import SecretSource, Unusable
from monitor.settings.url import is_loopback, is_plain, url_problem

URL, TOKEN = "TRACE_MONITOR_URL", "TRACE_MONITOR_ADMIN_TOKEN"
_TIMEOUT = 10.0
_OK, _REDIRECT, _UNAUTHORIZED = 200, 300, 401
_HOW_TO_GIVE_A_TOKEN = f"; give it by {TOKEN}, or name the daemon's configuration by --config"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask, not to listen


class Failed(Exception):
    """The daemon could not be asked, or said no. Its text is for people, on one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A way to one daemon. The token is what the environment gives, else what the configuration has."""

    url: str
    token: str | None
    ca_file: str | None
    own: bool = False  # the address is the configuration's own, not one that somebody gave

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object of an answer. Raises Failed."""
        answer = self._get(method, path, body, self.token)
        try:
            said = all_visible(answer.json())
        except Garbled:
            said = None
        if not isinstance(said, dict):
            raise Failed(f"what answers at {self.url} is no Gateway Trace Monitor")
        return said

    def knock(self, path: str) -> None:
        """Ask for something that needs no token. Raises Failed unless the answer is a success.

        At home, at 127.0.0.1, the certificate is that of a name which people use: it need not fit here.
        """
        if self.own and not is_plain(self.url):
            self._knock_at_home(path)
        else:
            self._get("GET", path, None, None)

    def _knock_at_home(self, path: str) -> None:
        home = urlsplit(self.url)
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(home.hostname or "", home.port, timeout=_TIMEOUT, context=trusting)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            raise Failed(f"the daemon does not answer at {self.url}: {error}") from None
        finally:
            connection.close()
        if not _OK <= status < _REDIRECT:
            raise Failed(f"the daemon says no (HTTP {status})")

    def _get(self, method: str, path: str, body: Mapping[str, Any] | None, token: str | None) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            answer = asyncio.run(self._request(method, path, headers, body))
        except Unreachable as error:
            raise Failed(f"the daemon does not answer at {self.url}: {error}") from None
        except OSError as error:
            raise Failed(f"http.ca_file: {self.ca_file} cannot be used: {error.strerror or error}") from None
        if not _OK <= answer.status < _REDIRECT:
            how = _HOW_TO_GIVE_A_TOKEN if answer.status == _UNAUTHORIZED and token is None else ""
            raise Failed(f"the daemon says no (HTTP {answer.status}): {_reason(answer)}{how}")
        return answer

    async def _request(self, method: str, path: str, headers: dict[str, str], body: Mapping[str, Any] | None) -> Answer:
        http = Http(clock=SystemClock(), transport=Network(redactor=Redactor(), ca_file=self.ca_file))
        content = json.dumps(body).encode() if body is not None else None
        url = f"{self.url.rstrip('/')}{path}"
        return await http.request(Service.WEBHOOK, method, url, headers=headers, body=content, timeout=_TIMEOUT)


def find(arguments: argparse.Namespace) -> Client:
    """The daemon that is meant: by `--url`, by the environment, or by the configuration. Raises Failed."""
    loaded = _configuration(arguments)
    given = arguments.url or os.environ.get(URL)
    url = given or _own_url(loaded)
    problem = url_problem(url)
    if problem is not None:
        raise Failed(f"{'--url' if arguments.url else URL} {problem}")
    token = _token(loaded)
    allowed = loaded is not None and loaded.settings.http.allow_http
    if token and is_plain(url) and not is_loopback(url) and not allowed:
        raise Failed(f"a token would be sent to {url} in the clear: use https, or set http.allow_http")
    ca_file = loaded.settings.http.ca_file if loaded is not None else None
    return Client(url=url, token=token, ca_file=ca_file, own=not given)


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
    host = _EVERYWHERE.get(server.host, server.host)
    place = f"[{host}]" if ":" in host else host
    return f"{'https' if server.tls_cert else 'http'}://{place}:{server.port}"


def _token(loaded: Loaded | None) -> str | None:
    given = os.environ.get(TOKEN)
    if given:
        try:
            return SecretSource(given).get()
        except Unusable as unusable:
            raise Failed(f"{TOKEN} {unusable}") from None
    server = loaded.settings.server if loaded is not None else None
    source = (server.admin_token or server.read_token) if server is not None else None
    return source.get() if source is not None else None


def _reason(answer: Answer) -> str:
    """What an error answer says: the daemon's own words, or the beginning of somebody else's page."""
    try:
        body = answer.json()
    except Garbled:
        return Redactor().show(answer.text(1000), 200)
    said = (body.get("error") or body.get("detail")) if isinstance(body, dict) else None
    return Redactor().show(str(said or body), 300)
