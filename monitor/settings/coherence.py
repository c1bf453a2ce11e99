"""What must hold between settings, what is legal but probably not meant, and what it all costs.

Costs are counted in the units of the vendors' free plans, in a month of 30 days: TrueFoundry counts requests
(https://www.truefoundry.com/pricing), Traceloop spans (https://www.traceloop.com/pricing).
"""

import math
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from urllib.parse import urlsplit

from monitor.core import address
from monitor.core.state import DAY
from monitor.settings.model import Settings
from monitor.settings.problem import KeyPath
from monitor.settings.schema import walk
from monitor.settings.secret import UrlSource
from monitor.settings.target import PROJECT, CanaryCheck, Expected, Phoenix, Target
from monitor.settings.values import Mark, format_duration, host_of, is_loopback, is_plain

DAYS = 30
FREE_REQUESTS = 50_000
FREE_RETENTION = 24 * 3600.0
MIB_PER_LOOK = 8  # at most so much is read in one look, however busy the environment is

# Request, model, network call: https://www.truefoundry.com/docs/ai-gateway/fetch-request-logs-trace-inspection.
_SPANS_PER_CANARY = 3
# Requests by which a trace is looked for and judged once it is known how long one takes; more while something is wrong.
READS_PER_CANARY = 3
REQUESTS_PER_WINDOW = 6  # of the volume check, none of them to a model
_SHORTEST_WINDOW = 60.0
_ASKED = [Mark.ASKED, Mark.ASKED_WITH_TOKEN]

Complaint = tuple[KeyPath, str]
"""Where, and what is wrong."""


def violations(settings: Settings, *, with_secrets: bool = True) -> Iterator[Complaint]:
    """Everything that makes the settings unusable although each value by itself is allowed.

    Not `with_secrets`: secrets that were not read may be given elsewhere.
    """
    for name, target in settings.targets.items():
        at = ("targets", name)
        canary, (losses, window) = target.checks.canary, target.checks.arrival.loss_of
        if canary.enabled and target.gateway.model is None:
            what = "is missing, and the canary asks it; give a model such as openai-main/gpt-4o-mini"
            yield (*at, "gateway", "model"), f"{what}, or `checks.canary.enabled: false`"
        if canary.enabled:
            yield from _budget(canary, (*at, "checks", "canary"))
        if target.checks.volume.enabled and target.control_plane is None and target.gateway.metrics_url is None:
            what = "needs somebody who counts requests; give `control_plane` or `gateway.metrics_url`"
            yield (*at, "checks", "volume", "enabled"), what
        if losses > window:
            what = f"asks for {losses} losses among {window} canaries; allowed: fewer"
            yield (*at, "checks", "arrival", "loss_of"), what
        if target.phoenix is not None:
            yield from _phoenix(target.phoenix, target.expected, at)
    yield from _urls(settings)
    slack = settings.alerting.slack
    if slack.bot_token and slack.webhook_url:
        yield ("alerting", "slack", "webhook_url"), "is given beside `bot_token`; one of the two is allowed"
    elif slack.bot_token and not all(target.alerting.channel for target in settings.targets.values()):
        what = "is missing: the bot must know which channel to post to; give a channel's id"
        yield ("alerting", "slack", "channel"), what
    elif with_secrets and slack.channel and not (slack.bot_token or slack.webhook_url):
        what = "is missing, so nothing reaches the channel; give `bot_token` (or `webhook_url`), or leave out `channel`"
        yield ("alerting", "slack", "bot_token"), what
    yield from _buttons(settings)
    yield from _certificates(settings)


def _phoenix(phoenix: Phoenix, expected: Expected, at: KeyPath) -> Iterator[Complaint]:
    """What the exporter is meant to send must be what Phoenix takes, and lead to the project that is read."""
    for name, value in expected.headers.items():
        known = value.get() not in (phoenix.project, value.placeholder)
        if name.lower() == PROJECT and known:
            what = "is not `phoenix.project`, which is the project that is read; set that, and leave this header out"
            yield (*at, "expected", "headers", name), what
    if expected.protocol == "http" and expected.encoding == "json" and phoenix.takes(expected.endpoint):
        what = (
            "is json, and Phoenix takes protobuf only (it answers 415); allowed: proto, or the endpoint of a Collector"
        )
        yield (*at, "expected", "encoding"), what


def _buttons(settings: Settings) -> Iterator[Complaint]:
    """Buttons hang on the bot's messages, and their presses come by a library that is not installed by default."""
    slack, at = settings.alerting.slack, ("alerting", "slack", "app_token")
    if slack.app_token is None:
        return
    if slack.bot_token is None:
        yield at, "is given without `bot_token`; buttons are a part of the bot's messages, so both are needed"
    if find_spec("aiohttp") is None:
        yield (
            at,
            "needs a library that is not installed; install the extra slack-socket of the wheel (docs/slack-buttons.md)",
        )


def _budget(canary: CanaryCheck, at: KeyPath) -> Iterator[Complaint]:
    """A cadence must fit its day's budget, whatever the fast cadence adds."""
    count = DAY / canary.every
    arithmetic = f"86400 s / {canary.every:.10g} s = {count:.10g} canaries a day"
    if count > canary.max_per_day:
        least = format_duration(math.ceil(DAY / canary.max_per_day))
        what = f"{arithmetic}, which is more than max_per_day: {canary.max_per_day}"
        yield (*at, "max_per_day"), f"{what}; allowed: max_per_day from {math.ceil(count)}, or every from {least}"
    tokens = count * (canary.max_tokens or 0)
    if tokens > canary.max_tokens_per_day:
        what = f"{arithmetic}, {count:.10g} * {canary.max_tokens} max_tokens = {tokens:.10g} tokens a day, "
        what += f"which is more than max_tokens_per_day: {canary.max_tokens_per_day}"
        allowed = f"max_tokens_per_day from {math.ceil(tokens)}, a longer `every`, or fewer max_tokens"
        yield (*at, "max_tokens_per_day"), f"{what}; allowed: {allowed}"


def _urls(settings: Settings) -> Iterator[Complaint]:
    """A token travels by TLS only, and nothing is sent to a link-local address."""
    tokenless = set(_tokenless(settings))
    for path, setting, value in walk(settings):
        is_secret = isinstance(value, UrlSource)  # whoever can read it on the way may use it
        url = value.get() if is_secret else value
        without_bot = path == ("alerting", "slack", "api_url") and not settings.alerting.slack.bot_token
        if url is None or without_bot or not (is_secret or any(mark in _ASKED for mark in setting.marks)):
            continue
        travels = Mark.ASKED not in setting.marks and path not in tokenless
        if is_plain(url) and not is_loopback(url) and not settings.http.allow_http and travels:
            allowed = "https, a loopback address, or `http.allow_http: true`"
            yield path, f"is not https, but receives a token; allowed: {allowed}"
        if settings.http.deny_link_local and address.is_link_local(host_of(url)):
            yield path, "is a link-local address, which `http.deny_link_local` forbids"


def _tokenless(settings: Settings) -> Iterator[KeyPath]:
    """The URLs of a Phoenix without authentication: nobody who listens on the way learns a key."""
    for name, target in settings.targets.items():
        if target.phoenix is not None and target.phoenix.api_key is None:
            yield from (("targets", name, "phoenix", setting) for setting in ("url", "endpoint"))
            if not target.expected.headers:
                yield "targets", name, "expected", "endpoint"


def _certificates(settings: Settings) -> Iterator[Complaint]:
    """They are tried here as they are used later, so that what is valid does not end the start."""
    ca_file, cert, key = settings.http.ca_file, settings.server.tls_cert, settings.server.tls_key
    files = {("http", "ca_file"): ca_file, ("server", "tls_cert"): cert, ("server", "tls_key"): key}
    unreadable = [
        path
        for path, file in files.items()
        if file is not None and not (os.path.isfile(file) and os.access(file, os.R_OK))  # noqa: PTH113 - never raises
    ]
    for path in unreadable:
        yield path, "names a file that cannot be read"
    if key and not cert:
        yield ("server", "tls_key"), "is given without `tls_cert`; both are needed"
    if unreadable:
        return
    try:
        if ca_file is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except OSError:
        yield ("http", "ca_file"), "holds no certificates in PEM that can be used"
    try:
        if cert is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: b"")
    except OSError:
        allowed = "a chain in PEM, and the key that belongs to it, without a passphrase"
        yield ("server", "tls_cert"), f"and its key cannot be used; allowed: {allowed}"


def doubts(settings: Settings, *, with_secrets: bool) -> Iterator[str]:
    """What is legal but worth one line. Not `with_secrets`: secrets that were not read may be given elsewhere."""
    alerting, slack = settings.alerting, settings.alerting.slack
    notified = (slack.bot_token, slack.webhook_url, alerting.webhook.url, *alerting.alertmanager.urls)
    if with_secrets and not any(notified):
        yield "no notifier is configured (alerting.slack, alerting.alertmanager, alerting.webhook): metrics only, nobody is notified"
    if with_secrets and alerting.self_test.every is not None and not any(notified):
        yield "alerting.self_test.every has no effect, because no notifier is configured"
    if with_secrets and alerting.self_test.channel is not None and not slack.bot_token:
        yield "alerting.self_test.channel has no effect: only a Slack bot can choose a channel"
    if slack.app_token is not None and not slack.pressable:
        what = "names nobody, so messages have no buttons; give `users` or `groups`, or leave out `app_token`"
        yield f"alerting.slack.buttons {what}"
    if with_secrets and slack.app_token is None and (slack.buttons.users or slack.buttons.groups):
        yield "alerting.slack.buttons has no effect without `app_token`: messages have no buttons"
    for place, silence in enumerate(settings.silences):
        if not any(fnmatchcase(name, silence.target) for name in settings.targets):
            yield f"silences[{place}].target matches no target"
    yield from _doubts_of_targets(settings)


def _doubts_of_targets(settings: Settings) -> Iterator[str]:
    slack = settings.alerting.slack
    for name, target in settings.targets.items():
        if target.expected.protocol == "grpc":
            yield f"targets.{name}: expected.protocol is grpc, but test spans are sent by HTTP, so `control` is off"
        if target.expected.protocol == "http" and not urlsplit(target.expected.endpoint).path.strip("/"):
            called = target.backend.traits.name
            what = f"has no path, and the gateway appends none: {called} accepts spans at /v1/traces"
            yield f"targets.{name}.expected.endpoint {what}"
        if slack.webhook_url and target.alerting.channel != slack.channel:
            yield f"targets.{name}: alerting.channel has no effect, because a Slack webhook posts to its own channel"
        yield from _doubts_of_volume(name, target)
        yield from _doubts_of_backend(name, target)
        # https://www.truefoundry.com/docs/ai-gateway/request-headers
        if any(len(value) > 128 for value in target.checks.canary.metadata.values()):  # noqa: PLR2004
            yield f"targets.{name}: checks.canary.metadata has a value of more than 128 characters, which TrueFoundry refuses"


def _doubts_of_volume(name: str, target: Target) -> Iterator[str]:
    """Windows that cost much and say little, and those whose first traces may be gone when they are counted."""
    volume, traits = target.checks.volume, target.backend.traits
    if not volume.enabled:
        return
    if volume.every < _SHORTEST_WINDOW:
        what = f"is under a minute: {REQUESTS_PER_WINDOW} requests for each window, which holds few requests to count"
        yield f"targets.{name}.checks.volume.every {what}"
    if traits.free_spans is not None and volume.every + volume.delay > FREE_RETENTION:
        what = f"and its delay are longer than {traits.name}'s free plan keeps traces ({FREE_RETENTION / 3600:.0f} h)"
        yield f"targets.{name}.checks.volume.every {what}: there, traces of the window are gone when they are counted"


def _doubts_of_grpc(name: str, phoenix: Phoenix, expected: Expected) -> Iterator[str]:
    """https://github.com/Arize-ai/phoenix, `server/grpc_server.py`: a port of its own, and no look at headers for the project."""
    if phoenix.takes(expected.endpoint):
        what = "is where Phoenix takes HTTP; it takes gRPC at a port of its own, 4317 unless it is set otherwise"
        yield f"targets.{name}.expected.endpoint {what}"
    if phoenix.project != Phoenix.model_fields["project"].default:
        what = "is not named by a header over gRPC, which Phoenix does not read there: the exporter must add the resource attribute"
        yield f"targets.{name}.phoenix.project {what} openinference.project.name"


def _doubts_of_backend(name: str, target: Target) -> Iterator[str]:
    """What is expected of traces and the backend does not show, so that nobody relies on it."""
    traits, expected = target.backend.traits, target.expected
    if target.phoenix is not None and expected.protocol == "grpc":
        yield from _doubts_of_grpc(name, target.phoenix, expected)
    if traits.keeps_resource:
        return
    given = {
        "service_name": "service_name" in expected.model_fields_set,
        "resource_attributes": expected.resource_attributes,
    }
    for setting in (setting for setting, is_given in given.items() if is_given):
        what = f"is compared with the exporter's configuration only: {traits.name} keeps no resource attributes"
        if setting == "service_name":
            what = f"is not checked: {traits.name} keeps no resource attributes, so the service name is not known"
        yield f"targets.{name}.expected.{setting} {what}"


# --- what it costs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyCost:
    """Per day: canaries, canaries if the whole budget is spent, control spans, windows of volume.

    Per month: requests, reads and spans.
    """

    canaries: float
    canaries_at_most: float
    control_spans: float
    spans_per_canary: int
    requests: float
    requests_at_most: float
    reads: float
    spans: float
    spans_at_most: float
    windows: float = 0


def monthly_cost(target: Target) -> MonthlyCost:
    """Count a target's canaries and control spans. Reads are those of a month in which nothing is wrong."""
    canary, control = target.checks.canary, target.checks.control
    canaries = DAY / canary.every if canary.enabled else 0
    most = canary.max_per_day if canary.enabled else 0
    control_spans = DAY / control.every if control.enabled else 0
    each = target.checks.arrival.complete_spans or _SPANS_PER_CANARY
    return MonthlyCost(
        canaries=canaries,
        canaries_at_most=most,
        control_spans=control_spans,
        spans_per_canary=each,
        requests=canaries * DAYS,
        requests_at_most=most * DAYS,
        reads=canaries * READS_PER_CANARY * DAYS,
        spans=(canaries * each + control_spans) * DAYS,
        spans_at_most=(most * each + control_spans) * DAYS,
        windows=DAY / target.checks.volume.every if target.checks.volume.enabled else 0,
    )
