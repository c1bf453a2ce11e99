"""Faults of the export: what somebody changed in its configuration, and what the exporter does wrong."""

from collections.abc import Callable, Mapping

from monitor.core.model import Fault
from monitor.sandbox.credentials import MODEL, Credentials
from monitor.sandbox.faults.kinds import (
    JSON,
    Act,
    Disturbance,
    Edit,
    Host,
    How,
    Manifest,
    Reply,
    SandboxFault,
    Twist,
    fault,
)

_TRACES = "otel_traces_exporter_config"
_DRIFT = Fault.CONFIG_DRIFT
_NO_STORE = Disturbance(
    host=Host.CONTROL_PLANE,
    how=How.REPLY,
    paths=("/api/svc/v1/spans/query",),
    reply=Reply(status=500, body='{"message":"Internal server error"}', content_type=JSON),
)

Field = Callable[[object, Credentials], object]


def _exporter(change: Callable[[Manifest, Credentials], Manifest | None]) -> Edit:
    """Change the traces exporter; None takes it away. An exporter that is off stays off."""

    def edit(manifest: Manifest, credentials: Credentials) -> Manifest:
        now = manifest.get(_TRACES)
        if not isinstance(now, dict):
            return manifest
        changed = change(now, credentials)
        rest = {name: value for name, value in manifest.items() if name != _TRACES}
        return rest if changed is None else {**rest, _TRACES: changed}

    return Edit(change=edit)


def _set(name: str, new: Field) -> Edit:
    return _exporter(lambda exporter, credentials: {**exporter, name: new(exporter.get(name), credentials)})


def _drop(name: str) -> Edit:
    return _exporter(lambda exporter, _: {key: value for key, value in exporter.items() if key != name})


def _authorization(new: Callable[[Credentials], str]) -> Edit:
    return _set("headers", lambda headers, credentials: {**_mapping(headers), "Authorization": new(credentials)})


def _when(key: str, *values: str) -> Edit:
    rule = {"field": "spanAttributes", "key": key, "operator": "IN", "value": list(values)}
    return _set("when", lambda rules, _: [*(rules if isinstance(rules, list) else []), rule])


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _metrics_too(manifest: Manifest, credentials: Credentials) -> Manifest:
    exporter = {
        "type": "http",
        "endpoint": str(_mapping(manifest.get(_TRACES)).get("endpoint", "")).replace("/v1/traces", "/v1/metrics"),
        "encoding": "proto",
        "headers": {"Authorization": f"Bearer {credentials.key}"},
    }
    return {**manifest, "otel_metrics_exporter_config": exporter}


def _drift(about: str, edit: Edit) -> SandboxFault:
    return fault(about, edit, named=_DRIFT)


def _act(about: str, twist: Twist, named: Fault | tuple[Fault, ...] = (), seconds: float = 0.0) -> SandboxFault:
    return fault(about, Act(twist=twist, seconds=seconds), named=named)


FAULTS: Mapping[str, SandboxFault] = {
    "exporter_disabled": fault(
        "somebody switches the traces exporter off", _exporter(lambda *_: None), named=Fault.EXPORTER_DISABLED
    ),
    "config_drift": _drift(
        "the endpoint lacks /v1/traces: 404, and every trace is dropped",
        _set("endpoint", lambda endpoint, _: str(endpoint).removesuffix("/v1/traces")),
    ),
    "config_drift_blank": _drift("the endpoint ends in a blank", _set("endpoint", lambda endpoint, _: f"{endpoint} ")),
    "config_drift_encoding": _drift("the encoding is json", _set("encoding", lambda *_: "json")),
    "config_drift_protocol": _drift("the exporter speaks gRPC", _set("type", lambda *_: "grpc")),
    "config_drift_key": _drift(
        "the exporter carries a key that Traceloop does not know",
        _authorization(lambda credentials: f"Bearer {credentials.unknown_key}"),
    ),
    "config_drift_bearer": _drift("`Bearer ` is missing", _authorization(lambda credentials: credentials.key)),
    "config_drift_quotes": _drift(
        "the Authorization value is wrapped in quotes",
        _authorization(lambda credentials: f'"Bearer {credentials.key}"'),
    ),
    "config_drift_placeholder": _drift(
        "the key is an unexpanded placeholder", _authorization(lambda _: "Bearer ${TRACELOOP_API_KEY}")
    ),
    "config_drift_no_authorization": _drift("the Authorization header is gone", _set("headers", lambda *_: {})),
    "config_drift_header": _drift(
        "a header that nobody expects",
        _set("headers", lambda headers, _: {**_mapping(headers), "X-Api-Key": "copied-from-another-page"}),
    ),
    "config_drift_filter": _drift(
        "a `when` filter lets no trace of ours through", _when("tfy.request.model_name", "anthropic-main/claude-sonnet")
    ),
    "config_drift_filter_splits": _drift(
        "a `when` filter lets only the Model span through", _when("tfy.span_type", "Model")
    ),
    "config_drift_filter_model": _drift(
        "a `when` filter lets only the canary's model through", _when("tfy.request.model_name", MODEL)
    ),
    "config_drift_metrics": _drift("the metrics exporter points at Traceloop", Edit(change=_metrics_too)),
    "config_drift_content": fault(
        "exclude_request_data is switched to the opposite",
        _set("exclude_request_data", lambda now, _: now is not True),
        named=(_DRIFT, Fault.CONTENT_LEAKED, Fault.CONTENT_MISSING),
    ),
    "config_drift_attributes": fault(
        "the additional resource attributes are gone",
        _drop("additional_resource_attributes"),
        named=(_DRIFT, Fault.TRACE_MISLABELLED),
    ),
    "config_drift_rotation": fault(
        "the key was rotated at Traceloop and in the gateway, and the monitor was forgotten",
        Act(twist=Twist.ROTATE_KEY),
        _authorization(lambda credentials: f"Bearer {credentials.rotated_key}"),
        named=_DRIFT,
    ),
    "wrong_environment": fault(
        "the exporter carries the key of the staging environment",
        _authorization(lambda credentials: f"Bearer {credentials.keys['stg']}"),
        named=(Fault.WRONG_ENVIRONMENT, _DRIFT),
    ),
    "content_leaked": _act(
        "excluded content is exported all the same, under other names", Twist.KEEP_CONTENT, Fault.CONTENT_LEAKED
    ),
    "content_leaked_credential": _act(
        "the caller's Authorization is among the resource attributes", Twist.LEAK_CREDENTIAL, Fault.CONTENT_LEAKED
    ),
    "content_missing": fault(
        "content is missing although it is not excluded",
        Act(twist=Twist.DROP_CONTENT),
        named=Fault.CONTENT_MISSING,
        needs_content=True,
    ),
    "export_failing": _act(
        "the exporter drops everything and says nothing", Twist.EXPORT_NOTHING, Fault.EXPORT_FAILING
    ),
    "trace_missing": fault(
        "the exporter drops everything, and TrueFoundry's own store cannot be asked",
        Act(twist=Twist.EXPORT_NOTHING),
        _NO_STORE,
        named=(Fault.TRACE_MISSING, Fault.EXPORT_FAILING),
    ),
    "trace_missing_some": _act(
        "one trace of four is lost", Twist.LOSE_EVERY_FOURTH, (Fault.TRACE_MISSING, Fault.EXPORT_FAILING)
    ),
    "trace_incomplete": _act("the root span is never exported", Twist.LOSE_ROOT, Fault.TRACE_INCOMPLETE),
    "trace_incomplete_child": _act(
        "the Model span is never exported, and the span below it dangles", Twist.LOSE_CHILD, Fault.TRACE_INCOMPLETE
    ),
    "trace_late": _act("traces are exported four minutes late", Twist.EXPORT_LATE, Fault.TRACE_LATE, seconds=240.0),
    "trace_mislabelled": _act(
        "the service calls itself unknown_service", Twist.RENAME_SERVICE, Fault.TRACE_MISLABELLED
    ),
    "trace_mislabelled_attributes": _act(
        "the exporter leaves out the resource attributes it is set to add",
        Twist.DROP_ATTRIBUTES,
        Fault.TRACE_MISLABELLED,
    ),
    "trace_duplicated": _act("every span is exported twice, which is nobody's fault", Twist.EXPORT_TWICE),
}
