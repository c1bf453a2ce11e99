"""Slack: a workspace with its channels and messages, and as much of its Web API and webhooks as a program that posts needs.

Presses of buttons are in `slack_socket`.

https://docs.slack.dev/reference/methods/chat.postMessage, …/chat.update, …/auth.test and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from monitor.core.model import Instant
from monitor.ports import Clock
from monitor.sandbox.asgi import routed
from monitor.sandbox.credentials import ARCHIVED_CHANNEL, CHANNEL, CHANNEL_NAME, FOREIGN_CHANNEL, Credentials
from monitor.sandbox.faults import ActiveFaults
from monitor.sandbox.slack_socket import TEAM, SocketMode

Payload = Mapping[str, object]
CheckMessage = Callable[[Payload], list[str]]
"""Everything for which Slack would refuse a message, each as `<Slack's error>: <where>: <why>`."""

_MOST_MESSAGES = 5_000
_LONGEST_TEXT = 40_000
_MOST_BLOCKS = 50
_SCOPES = "chat:write,chat:write.public"
_BURST = 3.0
_STATUS_OF = {"channel_not_found": 404, "invalid_token": 403}
_BOT_USER = "U0SANDBOX01"


class SlackError(Exception):
    """What Slack says instead of `ok`. `problems` are the details that come with `invalid_blocks`."""

    def __init__(self, code: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.problems = problems


def check_size(payload: Payload) -> list[str]:
    """The usual check: a message has something to show, and not too much. The tests bring one that knows what blocks may hold."""
    text, blocks = payload.get("text"), payload.get("blocks")
    if not text and not blocks and not payload.get("attachments"):
        return ["no_text: text: a message needs text, blocks or attachments"]
    if len(str(text)) > _LONGEST_TEXT:
        return [f"msg_too_long: text: at most {_LONGEST_TEXT} characters"]
    if blocks is not None and not isinstance(blocks, list):
        return ["invalid_blocks_format: blocks: not a list"]
    return [f"invalid_blocks: blocks: at most {_MOST_BLOCKS}"] if blocks and len(blocks) > _MOST_BLOCKS else []


@dataclass(slots=True, kw_only=True)
class Message:
    """One message as it reads now; `versions` are the texts it had before it was edited."""

    channel: str
    ts: str
    at: Instant
    text: str
    blocks: list[object] = field(default_factory=list)
    attachments: list[object] = field(default_factory=list)
    thread_ts: str | None = None
    broadcast: bool = False
    webhook: bool = False
    versions: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Everything, for the control API."""
        return asdict(self)

    def as_slack(self) -> dict[str, object]:
        """The form of an answer."""
        threaded = {"thread_ts": self.thread_ts} if self.thread_ts else {}
        shown = {"ts": self.ts, "text": self.text, "blocks": self.blocks, "attachments": self.attachments}
        return {"type": "message", "user": _BOT_USER, **shown, **threaded}


class Workspace:
    """Channels and messages, and the rules of posting. Its methods raise SlackError."""

    def __init__(self, clock: Clock, credentials: Credentials, check: CheckMessage) -> None:
        self._clock = clock
        self._check = check
        self.bot_tokens = {credentials.bot_token}
        self.app_tokens = {credentials.app_token}
        self.socket_mode = SocketMode(clock)
        self.webhook_path = credentials.webhook_path
        self.channels: dict[str, str] = {
            CHANNEL: CHANNEL_NAME,
            ARCHIVED_CHANNEL: "old-alerts",
            FOREIGN_CHANNEL: "finance",
        }
        self.messages: deque[Message] = deque(maxlen=_MOST_MESSAGES)
        self._last_ts = 0

    @property
    def roots(self) -> list[Message]:
        """The messages that stand in a channel by themselves."""
        return [message for message in self.messages if message.thread_ts is None]

    def thread(self, root: Message) -> list[Message]:
        """The replies to a message, in order."""
        return [message for message in self.messages if message.thread_ts == root.ts]

    def post(self, payload: Payload, *, webhook: bool = False) -> Message:
        """Post into a channel or a thread."""
        channel = CHANNEL if webhook else self._channel(payload.get("channel"))
        thread_ts = payload.get("thread_ts")
        if thread_ts is not None:
            root = self._find(channel, thread_ts)
            if root is None:
                raise SlackError("thread_not_found")
            if root.thread_ts is not None:
                raise SlackError("cannot_reply_to_message")
        self._refuse_unfit(payload)
        # Slack's timestamps: seconds with six digits, never the same twice
        self._last_ts = max(self._last_ts + 100, int(self._clock.now()) * 1_000_000)
        message = Message(
            channel=channel,
            ts=f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}",
            at=self._clock.now(),
            text=str(payload.get("text") or ""),
            blocks=_list(payload.get("blocks")),
            attachments=_list(payload.get("attachments")),
            thread_ts=str(thread_ts) if thread_ts is not None else None,
            broadcast=payload.get("reply_broadcast") in (True, "true", "1"),
            webhook=webhook,
        )
        self.messages.append(message)
        return message

    def update(self, payload: Payload) -> Message:
        """Edit a message of the bot's own. Blocks that are not named stay."""
        message = self._owned(payload)
        self._refuse_unfit(payload)
        message.versions.append(message.text)
        message.text = str(payload.get("text") or "")
        for name in ("blocks", "attachments"):
            if payload.get(name) is not None:
                setattr(message, name, _list(payload[name]))
        return message

    def _find(self, channel: str, ts: object) -> Message | None:
        return next((each for each in self.messages if each.channel == channel and each.ts == ts), None)

    def _owned(self, payload: Payload) -> Message:
        channel = payload.get("channel")
        if channel not in self.channels:  # editing takes an id, never a name
            raise SlackError("channel_not_found")
        message = self._find(str(channel), payload.get("ts"))
        if message is None:
            raise SlackError("message_not_found")
        if message.webhook:
            raise SlackError("cant_update_message")
        return message

    def _channel(self, named: object) -> str:
        name = str(named or "").removeprefix("#")
        channel = next((known for known, title in self.channels.items() if name in (known, title)), None)
        if channel is None:
            raise SlackError("channel_not_found")
        if channel == ARCHIVED_CHANNEL:
            raise SlackError("is_archived")
        if channel == FOREIGN_CHANNEL:
            raise SlackError("not_in_channel")
        return channel

    def _refuse_unfit(self, payload: Payload) -> None:
        problems = self._check(payload)
        if problems:
            code = problems[0].partition(":")[0]
            raise SlackError(code, tuple(problem.partition(": ")[2] for problem in problems))


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


# --- the Web API and the incoming webhook


class SlackApi:
    """The Web API and the incoming webhook of a workspace."""

    def __init__(self, workspace: Workspace, faults: ActiveFaults, clock: Clock, time_factor: float) -> None:
        self._workspace = workspace
        self._faults = faults
        self._clock = clock
        self._time_factor = time_factor
        self._paces: dict[str, tuple[Instant, float]] = {}

    def app(self) -> ASGIApp:
        """The ASGI application."""
        methods = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "usergroups.users.list": self._list_members,
        }

        async def call(request: Request) -> Response:
            name = request.path_params["method"]
            if name not in {*methods, "apps.connections.open"}:
                return JSONResponse({"ok": False, "error": "unknown_method", "req_method": name})
            try:
                payload = await _payload(request)
                if name == "apps.connections.open":
                    self._authenticate(request, payload, self._workspace.app_tokens)
                    return JSONResponse({"ok": True, "url": self._workspace.socket_mode.open(request.url.netloc)})
                self._authenticate(request, payload, self._workspace.bot_tokens)
                answer = methods[name](payload)
            except SlackError as error:
                return _refusal(error)
            return JSONResponse({"ok": True, **answer}, headers={"x-oauth-scopes": _SCOPES})

        return routed(
            [
                Route("/api/{method}", call, methods=["POST", "GET"]),
                Route("/services/{rest:path}", self._webhook, methods=["POST"]),
                Route("/actions/{rest:path}", self._answer, methods=["POST"]),
                WebSocketRoute("/link/", self._workspace.socket_mode.serve),
            ]
        )

    def _authenticate(self, request: Request, payload: Payload, known: set[str]) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token if scheme == "Bearer" else str(payload.get("token") or "")
        if not token:
            raise SlackError("not_authed")
        if token in (self._workspace.bot_tokens | self._workspace.app_tokens) - known:
            raise SlackError("not_allowed_token_type")
        if token not in known or self._faults.does("slack_invalid_auth"):
            raise SlackError("invalid_auth")

    def _auth_test(self, _payload: Payload) -> Payload:
        return {
            "url": "https://sandbox.slack.com/",
            "team": "Sandbox",
            "user": "trace-monitor",
            "team_id": TEAM,
            "user_id": _BOT_USER,
            "bot_id": "B0SANDBOX01",
        }

    def _list_members(self, payload: Payload) -> Payload:
        socket_mode = self._workspace.socket_mode
        if not socket_mode.may_read_groups:
            raise SlackError("missing_scope")
        if payload.get("usergroup") not in socket_mode.groups:
            raise SlackError("no_such_subteam")
        return {"users": list(socket_mode.groups[str(payload["usergroup"])])}

    def _post_message(self, payload: Payload) -> Payload:
        self._raise_faults(payload)
        self._pace(payload)
        message = self._workspace.post(payload)
        return {"channel": message.channel, "ts": message.ts, "message": message.as_slack()}

    def _update(self, payload: Payload) -> Payload:
        self._raise_faults(payload)
        if self._faults.does("slack_edit_closed"):
            raise SlackError("edit_window_closed")
        message = self._workspace.update(payload)
        return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": message.as_slack()}

    async def _webhook(self, request: Request) -> Response:
        if request.url.path != self._workspace.webhook_path:
            return PlainTextResponse("no_service", status_code=404)
        try:
            payload = await _payload(request)
            self._raise_faults(payload)
            self._pace(payload)
            self._workspace.post(payload, webhook=True)
        except SlackError as error:
            if error.code == "ratelimited":
                return _refusal(error)
            code = {"invalid_auth": "invalid_token", "invalid_json": "invalid_payload"}.get(error.code, error.code)
            return PlainTextResponse(code, status_code=_STATUS_OF.get(code, 400))
        return PlainTextResponse("ok")

    async def _answer(self, request: Request) -> Response:
        """Show what a press led to, to the person who pressed: `response_url` needs no token and no scope."""
        try:
            payload = await _payload(request)
        except SlackError as error:
            return PlainTextResponse(error.code, status_code=400)
        if not self._workspace.socket_mode.answer(request.url.path, payload):
            return JSONResponse({"ok": False, "error": "expired_url"}, status_code=404)
        return PlainTextResponse("ok")

    def _raise_faults(self, payload: Payload) -> None:
        """Raise what the set faults make of posting. A revoked app has no webhook either."""
        if self._faults.does("slack_invalid_auth"):
            raise SlackError("invalid_auth")
        if self._faults.does("slack_channel_not_found"):
            raise SlackError("channel_not_found")
        if self._faults.does("slack_forgets") and (payload.get("ts") or payload.get("thread_ts")):
            raise SlackError("message_not_found" if payload.get("ts") else "thread_not_found")
        if self._faults.does("slack_refuses_blocks") and (payload.get("blocks") or payload.get("attachments")):
            raise SlackError("invalid_blocks", ("blocks: refused by a fault of the sandbox",))

    def _pace(self, payload: Payload) -> None:
        """One message a second and channel, short bursts tolerated: https://docs.slack.dev/apis/web-api/rate-limits.

        Edits are counted by another limit, which nobody here comes near.
        """
        if not self._faults.does("slack_paced"):
            return
        channel, now = str(payload.get("channel")), self._clock.monotonic()
        at, tokens = self._paces.get(channel, (now, _BURST))
        tokens = min(_BURST, tokens + (now - at) / self._time_factor)
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
