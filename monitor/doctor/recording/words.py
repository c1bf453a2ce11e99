"""What may be kept of a text: words that anybody could have written, because they are in a public document or program."""

WHOLE = frozenset(
    {
        # of TrueFoundry's manifests and answers: https://github.com/truefoundry/truefoundry-python-sdk
        "gateway-otel-config", "gateway-logging-config", "gateway-global-settings", "gateway-data-routing-config",
        "http", "grpc", "proto", "json", "spanAttributes", "IN", "always", "never", "header_controlled",
        "metadata", "created_by", "customer-managed", "controlplane-managed", "*",
        "user", "virtualaccount", "serviceaccount", "team", "default", "/api/llm",
        "tfy.span_type", "tfy.request.model_name", "ChatCompletion", "Completion", "Model", "MCP", "MCPGateway", "Rerank",
        "Embedding", "AgentResponse", "Guardrail", "Internal", "Client", "Server", "Ok", "Error", "Unset", "OK", "ERROR",
        "failure", "api_error", "guardrails_input", "guardrails_output", "APIError", "AuthorizationError",
        "AuthenticationError", "BadRequestError", "RateLimitError", "guardrail_checks_failed", "failed", "passed",
        "tfy-llm-gateway", "hit", "miss", "error", "asc", "desc",
        # of chat completions
        "chat.completion", "list", "model", "assistant", "system", "stop", "length", "content_filter", "chat", "openai",
        "anthropic", "google-vertex", "aws-bedrock", "azure-foundry", "openrouter", "together-ai",
        # of OTLP and of Traceloop's read API
        "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER",
        "SPAN_KIND_CONSUMER", "STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR", "unknown_service",
        "dev", "stg", "prd", "production", "staging", "development", "POST", "GET", "/health", "DESC", "ASC", "timestamp",
        # of this program
        "gateway-trace-monitor", "gateway-trace-monitor.control", "gateway-trace-monitor/no-such-model", "canary", "doctor",
        "auto", "feedback", "traceparent", "disabled", "true", "false", "null", "", "[]", "{}", '""', "-1",
        # of those who stand in front
        "cloudflare", "uvicorn", "envoy", "istio-envoy", "nginx", "caddy", "challenge",
    }
)  # fmt: skip
"""Texts that are kept where they are the whole value."""

ERROR = frozenset(
    """
    a access account accepts accessing after again all allowed already an and any api are as at attempt authentication
    authorization authorized auth available bad be because been before being body both budget but by cache cached call
    cannot can cause check checks code completion config configuration configure configured connection content
    control controls could created credentials currently data day deadline decode denied denies deployment did disabled do does
    down either empty encoding endpoint entity environment error errors exceeded exceeds exist exists expired failed failure
    fetch field filled filter find following for forbidden form format found from gateway given go group guardrail guardrails
    had has have healthy header headers host hour http id if in incomplete index input insufficient integration internal
    invalid is it its json key keys large length limit limits list listed load log login long malformed many matching max
    maximum message method minute missing model models more must name need needed new no none not number object of off on one
    only operation option or organization other output over own page parameter parse password path per permission permissions
    permitted please policy project prompt properly provider proxy queue quota rate read reached reason refused rejected
    request requested requests required resource response retry returned role route run second secret send server service
    session set settings should slow something soon span spans specified status store stream string supported system team
    temporarily tenant text than that the their there this time timed timeout to token tokens too traces trace traceloop type
    unable unauthorized unavailable under unexpected unknown unsupported until upstream use used user uses valid value values
    version view virtual was when whether which while will with within without workspace wrong you your
    cloudflare truefoundry openai openrouter vertex bedrock anthropic azure typeerror aggregateerror max_tokens
    max_completion_tokens stream_options temperature top_p authorizationerror apierror ratelimited ok ok!
    not_found invalid_auth not_authed token_revoked token_expired account_inactive missing_scope channel_not_found
    internal_error unknown_method
    """.split()  # noqa: SIM905 - a page of words, not of quotes
)  # fmt: skip
"""Words of error texts that are kept; every other word of one is left out."""

PATHS = frozenset(
    """
    api svc llm otel v1 v2 v3 llm-gateway config session tenant-id spans query chat completions models health healthz metrics
    traces warehouse projects default inference openai auth.test services gateway-otel-config gateway-logging-config
    gateway-global-settings gateway-data-routing-config
    """.split()  # noqa: SIM905 - the same
)
"""Segments of paths that are kept."""

HOSTS = frozenset(
    {
        "api.traceloop.com",
        "app.traceloop.com",
        "gateway.truefoundry.ai",
        "app.truefoundry.com",
        "slack.com",
        "api.openai.com",
    }
)
"""Hosts that belong to a vendor and to nobody's tenant."""
