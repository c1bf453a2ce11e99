"""The kinds of values that the settings are made of, each with what is allowed in it: durations, URLs, mentions, names, labels."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, WrapSerializer
from pydantic_core import PydanticCustomError

from monitor.core import address
from monitor.core.model import Severity

K = TypeVar("K")
V = TypeVar("V")


class Section(BaseModel):
    """A part of the settings: frozen, without unknown keys, and never quoting what was given in an error.

    The text below a field says what it is; the JSON Schema and the complaints show it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Derived:
    """Marks a setting whose default is made from another setting; null asks for it. `rule` says how, for people.

    `with_phoenix`: the rule for a target whose backend is Phoenix, where that is another one.
    """

    rule: str
    with_phoenix: str = ""


class Mark(Enum):
    """What else has to be known of a setting."""

    DASHED = auto()  # a mapping whose keys hold `-` where a variable can only hold `_`
    FILE = auto()  # the path of a file that is read
    ASKED = auto()  # a URL that is asked
    ASKED_WITH_TOKEN = auto()  # a URL that a token is sent to
    SHARE = auto()  # a share from 0 to 1; every other float is a duration


def refusal(what: str) -> PydanticCustomError:
    """A complaint that says what is wrong and what is allowed. Its text is ours alone: nothing given is quoted."""
    return PydanticCustomError("refused", "{what}", {"what": what})


def must(holds: Callable[[V], object], what: str) -> AfterValidator:
    """Refuse a value of which something does not hold, with `what`."""

    def check(value: V) -> V:
        if not holds(value):
            raise refusal(what)
        return value

    return AfterValidator(check)


def without_problem(problem_of: Callable[[str], str | None]) -> AfterValidator:
    """Refuse a text that something is wrong with."""

    def check(text: str) -> str:
        if what := problem_of(text):
            raise refusal(what)
        return text

    return AfterValidator(check)


# --- durations -------------------------------------------------------------------------------------------------------

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|[dhms])\s*")
_LONGEST = 3650 * 86400.0
PATTERN = r"^[0-9.]+(ms|[dhms])?([0-9.]+(ms|[dhms]))*$"
"""For the JSON Schema; the parser is stricter."""


def parse_duration(given: object) -> float:
    """Seconds, from `30s`, `5m`, `1h30m`, `30d` or a number of seconds. Raises PydanticCustomError."""
    text = given.strip() if isinstance(given, str) else ""
    parts = _PART.findall(text)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        seconds = float(text)
    elif parts and not _PART.sub("", text) and len({unit for _, unit in parts}) == len(parts):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise refusal("is not a duration; allowed: 30s, 5m, 1h30m, 30d, or seconds")
    if seconds > _LONGEST:
        raise refusal("is longer than ten years; shorter is allowed")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest exact way to write it: 90.0 is `1m30s`, 0.25 is `0.25s`."""
    whole, rest = divmod(seconds, 60)
    parts = []
    for unit, size in (("d", 1440), ("h", 60), ("m", 1)):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count:.0f}{unit}")
    if rest or not parts:
        parts.append(f"{round(rest, 6):.15g}s")
    return "".join(parts)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": PATTERN}, {"type": "number", "minimum": 0}]}),
]
"""Seconds, zero allowed. Every float of the settings is a duration, but for a share."""

Interval = Annotated[
    Duration,
    must(lambda seconds: seconds > 0, "must be more than 0; allowed: 30s, 5m, 1h30m, or seconds"),
]
"""Seconds, more than zero."""

Count = Annotated[int, Field(ge=1)]


def _is_share(given: object) -> object:
    """Say what is allowed of any text that is not a number; nor are `nan` and `inf` allowed."""
    try:
        number = float(given) if isinstance(given, str) else 0.0
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise refusal("is not a number; allowed: more than 0, at most 1")
    return given


Share = Annotated[float, BeforeValidator(_is_share), Field(gt=0, le=1), Mark.SHARE]
"""More than nothing, at most all of it."""


# --- texts -----------------------------------------------------------------------------------------------------------

# What a shell, an orchestrator or a template should have replaced. In JSON for the gateway, braces may be meant as they are.
_UNEXPANDED = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)|\{\{.*\}\}|^\$[A-Za-z_]\w*$")
_UNEXPANDED_IN_JSON = re.compile(r"\$\{[A-Za-z_]\w*\}")
PLACEHOLDER_LEFT = (
    "holds a placeholder such as ${NAME} that nothing has replaced; the monitor expands none, so give the value itself"
)


def is_unexpanded(text: str, *, in_json: bool = False) -> bool:
    """Whether something should have replaced a part of it."""
    return (_UNEXPANDED_IN_JSON if in_json else _UNEXPANDED).search(text.strip()) is not None


_STRIPPED = AfterValidator(str.strip)

Name = Annotated[
    str,
    _STRIPPED,
    must(bool, "is empty; a text is needed"),
    must(str.isprintable, "holds characters that cannot be printed"),
    must(
        lambda text: len(text) == 1 or text[0] != text[-1] or text[0] not in "\"'`",
        "holds quotes as a part of its text; give it without them",
    ),
]
"""A text of one line that is not empty."""

Word = Annotated[str, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]})]
"""A text that people like to write without quotes: `team: 5`. It is read as it is written."""

WebPath = Annotated[
    str,
    must(
        lambda text: re.fullmatch(r"/[!-~]*", text) and "#" not in text,
        "is not the path of a URL; allowed: /health and the like",
    ),
]


def _severity(given: object) -> object:
    words = {severity.word: severity for severity in Severity}
    word = str(given).strip().lower()
    if word not in words:
        raise refusal("is not a severity; allowed: critical, warning, none")
    return words[word]


Level = Annotated[
    Severity,
    BeforeValidator(_severity),
    WithJsonSchema({"type": "string", "enum": [severity.word for severity in reversed(Severity)]}),
]


# --- mappings that cannot be changed once they are read --------------------------------------------------------------

Frozen = Annotated[
    Mapping[K, V],
    AfterValidator(lambda mapping: MappingProxyType(dict(mapping))),
    WrapSerializer(lambda mapping, dump: dump(dict(mapping))),
]
Words = Frozen[str, Word]
Json = Frozen[str, Any]


def nothing() -> Mapping[Any, Any]:
    """The default of a mapping."""
    return MappingProxyType({})


def _named_labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Names as Prometheus wants them (https://prometheus.io/docs/concepts/data_model/): other characters become `_`."""
    named: dict[str, str] = {}
    for given, value in labels.items():
        name = re.sub(r"[^A-Za-z0-9_]|^(?=[0-9])", "_", given)
        if not name or name.startswith("__") or name in {"target", "alertname"}:
            raise refusal("has a label whose name the monitor uses itself; any other name is allowed")
        if name in named:
            raise refusal("has two labels whose names collide: all but letters, digits and `_` count as `_`")
        named[name] = value
    return MappingProxyType(named)


Labels = Annotated[Words, AfterValidator(_named_labels)]


# --- URLs ------------------------------------------------------------------------------------------------------------

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
# The resolver makes an address of it, whatever its reader takes it for: https://url.spec.whatwg.org/#ends-in-a-number-checker.
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0[xX][0-9A-Fa-f]*)")
# None of these is in a URL (https://www.rfc-editor.org/rfc/rfc3986#section-2); each is a quote or what nothing has replaced.
_FOREIGN = re.compile(r"[\"<>\\^`{|}]|\$\(")
_NO_URL = "is not a URL; allowed: https://host[:port][/path], or http://"

# What is below the base URL of each: as guides, error messages and browsers show it, and as people paste it.
CONTROL_PLANE = re.compile(r"/api(/.*)?")
GATEWAY = re.compile(r"/(chat/completions|completions|embeddings|responses|messages|models|health)")
TRACELOOP = re.compile(r"/v1/(traces|metrics|logs)|/v2/.*")
PHOENIX = re.compile(r"/v1/.*|/(projects|settings|login|graphql|healthz|readyz)(/.*)?")
SLACK = re.compile(r"/[a-z]+(\.[A-Za-z]+)+")
ALERTMANAGER = re.compile(r"/api/v[12](/.*)?|/-/(healthy|ready|reload)|/metrics")
DAEMON = re.compile(r"/metrics|/healthz|/readyz|/api/v1(/.*)?|/runbooks(/.*)?|/-/reload")


def url_problem(url: str, *, query: bool = False, login: bool = False) -> str | None:
    """Why this is not a usable http or https URL; never quotes it. `query`, `login`: whether it may have one."""
    if not re.fullmatch(r"[!-~]+", url):
        return "is not a URL: it holds blanks or characters that are not visible ASCII"
    if _FOREIGN.search(url) and not login:  # a password is often not encoded as it should be
        return "is not a URL: it holds quotes, or a placeholder such as ${NAME} that nothing has replaced"
    try:
        parts = urlsplit(url)
        host = parts.hostname if (parts.port or 0) >= 0 else None  # a port that is not a number raises
    except ValueError:
        return _NO_URL
    if parts.scheme not in {"http", "https"} or not host:
        return _NO_URL
    if not is_host(host):
        return "is not a URL: its host is not a host name"
    if "@" in parts.netloc and not login:
        return "holds credentials; give them in the setting that is meant for them"
    if not query and "?" in url:
        return "has a query (after `?`), which is not allowed here"
    if "#" in url:
        return "has a fragment (after `#`), which is not allowed"
    return None


def address_problem(text: str) -> str | None:
    """Why this is not `host:port`, as gRPC exporters want it."""
    host, _, port = text.rpartition(":")
    good = re.fullmatch(r"[A-Za-z0-9._-]+:[0-9]{1,5}", text) and is_host(host) and int(port) <= 65535  # noqa: PLR2004
    return None if good else "is not an address; allowed for gRPC: host:port, or a URL"


def base_url(url: str, below: re.Pattern[str] | None = None) -> str:
    """A URL to which paths are appended: without what is `below` it, and without a slash at its end."""
    bare = url.strip().rstrip("/")
    head = re.match(r"[A-Za-z]+://[^/?#\s]*", bare)
    if head is None or below is None:
        return bare
    starts = (at for at in range(head.end(), len(bare)) if bare[at] == "/" and below.fullmatch(bare, at))
    return bare[: next(starts, len(bare))].rstrip("/")


def is_host(host: str) -> bool:
    """Whether this is the name or the address of a host, without brackets and port."""
    if address.parse_address(host.rstrip(".")) is not None:
        return True
    return _HOST.fullmatch(host) is not None and not _NUMBER.fullmatch(host.rstrip("."))


def host_of(url: str) -> str:
    """The host of a URL or of `host:port`, in lower case."""
    return (urlsplit(url if "://" in url else f"//{url}").hostname or "").rstrip(".")


def is_loopback(url: str) -> bool:
    """Whether a URL stays on this machine."""
    return address.is_loopback(host_of(url))


def is_plain(url: str) -> bool:
    """Whether what is sent to a URL can be read on the way."""
    return url.lower().startswith("http://")


Url = Annotated[str, _STRIPPED, without_problem(url_problem)]
"""An http or https URL as it was given."""

Proxy = Annotated[
    str,
    _STRIPPED,
    must(
        lambda url: not url or url_problem(url, login=True) is None,
        "is not the URL of a proxy; allowed: http://host:port, or an empty text for none",
    ),
]
"""The URL of a proxy, maybe with a login; an empty text: none."""

BaseUrl = Annotated[Url, AfterValidator(base_url)]


def without(below: re.Pattern[str]) -> AfterValidator:
    """Marks a base URL that is often given with what is `below` it, which is left off."""
    return AfterValidator(lambda url: base_url(url, below))


# --- mentions --------------------------------------------------------------------------------------------------------

LONGEST_MENTION = 200
"""Characters; a mention is never cut, so that much room is kept in every message."""

# Only these call somebody; the labels that Slack itself once added are left off:
# https://docs.slack.dev/messaging/formatting-message-text/#mentioning-users
_MENTION = re.compile(
    r"<(?:!subteam\^(?P<group>S[A-Z0-9]+)|@(?P<user>[UW][A-Z0-9]+)|!(?P<all>here|channel))(?:\|[^<>|]*)?>"
)
_CALLS_NOBODY = (
    "calls nobody, Slack shows it as plain text; allowed: <!subteam^S0123> (a user group), <@U0123> or <@W0123> (a person), "
    "<!here>, <!channel>, or several of them. Slack shows the id of a group under People, User groups, the group's menu, "
    "Copy group ID, and that of a person in their profile's menu, Copy member ID"
)
_ALL = {"here": "everybody who is active in the channel", "channel": "everybody in the channel"}


def _mention(given: str) -> str:
    if _MENTION.sub("", given.strip()).strip(" ,"):
        raise refusal(_CALLS_NOBODY)
    mention = " ".join(re.sub(r"\|[^>]*", "", found[0]) for found in _MENTION.finditer(given))
    if len(mention) > LONGEST_MENTION:
        raise refusal(f"is longer than the {LONGEST_MENTION} characters that fit a message; name a user group")
    return mention


Mention = Annotated[str, AfterValidator(_mention)]
"""One or more of Slack's forms; an empty text calls nobody."""


def called(mention: str | None) -> str:
    """Whom a mention calls, in words."""
    names = [
        _ALL.get(found["all"] or "")
        or (f"the user group {found['group']}" if found["group"] else f"the user {found['user']}")
        for found in _MENTION.finditer(mention or "")
    ]
    return " and ".join(names) or "nobody"
