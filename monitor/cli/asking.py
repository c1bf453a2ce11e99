"""What commands share that ask the world once and end: what they log, and a certificate file that is no use."""

from monitor.app.assembly import secrets_of
from monitor.cli.common import USAGE, say
from monitor.redaction import Redactor
from monitor.settings import Loaded
from monitor.telemetry.logging import configure


def log_quietly(loaded: Loaded) -> Redactor:
    """Log warnings and what is worse to stderr, as a command that ends by itself wants it; without secrets, which it returns."""
    redactor = Redactor(secrets_of(loaded.settings))
    configure(level="warning", style=loaded.settings.log.format, redact=redactor.redact)
    return redactor


def refuse_ca_file(loaded: Loaded, error: OSError) -> int:
    """Say why `http.ca_file` cannot be used; the exit code."""
    say(f"http.ca_file: {loaded.settings.http.ca_file} cannot be used: {error.strerror or error}")
    return USAGE
