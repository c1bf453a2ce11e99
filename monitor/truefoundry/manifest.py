"""From the `gateway-otel-config` manifest to the core's configuration. Header values leave here as `Secret`s only.

https://github.com/truefoundry/truefoundry-python-sdk, types/gateway_otel_config.py and types/otel_*. Unknown fields are
tolerated; a field of another type than documented is Garbled: what cannot be read must not be judged.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.core.config_memory import ConfigSeen
from monitor.core.drift import (
    ATTRIBUTES,
    ENCODING,
    ENDPOINT,
    EXCLUDE,
    HEADERS,
    METRICS,
    TYPE,
    ExportConfig,
    Filter,
    Value,
)
from monitor.core.model import Instant
from monitor.core.secret import HIDDEN, describe_headers
from monitor.ports import Garbled
from monitor.redaction import LONGEST_FIELD, Redactor, clamp

KIND = "gateway-otel-config"
_TRACES = "otel_traces_exporter_config"
_MOST = 200  # headers, attributes or filters; nobody sets up as many, and everything read here is kept
_SENSIBLE = (datetime(2000, 1, 1, tzinfo=UTC).timestamp(), datetime(2100, 1, 1, tzinfo=UTC).timestamp())


def read_manifest(
    envelope: Mapping[str, Any], *, expected_headers: Mapping[str, str], key: bytes, redactor: Redactor
) -> ConfigSeen:
    """The configuration in an envelope whose type has been seen to be right. Raises Garbled."""
    manifest = _object(envelope.get("manifest"), "manifest")
    traces = manifest.get(_TRACES)
    config = ExportConfig(off=True)
    if traces is not None:
        exporter = _object(traces, _TRACES)
        metrics = manifest.get("otel_metrics_exporter_config")
        config = _read_exporter(exporter, metrics, expected_headers, key, redactor)
    return ConfigSeen(
        config=config,
        updated_at=read_moment(envelope.get("updatedAt")),
        updated_by=read_author(envelope.get("createdBySubject"), redactor),
    )


def absence_of_exporter(envelope: Mapping[str, Any]) -> str:
    """How a manifest shows that its traces exporter is off: by a null, or by saying nothing."""
    return "null" if _TRACES in _object(envelope.get("manifest"), "manifest") else "absent"


def _read_exporter(
    traces: Mapping[str, Any], metrics: object, expected_headers: Mapping[str, str], key: bytes, redactor: Redactor
) -> ExportConfig:
    def name(word: str) -> str:  # somebody may have put a credential into the wrong field
        return clamp(redactor.redact(word), 100)

    exclude = traces.get("exclude_request_data")
    if exclude is not None and not isinstance(exclude, bool):
        raise Garbled("the field exclude_request_data of the export configuration is neither true nor false")
    headers = _words(traces.get("headers"), "headers")
    attributes = _words(traces.get("additional_resource_attributes"), "additional_resource_attributes")
    fields: dict[str, Value] = {
        TYPE: _text(traces.get("type"), "type"),
        ENDPOINT: _text(traces.get("endpoint"), "endpoint"),
        ENCODING: _text(traces.get("encoding"), "encoding"),
        EXCLUDE: exclude,
        METRICS: None,
        **{f"{ATTRIBUTES}.{name(word)}": value for word, value in attributes.items()},
    }
    if metrics is not None:  # in a word; its headers are nobody's business here
        exporter = _object(metrics, "otel_metrics_exporter_config")
        fields[METRICS] = clamp(f"{exporter.get('type') or 'enabled'} {exporter.get('endpoint') or ''}".strip(), 300)
    secrets = describe_headers(headers, expected_headers, key=key)
    if traces.get("headers") is None:  # an empty object says that there are none; nothing at all says nothing
        secrets = {word.lower(): HIDDEN for word in expected_headers}
    fields.update({f"{HEADERS}.{name(word)}": secret for word, secret in secrets.items()})
    for path, value in fields.items():
        if isinstance(value, str):
            fields[path] = clamp(redactor.redact(value), LONGEST_FIELD)
    filters = traces.get("when")
    if filters is None:
        return ExportConfig(fields=fields)
    if not isinstance(filters, list) or len(filters) > _MOST:
        raise Garbled(f"field `when` of the export configuration is not a list of at most {_MOST}")
    return ExportConfig(fields=fields, filters=tuple(_read_filter(each, name) for each in filters))


def _read_filter(given: object, shown: Callable[[str], str]) -> Filter:
    if not isinstance(given, Mapping):
        return Filter(key="when", values=(), understood=False)
    wanted = given.get("value")
    words = wanted if isinstance(wanted, list) and all(isinstance(each, str) for each in wanted) else None
    understood = given.get("field") == "spanAttributes" and given.get("operator") == "IN" and words is not None
    values = tuple(shown(each) for each in words or ())
    return Filter(key=shown(str(given.get("key") or "when")), values=values, understood=understood)


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Garbled(f"field `{name}` of the export configuration is not an object")
    return value


def _words(value: object, name: str) -> dict[str, str]:
    if value is None:
        return {}
    words = _object(value, name)
    if len(words) > _MOST:
        raise Garbled(f"the field {name} of the export configuration has more than {_MOST} entries")
    return {str(word): _text(each, f"{name}.{clamp(str(word), 60)}") or "" for word, each in words.items()}


def _text(value: object, name: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Garbled(f"field `{name}` of the export configuration is not a text")
    return value


def read_moment(value: object) -> Instant | None:
    """A moment in ISO 8601, UTC where it names no zone; None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if _SENSIBLE[0] <= seconds < _SENSIBLE[1] else None


def read_author(subject: object, redactor: Redactor) -> str | None:
    """Who created or last updated a configuration: the operator's own colleague, so the name is shown."""
    if not isinstance(subject, Mapping):
        return None
    named = (subject.get(name) for name in ("subjectDisplayName", "subjectSlug", "subjectId"))
    found = next((name for name in named if isinstance(name, str) and name), None)
    return clamp(redactor.redact(found), 100) if found is not None else None
