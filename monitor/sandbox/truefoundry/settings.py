"""The gateway's configurations as TrueFoundry's control plane keeps them, by type, with who changed them and when.

Manifests are in the shapes of https://github.com/truefoundry/truefoundry-python-sdk (`types/gateway_otel_config.py` and others).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from monitor.core.model import Instant
from monitor.sandbox.broken import Broken
from monitor.sandbox.credentials import ADMIN, EXPORTED_ATTRIBUTE, SABOTEUR, Credentials, Subject
from monitor.sandbox.faults.kinds import GLOBAL, LOGGING, OTEL, ROUTING, Manifest

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
    """The configurations in force. Faults change what is kept without losing it, so mending one brings it back.

    Of every type there is one, but for logging: there each name is a configuration of its own.
    """

    def __init__(self, now: Callable[[], Instant], broken: Broken, credentials: Credentials) -> None:
        self._now = now
        self._broken = broken
        self._credentials = credentials
        self._kept: dict[tuple[str, str], Kept] = {}
        self._touched: dict[str, Instant] = {}

    def read(self, kind: str) -> Kept | None:
        """What is in force now, faults included, the newest where there are several; None if there is none."""
        found = self.all(kind)
        return found[-1] if found else None

    def all(self, kind: str) -> tuple[Kept, ...]:
        """Everything of a type that is in force now, faults included."""
        kept = [each for (of, _), each in self._kept.items() if of == kind]
        if kind == OTEL:
            return tuple(replace(each, manifest=self._edited(each.manifest)) for each in kept)
        applied = [self._applied(kind, manifest) for manifest in self._broken.applied(kind)]
        return tuple([*kept, *applied] if kind == LOGGING else [*kept, *applied][-1:])

    def _edited(self, manifest: Manifest) -> Manifest:
        for edit in self._broken.edits():
            manifest = edit.change(manifest, self._credentials)
        return manifest

    def _applied(self, kind: str, manifest: Manifest) -> Kept:
        at = self._touched.get(kind, self._now())
        return Kept(manifest=manifest, created_at=at, updated_at=at, updated_by=SABOTEUR)

    def find(self, manifest: Manifest) -> Kept | None:
        """What is in force in the place of a manifest."""
        kind = str(manifest["type"])
        name = _key(kind, manifest)
        found = [kept for kept in self.all(kind) if _key(kind, kept.manifest) == name]
        return found[-1] if found else None

    def apply(self, kind: str, manifest: Manifest, by: Subject = ADMIN, at: Instant | None = None) -> None:
        """Keep a manifest, `at` instead of now if given."""
        when = self._now() if at is None else at
        key = _key(kind, manifest)
        before = self._kept.get(key)
        created = before.created_at if before else when
        self._kept[key] = Kept(manifest=manifest, created_at=created, updated_at=when, updated_by=by)

    def delete(self, kind: str) -> None:
        """Forget a configuration."""
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] != kind}

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def touch(self, kinds: Collection[str]) -> None:
        """Sign configurations anew: a fault changed them, or somebody mended it."""
        for kind in kinds:
            self._touched[kind] = self._now()
            for (of, name), kept in self._kept.items():
                if of == kind == OTEL:
                    self._kept[of, name] = replace(kept, updated_at=self._now(), updated_by=SABOTEUR)

    def rules(self, kind: str) -> Manifest:
        """A manifest to go by; empty if there is none."""
        kept = self.read(kind)
        return kept.manifest if kept else {}


def _key(kind: str, manifest: Manifest) -> tuple[str, str]:
    return kind, str(manifest.get("name") or "") if kind == LOGGING else ""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request is judged by. `logged` is its own logging header; a rule may name its account with or without the kind."""

    model: str
    subject: Subject
    tags: Mapping[str, str]
    logged: bool | None = None

    @property
    def accounts(self) -> tuple[str, ...]:
        """The names of the account."""
        return self.subject.slug, f"{self.subject.kind}:{self.subject.slug}"


def is_logged(settings: Settings, asked: Asked) -> bool:
    """Whether a request is logged.

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
            wanted = bool(mode.get("log_body_by_default")) if asked.logged is None else asked.logged
    rules = [kept.manifest for kept in settings.all(LOGGING)]
    return wanted and not any(rule.get("log") is False and _concerns(rule.get("when"), asked) for rule in rules)


def destination(settings: Settings, asked: Asked) -> str:
    """Where TrueFoundry's own store keeps a trace: the first enabled destination whose every condition holds."""
    found = settings.rules(ROUTING).get("destinations")
    for each in found if isinstance(found, list) else []:
        conditions = each.get("when", [])
        if each.get("enabled", True) and all(_holds(condition, asked) for condition in conditions):
            return str(each.get("name"))
    return "default"


def _holds(condition: Mapping[str, object], asked: Asked) -> bool:
    by_account = condition.get("field") == "created_by"
    names = asked.accounts if by_account else (asked.tags.get(str(condition.get("key"))),)
    values = condition.get("value")
    return isinstance(values, list) and any(name in values for name in names)


def _concerns(when: object, asked: Asked) -> bool:
    if not isinstance(when, dict):
        return True
    wanted = when.get("metadata") or {}
    return (
        _within(when.get("models"), (asked.model,))
        and _within(when.get("subjects"), asked.accounts)
        and all(asked.tags.get(key) == value for key, value in wanted.items())
    )


def _within(rule: object, names: tuple[str, ...]) -> bool:
    if not isinstance(rule, dict):
        return True
    inside, outside = rule.get("in"), rule.get("not_in")
    within = inside in (None, ["*"]) or any(name in inside for name in names)
    return within and (outside is None or not any(name in outside for name in names))
