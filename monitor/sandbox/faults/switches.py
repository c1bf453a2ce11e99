"""What somebody switches in the gateway's other configurations: logging, global settings, data routing."""

from collections.abc import Mapping

from monitor.core.model import Fault
from monitor.sandbox.credentials import MODEL, MODELS, MONITOR
from monitor.sandbox.faults.kinds import GLOBAL, LOGGING, ROUTING, Act, Apply, Manifest, SandboxFault, Twist, fault

_STRICT = Act(twist=Twist.TRACE_WHAT_IS_LOGGED)
_ACCOUNT = f"{MONITOR.kind}:{MONITOR.slug}"


def _quiet(name: str, when: Manifest) -> Apply:
    return Apply(manifest={"type": LOGGING, "name": name, "log": False, "when": when})


def _mode(mode: Manifest) -> Apply:
    return Apply(manifest={"type": GLOBAL, "logging_settings": mode})


def _routed(name: str, condition: Manifest) -> Apply:
    bucket = {"type": "customer-managed", "storage_integration_fqn": "sandbox:s3:traces"}
    destination = {"name": name, "storage": bucket, "when": [{"operator": "IN", **condition}]}
    default = {"storage": {"type": "controlplane-managed"}}
    return Apply(manifest={"type": ROUTING, "destinations": [destination], "default": default})


_BY_ACCOUNT = _routed("eu-bucket", {"field": "created_by", "value": [_ACCOUNT]})

FAULTS: Mapping[str, SandboxFault] = {
    "trace_not_created_logging_off": fault(
        "a logging rule is off for the canary's model, and no trace is made of it",
        _quiet("no-mini-models", {"models": {"in": [MODEL]}}),
        _STRICT,
        named=Fault.TRACE_NOT_CREATED,
    ),
    "trace_not_created_logging_never": fault(
        "the global settings log nothing, and no trace is made",
        _mode({"type": "never"}),
        _STRICT,
        named=Fault.TRACE_NOT_CREATED,
    ),
    "content_missing_logging_off": fault(
        "a logging rule is off for the canary's account, and its content is not kept",
        _quiet("no-robots", {"subjects": {"in": [_ACCOUNT]}}),
        named=(Fault.CONTENT_MISSING, Fault.TRACE_NOT_CREATED),
        needs_content=True,
    ),
    "logging_off_for_others": fault(
        "a logging rule is off for a model that no canary asks",
        _quiet("no-large-models", {"models": {"in": [MODELS[1]]}}),
    ),
    "logging_on_request": fault(
        "a request is logged only if it asks for it, as the canary does",
        _mode({"type": "header_controlled", "log_body_by_default": False}),
    ),
    "routed": fault("the canary's traces are kept in another destination of the own store", _BY_ACCOUNT),
    "routed_others": fault(
        "the traces of one team are kept in another destination of the own store",
        _routed("team-bucket", {"field": "metadata", "key": "team", "value": ["ml"]}),
    ),
    "export_failing_routed": fault(
        "the exporter drops everything, and the own store keeps it in another destination",
        _BY_ACCOUNT,
        Act(twist=Twist.EXPORT_NOTHING),
        named=(Fault.EXPORT_FAILING, Fault.TRACE_MISSING),
    ),
}
