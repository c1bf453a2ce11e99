"""Why TrueFoundry would refuse a configuration of the gateway, by the types of its SDK; what it does not type is taken as it is.

https://github.com/truefoundry/truefoundry-python-sdk: `types/otel_*`, `types/global_settings.py`, `types/logging_mode_*.py`,
`types/gateway_logging_config.py`, `types/in_not_in.py`, `types/gateway_data_routing_config*.py`.
"""

from collections.abc import Callable, Mapping

from monitor.sandbox.faults.kinds import GLOBAL, LOGGING, OTEL, ROUTING, Manifest

_EXPORTERS = ("otel_traces_exporter_config", "otel_metrics_exporter_config")
_MODES = frozenset({"always", "never", "header_controlled"})


def problem_of(manifest: Manifest) -> str | None:
    """Why a manifest is refused, in the words of a validation; None if it is not."""
    judge = _JUDGES.get(str(manifest.get("type")))
    return judge(manifest) if judge is not None else None


def _of_exporters(manifest: Manifest) -> str | None:
    for name in _EXPORTERS:
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


def _of_settings(manifest: Manifest) -> str | None:
    mode = manifest.get("logging_settings")
    if mode is None:
        return None
    if not isinstance(mode, dict) or mode.get("type") not in _MODES:
        return "logging_settings.type: one of always, never, header_controlled"
    if mode["type"] == "header_controlled" and not isinstance(mode.get("log_body_by_default"), bool):
        return "logging_settings.log_body_by_default: a boolean is required"
    return None


def _of_logging(manifest: Manifest) -> str | None:
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
        if when.get(name) is not None and not _is_in_not_in(when[name]):
            return f"when.{name}: an object of lists of texts, in and not_in, is required"
    tags = when.get("metadata")
    if tags is not None and not (isinstance(tags, dict) and _all_texts(list(tags.values()))):
        return "when.metadata: an object of texts is required"
    return None


def _of_routing(manifest: Manifest) -> str | None:
    if not _has_storage(manifest.get("default")):
        return "default.storage: an object is required"
    destinations = manifest.get("destinations")
    if destinations is not None and not isinstance(destinations, list):
        return "destinations: a list is required"
    for number, each in enumerate(destinations or []):
        if not _has_storage(each) or not isinstance(each.get("name"), str):
            return f"destinations.{number}: name and storage are required"
        if not isinstance(each.get("when"), list) or not all(map(_is_condition, each["when"])):
            return f"destinations.{number}.when: a list of conditions on metadata or created_by is required"
    return None


def _is_in_not_in(value: object) -> bool:
    return isinstance(value, dict) and all(
        value.get(name) is None or _all_texts(value[name]) for name in ("in", "not_in")
    )


def _all_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


def _has_storage(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("storage"), dict)


def _is_condition(value: object) -> bool:
    if not isinstance(value, dict) or value.get("operator", "IN") != "IN" or not _all_texts(value.get("value")):
        return False
    return value.get("field") == "created_by" or (
        value.get("field", "metadata") == "metadata" and isinstance(value.get("key"), str)
    )


_JUDGES: Mapping[str, Callable[[Manifest], str | None]] = {
    OTEL: _of_exporters,
    GLOBAL: _of_settings,
    LOGGING: _of_logging,
    ROUTING: _of_routing,
}
