"""Who may do what in the sandbox: made-up credentials that open nothing but the sandbox."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from urllib.parse import parse_qsl, urlencode

TENANT = "sandbox"
MODEL = "openai-main/gpt-4o-mini"
"""The model that the default configuration asks for."""

REASONING_MODEL = "openai-main/o4-mini"
"""A model that takes `max_completion_tokens` only and spends its tokens on reasoning first."""

MODELS = (MODEL, "openai-main/gpt-4o", REASONING_MODEL)
ENVIRONMENT = "prd"
ENVIRONMENTS = ("dev", "stg", "prd")
"""Traceloop's default environments: https://www.traceloop.com/docs/settings/projects-and-environments."""

EXPORTED_ATTRIBUTE = ("deployment.environment", "sandbox")
"""The resource attribute that the exporter is set to add."""

CHANNEL = "C0SANDBOX01"
CHANNEL_NAME = "trace-monitor"
ARCHIVED_CHANNEL = "C0SANDBOX02"
FOREIGN_CHANNEL = "C0SANDBOX03"
"""A channel that the bot is no member of."""

ON_CALL_GROUP = "S0SANDBOX01"
ON_CALL = "U0SANDBOX02"
"""A person, the only one in the group."""


class BackendKind(StrEnum):
    """Which trace backend stands at the sandbox's host `traceloop`."""

    TRACELOOP = "traceloop"
    PHOENIX = "phoenix"
    OPEN_PHOENIX = "phoenix-without-authentication"

    @property
    def authenticates(self) -> bool:
        """Whether it wants a key."""
        return self is not BackendKind.OPEN_PHOENIX

    def headers(self, key: str) -> dict[str, str]:
        """What the exporter is to send to it."""
        project = {} if self is BackendKind.TRACELOOP else {"x-project-name": PROJECT}
        return {**({"Authorization": f"Bearer {key}"} if self.authenticates else {}), **project}


PROJECT = "gateway"
"""The project of Phoenix that the traces belong to."""

_SECRET_NAME = re.compile(r"token|key|secret|password|authorization", re.IGNORECASE)


def _made_up(prefix: str, purpose: str) -> str:
    return prefix + sha256(f"sandbox {purpose}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who a TrueFoundry token belongs to."""

    slug: str
    kind: str = "virtualaccount"
    may_read_settings: bool = True
    sees_all_traces: bool = False

    @property
    def id(self) -> str:
        """A stable made-up id."""
        return _made_up("", self.slug)[:24]

    def as_json(self) -> dict[str, object]:
        """The form of TrueFoundry's `createdBySubject`."""
        return {
            "subjectId": self.id,
            "subjectType": self.kind,
            "subjectSlug": self.slug,
            "subjectDisplayName": self.slug,
        }


MONITOR = Subject(slug="trace-monitor")
ADMIN = Subject(slug="ada@example.com", kind="user", sees_all_traces=True)
FAULT_AUTHOR = Subject(slug="sam@example.com", kind="user", sees_all_traces=True)
"""Who signs the changes that faults make to the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Every credential that the sandbox knows when it starts."""

    token: str = _made_up("tfy_", "virtual account")
    other_token: str = _made_up("tfy_", "another virtual account")
    admin_token: str = _made_up("tfy_", "admin")
    keys: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({slug: _made_up("tl_", f"key of {slug}") for slug in ENVIRONMENTS})
    )
    rotated_key: str = _made_up("tl_", "rotated key")
    unknown_key: str = _made_up("tl_", "key that nobody knows")
    bot_token: str = _made_up("xoxb-", "bot")
    app_token: str = _made_up("xapp-", "app")
    webhook_path: str = f"/services/T0SANDBOX/B0SANDBOX/{_made_up('', 'webhook')[:24]}"

    @classmethod
    def of(cls, backend: BackendKind) -> "Credentials":
        """With keys in the form of the backend's."""
        if backend is BackendKind.TRACELOOP:
            return cls()
        return cls(keys=MappingProxyType({slug: _made_up("phx-", f"key of {slug}") for slug in ENVIRONMENTS}))

    @property
    def key(self) -> str:
        """The key that the exporter is meant to use."""
        return self.keys[ENVIRONMENT]

    def mask(self, query: str) -> str:
        """The query of a request without any credential that stands in it."""
        secrets = [getattr(self, each.name) for each in fields(self) if each.name != "keys"] + [*self.keys.values()]
        shown = [
            (name, "***" if _SECRET_NAME.search(name) or any(secret in value for secret in secrets) else value)
            for name, value in parse_qsl(query, keep_blank_values=True)
        ]
        return urlencode(shown, safe="*")

    def subjects(self) -> Mapping[str, Subject]:
        """Whose token is whose."""
        return {
            self.token: MONITOR,
            self.other_token: Subject(slug="another-account", may_read_settings=False),
            self.admin_token: ADMIN,
        }
