"""slack_sdk's clients over the program's own HTTP.

slack_sdk knows how Slack's methods are called and what their answers mean, and does that here. Its own sending is passed by. It
blocks a thread that nobody can stop, follows redirects with the token in hand, and has neither an overall deadline nor a limit to
what it reads; its asynchronous twin wants aiohttp. Both its clients send through one public method each, which is replaced here
as it is there: by a coroutine.
"""

import json as json_text
from collections.abc import Awaitable, Mapping
from typing import Any, cast

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse, WebClient
from slack_sdk.webhook import WebhookClient

from monitor.core.model import Seconds, Service
from monitor.http import Answer, Http
from monitor.notifiers.delivery import unanswered
from monitor.notifiers.slack.answers import hook_refused, paced, refused, unreadable
from monitor.ports import Clock, Garbled, Unreachable

TIMEOUT: Seconds = 10.0
"""For one message, all told. Slack answers within a second or is in trouble."""

_BODY_LIMIT = 256 * 1024  # an answer repeats the message
_UNUSED_PROXY = (
    "http://unused.invalid"  # else the constructor looks for one in the environment, and logs it with its password
)


class BotClient(WebClient):
    """Slack's Web API with a bot token."""

    def __init__(self, *, http: Http, clock: Clock, token: str, api_url: str) -> None:
        super().__init__(token=token, base_url=api_url, proxy=_UNUSED_PROXY, retry_handlers=[])
        self._http = http
        self._clock = clock

    async def api_call(  # type: ignore[override]  # a coroutine, as in slack_sdk's own asynchronous client
        self,
        api_method: str,
        *,
        json: dict[str, Any] | None = None,
        **_unused: object,
    ) -> SlackResponse:
        """Call a method, once. Raises Undeliverable."""
        url = f"{self.base_url}{api_method}"
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = await _send(self._http, self._clock, url, json or {}, headers)
        try:
            data = answer.json()
        except Garbled:
            raise unreadable(answer) from None
        if not isinstance(data, dict):
            raise unreadable(answer)
        if data.get("ok") is not True:  # slack_sdk takes any text and any number for a yes
            raise refused(answer, data)
        response = SlackResponse(
            client=self,
            http_verb="POST",
            api_url=url,
            req_args={},
            data=data,
            headers=dict(answer.headers),
            status_code=answer.status,
        )
        try:
            return cast("SlackResponse", response.validate())  # type: ignore[no-untyped-call]
        except SlackApiError:
            raise refused(answer, data) from None

    async def post(self, **arguments: Any) -> SlackResponse:  # noqa: ANN401 - the arguments of Slack's method
        """chat.postMessage."""
        return await cast("Awaitable[SlackResponse]", self.chat_postMessage(**arguments))

    async def identify(self) -> SlackResponse:
        """auth.test: whose token it is; posts nothing."""
        return await cast("Awaitable[SlackResponse]", self.auth_test())

    async def update(self, **arguments: Any) -> SlackResponse:  # noqa: ANN401 - the arguments of Slack's method
        """chat.update."""
        return await cast("Awaitable[SlackResponse]", self.chat_update(**arguments))


class HookClient(WebhookClient):
    """One incoming webhook. Its URL is the secret."""

    def __init__(self, *, http: Http, clock: Clock, url: str) -> None:
        super().__init__(url, proxy=_UNUSED_PROXY, retry_handlers=[])
        self._http = http
        self._clock = clock

    async def send_dict(  # type: ignore[override]  # a coroutine, as in slack_sdk's own asynchronous client
        self,
        body: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> None:
        """Post, once. Raises Undeliverable."""
        given = {name: value for name, value in body.items() if value is not None}
        answer = await _send(self._http, self._clock, self.url, given, headers or {})
        text = answer.text(200).strip()
        if answer.status == 200 and text == "ok":  # noqa: PLR2004 - OK
            return
        raise hook_refused(answer, text)

    async def post(self, *, text: str, blocks: list[dict[str, Any]] | None) -> None:
        """Post one message."""
        await cast("Awaitable[None]", self.send(text=text, blocks=blocks, unfurl_links=False, unfurl_media=False))


async def _send(http: Http, clock: Clock, url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    try:
        answer = await http.request(
            Service.SLACK,
            "POST",
            url,
            timeout=TIMEOUT,
            headers={"Content-Type": "application/json; charset=utf-8", **headers},
            body=json_text.dumps(body).encode(),
            body_limit=_BODY_LIMIT,
        )
    except Unreachable as error:
        raise unanswered("Slack", error) from None
    if answer.status == 429:  # noqa: PLR2004 - Too Many Requests
        raise paced(answer, clock.now())
    return answer
