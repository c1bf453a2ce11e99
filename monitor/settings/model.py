"""The settings as one frozen tree: alerting, maintenance windows, how the program itself runs, and the targets."""

import re
from collections.abc import Mapping
from datetime import datetime, time
from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from monitor.core.address import normal_url
from monitor.core.model import Fault, TargetName
from monitor.core.silence import zone_of, zone_problem
from monitor.settings.secret import SecretSource, SlackAppToken, SlackToken, UrlSource
from monitor.settings.target import BACKENDS, Target, Traceloop, target_name
from monitor.settings.values import (
    ALERTMANAGER,
    CONTROL_PLANE,
    DAEMON,
    PHOENIX,
    SLACK,
    TRACELOOP,
    Count,
    Duration,
    Frozen,
    Interval,
    Labels,
    Level,
    Mark,
    Mention,
    Name,
    Proxy,
    Section,
    Url,
    base_url,
    is_host,
    must,
    nothing,
    refusal,
    without,
    without_problem,
)

# --- alerting --------------------------------------------------------------------------------------------------------


class SelfTest(Section):
    """A regular test notice: proof that a notification would arrive."""

    every: Interval | None = None
    """How often; null: never."""
    channel: Name | None = None
    """The Slack channel it goes to; null: the usual one."""


def _slack_api(url: str) -> str:
    """The methods of Slack's API are below /api/: https://docs.slack.dev/apis/web-api."""
    host, _, path = url.partition("://")[2].lower().partition("/")
    if host == "hooks.slack.com":
        raise refusal("is an incoming webhook, not Slack's API; give it as `webhook_url`")
    return f"{url}/api/" if not path and host in {"slack.com", "slack-gov.com"} else f"{url}/"


def _slack_id(first: str, what: str) -> AfterValidator:
    return must(re.compile(rf"[{first}][A-Z0-9]{{2,30}}").fullmatch, what)


UserId = Annotated[
    Name,
    _slack_id(
        "UW", "is not a person's id; allowed: U0123 or W0123 (in the person's profile: the menu, Copy member ID)"
    ),
]
GroupId = Annotated[
    Name,
    _slack_id("S", "is not a user group's id; allowed: S0123 (People, User groups, the group's menu, Copy group ID)"),
]


class SlackButtons(Section):
    """Who may press *Acknowledge*, *Silence 1 h* and *Check now* in Slack."""

    users: tuple[UserId, ...] = ()
    """People, by id."""
    groups: tuple[GroupId, ...] = ()
    """User groups, by id: everybody in them. The bot needs the scope usergroups:read."""


class Slack(Section):
    """Slack, by a bot (threads and edits) or by an incoming webhook (posts only)."""

    bot_token: SlackToken | None = None
    """A bot's token with the scope chat:write."""
    app_token: SlackAppToken | None = None
    """An app-level token with the scope connections:write: messages have buttons; null: they have none."""
    buttons: SlackButtons = Field(default_factory=SlackButtons)
    channel: Name | None = None
    """The channel the bot posts to, best by its id."""
    webhook_url: UrlSource | None = None
    """Instead of a bot: an incoming webhook."""
    mention: Mention | None = None
    """Who is called for a critical incident: <!subteam^S0123>, <@U0123>, <!here>, <!channel>, or several of them."""
    api_url: Annotated[Url, without(SLACK), AfterValidator(_slack_api), Mark.ASKED_WITH_TOKEN] = (
        "https://slack.com/api/"
    )
    """Slack's API."""

    @property
    def pressable(self) -> bool:
        """Whether messages have buttons: there is a connection for them, and somebody who may press them."""
        return self.app_token is not None and bool(self.buttons.users or self.buttons.groups)


def _each_once(urls: tuple[str, ...]) -> tuple[str, ...]:
    """An instance that is given in two spellings is one; the first spelling stays."""
    seen: dict[str, str] = {}
    for url in urls:
        seen.setdefault(normal_url(url), url)
    return tuple(seen.values())


class Alertmanager(Section):
    """Prometheus' Alertmanager."""

    urls: Annotated[tuple[Annotated[Url, without(ALERTMANAGER), Mark.ASKED], ...], AfterValidator(_each_once)] = ()
    """Every instance of the cluster."""
    labels: Labels = Field(default_factory=nothing)
    """Further labels of every alert."""


class Webhook(Section):
    """Any receiver of JSON."""

    url: UrlSource | None = None
    """Where notices are posted."""
    secret: SecretSource | None = None
    """The key of the HMAC signature."""


class Alerting(Section):
    """What is notified, when, and to whom."""

    fail_after: Count = 2
    """After so many failures in a row a check is failing."""
    pass_after: Count = 2
    """After so many passes in a row it passes."""
    blind_after: Interval = 600.0
    """After so long without a usable answer for a check, that is notified (`blind`)."""
    reopen_within: Duration = 1800.0
    """An incident that returns within this time is the same one again; 0s: never."""
    remind_every: tuple[Interval, ...] = (14400.0, 28800.0, 86400.0)
    """When a reminder of a critical incident is due; the last repeats; empty: never."""
    escalate_after: Interval = 1800.0
    """When an incident that stays critical mentions people once more."""
    severity: Frozen[Fault, Level] = Field(default_factory=nothing)
    """Other severities than the table's, by fault: critical, warning, none."""
    self_test: SelfTest = Field(default_factory=SelfTest)
    slack: Slack = Field(default_factory=Slack)
    alertmanager: Alertmanager = Field(default_factory=Alertmanager)
    webhook: Webhook = Field(default_factory=Webhook)


# --- maintenance windows ---------------------------------------------------------------------------------------------

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS = (*WEEK, "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _moment(given: object) -> object:
    """An ISO 8601 moment; with an offset it is final, without one `tz` must say which clock it is."""
    try:
        return datetime.fromisoformat(str(given).strip())
    except ValueError:
        what = "is not a moment; allowed: 2026-12-24T18:00:00+01:00, or without offset and with `tz`"
        raise refusal(what) from None


def _days(given: object) -> object:
    """Days by name or as a range: `[sat, sun]`, `mon-fri`, `Monday`."""
    texts = given if isinstance(given, list | tuple) else [given]
    if not texts:
        raise refusal("is empty, so it never starts; leave it out for every day")
    days: list[Weekday] = []
    for text in texts:
        first, _, last = str(text).strip().lower().partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise refusal(f"is not a day of the week; allowed: {', '.join(WEEK)}, or mon-fri")
        start, stop = _DAYS.index(first) % 7, _DAYS.index(last or first) % 7
        days += [WEEK[place % 7] for place in range(start, (stop if stop >= start else stop + 7) + 1)]
    return tuple(dict.fromkeys(days))


def _clock(given: object) -> object:
    matched = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00", str(given).strip())
    if matched is None:
        raise refusal("is not a time of day; allowed: 22:00")
    return time(int(matched[1] or 0), int(matched[2] or 0))


Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Clock = Annotated[
    time, BeforeValidator(_clock), WithJsonSchema({"type": "string", "pattern": "^[0-2]?[0-9]:[0-5][0-9]$"})
]
Zone = Annotated[Name, without_problem(zone_problem)]


class Weekly(Section):
    """The same hours every week. An `end` that is not after `start` is on the next day."""

    days: Annotated[tuple[Weekday, ...], BeforeValidator(_days)] = WEEK
    """The days on which it starts; default: every day."""
    start: Clock = time()
    """When it starts, by the clock of `tz`."""
    end: Clock = time()
    """When it ends; 24:00 is midnight."""
    tz: Zone
    """The time zone of the clock, such as Europe/Berlin."""


class Silence(Section):
    """One maintenance window: either from one moment to another, or weekly."""

    target: Name = "*"
    """Which targets: a name, or a pattern such as prod-*."""
    fault: Annotated[Fault | None, BeforeValidator(lambda given: None if given == "*" else given)] = None
    """Which incidents, by the name of the fault; null or `*`: all."""
    from_: Moment | None = Field(default=None, alias="from")
    """When it starts; null: at once."""
    to: Moment | None = None
    """When it ends."""
    tz: Zone | None = None
    """The time zone of `from` and `to` where they have no offset."""
    weekly: Weekly | None = None
    """Instead of `from` and `to`: the same hours every week."""
    comment: str = ""
    """Why."""

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if (self.weekly is None) == (self.to is None) or (self.weekly and self.from_):
            raise refusal("needs an end: either `to` (and `from`), or `weekly`")
        if self.tz is None and any(moment and moment.tzinfo is None for moment in (self.from_, self.to)):
            raise refusal("has a moment without a time zone; allowed: an offset (+01:00, Z), or `tz`")
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise refusal("ends before it starts")
        return self

    @property
    def starts_at(self) -> float | None:
        """Unix seconds; None: at once, or weekly."""
        return self._instant(self.from_)

    @property
    def ends_at(self) -> float | None:
        """Unix seconds; None: weekly."""
        return self._instant(self.to)

    def _instant(self, moment: datetime | None) -> float | None:
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone_of(self.tz or "UTC"))).timestamp()


# --- how the program itself runs -------------------------------------------------------------------------------------


class Heartbeat(Section):
    """A dead man's switch elsewhere, requested only while checking and notifying both work."""

    url: UrlSource | None = None
    """The URL that is requested; null: none."""
    every: Interval = 60.0
    """How often."""


Host = Annotated[
    Name, must(is_host, "is not an address to listen on; allowed: 127.0.0.1, 0.0.0.0, ::, or a host name, without port")
]
PemFile = Annotated[Name, Mark.FILE]


class Server(Section):
    """The status page, the metrics and the API."""

    host: Host = "127.0.0.1"
    """The address it listens on; 0.0.0.0: all."""
    port: Annotated[int, Field(ge=0, le=65535)] = 9797
    """The port it listens on; 0: any free one."""
    external_url: Annotated[Url, without(DAEMON)] | None = None
    """How people reach it: the root of all links in messages; null: no links."""
    admin_token: SecretSource | None = None
    """The token that changes need; null: nothing can be changed."""
    read_token: SecretSource | None = None
    """The token that reading needs; null: none."""
    tls_cert: PemFile | None = None
    """A file with the certificate chain in PEM; null: plain HTTP."""
    tls_key: PemFile | None = None
    """A file with its key in PEM; null: it is in `tls_cert`."""


class Http(Section):
    """How remote services are reached."""

    ca_file: PemFile | None = None
    """A file with certificates to trust in addition, in PEM; null: those of the system only."""
    proxy: Proxy | None = Field(default=None, repr=False)
    """The proxy; null: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; an empty text: none. Loopback never goes through one."""
    no_proxy: Name | None = None
    """Hosts that are reached without the proxy, separated by commas or blanks."""
    deny_link_local: bool = True
    """Never connect to link-local addresses, where clouds keep their metadata."""
    allow_http: bool = False
    """Allow tokens to be sent without TLS."""


class State(Section):
    """The state, which survives restarts."""

    path: Name = "./trace-monitor.db"
    """The file."""
    keep_history: Interval = 30 * 86400.0
    """How long closed incidents and judged canaries are kept."""


class Log(Section):
    """The log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is written."""
    format: Literal["auto", "text", "json"] = "auto"
    """auto: text on a terminal, JSON otherwise."""


# --- the whole -------------------------------------------------------------------------------------------------------


class Settings(BaseSettings):
    """Everything an operator decides. Attribute names are the names of the YAML file."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False, use_attribute_docstrings=True
    )

    targets: Annotated[
        Frozen[Annotated[TargetName, AfterValidator(target_name)], Target],
        must(bool, "is empty: there is nothing to monitor; at least one target is needed"),
        Mark.DASHED,
    ]
    alerting: Alerting = Field(default_factory=Alerting)
    silences: tuple[Silence, ...] = ()
    """Maintenance windows."""
    heartbeat: Heartbeat = Field(default_factory=Heartbeat)
    server: Server = Field(default_factory=Server)
    http: Http = Field(default_factory=Http)
    state: State = Field(default_factory=State)
    log: Log = Field(default_factory=Log)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - reads os.environ; ours reads what it is handed
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is none
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - does not fill nested settings
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The layers, the strongest first, and then the `defaults` that they agree on."""
        layers = cast("InitSettingsSource", init_settings).init_kwargs["layers"]
        return (*(InitSettingsSource(settings_cls, layer) for layer in layers), _Defaults(settings_cls))

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put every default that is made from other settings in its place; `defaults` have been merged and go."""
        slack = _section(_section(given, "alerting"), "slack")
        targets = {name: _derived(target, slack) for name, target in _section(given, "targets").items()}
        return {**{name: value for name, value in given.items() if name != "defaults"}, "targets": targets}


class _Defaults(PydanticBaseSettingsSource):
    """`defaults`, for every target that the layers above know; of one that names its backend not that of another backend."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """One top-level setting."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """What the targets inherit."""
        defaults = _section(self.current_state, "defaults")
        return {
            "targets": {
                name: {key: value for key, value in defaults.items() if not _is_another_backend(key, target)}
                for name, target in _section(self.current_state, "targets").items()
            }
        }


def build(layers: list[Mapping[str, Any]]) -> Settings:
    """Merge layers, the strongest first, and validate. Raises pydantic.ValidationError."""
    arguments: dict[str, Any] = {"layers": layers}
    return Settings(**arguments)


def _section(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = given.get(name)
    return section if isinstance(section, Mapping) else {}


def _is_another_backend(key: str, target: object) -> bool:
    """Whether a section of `defaults` is a backend's, while the target itself names another one."""
    named = [name for name in BACKENDS if isinstance(target, Mapping) and target.get(name) is not None]
    return key in BACKENDS and bool(named) and key not in named


def _derived(given: Mapping[str, Any], slack: Mapping[str, Any]) -> Mapping[str, Any]:
    control_plane = _section(given, "control_plane")
    phoenix, traceloop = _section(given, "phoenix"), _section(given, "traceloop")
    has_phoenix = given.get("phoenix") is not None
    traceloop_url = traceloop.get("url", Traceloop.model_fields["url"].default)
    endpoint = f"{base_url(traceloop_url, TRACELOOP)}/v1/traces"
    if has_phoenix:  # without its URL, that is what is complained about, and nothing else
        usual = f"{base_url(phoenix.get('url', 'https://phoenix.invalid'), PHOENIX)}/v1/traces"
        endpoint = phoenix.get("endpoint") or usual
    defaults: dict[str, dict[str, Any]] = {
        "gateway": {
            "url": f"{base_url(control_plane['url'], CONTROL_PLANE)}/api/llm" if "url" in control_plane else None,
            "token": control_plane.get("token"),
        },
        **({"phoenix": {"endpoint": endpoint}} if has_phoenix else {}),
        "expected": {"endpoint": endpoint},
        "alerting": {"channel": slack.get("channel"), "mention": slack.get("mention")},
    }
    target = dict(given)
    for name, derived in defaults.items():
        # Null asks for the derived default; where there is none, it is as good as absent.
        section = {
            key: value for key, value in _section(given, name).items() if value is not None or key not in derived
        }
        target[name] = {key: value for key, value in derived.items() if value is not None} | section
    return target
