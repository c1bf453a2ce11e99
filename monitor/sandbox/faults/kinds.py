"""What a fault of the sandbox is made of: a closed vocabulary, acted out by the services."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from types import MappingProxyType

from monitor.core.model import Fault, Seconds
from monitor.sandbox.credentials import Credentials

OTEL = "gateway-otel-config"
LOGGING = "gateway-logging-config"
GLOBAL = "gateway-global-settings"
ROUTING = "gateway-data-routing-config"

Manifest = dict[str, object]
"""A gateway configuration as TrueFoundry keeps it; changed by making another one."""


class Host(StrEnum):
    """The logical hosts of the sandbox."""

    CONTROL_PLANE = "control-plane"
    GATEWAY = "gateway"
    TRACELOOP = "traceloop"
    SLACK = "slack"
    CONTROL = "control"  # the sandbox's own: faults and dialect


class How(Enum):
    """What becomes of a request before its service, or of the answer after it."""

    REFUSE = auto()  # nobody listens
    RESET = auto()  # the connection is reset
    SILENCE = auto()  # no answer, ever
    SLOW = auto()  # the right answer, later
    DRIP = auto()  # the right answer, a byte a second
    REPLY = auto()  # another answer altogether
    TRUNCATE = auto()  # half of the right answer, and the connection closed
    GARBLE = auto()  # the right answer cut off, as if that were all of it
    RESHAPE = auto()  # JSON of another shape
    ENDLESS = auto()  # an answer without end
    BOMB = auto()  # an answer that grows a thousandfold when it is unpacked
    LOSE = auto()  # the request is served and the answer is lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer."""

    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """Trouble on the way to one host, for the paths that begin with one of `paths` (none: every path)."""

    host: Host
    how: How
    paths: tuple[str, ...] = ()
    reply: Reply = Reply(status=503)
    seconds: Seconds = 30.0

    def concerns(self, host: Host, path: str) -> bool:
        """Whether a request meets this trouble."""
        return host is self.host and (not self.paths or path.startswith(self.paths))

    @property
    def closes_port(self) -> bool:
        """Whether nobody listens at all: then the refusal happens below HTTP."""
        return self.how is How.REFUSE and not self.paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What somebody changed in the exporter's configuration; the exporter notices when its cache expires."""

    change: Callable[[Manifest, Credentials], Manifest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Another configuration of the gateway that somebody applies: in force at once, gone when mended."""

    manifest: Manifest

    @property
    def kind(self) -> str:
        """Its type."""
        return str(self.manifest["type"])


class Refusal(Enum):
    """Why the gateway does not complete a chat."""

    TOKEN = auto()
    RATE_LIMIT = auto()
    RATE_LIMIT_RETRY_AFTER = auto()
    BUDGET = auto()
    MODEL = auto()
    GUARDRAIL_INPUT = auto()
    GUARDRAIL_OUTPUT = auto()
    PARAMETER = auto()
    PROVIDER_400 = auto()
    PROVIDER_404 = auto()
    PROVIDER_500 = auto()
    PROVIDER_502 = auto()
    PROVIDER_NETWORK = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The gateway answers every completion with this."""

    refusal: Refusal


class Twist(Enum):
    """What a service does otherwise than it should."""

    ANSWER_CACHED = auto()
    ANSWER_OTHER_SHAPE = auto()
    PROVIDER_STALLS = auto()
    MAKE_NO_TRACE = auto()
    TRACE_WHAT_IS_LOGGED = auto()
    LOSE_AT_COLLECTOR = auto()
    EXPORT_NOTHING = auto()
    EXPORT_LATE = auto()
    EXPORT_TWICE = auto()
    LOSE_ROOT = auto()
    LOSE_CHILD = auto()
    LOSE_EVERY_FOURTH = auto()
    RENAME_SERVICE = auto()
    DROP_ATTRIBUTES = auto()
    KEEP_CONTENT = auto()
    DROP_CONTENT = auto()
    LEAK_CREDENTIAL = auto()
    REVOKE_KEY = auto()
    ROTATE_KEY = auto()
    SWALLOW_SPANS = auto()
    REJECT_SPANS = auto()
    IGNORE_CURSOR = auto()
    FORGET_SESSION = auto()
    FORBID_SETTINGS = auto()
    HIDE_OWN_STORE = auto()
    SLACK_INVALID_AUTH = auto()
    SLACK_CHANNEL_NOT_FOUND = auto()
    SLACK_REFUSES_BLOCKS = auto()
    SLACK_EDIT_CLOSED = auto()
    SLACK_FORGETS = auto()
    SLACK_PACED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A twist, and for how long where that matters."""

    twist: Twist
    seconds: Seconds = 0.0


Deed = Disturbance | Edit | Apply | Refuse | Act


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxFault:
    """One way to break the sandbox.

    `named`: what a monitor may call it, the most telling first; empty where it must not accuse anybody. `needs_content`:
    shows only in a sandbox that exports request and response content.
    """

    about: str
    named: tuple[Fault, ...] = ()
    does: tuple[Deed, ...] = ()
    needs_content: bool = False


def fault(about: str, *deeds: Deed, named: Fault | tuple[Fault, ...] = (), needs_content: bool = False) -> SandboxFault:
    """Describe a fault."""
    names = named if isinstance(named, tuple) else (named,)
    return SandboxFault(about=about, named=names, does=deeds, needs_content=needs_content)


HTML = "text/html; charset=utf-8"
JSON = "application/json"
CLOUDFLARE_1010 = Reply(status=403, body="error code: 1010", headers={"server": "cloudflare"})
"""What Cloudflare says to a user agent it does not like: not JSON, and no permission."""
