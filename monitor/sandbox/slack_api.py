"""Slack's Web API and incoming webhooks, as far as a program that posts messages needs them.

https://docs.slack.dev/reference/methods/chat.postMessage, …/chat.update, …/reactions.add, …/auth.test and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
"""

import json
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from monitor.core.model import Instant
from monitor.sandbox.asgi import routed
from monitor.sandbox.slack import BOT_USER, Payload, SlackError
from monitor.sandbox.world import World

_SCOPES = "chat:write,chat:write.public,reactions:write"
_BURST = 3.0
_STATUS_OF = {"channel_not_found": 404, "channel_is_archived": 410, "no_service": 404, "invalid_token": 403}


def slack_app(world: World) -> ASGIApp:
    """The ASGI application."""
    return _Slack(world).app()


class _Slack:
    def __init__(self, world: World) -> None:
        self._world = world
        self._paces: dict[str, tuple[Instant, float]] = {}

    def app(self) -> ASGIApp:
        methods = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "reactions.add": self._add_reaction,
        }

        async def call(request: Request) -> Response:
            name = request.path_params["method"]
            if name not in methods:
                return JSONResponse({"ok": False, "error": "unknown_method", "req_method": name})
            try:
                payload = await _payload(request)
                self._authenticate(request, payload)
                answer = methods[name](payload)
            except SlackError as error:
                return _refusal(error)
            return JSONResponse({"ok": True, **answer}, headers={"x-oauth-scopes": _SCOPES})

        return routed(
            [
                Route("/api/{method}", call, methods=["POST", "GET"]),
                Route("/services/{rest:path}", self._webhook, methods=["POST"]),
            ]
        )

    def _authenticate(self, request: Request, payload: Payload) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token if scheme == "Bearer" else str(payload.get("token") or "")
        if not token:
            raise SlackError("not_authed")
        if token not in self._world.slack.bot_tokens or self._world.faults.does("slack_invalid_auth"):
            raise SlackError("invalid_auth")

    def _auth_test(self, _payload: Payload) -> Payload:
        return {
            "url": "https://sandbox.slack.com/",
            "team": "Sandbox",
            "user": "trace-monitor",
            "team_id": "T0SANDBOX",
            "user_id": BOT_USER,
            "bot_id": "B0SANDBOX01",
        }

    def _post_message(self, payload: Payload) -> Payload:
        self._obstruct(payload)
        self._pace(payload)
        message = self._world.slack.post(payload)
        return {"channel": message.channel, "ts": message.ts, "message": message.as_slack()}

    def _update(self, payload: Payload) -> Payload:
        self._obstruct(payload)
        if self._world.faults.does("slack_edit_closed"):
            raise SlackError("edit_window_closed")
        message = self._world.slack.update(payload)
        return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": message.as_slack()}

    def _add_reaction(self, payload: Payload) -> Payload:
        self._obstruct(payload)
        self._world.slack.react(payload)
        return {}

    async def _webhook(self, request: Request) -> Response:
        if request.url.path != self._world.slack.webhook_path:
            return PlainTextResponse("no_service", status_code=404)
        try:
            payload = await _payload(request)
            self._obstruct(payload)
            self._pace(payload)
            self._world.slack.post(payload, webhook=True)
        except SlackError as error:
            if error.code == "ratelimited":
                return _refusal(error)
            code = {"invalid_auth": "invalid_token", "invalid_json": "invalid_payload"}.get(error.code, error.code)
            return PlainTextResponse(code, status_code=_STATUS_OF.get(code, 400))
        return PlainTextResponse("ok")

    def _obstruct(self, payload: Payload) -> None:
        """Act out the faults that hinder posting."""
        faults = self._world.faults
        if faults.does("slack_channel_not_found"):
            raise SlackError("channel_not_found")
        if faults.does("slack_forgets") and (payload.get("ts") or payload.get("thread_ts")):
            raise SlackError("message_not_found" if payload.get("ts") else "thread_not_found")
        if faults.does("slack_refuses_blocks") and (payload.get("blocks") or payload.get("attachments")):
            raise SlackError("invalid_blocks", ("blocks: refused by a fault of the sandbox",))

    def _pace(self, payload: Payload) -> None:
        """One message a second and channel, short bursts tolerated: https://docs.slack.dev/apis/web-api/rate-limits.

        Edits are counted by another limit, which nobody here comes near.
        """
        if not self._world.faults.does("slack_paced"):
            return
        channel, now = str(payload.get("channel")), self._world.clock.monotonic()
        at, tokens = self._paces.get(channel, (now, _BURST))
        tokens = min(_BURST, tokens + (now - at) / self._world.scaled(1.0))
        if tokens < 1.0:
            raise SlackError("ratelimited")
        self._paces[channel] = (now, tokens - 1.0)


def _refusal(error: SlackError) -> Response:
    if error.code == "ratelimited":
        return JSONResponse({"ok": False, "error": "ratelimited"}, status_code=429, headers={"retry-after": "1"})
    details: dict[str, object] = {}
    if error.problems:
        details = {"errors": list(error.problems), "response_metadata": {"messages": list(error.problems)}}
    return JSONResponse({"ok": False, "error": error.code, **details})


async def _payload(request: Request) -> dict[str, object]:
    """Read arguments from query, form or JSON; in a form, what is structured is a text of JSON."""
    found: dict[str, object] = dict(request.query_params)
    body = await request.body()
    if not body:
        return found
    if request.headers.get("content-type", "").startswith("application/json"):
        return found | _object(body)
    try:
        form: dict[str, object] = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    except ValueError:
        raise SlackError("invalid_form_data") from None
    if "payload" in form:  # an incoming webhook's form
        return found | _object(str(form["payload"]).encode())
    for name in ("blocks", "attachments", "metadata"):
        if name in form:
            try:
                form[name] = json.loads(str(form[name]))
            except ValueError:
                raise SlackError(f"invalid_{name}_format") from None
    return found | form


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(value, dict):
        raise SlackError("json_not_object")
    return value
