"""What must hold between settings, and what is legal but probably not meant."""

import math
import os
import ssl
from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from monitor.settings.checks import CanaryCheck
from monitor.settings.duration import format_duration
from monitor.settings.model import Settings
from monitor.settings.problem import Path
from monitor.settings.target import Target
from monitor.settings.url import is_link_local, is_loopback, is_plain

DAY = 86400.0
_LONGEST_METADATA = 128  # https://www.truefoundry.com/docs/ai-gateway/request-headers

Complaint = tuple[Path, str]
"""Where, and what is wrong."""


def violations(settings: Settings) -> Iterator[Complaint]:
    """Everything that makes the settings unusable although each value by itself is allowed."""
    for name, target in settings.targets.items():
        at = ("targets", name)
        yield from _canary(target, at)
        yield from _budget(target.checks.canary, (*at, "checks", "canary"))
        losses, window = target.checks.arrival.loss_of
        if losses > window:
            yield (
                (*at, "checks", "arrival", "loss_of"),
                f"asks for {losses} losses among {window} canaries; allowed: fewer",
            )
    yield from _urls(settings)
    yield from _slack(settings)
    yield from _files(settings)


def doubts(settings: Settings) -> Iterator[str]:
    """What is legal but worth one line."""
    alerting = settings.alerting
    told = (alerting.slack.bot_token, alerting.slack.webhook_url, alerting.webhook.url, *alerting.alertmanager.urls)
    if not any(told):
        yield "no notifier is configured (alerting.slack, alerting.alertmanager, alerting.webhook): metrics only, nobody is told"
    if alerting.self_test.every is not None and not any(told):
        yield "alerting.self_test.every has no effect, because no notifier is configured"
    if alerting.self_test.channel is not None and not alerting.slack.bot_token:
        yield "alerting.self_test.channel has no effect: only a Slack bot can choose a channel"
    for place, silence in enumerate(settings.silences):
        if not any(fnmatchcase(name, silence.target) for name in settings.targets):
            yield f"silences[{place}].target matches no target"
    yield from _doubts_of_targets(settings)


def _doubts_of_targets(settings: Settings) -> Iterator[str]:
    slack = settings.alerting.slack
    for name, target in settings.targets.items():
        if target.expected.protocol == "grpc" and target.checks.control.enabled:
            yield f"targets.{name}: expected.protocol is grpc, but control spans are sent by HTTP: `control` cannot tell"
        if target.expected.protocol == "http" and not urlsplit(target.expected.endpoint).path.strip("/"):
            what = "has no path, and the gateway appends none: Traceloop takes spans at /v1/traces"
            yield f"targets.{name}.expected.endpoint {what}"
        if slack.webhook_url and target.alerting.channel != slack.channel:
            yield f"targets.{name}: alerting.channel has no effect, because a Slack webhook posts to its own channel"
        if any(len(value) > _LONGEST_METADATA for value in target.checks.canary.metadata.values()):
            yield f"targets.{name}: checks.canary.metadata has a value of more than 128 characters, which TrueFoundry refuses"


def _canary(target: Target, at: Path) -> Iterator[Complaint]:
    if target.checks.canary.enabled and target.gateway.model is None:
        what = "is missing, and the canary asks it; give a model such as openai-main/gpt-4o-mini"
        yield (*at, "gateway", "model"), f"{what}, or `checks.canary.enabled: false`"


def _budget(canary: CanaryCheck, at: Path) -> Iterator[Complaint]:
    """A cadence must fit its day's budget, whatever the fast cadence adds."""
    if not canary.enabled:
        return
    count = DAY / canary.every
    arithmetic = f"86400 s / {_number(canary.every)} s = {_number(count)} canaries a day"
    if count > canary.max_per_day:
        least = format_duration(math.ceil(DAY / canary.max_per_day))
        what = f"{arithmetic}, which is more than max_per_day: {canary.max_per_day}"
        yield (*at, "max_per_day"), f"{what}; allowed: max_per_day from {math.ceil(count)}, or every from {least}"
    if canary.max_tokens is not None and count * canary.max_tokens > canary.max_tokens_per_day:
        tokens = count * canary.max_tokens
        what = f"{arithmetic}, {_number(count)} * {canary.max_tokens} max_tokens = {_number(tokens)} tokens a day, "
        what += f"which is more than max_tokens_per_day: {canary.max_tokens_per_day}"
        allowed = f"max_tokens_per_day from {math.ceil(tokens)}, a longer `every`, or fewer max_tokens"
        yield (*at, "max_tokens_per_day"), f"{what}; allowed: {allowed}"


def _urls(settings: Settings) -> Iterator[Complaint]:
    """A token travels by TLS only, and never to a link-local address."""
    for path, url in token_urls(settings):
        if is_plain(url) and not is_loopback(url) and not settings.http.allow_http:
            yield (
                path,
                "is not https, but receives a token; allowed: https, a loopback address, or `http.allow_http: true`",
            )
    for path, url in (*token_urls(settings), *_other_urls(settings)):
        if settings.http.deny_link_local and is_link_local(url):
            yield path, "is a link-local address, which `http.deny_link_local` forbids"


def token_urls(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Every URL that a token is sent to, or that is one: whoever can read it on the way may use it."""
    for name, target in settings.targets.items():
        at = ("targets", name)
        if target.control_plane:
            yield (*at, "control_plane", "url"), target.control_plane.url
        yield (*at, "gateway", "url"), target.gateway.url
        yield (*at, "traceloop", "url"), target.traceloop.url
        yield (*at, "expected", "endpoint"), target.expected.endpoint
    slack = settings.alerting.slack
    if slack.bot_token:
        yield ("alerting", "slack", "api_url"), slack.api_url
    secret_urls = (
        (("alerting", "slack", "webhook_url"), slack.webhook_url),
        (("alerting", "webhook", "url"), settings.alerting.webhook.url),
        (("heartbeat", "url"), settings.heartbeat.url),
    )
    for path, url in secret_urls:
        if url is not None:
            yield path, url.get()


def _other_urls(settings: Settings) -> Iterator[tuple[Path, str]]:
    for name, target in settings.targets.items():
        if target.gateway.metrics_url:
            yield ("targets", name, "gateway", "metrics_url"), target.gateway.metrics_url
    for place, url in enumerate(settings.alerting.alertmanager.urls):
        yield ("alerting", "alertmanager", "urls", place), url


def _slack(settings: Settings) -> Iterator[Complaint]:
    slack = settings.alerting.slack
    if slack.bot_token and slack.webhook_url:
        yield ("alerting", "slack", "webhook_url"), "is given beside `bot_token`; one of the two is allowed"
    elif slack.bot_token and not all(target.alerting.channel for target in settings.targets.values()):
        yield (
            ("alerting", "slack", "channel"),
            "is missing: the bot must know which channel to post to; give a channel's id",
        )


def _files(settings: Settings) -> Iterator[Complaint]:
    """Certificates are needed from the first request on, so a file that cannot be read is told at once."""
    named = (
        (("http", "ca_file"), settings.http.ca_file),
        (("server", "tls_cert"), settings.server.tls_cert),
        (("server", "tls_key"), settings.server.tls_key),
    )
    unreadable = [
        path
        for path, file in named
        if file is not None and not (os.path.isfile(file) and os.access(file, os.R_OK))  # noqa: PTH113 - never raises
    ]
    for path in unreadable:
        yield path, "names a file that cannot be read"
    server = settings.server
    if server.tls_key and not server.tls_cert:
        yield ("server", "tls_key"), "is given without `tls_cert`; both are needed"
    if not unreadable:
        yield from _certificates(settings.http.ca_file, server.tls_cert, server.tls_key)


def _certificates(ca_file: str | None, cert: str | None, key: str | None) -> Iterator[Complaint]:
    """They are tried here as they are used later, so that what is valid does not end the start."""
    try:
        if ca_file is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except OSError:
        yield ("http", "ca_file"), "holds no certificates in PEM that can be used"
    try:
        if cert is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: b"")
    except OSError:
        what = (
            "and its key cannot be used; allowed: a chain in PEM, and the key that belongs to it, without a passphrase"
        )
        yield ("server", "tls_cert"), what


def _number(value: float) -> str:
    return f"{value:.10g}"
