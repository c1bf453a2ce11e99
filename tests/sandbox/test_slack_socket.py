"""Slack's Socket Mode in the sandbox, asked by slack-sdk's own client as it is, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from monitor.sandbox import Sandbox, serve
from monitor.sandbox.credentials import CHANNEL, ON_CALL, ON_CALL_GROUP
from monitor.sandbox.slack_socket import NotPressed
from tests.sandbox.common import Asker

BUTTON = {
    "type": "button",
    "text": {"type": "plain_text", "text": "Check now"},
    "action_id": "check-now",
    "value": "x",
}
ACTIONS = [{"type": "actions", "elements": [BUTTON]}]


class App:
    """An app as its author would write it: it acknowledges everything and keeps what it got."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.web = AsyncWebClient(base_url=sandbox.slack_api_url, token=sandbox.world.credentials.bot_token)
        self.client = SocketModeClient(token, web_client=self.web, ping_interval=1)
        self.client.socket_mode_request_listeners.append(self._take)
        self.client.message_listeners.append(self._hear)
        self.got: asyncio.Queue[SocketModeRequest] = asyncio.Queue()
        self.greeted = asyncio.Event()

    async def _take(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        self.got.put_nowait(request)

    async def _hear(self, _client: AsyncBaseSocketModeClient, message: dict[str, Any], _raw: str | None) -> None:
        if message.get("type") == "hello":
            self.greeted.set()


@asynccontextmanager
async def an_app(sandbox: Sandbox) -> AsyncIterator[App]:
    """A connected one."""
    app = App(sandbox, sandbox.world.credentials.app_token)
    await app.client.connect()  # type: ignore[no-untyped-call]
    try:
        await asyncio.wait_for(app.greeted.wait(), 5)
        yield app
    finally:
        await app.client.close()  # type: ignore[no-untyped-call]


async def test_an_app_receives_a_press_acknowledges_it_and_answers_the_person() -> None:
    """By slack-sdk alone: connect, hello, envelope, acknowledgement, `response_url`."""
    async with serve() as sandbox:
        slack = sandbox.world.slack
        message = slack.post({"channel": CHANNEL, "text": "x", "blocks": ACTIONS})
        async with an_app(sandbox) as app:
            host = sandbox.slack_api_url.split("/")[2]
            envelope = await slack.socket_mode.press(message, "check-now", host=host, name="ana")
            request = await asyncio.wait_for(app.got.get(), 5)
            assert (request.type, request.envelope_id) == ("interactive", envelope)
            assert request.payload["user"] == {"id": ON_CALL, "username": "ana", "name": "ana", "team_id": "T0SANDBOX"}
            assert request.payload["actions"] == [{"type": "button", "action_id": "check-now", "value": "x"}]
            answer = {"text": "done", "response_type": "ephemeral"}
            assert app.client.aiohttp_client_session is not None
            async with app.client.aiohttp_client_session.post(request.payload["response_url"], json=answer) as said:
                assert (said.status, await said.text()) == (200, "ok")
            async with app.client.aiohttp_client_session.post(f"http://{host}/actions/T0/x", json=answer) as said:
                assert said.status == 404
            assert list(slack.socket_mode.answers) == [answer]
            assert slack.socket_mode.acknowledged == [envelope]


async def test_an_app_that_is_asked_to_change_gets_another_connection() -> None:
    """As Slack does every few hours; presses go to the newest."""
    async with serve() as sandbox, an_app(sandbox) as app:
        app.greeted.clear()
        await sandbox.world.slack.socket_mode.disconnect()
        await asyncio.wait_for(app.greeted.wait(), 5)


async def test_a_connection_wants_an_app_token_and_its_own_ticket() -> None:
    """The bot's token opens none, the app's posts nothing, and nobody connects without a ticket."""
    async with serve() as sandbox:
        credentials = sandbox.world.credentials
        web = AsyncWebClient(base_url=sandbox.slack_api_url)
        for token, error in ((credentials.bot_token, "not_allowed_token_type"), ("xapp-wrong", "invalid_auth")):
            with pytest.raises(SlackApiError, match=error):
                await web.apps_connections_open(app_token=token)
        with pytest.raises(SlackApiError, match="not_allowed_token_type"):
            await web.chat_postMessage(token=credentials.app_token, channel=CHANNEL, text="x")
        async with an_app(sandbox) as app:
            for url in (str(app.client.wss_uri), f"{str(app.client.wss_uri).partition('?')[0]}?ticket=other"):
                async with app.client.aiohttp_client_session.get(url.replace("ws:", "http:", 1)) as answer:
                    assert answer.status in {403, 404}


async def test_who_is_in_a_group_is_shown_with_the_scope_for_it(asker: Asker, sandbox: Sandbox) -> None:
    """Else the scope is missing; a group that is not there is no empty one."""
    members = await asker.slack("usergroups.users.list", usergroup=ON_CALL_GROUP)
    assert members == {"ok": True, "users": [ON_CALL]}
    assert (await asker.slack("usergroups.users.list", usergroup="S0"))["error"] == "no_such_subteam"
    sandbox.world.slack.socket_mode.may_read_groups = False
    assert (await asker.slack("usergroups.users.list", usergroup=ON_CALL_GROUP))["error"] == "missing_scope"


async def test_only_a_button_that_is_there_can_be_pressed(asker: Asker, sandbox: Sandbox) -> None:
    """And only while the app is connected; over the control API each is an error that says why."""
    answer = await asker.control("POST", "/press", {"action": "check-now"})
    assert (answer.status, json.loads(answer.body)) == (400, {"error": "there is no such message"})
    message = sandbox.world.slack.post({"channel": CHANNEL, "text": "x", "blocks": ACTIONS})
    assert (await asker.control("POST", "/press", {"mood": "good"})).status == 400
    answer = await asker.control("POST", "/press", {"action": "acknowledge", "ts": message.ts})
    assert (answer.status, json.loads(answer.body)["error"]) == (
        409,
        "the message has no button 'acknowledge'; there are: check-now",
    )
    with pytest.raises(NotPressed, match="not connected"):
        await sandbox.world.slack.socket_mode.press(message, "check-now", host="x")
    assert json.loads((await asker.control("GET", "/answers")).body) == []
