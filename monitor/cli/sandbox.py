"""`trace-monitor sandbox`: the four remote services on loopback, for trying things out."""

import argparse
import asyncio
import errno
import json
import signal
import socket

from monitor.cli.common import OK, USAGE, say
from monitor.sandbox import (
    LOOPBACK,
    NOT_IN_PHOENIX,
    SWITCHES,
    BackendKind,
    Host,
    Sandbox,
    Traffic,
    Variant,
    parse_traffic,
    parse_variant,
    serve,
)

PORT_BASE = 9800
_HIGHEST_PORT = 65_535 - len(Host)  # each host has a port of its own, one after the other
_SLOWEST = 100.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of this command."""
    switches = "; ".join(f"{name}={'|'.join(each.values)}" for name, each in SWITCHES.items())
    parser = subparsers.add_parser("sandbox", epilog=f"dialect switches: {switches}")
    parser.add_argument("--config", metavar="PATH", help="ignored: the sandbox needs none")
    parser.add_argument(
        "--port-base", type=_port, default=PORT_BASE, metavar="N", help=f"the first port (default {PORT_BASE})"
    )
    parser.add_argument(
        "--host",
        default=LOOPBACK,
        metavar="NAME",
        help="a name or address of this machine: where to listen, and what its URLs say (default 127.0.0.1). "
        "Whoever reaches it can break it: only in a network of your own",
    )
    parser.add_argument(
        "--dialect",
        default="",
        metavar="SWITCH=WORD,…",
        help="how the services behave where that differs or is not known",
    )
    parser.add_argument(
        "--time-factor",
        type=_factor,
        default=1.0,
        metavar="F",
        help="multiplies every delay (0.1 is ten times as fast)",
    )
    parser.add_argument(
        "--traffic",
        type=_traffic,
        default=Traffic(),
        metavar="R[xS[xB]]",
        help="other traffic: requests a second, spans a request, bytes a span (20x3x8000; default none)",
    )
    add_backend(parser)
    parser.set_defaults(run=run)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Which trace backend there is."""
    parser.add_argument(
        "--backend",
        choices=[kind.value for kind in BackendKind],
        default=BackendKind.TRACELOOP.value,
        help="where traces are to arrive (default traceloop)",
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"must be a port from 1 to {_HIGHEST_PORT}")
    return int(text)


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= _SLOWEST:
        raise argparse.ArgumentTypeError(f"must be a number above 0 and up to {_SLOWEST:g}")
    return factor


def _traffic(text: str) -> Traffic:
    try:
        return parse_traffic(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Serve until somebody stops it."""
    try:
        variant = parse_variant(arguments.dialect)
    except ValueError as error:
        say(f"--dialect: {error}")
        return USAGE
    backend = BackendKind(arguments.backend)
    if backend is not BackendKind.TRACELOOP and arguments.traffic.requests_per_second:
        say(f"--traffic: {NOT_IN_PHOENIX}")
        return USAGE
    try:
        asyncio.run(_serve(arguments, variant, backend))
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            say(f"--host {arguments.host}: is no name or address of this machine ({error.strerror or error})")
            return USAGE
        say(f"--port-base {arguments.port_base}: {error.strerror or error}")
        return USAGE
    return OK


async def _serve(arguments: argparse.Namespace, variant: Variant, backend: BackendKind) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_stop() -> None:
        """The first one asks, the second one ends the process at once: in a loop that is being closed it would be a traceback."""
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_stop)
    async with serve(
        arguments.port_base,
        variant,
        arguments.time_factor,
        traffic=arguments.traffic,
        backend=backend,
        name=arguments.host,
    ) as sandbox:
        _describe(sandbox)
        await stop.wait()


def _describe(sandbox: Sandbox) -> None:
    print(json.dumps({"control": sandbox.control_url, "configuration": sandbox.configuration()}, indent=2), flush=True)
    say(
        f"sandbox: GET {sandbox.control_url}/state shows it, POST {sandbox.control_url}/faults/NAME breaks it; Ctrl-C stops"
    )
