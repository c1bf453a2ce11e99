"""The gateway's configurations as TrueFoundry's control plane keeps them: who changed them, what they mean, what is refused.

Manifests are in the shapes of https://github.com/truefoundry/truefoundry-python-sdk (`types/gateway_otel_config.py` and others).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from monitor.core.model import Instant
from monitor.sandbox.credentials import ADMIN, EXPORTED_ATTRIBUTE, SABOTEUR, Credentials, Subject
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
    """One configuration and its history, as far as the control plane tells it."""

    manifest: Manifest
    created_at: Instant
    updated_at: Instant
    updated_by: Subject


class Configurations:
    """Those in force. Faults change what is kept without losing it, so mending one brings it back.

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
            Configuration(manifest=manifest, created_at=at, updated_at=at, updated_by=SABOTEUR)
            for manifest in self._faults.applied(kind)
        ]
        return [*kept, *applied] if kind == LOGGING else [*kept, *applied][-1:]

    def find(self, manifest: Manifest) -> Configuration | None:
        """What is in force in the place of a manifest."""
        found = [each for each in self.all(str(manifest["type"])) if _key(each.manifest) == _key(manifest)]
        return found[-1] if found else None

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

    def reset(self, traceloop_url: str, *, content: bool, at: Instant) -> None:
        """Forget everything but the exporter, set up as the guide wants it: https://www.truefoundry.com/docs/ai-gateway/traceloop."""
        name, value = EXPORTED_ATTRIBUTE
        exporter = {
            "type": "http",
            "endpoint": f"{traceloop_url}/v1/traces",
            "encoding": "proto",
            "headers": {"Authorization": f"Bearer {self._credentials.key}"},
            "additional_resource_attributes": {name: value},
            "exclude_request_data": not content,
        }
        self._kept.clear()
        self.apply({"type": OTEL, EXPORTER: exporter}, at=at)

    def touch(self, kinds: Collection[str]) -> None:
        """Sign configurations anew: a fault changed them, or somebody mended it."""
        for kind in kinds:
            self._touched[kind] = self._now()
            for (of, name), kept in self._kept.items():
                if of == kind == OTEL:
                    self._kept[of, name] = replace(kept, updated_at=self._now(), updated_by=SABOTEUR)

    # --- what they mean

    def is_logged(self, asked: "Asked") -> bool:
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
                wanted = bool(mode.get("log_body_by_default")) if asked.logged is None else asked.logged
        rules = [kept.manifest for kept in self.all(LOGGING)]
        return wanted and not any(rule.get("log") is False and _concerns(rule.get("when"), asked) for rule in rules)

    def destination(self, asked: "Asked") -> str:
        """Where TrueFoundry's own store keeps a trace: the first enabled destination whose every condition holds."""
        routing = self.read(ROUTING)
        found = routing.manifest.get("destinations") if routing else None
        for each in found if isinstance(found, list) else []:
            conditions = each.get("when", [])
            if each.get("enabled", True) and all(_holds(condition, asked) for condition in conditions):
                return str(each.get("name"))
        return "default"


def _key(manifest: Manifest) -> tuple[str, str]:
    kind = str(manifest["type"])
    return kind, str(manifest.get("name") or "") if kind == LOGGING else ""


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


# --- what is refused, by the types of the SDK: `types/otel_*`, `types/global_settings.py`, `types/logging_mode_*.py`,
# `types/gateway_logging_config.py`, `types/in_not_in.py`, `types/gateway_data_routing_config*.py`


def problem_of(manifest: Manifest) -> str | None:
    """Why a manifest is refused, in the words of a validation; None if it is not. What the SDK does not type is taken as it is."""
    match manifest.get("type"):
        case "gateway-otel-config":
            return _problem_of_exporters(manifest)
        case "gateway-global-settings":
            return _problem_of_mode(manifest.get("logging_settings"))
        case "gateway-logging-config":
            return _problem_of_logging(manifest)
        case "gateway-data-routing-config":
            return _problem_of_routing(manifest)
        case _:
            return None


def _problem_of_exporters(manifest: Manifest) -> str | None:
    for name in (EXPORTER, "otel_metrics_exporter_config"):
        exporter = manifest.get(name)
        if exporter is None:
            continue
        if not isinstance(exporter, dict) or exporter.get("type") not in {"http", "grpc"}:
            return f"{name}.type: one of http, grpc"
        if not isinstance(exporter.get("endpoint"), str):
            return f"{name}.endpoint: a text is required"
        if exporter["type"] == "http" and exporter.get("encoding") not in {"proto", "json"}:
            return f"{name}.encoding: one of proto, json"
    return None


def _problem_of_mode(mode: object) -> str | None:
    if mode is None:
        return None
    if not isinstance(mode, dict) or mode.get("type") not in {"always", "never", "header_controlled"}:
        return "logging_settings.type: one of always, never, header_controlled"
    if mode["type"] == "header_controlled" and not isinstance(mode.get("log_body_by_default"), bool):
        return "logging_settings.log_body_by_default: a boolean is required"
    return None


def _problem_of_logging(manifest: Manifest) -> str | None:
    if not isinstance(manifest.get("name"), str):
        return "name: a text is required"
    if not isinstance(manifest.get("log"), bool):
        return "log: a boolean is required"
    when = manifest.get("when")
    if when is None:
        return None
    if not isinstance(when, dict):
        return "when: an object is required"
    for name in ("subjects", "models"):
        rule = when.get(name)
        if rule is not None and not (isinstance(rule, dict) and _are_texts_or_none(rule.get("in"), rule.get("not_in"))):
            return f"when.{name}: an object of lists of texts, in and not_in, is required"
    tags = when.get("metadata")
    if tags is not None and not (isinstance(tags, dict) and _are_texts(list(tags.values()))):
        return "when.metadata: an object of texts is required"
    return None


def _problem_of_routing(manifest: Manifest) -> str | None:
    def has_storage(value: object) -> bool:
        return isinstance(value, dict) and isinstance(value.get("storage"), dict)

    if not has_storage(manifest.get("default")):
        return "default.storage: an object is required"
    destinations = manifest.get("destinations")
    if destinations is not None and not isinstance(destinations, list):
        return "destinations: a list is required"
    for number, each in enumerate(destinations or []):
        if not has_storage(each) or not isinstance(each.get("name"), str):
            return f"destinations.{number}: name and storage are required"
        if not isinstance(each.get("when"), list) or not all(map(_is_condition, each["when"])):
            return f"destinations.{number}.when: a list of conditions on metadata or created_by is required"
    return None


def _is_condition(value: object) -> bool:
    if not isinstance(value, dict) or value.get("operator", "IN") != "IN" or not _are_texts(value.get("value")):
        return False
    of = value.get("field", "metadata")
    return of == "created_by" or (of == "metadata" and isinstance(value.get("key"), str))


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


def _are_texts_or_none(*lists: object) -> bool:
    return all(each is None or _are_texts(each) for each in lists)
