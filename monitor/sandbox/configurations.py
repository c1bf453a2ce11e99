"""The gateway's configurations as TrueFoundry's control plane keeps them: who changed them, what they mean.

Manifests are in the shapes of https://github.com/truefoundry/truefoundry-python-sdk (`types/gateway_otel_config.py` and others).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from monitor.core.model import Instant
from monitor.sandbox.credentials import ADMIN, EXPORTED_ATTRIBUTE, FAULT_AUTHOR, Credentials, Subject
from monitor.sandbox.faults import GLOBAL, LOGGING, OTEL, ROUTING, ActiveFaults, Manifest

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
class Configuration:
    """One configuration and its history, as far as the control plane shows it."""

    manifest: Manifest
    created_at: Instant
    updated_at: Instant
    updated_by: Subject


class Configurations:
    """Those in force. Faults change what is kept without losing it, so fixing one brings it back.

    Of every type there is one, but for logging: there each name is a configuration of its own.
    """

    def __init__(self, now: Callable[[], Instant], faults: ActiveFaults, credentials: Credentials) -> None:
        self._now = now
        self._faults = faults
        self._credentials = credentials
        self._kept: dict[tuple[str, str], Configuration] = {}
        self._touched: dict[str, Instant] = {}

    def read(self, kind: str) -> Configuration | None:
        """What is in force now, faults included, the newest where there are several; None if there is none."""
        found = self.all(kind)
        return found[-1] if found else None

    def all(self, kind: str) -> list[Configuration]:
        """Everything of a type that is in force now, faults included."""
        kept = [each for (of, _), each in self._kept.items() if of == kind]
        if kind == OTEL:
            return [replace(each, manifest=self._faults.edited(each.manifest, self._credentials)) for each in kept]
        at = self._touched.get(kind, self._now())
        applied = [
            Configuration(manifest=manifest, created_at=at, updated_at=at, updated_by=FAULT_AUTHOR)
            for manifest in self._faults.applied(kind)
        ]
        return [*kept, *applied] if kind == LOGGING else [*kept, *applied][-1:]

    def apply(self, manifest: Manifest, by: Subject = ADMIN, at: Instant | None = None) -> None:
        """Keep a manifest, `at` instead of now if given."""
        when = self._now() if at is None else at
        before = self._kept.get(_key(manifest))
        created = before.created_at if before else when
        kept = Configuration(manifest=manifest, created_at=created, updated_at=when, updated_by=by)
        self._kept[_key(manifest)] = kept

    def delete(self, kind: str) -> None:
        """Forget a configuration."""
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] != kind}

    def reset(self, backend_url: str, headers: Mapping[str, str], *, content: bool, at: Instant) -> None:
        """Forget everything but the exporter, set up as the guide wants it: https://www.truefoundry.com/docs/ai-gateway/traceloop."""
        name, value = EXPORTED_ATTRIBUTE
        exporter = {
            "type": "http",
            "endpoint": f"{backend_url}/v1/traces",
            "encoding": "proto",
            "headers": dict(headers),
            "additional_resource_attributes": {name: value},
            "exclude_request_data": not content,
        }
        self._kept.clear()
        self.apply({"type": OTEL, EXPORTER: exporter}, at=at)

    def touch(self, kinds: Collection[str]) -> None:
        """Sign configurations anew: a fault changed them, or somebody fixed it."""
        for kind in kinds:
            self._touched[kind] = self._now()
            for (of, name), kept in self._kept.items():
                if of == kind == OTEL:
                    self._kept[of, name] = replace(kept, updated_at=self._now(), updated_by=FAULT_AUTHOR)

    # --- what they mean

    def is_logged(self, info: "RequestInfo") -> bool:
        """Whether a request is logged.

        `gateway-global-settings` decides first (`always`, `never`, `header_controlled`); then any matching rule of
        `gateway-logging-config` with `log: false` wins.
        """
        settings = self.read(GLOBAL)
        mode = settings.manifest.get("logging_settings") if settings else None
        mode = mode if isinstance(mode, dict) else {"type": "header_controlled", "log_body_by_default": True}
        match mode.get("type"):
            case "always":
                wanted = True
            case "never":
                wanted = False
            case _:
                wanted = bool(mode.get("log_body_by_default")) if info.logged is None else info.logged
        rules = [kept.manifest for kept in self.all(LOGGING)]
        return wanted and not any(rule.get("log") is False and _concerns(rule.get("when"), info) for rule in rules)

    def destination(self, info: "RequestInfo") -> str:
        """Where TrueFoundry's own store keeps a trace: the first enabled destination whose every condition holds."""
        routing = self.read(ROUTING)
        found = routing.manifest.get("destinations") if routing else None
        for each in found if isinstance(found, list) else []:
            conditions = each.get("when", [])
            if each.get("enabled", True) and all(_holds(condition, info) for condition in conditions):
                return str(each.get("name"))
        return "default"


def _key(manifest: Manifest) -> tuple[str, str]:
    kind = str(manifest["type"])
    return kind, str(manifest.get("name") or "") if kind == LOGGING else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInfo:
    """What a request is judged by. `logged` is its own logging header; a rule may name its account with or without the kind."""

    model: str
    subject: Subject
    tags: Mapping[str, str]
    logged: bool | None = None

    @property
    def accounts(self) -> tuple[str, ...]:
        """The names of the account."""
        return self.subject.slug, f"{self.subject.kind}:{self.subject.slug}"


def _holds(condition: Mapping[str, object], info: RequestInfo) -> bool:
    by_account = condition.get("field") == "created_by"
    names = info.accounts if by_account else (info.tags.get(str(condition.get("key"))),)
    values = condition.get("value")
    return isinstance(values, list) and any(name in values for name in names)


def _concerns(when: object, info: RequestInfo) -> bool:
    if not isinstance(when, dict):
        return True
    wanted = when.get("metadata") or {}
    return (
        _within(when.get("models"), (info.model,))
        and _within(when.get("subjects"), info.accounts)
        and all(info.tags.get(key) == value for key, value in wanted.items())
    )


def _within(rule: object, names: tuple[str, ...]) -> bool:
    if not isinstance(rule, dict):
        return True
    inside, outside = rule.get("in"), rule.get("not_in")
    within = inside in (None, ["*"]) or any(name in inside for name in names)
    return within and (outside is None or not any(name in outside for name in names))
