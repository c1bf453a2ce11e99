"""`trace-monitor run`: the daemon."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from monitor.cli import UsageError
from monitor.cli.common import FAILED, OK, USAGE, add_config, nobody_can_be_asked, read_configuration, say
from monitor.daemon.compose import secrets_of
from monitor.daemon.service import Service
from monitor.redaction import Redactor
from monitor.store import StoreError
from monitor.telemetry.logging import configure
from monitor.web.server import WebError

_log = logging.getLogger(__name__)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `run`."""
    parser = subparsers.add_parser("run")
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run until somebody asks to stop."""
    loaded = read_configuration(arguments)
    redactor = Redactor(secrets_of(loaded.settings))
    configure(level=loaded.settings.log.level, style=loaded.settings.log.format, redact=redactor.redact)
    try:
        service = Service(loaded, config=arguments.config, environ=os.environ, cwd=Path.cwd(), redactor=redactor)
    except OSError as error:
        raise UsageError(nobody_can_be_asked(loaded.settings.http.ca_file, error)) from None
    code = code_of(service.run())
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # now: a resolver or another thread that hangs must not keep the process


def code_of(life: Coroutine[Any, Any, None]) -> int:
    """Run it to its end; the exit code says how it ended: asked to, unable to work as configured, or crashed."""
    try:
        asyncio.run(life)
    except (StoreError, WebError) as error:
        say(str(error))
        return USAGE
    except Exception:  # noqa: BLE001 - the last line of defence: a crash must leave a traceback and exit with 1
        _log.exception("crashed")
        return FAILED
    return OK
