"""`trace-monitor notify test`: proof that a message would arrive."""

import argparse
import asyncio

from monitor.app.assembly import secrets_of
from monitor.app.passes import network
from monitor.app.routes import Footing, routes_of
from monitor.cli.common import FAILED, OK, USAGE, add_config, read_configuration, say
from monitor.clock import SystemClock
from monitor.http import Http
from monitor.ports import Undeliverable
from monitor.redaction import Redactor
from monitor.settings import Settings

TEXT = "This is a test of the Gateway Trace Monitor: a message about the gateway's traces would arrive here."


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of this command."""
    parser = subparsers.add_parser("notify", help="a test notice through every configured channel")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    test = commands.add_parser("test", help="send a test notice")
    add_config(test)
    test.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send one test notice by every way; 1 if any of them fails."""
    loaded = read_configuration(arguments)
    if loaded is None:
        return USAGE
    try:
        return asyncio.run(_test(loaded.settings))
    except OSError as error:
        say(f"http.ca_file: {loaded.settings.http.ca_file} cannot be used: {error.strerror or error}")
        return USAGE


async def _test(settings: Settings) -> int:
    clock, redactor = SystemClock(), Redactor(secrets_of(settings))
    http = Http(clock=clock, transport=network(settings, redactor))
    routes = routes_of(settings, Footing(clock=clock, http=http, redactor=redactor))
    if not routes:
        say("no notifier is configured: set alerting.slack, alerting.alertmanager or alerting.webhook")
        return FAILED
    failed = False
    for route in routes:
        try:
            await route.notifier.test(TEXT)
        except Undeliverable as error:
            failed = True
            print(f"{route.notifier.name}: not delivered: {error}")
        else:
            print(f"{route.notifier.name}: delivered")
    return FAILED if failed else OK
