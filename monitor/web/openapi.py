"""The OpenAPI document of the API, made from the models of its answers and bodies."""

from functools import cache
from typing import Any

from monitor.version import VERSION
from monitor.web import models

Operation = dict[str, Any]

_PREFIX = "#/components/schemas/"
_READ: list[dict[str, list[str]]] = [{"read": []}, {"readAsPassword": []}, {}]
_CHANGE: list[dict[str, list[str]]] = [{"admin": []}]
_DESCRIPTION = (
    "What is known of every target, and what an operator may change. Nothing needs a token to be read unless `server.read_token` is "
    "configured; what changes something needs `server.admin_token`, and is 403 without one. Moments are Unix seconds, and RFC 3339 "
    "under a name that ends in `_time`. Errors are problem details (RFC 9457)."
)
_ERRORS = {
    400: "What was sent is not understood.",
    401: "A token is needed.",
    403: "The admin token is needed, or none is configured.",
    404: "There is nothing of that name.",
    408: "The body did not arrive in time.",
    413: "The body is too long.",
    422: "It cannot be done now.",
}


@cache
def document() -> dict[str, Any]:
    """The document; made once, when it is asked for first."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - a daemon whose document nobody asks for does without the schemas

    payloads = [one for one in vars(models).values() if isinstance(one, type) and hasattr(one, "__required_keys__")]
    adapters: list[Any] = [(one, "serialization", TypeAdapter(one)) for one in payloads]
    _, schemas = TypeAdapter.json_schemas(adapters, ref_template=_PREFIX + "{model}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gateway Trace Monitor", "version": VERSION, "description": _DESCRIPTION},
        "servers": [{"url": "../"}],
        "paths": _paths(),
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "read": {"type": "http", "scheme": "bearer", "description": "`server.read_token`, or the admin token."},
                "readAsPassword": {"type": "http", "scheme": "basic", "description": "The same token as the password."},
                "admin": {"type": "http", "scheme": "bearer", "description": "`server.admin_token`."},
            },
        },
    }


def _paths() -> dict[str, dict[str, Operation]]:
    silence, incident = _in_path("id", "The silence."), _in_path("id", "The incident.")
    return {
        "/api/v1/status": {"get": _reads("status", "Every target, and the open incidents", "StatusPayload")},
        "/api/v1/incidents": {
            "get": _reads("incidents", "The incidents that are remembered", "IncidentsPayload", 400, parameters=[_OPEN])
        },
        "/api/v1/incidents/{id}/ack": {
            "post": _changes(
                "acknowledge", "End reminders and escalation until it gets worse", "AcknowledgedPayload", 400, 404, 408, 413,
                parameters=[incident], body="AcknowledgeBody",
            )
        },
        "/api/v1/checks/{target}/run": {
            "post": _changes(
                "runChecks", "Run every enabled check of a target now", "StartedPayload", 404, 422,
                parameters=[_in_path("target", "The target.")], status=202,
            )
        },
        "/api/v1/silences": {
            "get": _reads("silences", "Every silence", "SilencesPayload"),
            "post": _changes(
                "addSilence", "Mute notifications, never checks", "AddedSilencePayload", 400, 408, 413, 422,
                body="SilenceBody", required=True, status=201,
            ),
        },
        "/api/v1/silences/{id}": {
            "get": _reads("silence", "One silence", "SilencePayload", 404, parameters=[silence]),
            "delete": _changes("expireSilence", "End a silence", "ExpiredPayload", 404, 422, parameters=[silence]),
        },
        "/-/reload": {"post": _changes("reload", "Read the configuration again", "ReloadedPayload", 422)},
        "/readyz": {"get": _open("ready", "Whether everything is in place", "ReadyPayload", {503: "It is not."})},
    }  # fmt: skip


_OPEN = {
    "name": "open",
    "in": "query",
    "description": "Only those that last.",
    "schema": {"type": "string", "enum": ["true", "false", "1", "0"], "default": "false"},
}


def _in_path(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
    }


def _answer(model: str, description: str, kind: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": {"$ref": _PREFIX + model}}}}


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(one): _answer("ProblemPayload", _ERRORS[one], "application/problem+json") for one in statuses}


def _open(name: str, summary: str, model: str, others: dict[int, str]) -> Operation:
    """Nobody needs a token for it."""
    more = {str(status): _answer(model, description) for status, description in others.items()}
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"200": _answer(model, summary), **more},
    }


def _reads(
    name: str, summary: str, model: str, *problems: int, parameters: list[dict[str, Any]] | None = None
) -> Operation:
    return {
        "operationId": name,
        "summary": summary,
        "security": _READ,
        "parameters": parameters or [],
        "responses": {"200": _answer(model, summary), **_problems(401, *problems)},
    }


def _changes(
    name: str,
    summary: str,
    model: str,
    *problems: int,
    parameters: list[dict[str, Any]] | None = None,
    body: str | None = None,
    required: bool = False,
    status: int = 200,
) -> Operation:
    asked = (
        {"required": required, "content": {"application/json": {"schema": {"$ref": _PREFIX + body}}}} if body else None
    )
    return {
        "operationId": name,
        "summary": summary,
        "security": _CHANGE,
        "parameters": parameters or [],
        **({"requestBody": asked} if asked else {}),
        "responses": {str(status): _answer(model, summary), **_problems(401, 403, *problems)},
    }
