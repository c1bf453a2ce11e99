"""slack_sdk's clients over the program's own HTTP, and what Slack's answers mean for a notice.

slack_sdk knows how Slack's methods are called and what their answers mean, and does that here. Its own sending is passed by. It
blocks a thread that nobody can stop, follows redirects with the token in hand, and has neither an overall deadline nor a limit to
what it reads; its asynchronous twin wants aiohttp. Both its clients send through one public method each, which is replaced here
as it is there: by a coroutine.

Permanent are only the errors that Slack documents and a person must fix:
https://docs.slack.dev/reference/methods/chat.postMessage#errors, https://docs.slack.dev/reference/methods/chat.update#errors and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors. All else may pass.
"""

import json as json_text
import re
from collections.abc import Awaitable, Mapping
from typing import Any, cast
from urllib.parse import urlencode

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse, WebClient
from slack_sdk.webhook import WebhookClient

from monitor.core.model import Seconds, Service
from monitor.http import Answer, Http
from monitor.notifiers import OK_ENDS, SERVER_ERROR, unanswered
from monitor.ports import Clock, Garbled, Undeliverable, Unreachable

TIMEOUT: Seconds = 10.0
"""For one message in all. Slack answers within a second or is in trouble."""

_TOKEN = "the bot token is not (or no longer) valid"  # noqa: S105 - a hint, not a token

# fmt: off
_HINTS: Mapping[str, tuple[str, ...]] = {
    _TOKEN: (
        "not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type",
    ),
    "the bot lacks a scope: give it chat:write and install it again": ("missing_scope",),
    "the bot cannot find the channel: check its id, and invite the bot": ("channel_not_found",),
    "invite the bot to the channel": ("not_in_channel",),
    "the channel is archived": ("is_archived", "channel_is_archived"),
    "the channel is frozen, archived or deleted": ("is_inactive",),
    "the workspace does not allow this bot to post there": (
        "access_denied", "accesslimited", "cannot_reply_to_message", "ekm_access_denied", "enterprise_is_restricted",
        "messages_tab_disabled", "no_permission", "org_login_required", "restricted_action",
        "restricted_action_non_threadable_channel", "restricted_action_read_only_channel",
        "restricted_action_thread_locked", "restricted_action_thread_only_channel", "team_access_not_granted",
        "team_not_found", "two_factor_setup_required",
        "action_prohibited", "posting_to_general_channel_denied", "team_disabled",  # of incoming webhooks
    ),
    "Slack has withdrawn this method: a newer version of this program may know another": (
        "deprecated_endpoint", "method_deprecated",
    ),
    "Slack does not accept this message": (
        "invalid_arguments", "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "no_text",
        "too_many_attachments",
        "invalid_payload", "missing_text_or_fallback_or_attachments",  # of incoming webhooks
    ),
    "the incoming webhook is gone: make a new one": (
        "invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "user_not_found",
    ),
}

BLOCKS_REFUSED = frozenset({
    "invalid_arguments", "invalid_blocks", "invalid_blocks_format", "invalid_payload", "msg_blocks_too_long",
    "msg_too_long",
})
"""A plain short text may still be taken."""

THREAD_LOST = frozenset({
    "message_not_found", "thread_not_found", "edit_window_closed", "cant_update_message", "update_failed",
    "block_mismatch", "streaming_state_conflict", "external_channel_migrating", "cannot_reply_to_message",
    "restricted_action_non_threadable_channel", "restricted_action_thread_locked", "channel_not_found",
    "not_in_channel", "is_archived", "is_inactive",
})
"""A message that was posted once can be edited or answered no more; a fresh post, to the channel configured now, may do."""
# fmt: on

PERMANENT: Mapping[str, str] = {code: hint for hint, codes in _HINTS.items() for code in codes}
"""Slack's error, and what a human can do about it."""

# "It's possible some aspect of the operation succeeded before the error was raised."
_PERHAPS_DONE = frozenset({"fatal_error", "internal_error"})
_CODE = re.compile(r"[a-z][a-z0-9_]{0,60}")
_OK, _CLIENT_ERROR, _TOO_MANY_REQUESTS = 200, 400, 429
_BODY_LIMIT = 256 * 1024  # an answer repeats the message
# Without one the constructor looks for a proxy in the environment, and logs it with its password.
_UNUSED_PROXY = "http://unused.invalid"


class Refusal(Undeliverable):
    """Slack said no, and why: `code` is its own word for it."""

    def __init__(self, code: str, *, unknown: bool = False, channel: str = "") -> None:
        hint = PERMANENT.get(code)
        place = "" if hint is None or hint == _TOKEN else channel
        super().__init__(
            f"Slack says {code}{f' of the channel {place}' if place else ''}{f': {hint}' if hint else ''}",
            permanent=hint is not None,
            unknown=unknown or code in _PERHAPS_DONE,
            place=place,
        )
        self.code = code

    def of(self, channel: str) -> "Refusal":
        """The same, said of one of several channels; what is wrong with the token is no channel's."""
        return Refusal(self.code, unknown=self.unknown, channel=channel)


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
        params: dict[str, Any] | None = None,
        **_unused: object,
    ) -> SlackResponse:
        """Call a method, once. Raises Undeliverable: only `ok: false` and a code is a clear no.

        `params` go as a form, which is all that methods take that read; a `token` among them is sent instead of the bot's.
        """
        url = f"{self.base_url}{api_method}"
        form = {name: value for name, value in (params or {}).items() if value is not None}
        headers = {"Authorization": f"Bearer {form.pop('token', self.token)}"}
        answer = await _send(self._http, self._clock, url, form or json or {}, headers, as_form=bool(form))
        try:
            data = answer.json()
        except Garbled:
            raise _unreadable(answer) from None
        if not isinstance(data, dict):
            raise _unreadable(answer)
        if data.get("ok") is not True:  # slack_sdk takes any text and any number for a yes
            code = data.get("error")
            if data.get("ok") is False and isinstance(code, str) and _CODE.fullmatch(code):
                raise Refusal(code, unknown=answer.status >= SERVER_ERROR)
            raise _unreadable(answer)
        headers = dict(answer.headers)
        response = SlackResponse(
            client=self,
            http_verb="POST",
            api_url=url,
            req_args={},
            data=data,
            headers=headers,
            status_code=answer.status,
        )
        try:
            return cast("SlackResponse", response.validate())  # type: ignore[no-untyped-call]
        except SlackApiError:
            raise _unreadable(answer) from None

    async def post(self, **arguments: Any) -> SlackResponse:  # noqa: ANN401 - the arguments of Slack's method
        """chat.postMessage."""
        return await cast("Awaitable[SlackResponse]", self.chat_postMessage(**arguments))

    async def update(self, **arguments: Any) -> SlackResponse:  # noqa: ANN401 - the arguments of Slack's method
        """chat.update."""
        return await cast("Awaitable[SlackResponse]", self.chat_update(**arguments))

    async def identify(self) -> SlackResponse:
        """auth.test: whose token it is; posts nothing."""
        return await cast("Awaitable[SlackResponse]", self.auth_test())

    async def open_connection(self, app_token: str) -> str:
        """apps.connections.open: the URL of a WebSocket, good for one connection. A secret."""
        try:
            answer = await cast("Awaitable[SlackResponse]", self.apps_connections_open(app_token=app_token))
        except Refusal as refusal:  # what it hints at is the bot's token
            what = f"Slack says {refusal.code} of the app token: it must be valid, with the scope connections:write"
            raise Undeliverable(what, permanent=refusal.permanent) from None
        return str(answer.get("url") or "")

    async def members(self, group: str) -> frozenset[str]:
        """usergroups.users.list: the ids of the people in a user group."""
        answer = await cast("Awaitable[SlackResponse]", self.usergroups_users_list(usergroup=group))
        users = answer.get("users")
        return frozenset(map(str, users)) if isinstance(users, list) else frozenset()


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
        """Post, once. Raises Undeliverable: only a documented word is a clear no."""
        given = {name: value for name, value in body.items() if value is not None}
        answer = await _send(self._http, self._clock, self.url, given, headers or {})
        said = answer.text(200).strip()
        if answer.status == _OK and said == "ok":
            return
        if said in PERMANENT and _CLIENT_ERROR <= answer.status < SERVER_ERROR:
            raise Refusal(said)
        raise _unreadable(answer)

    async def post(self, *, text: str, blocks: list[dict[str, Any]] | None) -> None:
        """Post one message."""
        await cast("Awaitable[None]", self.send(text=text, blocks=blocks, unfurl_links=False, unfurl_media=False))

    async def answer(self, text: str) -> None:
        """Answer somebody who pressed a button: only they see it, and the message stays as it is."""
        answer = self.send(text=text, response_type="ephemeral", replace_original=False)
        await cast("Awaitable[None]", answer)


async def _send(
    http: Http, clock: Clock, url: str, body: Mapping[str, Any], headers: Mapping[str, str], *, as_form: bool = False
) -> Answer:
    kind = "application/x-www-form-urlencoded" if as_form else "application/json"
    try:
        answer = await http.request(
            Service.SLACK,
            "POST",
            url,
            timeout=TIMEOUT,
            headers={"Content-Type": f"{kind}; charset=utf-8", **headers},
            body=(urlencode(body) if as_form else json_text.dumps(body)).encode(),
            body_limit=_BODY_LIMIT,
        )
    except Unreachable as error:
        raise unanswered("Slack", error) from None
    if answer.status == _TOO_MANY_REQUESTS:  # nothing was posted, and nothing will be before Retry-After
        raise Undeliverable("Slack asks to wait (429)", retry_after=answer.retry_after(clock.now()))
    return answer


def _unreadable(answer: Answer) -> Undeliverable:
    """An answer that is not Slack's: a page of a proxy, a redirect (never followed), a body cut short.

    A 2xx or 5xx may hide a message that was posted; what is in front of Slack and says 3xx or 4xx has let nothing through.
    """
    unknown = answer.status < OK_ENDS or answer.status >= SERVER_ERROR
    kind = answer.media_type or "no content type"
    return Undeliverable(f"not an answer of Slack: status {answer.status}, {kind}", unknown=unknown)
