"""Slack's Web API and incoming webhooks, as far as a program that posts messages needs them.

https://docs.slack.dev/reference/methods/chat.postMessage, …/chat.update, …/reactions.add, …/auth.test and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
"""

import json
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from monitor.core.model import Instant
from monitor.sandbox.faults.kinds import Twist
from monitor.sandbox.serving import routed
from monitor.sandbox.slack.workspace import BOT_USER, SlackError
from monitor.sandbox.world import World

_SCOPES = "chat:write,chat:write.public,reactions:write"
_BURST = 3
_STATUS_OF = {"channel_not_found": 404, "channel_is_archived": 410, "no_service": 404, "invalid_token": 403}
Answer = Mapping[str, object]


def slack_app(world: World) -> Starlette:
    """The ASGI application."""
    return routed(_Slack(world).routes())


class _Slack:
    def __init__(self, world: World) -> None:
        self._world = world
        self._paces: dict[str, tuple[Instant, float]] = {}

    def routes(self) -> list[Route]:
        methods: Mapping[str, Callable[[Mapping[str, object]], Answer]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "reactions.add": self._add_reaction,
        }

        def endpoint(act: Callable[[Mapping[str, object]], Answer]) -> Callable[[Request], object]:
            async def serve(request: Request) -> Response:
                return await self._call(request, act)

            return serve

        named = [Route(f"/api/{name}", endpoint(act), methods=["POST", "GET"]) for name, act in methods.items()]
        return [
            *named,
            Route("/api/{method}", self._unknown_method, methods=["POST", "GET"]),
            Route("/services/{rest:path}", self._webhook, methods=["POST"]),
        ]

    async def _call(self, request: Request, act: Callable[[Mapping[str, object]], Answer]) -> Response:
        try:
            payload = await _payload(request)
            self._authenticate(request, payload)
            answer = act(payload)
        except SlackError as error:
            return _refusal(error)
        return JSONResponse({"ok": True, **answer}, headers={"x-oauth-scopes": _SCOPES})

    async def _unknown_method(self, request: Request) -> Response:
        return JSONResponse({"ok": False, "error": "unknown_method", "req_method": request.path_params["method"]})

    def _authenticate(self, request: Request, payload: Mapping[str, object]) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token if scheme == "Bearer" else str(payload.get("token") or "")
        if not token:
            raise SlackError("not_authed")
        if token not in self._world.slack.bot_tokens or self._world.broken.does(Twist.SLACK_INVALID_AUTH):
            raise SlackError("invalid_auth")

    def _auth_test(self, _payload: Mapping[str, object]) -> Answer:
        return {
            "url": "https://sandbox.slack.com/",
            "team": "Sandbox",
            "user": "trace-monitor",
            "team_id": "T0SANDBOX",
            "user_id": BOT_USER,
            "bot_id": "B0SANDBOX01",
        }

    def _post_message(self, payload: Mapping[str, object]) -> Answer:
        self._obstruct(payload)
        self._pace(payload)
        message = self._world.slack.post(payload)
        return {"channel": message.channel, "ts": message.ts, "message": message.as_slack()}

    def _update(self, payload: Mapping[str, object]) -> Answer:
        self._obstruct(payload)
        if self._world.broken.does(Twist.SLACK_EDIT_CLOSED):
            raise SlackError("edit_window_closed")
        message = self._world.slack.update(payload)
        return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": message.as_slack()}

    def _add_reaction(self, payload: Mapping[str, object]) -> Answer:
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

    def _obstruct(self, payload: Mapping[str, object]) -> None:
        """Act out the faults that hinder posting."""
        broken = self._world.broken
        if broken.does(Twist.SLACK_CHANNEL_NOT_FOUND):
            raise SlackError("channel_not_found")
        if broken.does(Twist.SLACK_FORGETS) and (payload.get("ts") or payload.get("thread_ts")):
            raise SlackError("message_not_found" if payload.get("ts") else "thread_not_found")
        if broken.does(Twist.SLACK_REFUSES_BLOCKS) and (payload.get("blocks") or payload.get("attachments")):
            raise SlackError("invalid_blocks", ("blocks: refused by a fault of the sandbox",))

    def _pace(self, payload: Mapping[str, object]) -> None:
        """Edits are counted by another limit, which nobody here comes near."""
        if self._world.broken.does(Twist.SLACK_PACED) and not self._in_pace(str(payload.get("channel"))):
            raise SlackError("ratelimited")

    def _in_pace(self, channel: str) -> bool:
        """One message a second and channel, short bursts tolerated: https://docs.slack.dev/apis/web-api/rate-limits."""
        now = self._world.clock.monotonic()
        at, tokens = self._paces.get(channel, (now, float(_BURST)))
        tokens = min(float(_BURST), tokens + (now - at) / self._world.scaled(1.0))
        if tokens < 1.0:
            return False
        self._paces[channel] = (now, tokens - 1.0)
        return True


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
