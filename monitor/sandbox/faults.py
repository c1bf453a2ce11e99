"""What a fault of the sandbox is made of, and which faults are set. The faults themselves are in `fault_table`.

A fault is a name with patches over a few hooks: the transport before a service, the exporter's configuration, the gateway's other
configurations, why the gateway refuses a chat, and what a service does otherwise than it should.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, TypeVar

from monitor.core.model import Fault, Seconds
from monitor.sandbox.completions import Refusal
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
    CONTROL = "control"  # the sandbox's own: faults and variant


How = Literal[
    "refuse",  # nobody listens
    "reset",  # the connection is reset
    "silence",  # no answer, ever
    "slow",  # the right answer, later
    "drip",  # the right answer, a byte a second
    "reply",  # another answer altogether
    "truncate",  # half of the right answer, and the connection closed
    "garble",  # the right answer cut off, as if that were all of it
    "reshape",  # JSON of another shape
    "endless",  # an answer without end
    "bomb",  # an answer that grows a thousandfold when it is unpacked
    "lose",  # the request is served and the answer is lost
]

Behaviour = Literal[
    "revoke_token", "answer_cached", "answer_other_shape", "provider_stalls", "make_no_trace", "trace_what_is_logged",
    "lose_at_collector", "export_nothing", "export_late", "export_twice", "lose_root", "lose_child",
    "lose_every_fourth", "rename_service", "drop_attributes", "keep_content", "drop_content", "leak_credential",
    "revoke_key", "rotate_key", "swallow_spans", "reject_spans", "ignore_cursor", "forget_session", "forbid_settings",
    "hide_own_store", "sample_others", "slack_invalid_auth", "slack_channel_not_found", "slack_refuses_blocks", "slack_edit_closed",
    "slack_forgets", "slack_paced",
]  # fmt: skip
"""What a service does otherwise than it should."""

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer."""

    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


CLOUDFLARE_1010 = Reply(status=403, body="error code: 1010", headers={"server": "cloudflare"})
"""What Cloudflare says to a user agent it does not like: not JSON, and no permission."""


@dataclass(frozen=True, slots=True)
class TransportFault:
    """A transport fault before one host, for the paths that begin with `path` (or one of them); without one, for the whole host."""

    host: Host
    how: How
    reply: Reply = Reply(status=503)
    path: str | tuple[str, ...] = ""
    seconds: Seconds = 30.0


@dataclass(frozen=True, slots=True)
class Edit:
    """What somebody changed in the exporter's configuration; the exporter notices when its cache expires."""

    change: Callable[[Manifest, Credentials], Manifest]


@dataclass(frozen=True, slots=True)
class Apply:
    """Another configuration of the gateway that somebody applies: in force at once, gone when fixed."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Refuse:
    """What the gateway answers every chat with, instead of completing it."""

    answer: Refusal


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """A behaviour, and for how long where that matters."""

    behaviour: Behaviour
    seconds: Seconds = 0.0


Patch = TransportFault | Edit | Apply | Refuse | Misbehaviour


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxFault:
    """One way to break the sandbox.

    `named`: what a monitor may call it, the most specific first; empty where it must not accuse anybody. `needs_content`: shows only
    in a sandbox that exports request and response content.
    """

    about: str
    named: tuple[Fault, ...]
    patches: tuple[Patch, ...]
    needs_content: bool = False

    @property
    def configurations(self) -> frozenset[str]:
        """The types of the configurations that somebody changes when the fault is set, or fixed."""
        applied = {str(patch.manifest["type"]) for patch in self.patches if isinstance(patch, Apply)}
        return frozenset(applied | {OTEL for patch in self.patches if isinstance(patch, Edit)})


P = TypeVar("P", bound=Patch)


class ActiveFaults:
    """The faults that are set, and what they ask of each service; where only one can have a say, the newest has it."""

    def __init__(self) -> None:
        self._patches: dict[str, tuple[Patch, ...]] = {}  # by fault, in the order in which they were set

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the set faults."""
        return tuple(self._patches)

    def set(self, name: str, patches: tuple[Patch, ...], seconds: Seconds | None = None) -> None:
        """Set a fault, its delays replaced by `seconds` if given."""
        self._patches.pop(name, None)
        self._patches[name] = tuple(
            replace(patch, seconds=seconds)
            if seconds is not None and isinstance(patch, TransportFault | Misbehaviour)
            else patch
            for patch in patches
        )

    def clear(self, name: str) -> bool:
        """Fix; whether there was anything to fix."""
        return self._patches.pop(name, None) is not None

    def transport_fault(self, host: Host, path: str) -> TransportFault | None:
        """The transport fault that a request to this host and path meets."""
        found = (each for each in self._newest(TransportFault) if each.host is host and path.startswith(each.path))
        return next(found, None)

    def closes_port(self, host: Host) -> bool:
        """Whether nobody is to listen for this host at all: then the refusal happens below HTTP."""
        return any(
            each.host is host and each.how == "refuse" and not each.path for each in self._newest(TransportFault)
        )

    def edited(self, manifest: Manifest, credentials: Credentials) -> Manifest:
        """The exporter's configuration after every change made to it, the oldest first."""
        for edit in reversed(list(self._newest(Edit))):
            manifest = edit.change(manifest, credentials)
        return manifest

    def applied(self, kind: str) -> list[Manifest]:
        """The configurations of a type that somebody has applied, the oldest first."""
        return [each.manifest for each in reversed(list(self._newest(Apply))) if each.manifest["type"] == kind]

    def refusal(self) -> Refusal | None:
        """What every chat is answered with, if none is completed."""
        return next((each.answer for each in self._newest(Refuse)), None)

    def does(self, behaviour: Behaviour) -> bool:
        """Whether a service is to act this way."""
        return any(each.behaviour == behaviour for each in self._newest(Misbehaviour))

    def seconds(self, behaviour: Behaviour) -> Seconds:
        """For how long; 0 if it is not to act this way."""
        return next((each.seconds for each in self._newest(Misbehaviour) if each.behaviour == behaviour), 0.0)

    def _newest(self, kind: type[P]) -> Iterator[P]:
        for patches in reversed(self._patches.values()):
            yield from (patch for patch in patches if isinstance(patch, kind))
