"""What Slack's answers mean for a notice: delivered, refused for good, not now, or nobody knows.

Permanent are only the errors that Slack documents and a human must mend:
https://docs.slack.dev/reference/methods/chat.postMessage#errors, https://docs.slack.dev/reference/methods/chat.update#errors and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors. All else may pass.
"""

import re
from collections.abc import Mapping

from monitor.core.model import Instant
from monitor.http import Answer
from monitor.ports import Undeliverable

_TOKEN = "the bot token is not (or no longer) valid"  # noqa: S105 - a hint, not a token
_POLICY = "the workspace does not allow this bot to post there"
_CHANNEL = "the bot cannot find the channel: check its id, and invite the bot"
_HOOK = "the incoming webhook is gone: make a new one"
_SHAPE = "Slack does not take this message"
_OUTDATED = "Slack has withdrawn this method: a newer version of this program may know another"

PERMANENT: Mapping[str, str] = {
    "not_authed": _TOKEN,
    "invalid_auth": _TOKEN,
    "account_inactive": _TOKEN,
    "token_revoked": _TOKEN,
    "token_expired": _TOKEN,
    "not_allowed_token_type": _TOKEN,
    "missing_scope": "the bot lacks a scope: give it chat:write and install it again",
    "channel_not_found": _CHANNEL,
    "not_in_channel": "invite the bot to the channel",
    "is_archived": "the channel is archived",
    "is_inactive": "the channel is frozen, archived or deleted",
    "access_denied": _POLICY,
    "accesslimited": _POLICY,
    "cannot_reply_to_message": _POLICY,
    "ekm_access_denied": _POLICY,
    "enterprise_is_restricted": _POLICY,
    "messages_tab_disabled": _POLICY,
    "no_permission": _POLICY,
    "org_login_required": _POLICY,
    "restricted_action": _POLICY,
    "restricted_action_non_threadable_channel": _POLICY,
    "restricted_action_read_only_channel": _POLICY,
    "restricted_action_thread_locked": _POLICY,
    "restricted_action_thread_only_channel": _POLICY,
    "team_access_not_granted": _POLICY,
    "team_not_found": _POLICY,
    "two_factor_setup_required": _POLICY,
    "deprecated_endpoint": _OUTDATED,
    "method_deprecated": _OUTDATED,
    "invalid_arguments": _SHAPE,
    "invalid_blocks": _SHAPE,
    "invalid_blocks_format": _SHAPE,
    "msg_blocks_too_long": _SHAPE,
    "msg_too_long": _SHAPE,
    "no_text": _SHAPE,
    "too_many_attachments": _SHAPE,
    # of incoming webhooks
    "action_prohibited": _POLICY,
    "channel_is_archived": "the channel is archived",
    "invalid_payload": _SHAPE,
    "invalid_token": _HOOK,
    "missing_text_or_fallback_or_attachments": _SHAPE,
    "no_active_hooks": _HOOK,
    "no_service": _HOOK,
    "no_service_id": _HOOK,
    "no_team": _HOOK,
    "posting_to_general_channel_denied": _POLICY,
    "team_disabled": _POLICY,
    "user_not_found": _HOOK,
}
"""Slack's error, and what a human can do about it."""

BLOCKS_REFUSED = frozenset(
    {
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_payload",
        "msg_blocks_too_long",
        "msg_too_long",
    }
)
"""A plain short text may still be taken."""

THREAD_LOST = frozenset(
    {
        "message_not_found",
        "thread_not_found",
        "edit_window_closed",
        "cant_update_message",
        "update_failed",
        "block_mismatch",
        "streaming_state_conflict",
        "external_channel_migrating",
        "cannot_reply_to_message",
        "restricted_action_non_threadable_channel",
        "restricted_action_thread_locked",
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "is_inactive",
    }
)
"""A message that was posted once can be edited or answered no more; a fresh post, to the channel configured now, may do."""

# "It's possible some aspect of the operation succeeded before the error was raised."
_PERHAPS_DONE = frozenset({"fatal_error", "internal_error"})
_CODE = re.compile(r"[a-z][a-z0-9_]{0,60}")
_OK_ENDS, _CLIENT_ERROR, _SERVER_ERROR = 300, 400, 500


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


def refused(answer: Answer, said: Mapping[str, object]) -> Undeliverable:
    """What a method of the Web API said instead of `ok: true`; only `ok: false` and a code is a clear no."""
    code = said.get("error")
    if said.get("ok") is False and isinstance(code, str) and _CODE.fullmatch(code):
        return Refusal(code, unknown=answer.status >= _SERVER_ERROR)
    return unreadable(answer)


def hook_refused(answer: Answer, said: str) -> Undeliverable:
    """What an incoming webhook said instead of `ok`; only its documented words are a clear no."""
    return Refusal(said) if said in PERMANENT and _CLIENT_ERROR <= answer.status < _SERVER_ERROR else unreadable(answer)


def paced(answer: Answer, now: Instant) -> Undeliverable:
    """429: nothing was posted, and nothing will be before Retry-After."""
    return Undeliverable("Slack asks to wait (429)", retry_after=answer.retry_after(now))


def unreadable(answer: Answer) -> Undeliverable:
    """An answer that is not Slack's: a page of a proxy, a redirect (never followed), a body cut short.

    A 2xx or 5xx may hide a message that was posted; what stands before Slack and says 3xx or 4xx has let nothing through.
    """
    unknown = answer.status < _OK_ENDS or answer.status >= _SERVER_ERROR
    kind = answer.media_type or "no content type"
    return Undeliverable(f"not an answer of Slack: status {answer.status}, {kind}", unknown=unknown)
