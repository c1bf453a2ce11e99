"""Every way to break the sandbox, by name: one row each.

A name begins with the fault that a monitor should report, where there is one; `also` is what else it may be called. Faults can be
combined; each is set and cleared on its own.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from monitor.core.model import Fault
from monitor.sandbox.completions import guardrail, limited, of_provider, unknown_model
from monitor.sandbox.credentials import MODEL, MODELS, MONITOR, Credentials
from monitor.sandbox.faults import (
    CLOUDFLARE_1010,
    GLOBAL,
    JSON,
    LOGGING,
    ROUTING,
    Apply,
    Edit,
    Host,
    Manifest,
    Misbehaviour,
    Patch,
    Refuse,
    Reply,
    SandboxFault,
    TransportFault,
)

_TRACES = "otel_traces_exporter_config"
_ACCOUNT = f"{MONITOR.kind}:{MONITOR.slug}"


def _row(
    name: str, about: str, *patches: Patch, also: tuple[Fault, ...] = (), content: bool = False
) -> tuple[str, SandboxFault]:
    begins = [fault for fault in Fault if name == fault or name.startswith(f"{fault}_")]
    named = (*sorted(begins, key=len)[-1:], *also)
    return name, SandboxFault(about=about, named=named, patches=patches, needs_content=content)


_gateway = partial(TransportFault, Host.GATEWAY)
_ingest = partial(TransportFault, Host.TRACELOOP, path="/v1/traces")
_read = partial(TransportFault, Host.TRACELOOP, path=("/v2/", "/v1/projects/"))  # Traceloop's, and Phoenix's
_plane = partial(TransportFault, Host.CONTROL_PLANE, path="/api/svc/")
_slack = partial(TransportFault, Host.SLACK)


def _json(status: int, body: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, body=body, content_type=JSON, headers=named)


def _page(status: int, body: str) -> Reply:
    return Reply(status=status, body=body, content_type="text/html; charset=utf-8")


_store = partial(
    TransportFault,
    Host.CONTROL_PLANE,
    path="/api/svc/v1/spans/query",
    reply=_json(500, '{"message":"Internal server error"}'),
)


# --- what somebody changes in the gateway's configurations


def _exporter(change: Callable[[Manifest, Credentials], Manifest | None]) -> Edit:
    """Change the traces exporter; None takes it away. An exporter that is off stays off."""

    def edit(manifest: Manifest, credentials: Credentials) -> Manifest:
        now = manifest.get(_TRACES)
        if not isinstance(now, dict):
            return manifest
        changed = change(now, credentials)
        rest = {name: value for name, value in manifest.items() if name != _TRACES}
        return rest if changed is None else {**rest, _TRACES: changed}

    return Edit(edit)


def _set(name: str, new: Callable[[object, Credentials], object]) -> Edit:
    return _exporter(lambda exporter, credentials: {**exporter, name: new(exporter.get(name), credentials)})


def _header(name: str, value: str) -> Edit:
    """`value` may hold credentials: `Bearer {0.key}`."""
    return _set("headers", lambda now, known: {**(now if isinstance(now, dict) else {}), name: value.format(known)})


def _authorization(value: str) -> Edit:
    return _header("Authorization", value)


def _when(key: str, value: str) -> Edit:
    rule = {"field": "spanAttributes", "key": key, "operator": "IN", "value": [value]}
    return _set("when", lambda rules, _: [*(rules if isinstance(rules, list) else []), rule])


def _without_attributes(exporter: Manifest, _: Credentials) -> Manifest:
    return {name: value for name, value in exporter.items() if name != "additional_resource_attributes"}


def _metrics_too(manifest: Manifest, credentials: Credentials) -> Manifest:
    traces = manifest.get(_TRACES)
    endpoint = str(traces.get("endpoint", "")) if isinstance(traces, dict) else ""
    exporter = {
        "type": "http",
        "endpoint": endpoint.replace("/v1/traces", "/v1/metrics"),
        "encoding": "proto",
        "headers": {"Authorization": f"Bearer {credentials.key}"},
    }
    return {**manifest, "otel_metrics_exporter_config": exporter}


def _not_logged(name: str, when: Manifest) -> Apply:
    return Apply({"type": LOGGING, "name": name, "log": False, "when": when})


def _logging_mode(mode: Manifest) -> Apply:
    return Apply({"type": GLOBAL, "logging_settings": mode})


def _routed(name: str, condition: Manifest) -> Apply:
    bucket = {"type": "customer-managed", "storage_integration_fqn": "sandbox:s3:traces"}
    destination = {"name": name, "storage": bucket, "when": [{"operator": "IN", **condition}]}
    default = {"storage": {"type": "controlplane-managed"}}
    return Apply({"type": ROUTING, "destinations": [destination], "default": default})


_ROUTED_BY_ACCOUNT = _routed("eu-bucket", {"field": "created_by", "value": [_ACCOUNT]})
_BLIND = (Fault.BLIND,)

_RATE = ("ratelimit", "Rate limit exceeded: 30 requests per minute")
_PARAMETER = (
    "openai error: 400 Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
    "instead."
)
_NO_FORM = (
    "aws-bedrock error: The model returned the following errors: You have not filled out the required use-case form for this "
    "model."
)
_NO_ENDPOINT = (
    "openrouter error: No endpoints available matching your guardrail restrictions and data policy. Configure: "
    "https://openrouter.ai/settings/privacy"
)
_UPSTREAM_FAILED = (
    'openrouter error: Provider returned error | metadata: {"raw":{"error":{"code":500,"message":"Internal error '
    'encountered.","status":"INTERNAL"}},"provider_name":"Google AI Studio","is_byok":false}'
)
_NO_NETWORK = "anthropic error: Message: fetch failed Cause: AggregateError Name: TypeError"

# A table reads better in rows than as the formatter would have it.
# fmt: off
_GATEWAY = (
    _row("gateway_unreachable", "connections to the gateway are refused", _gateway("refuse")),
    _row("gateway_unreachable_black_hole", "the gateway accepts connections and never answers", _gateway("silence")),
    _row("gateway_unreachable_reset", "the gateway resets every connection", _gateway("reset")),
    _row("gateway_unreachable_ingress", "the ingress answers 503 `no healthy upstream`",
         _gateway("reply", Reply(status=503, body="no healthy upstream"))),
    _row("gateway_unreachable_page", "a proxy in front of the gateway answers 502 with a page",
         _gateway("reply", _page(502, "<html><head><title>502 Bad Gateway</title></head></html>"))),
    _row("gateway_unreachable_redirect", "everything is redirected to a login page",
         _gateway("reply", Reply(status=302, headers={"location": "https://login.example.com/?next=/"}))),
    _row("gateway_unreachable_slow", "the gateway needs half a minute for anything", _gateway("slow")),
    _row("gateway_refused", "the gateway no longer accepts the token: 401", Misbehaviour("revoke_token")),
    _row("rate_limited", "429 without Retry-After", Refuse(limited(*_RATE))),
    _row("rate_limited_retry_after", "429 with Retry-After: 120", Refuse(limited(*_RATE, **{"retry-after": "120"}))),
    _row("rate_limited_budget", "the account's budget is spent: 429", Refuse(limited("budget", "Budget exceeded: 5 USD per day"))),
    _row("canary_rejected", "the model is unknown or not granted: 403", Refuse(unknown_model)),
    _row("canary_rejected_guardrail_input", "a guardrail blocks the prompt: 400", Refuse(guardrail("input"))),
    _row("canary_rejected_guardrail_output", "a guardrail blocks the completion: 400", Refuse(guardrail("output"))),
    _row("canary_rejected_parameter", "the provider rejects a parameter: 400", Refuse(of_provider(400, _PARAMETER))),
    _row("canary_rejected_provider_400", "the provider refuses the model's use: 400", Refuse(of_provider(400, _NO_FORM))),
    _row("canary_rejected_model_gone", "the provider no longer has the model: 404", Refuse(of_provider(404, _NO_ENDPOINT))),
    _row("canary_rejected_cached", "every completion comes from the gateway's cache", Misbehaviour("answer_cached")),
    _row("canary_rejected_shape", "200 with a body that is no completion", Misbehaviour("answer_other_shape")),
    _row("provider_failing", "the provider answers 502, passed through in the gateway's envelope",
         Refuse(of_provider(502, _UPSTREAM_FAILED))),
    _row("provider_failing_500", "the provider answers 500", Refuse(
             of_provider(500, "openai error: 500 The server had an error while processing your request."))),
    _row("provider_failing_network", "the gateway cannot reach the provider: 500, and `error` is a text of JSON",
         Refuse(of_provider(500, _NO_NETWORK, as_text=True))),
    _row("provider_failing_timeout", "the provider needs two minutes for a completion", Misbehaviour("provider_stalls", 120.0)),
    _row("trace_not_created", "the gateway answers and makes no trace", Misbehaviour("make_no_trace")),
    _row("trace_not_created_collector", "the gateway makes traces, and cannot reach TrueFoundry's collector",
         Misbehaviour("lose_at_collector")),
    _row("gateway_metrics_failing", "the gateway's own metrics page answers 503", _gateway("reply", path="/metrics")),
)

_EXPORT = (
    _row("exporter_disabled", "somebody switches the traces exporter off", _exporter(lambda *_: None)),
    _row("config_drift", "the endpoint lacks /v1/traces: 404, and every trace is dropped",
         _set("endpoint", lambda endpoint, _: str(endpoint).removesuffix("/v1/traces"))),
    _row("config_drift_blank", "the endpoint ends in a blank", _set("endpoint", lambda endpoint, _: f"{endpoint} ")),
    _row("config_drift_encoding", "the encoding is json", _set("encoding", lambda *_: "json")),
    _row("config_drift_protocol", "the exporter speaks gRPC", _set("type", lambda *_: "grpc")),
    _row("config_drift_key", "the exporter carries a key that Traceloop does not know",
         _authorization("Bearer {0.unknown_key}")),
    _row("config_drift_bearer", "`Bearer ` is missing", _authorization("{0.key}")),
    _row("config_drift_quotes", "the Authorization value is wrapped in quotes", _authorization('"Bearer {0.key}"')),
    _row("config_drift_placeholder", "the key is an unexpanded placeholder",
         _authorization("Bearer ${{TRACELOOP_API_KEY}}")),
    _row("config_drift_no_authorization", "the Authorization header is gone", _set("headers", lambda *_: {})),
    _row("config_drift_header", "an unexpected header is sent", _header("X-Api-Key", "copied-from-another-page")),
    _row("config_drift_filter", "a `when` filter lets no canary through",
         _when("tfy.request.model_name", "anthropic-main/claude-sonnet")),
    _row("config_drift_filter_splits", "a `when` filter lets only the Model span through",
         _when("tfy.span_type", "Model")),
    _row("config_drift_filter_model", "a `when` filter lets only the canary's model through",
         _when("tfy.request.model_name", MODEL)),
    _row("config_drift_metrics", "the metrics exporter points at Traceloop", Edit(_metrics_too)),
    _row("config_drift_content", "exclude_request_data is switched to the opposite",
         _set("exclude_request_data", lambda now, _: now is not True),
         also=(Fault.CONTENT_LEAKED, Fault.CONTENT_MISSING)),
    _row("config_drift_attributes", "the additional resource attributes are gone",
         _exporter(_without_attributes), also=(Fault.TRACE_MISLABELLED,)),
    _row("config_drift_rotation", "the key was rotated in Traceloop and in the gateway, but not in the monitor",
         Misbehaviour("rotate_key"), _authorization("Bearer {0.rotated_key}")),
    _row("wrong_environment", "the exporter carries the key of the staging environment",
         _authorization("Bearer {0.keys[stg]}"), also=(Fault.CONFIG_DRIFT,)),
    _row("content_leaked", "excluded content is exported all the same, under other names", Misbehaviour("keep_content")),
    _row("content_leaked_credential", "the caller's Authorization is among the resource attributes",
         Misbehaviour("leak_credential")),
    _row("content_missing", "content is missing although it is not excluded", Misbehaviour("drop_content"), content=True),
    _row("export_failing", "the exporter drops everything without an error", Misbehaviour("export_nothing")),
    _row("trace_missing", "the exporter drops everything, and TrueFoundry's own store cannot be asked",
         Misbehaviour("export_nothing"), _store("reply"), also=(Fault.EXPORT_FAILING,)),
    _row("trace_missing_some", "one trace of four is lost", Misbehaviour("lose_every_fourth"), also=(Fault.EXPORT_FAILING,)),
    _row("trace_incomplete", "the root span is never exported", Misbehaviour("lose_root")),
    _row("trace_incomplete_child", "the Model span is never exported, and the span below it dangles",
         Misbehaviour("lose_child")),
    _row("trace_late", "traces are exported four minutes late", Misbehaviour("export_late", 240.0)),
    _row("trace_mislabelled", "the service name is unknown_service", Misbehaviour("rename_service")),
    _row("trace_mislabelled_attributes", "the exporter leaves out the resource attributes it is set to add",
         Misbehaviour("drop_attributes")),
    _row("traffic_sampled", "of other people's requests only one kind is exported, and every canary", Misbehaviour("sample_others")),
    _row("trace_duplicated", "every span is exported twice, which is harmless", Misbehaviour("export_twice")),
)

_OTHER_CONFIGURATIONS = (
    _row("trace_not_created_logging_off", "a logging rule is off for the canary's model, and no trace is made of it",
         _not_logged("no-mini-models", {"models": {"in": [MODEL]}}), Misbehaviour("trace_what_is_logged")),
    _row("trace_not_created_logging_never", "the global settings log nothing, and no trace is made",
         _logging_mode({"type": "never"}), Misbehaviour("trace_what_is_logged")),
    _row("content_missing_logging_off", "a logging rule is off for the canary's account, and its content is not kept",
         _not_logged("no-robots", {"subjects": {"in": [_ACCOUNT]}}), also=(Fault.TRACE_NOT_CREATED,), content=True),
    _row("logging_off_for_others", "a logging rule is off for a model that no canary asks",
         _not_logged("no-large-models", {"models": {"in": [MODELS[1]]}})),
    _row("logging_on_request", "a request is logged only if it asks for it, as the canary does",
         _logging_mode({"type": "header_controlled", "log_body_by_default": False})),
    _row("routed", "the canary's traces are kept in another destination of the own store", _ROUTED_BY_ACCOUNT),
    _row("routed_others", "the traces of one team are kept in another destination of the own store",
         _routed("team-bucket", {"field": "metadata", "key": "team", "value": ["ml"]})),
    _row("export_failing_routed", "the exporter drops everything, and the own store keeps it in another destination",
         _ROUTED_BY_ACCOUNT, Misbehaviour("export_nothing"), also=(Fault.TRACE_MISSING,)),
)

_PAUSE_PAGE = _page(200, "<!doctype html><title>Traceloop</title><p>We will be back soon.")
_TRACELOOP = (
    _row("key_rejected", "the key is revoked: 401 for exporter and reader", Misbehaviour("revoke_key")),
    _row("ingest_failing", "the ingest answers 503", _ingest("reply", _json(503, '{"error":"service unavailable"}'))),
    _row("ingest_failing_500", "the ingest answers 500", _ingest("reply", _json(500, '{"error":"internal error"}'))),
    _row("ingest_failing_refused", "connections to Traceloop are refused",
         TransportFault(Host.TRACELOOP, "refuse"), also=_BLIND),
    _row("ingest_failing_reset", "the ingest resets every connection", _ingest("reset")),
    _row("ingest_failing_silent", "the ingest never answers", _ingest("silence")),
    _row("ingest_failing_page", "the ingest redirects to another host",
         _ingest("reply", Reply(status=308, headers={"location": "https://login.example.com/v1/traces"}))),
    _row("ingest_failing_swallows", "the ingest accepts everything and shows nothing", Misbehaviour("swallow_spans")),
    _row("ingest_failing_rejects", "the ingest answers 200 and rejects every span in a partial success",
         Misbehaviour("reject_spans")),
    _row("ingest_throttled", "the ingest answers 429",
         _ingest("reply", _json(429, '{"error":"too many requests"}', retry_after="60")),
         also=(Fault.TRACE_MISSING, Fault.EXPORT_FAILING, Fault.BLIND)),
    *(
        _row(f"read_api_{name}", f"the read API{about}", patch, also=_BLIND)
        for name, about, patch in (
            ("failing", " answers 500", _read("reply", _json(500, '{"error":"internal error"}'))),
            ("forbidden", " answers 403", _read("reply", _json(403, '{"error":"Forbidden"}'))),
            ("gone", " is gone: 404", _read("reply", Reply(status=404, body="404 page not found"))),
            ("throttled", " answers 429", _read("reply", _json(429, '{"error":"slow down"}', retry_after="30"))),
            ("reset", " resets every connection", _read("reset")),
            ("silent", " never answers", _read("silence")),
            ("slow", " needs half a minute", _read("slow")),
            ("drips", " sends a byte a second", _read("drip")),
            ("truncated", " closes the connection in mid-answer", _read("truncate")),
            ("garbled", " sends JSON that breaks off", _read("garble")),
            ("reshaped", " answers in another shape", _read("reshape")),
            ("page", " answers 200 with a web page", _read("reply", _PAUSE_PAGE)),
            ("endless", "'s answer does not end", _read("endless")),
            ("bomb", "'s answer grows a thousandfold when unpacked", _read("bomb")),
        )
    ),
    _row("read_api_pages", "the read API repeats its first page for ever", Misbehaviour("ignore_cursor"), also=_BLIND),
)

_PLANE_DOWN = _json(503, '{"message":"Service unavailable"}')
_PLANE_PAGE = _page(200, "<!doctype html><title>TrueFoundry</title>")
_CONTROL_PLANE = (
    _row("blind", "Cloudflare answers 1010 in front of every service",
         TransportFault(Host.CONTROL_PLANE, "reply", CLOUDFLARE_1010), TransportFault(Host.GATEWAY, "reply", CLOUDFLARE_1010),
         TransportFault(Host.TRACELOOP, "reply", CLOUDFLARE_1010)),
    _row("control_plane_unreachable", "connections to the control plane are refused",
         TransportFault(Host.CONTROL_PLANE, "refuse"), also=_BLIND),
    *(
        _row(f"control_plane_{name}", f"the control plane{about}", patch, also=_BLIND)
        for name, about, patch in (
            ("silent", " never answers", _plane("silence")),
            ("reset", " resets every connection", _plane("reset")),
            ("failing", " answers 503", _plane("reply", _PLANE_DOWN)),
            ("slow", " needs half a minute", _plane("slow")),
            ("truncated", " closes the connection in mid-answer", _plane("truncate")),
            ("garbled", " sends JSON that breaks off", _plane("garble")),
            ("reshaped", " answers in another shape", _plane("reshape")),
            ("page", " answers 200 with a web page", _plane("reply", _PLANE_PAGE)),
            ("endless", "'s answer does not end", _plane("endless")),
            ("bomb", "'s answer grows a thousandfold when unpacked", _plane("bomb")),
        )
    ),
    _row("control_plane_forbidden", "the token may not read the gateway's configuration: 403",
         Misbehaviour("forbid_settings"), also=_BLIND),
    _row("control_plane_signed_out", "the control plane no longer knows the token", Misbehaviour("forget_session"), also=_BLIND),
    _row("own_store_failing", "TrueFoundry's own store answers 500", _store("reply")),
    _row("own_store_slow", "TrueFoundry's own store needs half a minute", _store("slow")),
    _row("own_store_garbled", "TrueFoundry's own store sends JSON that breaks off", _store("garble")),
    _row("own_store_empty", "TrueFoundry's own store shows nothing to this account", Misbehaviour("hide_own_store")),
)

_SLACK_PAGE = _page(200, "<!doctype html><title>Slack</title><p>Something went wrong.")
_SLACK = (
    _row("slack_unreachable", "connections to Slack are refused", _slack("refuse")),
    _row("slack_silent", "Slack never answers", _slack("silence")),
    _row("slack_slow", "Slack needs half a minute", _slack("slow")),
    _row("slack_reset", "Slack resets every connection", _slack("reset")),
    _row("slack_failing", "Slack answers 500", _slack("reply", _json(500, '{"ok":false,"error":"internal_error"}'))),
    _row("slack_throttled", "Slack answers 429 with Retry-After: 30",
         _slack("reply", _json(429, '{"ok":false,"error":"ratelimited"}', retry_after="30"))),
    _row("slack_page", "Slack answers 200 with a web page", _slack("reply", _SLACK_PAGE)),
    _row("slack_answer_lost", "Slack posts the message, and its answer is lost", _slack("lose")),
    _row("slack_paced", "Slack enforces its limit of one message a second per channel", Misbehaviour("slack_paced")),
    _row("slack_invalid_auth", "the bot's token is revoked", Misbehaviour("slack_invalid_auth")),
    _row("slack_channel_not_found", "the channel is gone", Misbehaviour("slack_channel_not_found")),
    _row("slack_refuses_blocks", "Slack refuses every message with blocks", Misbehaviour("slack_refuses_blocks")),
    _row("slack_edit_closed", "messages can no longer be edited", Misbehaviour("slack_edit_closed")),
    _row("slack_forgets", "messages posted earlier are gone", Misbehaviour("slack_forgets")),
)

# fmt: on

FAULTS: Mapping[str, SandboxFault] = MappingProxyType(
    dict((*_GATEWAY, *_EXPORT, *_OTHER_CONFIGURATIONS, *_TRACELOOP, *_CONTROL_PLANE, *_SLACK))
)
"""Every fault by name."""
