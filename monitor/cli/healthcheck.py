"""`trace-monitor healthcheck`: whether the running daemon is well, for the container's HEALTHCHECK.

It runs every few seconds beside the daemon, under the same limit of CPU: nothing is imported that is not needed. The daemon
is asked where it really listens; what a configuration says that it may have refused counts only where none has said so.
"""

import argparse
import os
import sys

from monitor.cli import UsageError

OK, FAILED = 0, 1  # Docker knows no others: https://docs.docker.com/reference/dockerfile/#healthcheck
_URL, _CONFIG = "TRACE_MONITOR_URL", "TRACE_MONITOR_CONFIG"
_TIMEOUT = 4.0  # less than the image gives it, so that it can still say why
_LONGEST = 4096
_OK, _REDIRECT = 200, 300


class Unhealthy(Exception):
    """Its text is for people."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `healthcheck`."""
    parser = subparsers.add_parser("healthcheck")
    parser.add_argument(
        "--config", metavar="PATH", help="which daemon, if several run: the one of this configuration file"
    )
    parser.add_argument(
        "--url", default=None, help=f"where the daemon listens (default: {_URL}, else what the daemon has published)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 if it is well, 1 if it is not or does not answer."""
    try:
        _ask(arguments.url or os.environ.get(_URL) or _where_it_listens(arguments))
    except Unhealthy as unwell:
        print(unwell, file=sys.stderr, flush=True)
        return FAILED
    return OK


def _where_it_listens(arguments: argparse.Namespace) -> str:
    """As the daemon says that was started with this configuration, or else the only one; where none says so, as configured."""
    from monitor.daemon.address import running  # noqa: PLC0415

    found = running()
    given = arguments.config or os.environ.get(_CONFIG)
    mine = [url for url, config in found if given and config == os.path.abspath(given)]  # noqa: PTH100 - a cheap import
    urls = mine or [url for url, _ in found]
    if len(urls) > 1:
        if given:
            raise Unhealthy(f"no daemon of {given} runs here, several others do: choose one by --config or --url")
        raise Unhealthy("several daemons run here: choose one by --config or --url")
    if urls:
        return urls[0]
    from monitor.cli.client import Failed, find  # noqa: PLC0415 - it takes longer than all the rest

    try:
        return find(arguments).url
    except Failed as failed:
        raise Unhealthy(str(failed)) from None
    except UsageError as error:
        raise Unhealthy(f"{error}\nno running daemon was found") from None


def _ask(url: str) -> None:
    """Raises Unhealthy. No token is sent, and the certificate may be for the name that people use."""
    import socket  # noqa: PLC0415
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        wire = socket.create_connection((host, port), timeout=_TIMEOUT)
        if secure:
            import ssl  # noqa: PLC0415

            trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            wire = trusting.wrap_socket(wire)
        with wire:
            wire.sendall(f"GET {parts.path.rstrip('/')}/healthz HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
            said = b""
            while len(said) < _LONGEST and (piece := wire.recv(_LONGEST)):
                said += piece
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise Unhealthy(f"the daemon does not answer at {url}: {why}") from None
    head, _, body = said.partition(b"\r\n\r\n")
    status = head.split(maxsplit=2)[1:2]
    if not head.startswith(b"HTTP/") or not status or not status[0].isdigit():
        raise Unhealthy(f"what answers at {url} is not Gateway Trace Monitor")
    if not _OK <= int(status[0]) < _REDIRECT:
        reason = "".join(each if each.isprintable() else " " for each in body.decode(errors="replace")[:200]).strip()
        raise Unhealthy(f"the daemon refused (HTTP {int(status[0])}): {reason}")
