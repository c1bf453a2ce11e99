"""The gateway's configurations as TrueFoundry's control plane keeps them, by type, with who changed them and when.

Manifests are in the shapes of https://github.com/truefoundry/truefoundry-python-sdk (`types/gateway_otel_config.py` and others).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monitor.core.model import Instant
from monitor.sandbox.broken import Broken
from monitor.sandbox.credentials import ADMIN, EXPORTED_ATTRIBUTE, SABOTEUR, Credentials, Subject
from monitor.sandbox.faults.kinds import Manifest

OTEL = "gateway-otel-config"
LOGGING = "gateway-logging-config"
GLOBAL = "gateway-global-settings"
ROUTING = "gateway-data-routing-config"
TYPES = (
    "gateway-rate-limiting-config",
    "gateway-fallback-config",
    "gateway-load-balancing-config",
    "gateway-guardrails-config",
    "gateway-budget-config",
    "tenant-budget-config",
    "team-budget-config",
    OTEL,
    GLOBAL,
    "gateway-data-access-config",
    ROUTING,
    LOGGING,
)
EXPORTER = "otel_traces_exporter_config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One configuration and its history, as far as the control plane tells it."""

    manifest: Manifest
    created_at: Instant
    updated_at: Instant
    updated_by: Subject


class Settings:
    """The configurations in force. Faults change what is kept without losing it, so mending one brings it back."""

    def __init__(self, now: Callable[[], Instant], broken: Broken, credentials: Credentials) -> None:
        self._now = now
        self._broken = broken
        self._credentials = credentials
        self._kept: dict[str, Kept] = {}

    def read(self, kind: str) -> Kept | None:
        """What is in force now, faults included; None if there is none."""
        kept = self._kept.get(kind)
        if kept is None or kind != OTEL:
            return kept
        manifest = kept.manifest
        for edit in self._broken.edits():
            manifest = edit.change(manifest, self._credentials)
        return Kept(
            manifest=manifest, created_at=kept.created_at, updated_at=kept.updated_at, updated_by=kept.updated_by
        )

    def apply(self, kind: str, manifest: Manifest, by: Subject = ADMIN, at: Instant | None = None) -> None:
        """Keep a manifest, `at` instead of now if given."""
        when = self._now() if at is None else at
        before = self._kept.get(kind)
        created = before.created_at if before else when
        self._kept[kind] = Kept(manifest=manifest, created_at=created, updated_at=when, updated_by=by)

    def delete(self, kind: str) -> None:
        """Forget a configuration."""
        self._kept.pop(kind, None)

    def touch(self) -> None:
        """Sign the exporter's configuration anew: a fault changed it, or somebody mended it."""
        kept = self._kept.get(OTEL)
        if kept is not None:
            self.apply(OTEL, kept.manifest, SABOTEUR)

    def rules(self, kind: str) -> Manifest:
        """A manifest to go by; empty if there is none."""
        kept = self._kept.get(kind)
        return kept.manifest if kept else {}


def healthy_manifest(traceloop_url: str, credentials: Credentials, *, content: bool) -> Manifest:
    """The exporter as the integration guide wants it: https://www.truefoundry.com/docs/ai-gateway/traceloop."""
    name, value = EXPORTED_ATTRIBUTE
    return {
        "type": OTEL,
        EXPORTER: {
            "type": "http",
            "endpoint": f"{traceloop_url}/v1/traces",
            "encoding": "proto",
            "headers": {"Authorization": f"Bearer {credentials.key}"},
            "additional_resource_attributes": {name: value},
            "exclude_request_data": not content,
        },
    }


def keeps_bodies(settings: Settings, *, asked: bool | None, model: str, subject: str, tags: Mapping[str, str]) -> bool:
    """Whether request and response bodies are logged; `asked` is the request's own logging header.

    `gateway-global-settings` decides first (`always`, `never`, `header_controlled`); then any matching rule of
    `gateway-logging-config` with `log: false` wins.
    """
    mode = settings.rules(GLOBAL).get("logging_settings")
    mode = mode if isinstance(mode, dict) else {"type": "header_controlled", "log_body_by_default": True}
    match mode.get("type"):
        case "always":
            wanted = True
        case "never":
            wanted = False
        case _:
            wanted = bool(mode.get("log_body_by_default")) if asked is None else asked
    rule = settings.rules(LOGGING)
    denied = rule.get("log") is False and _concerns(rule.get("when"), model=model, subject=subject, tags=tags)
    return wanted and not denied


def destination(settings: Settings, *, subject: str, tags: Mapping[str, str]) -> str:
    """Where TrueFoundry's own store keeps a trace: the first enabled destination whose every condition holds."""
    found = settings.rules(ROUTING).get("destinations")
    for each in found if isinstance(found, list) else []:
        conditions = each.get("when", [])
        if each.get("enabled", True) and all(_holds(condition, subject, tags) for condition in conditions):
            return str(each.get("name"))
    return "default"


def _holds(condition: Mapping[str, object], subject: str, tags: Mapping[str, str]) -> bool:
    actual = subject if condition.get("field") == "created_by" else tags.get(str(condition.get("key")))
    values = condition.get("value")
    return isinstance(values, list) and actual in values


def _concerns(when: object, *, model: str, subject: str, tags: Mapping[str, str]) -> bool:
    if not isinstance(when, dict):
        return True
    wanted = when.get("metadata") or {}
    return (
        _within(when.get("models"), model)
        and _within(when.get("subjects"), subject)
        and all(tags.get(key) == value for key, value in wanted.items())
    )


def _within(rule: object, actual: str) -> bool:
    if not isinstance(rule, dict):
        return True
    inside, outside = rule.get("in"), rule.get("not_in")
    return (inside in (None, ["*"]) or actual in inside) and (outside is None or actual not in outside)
