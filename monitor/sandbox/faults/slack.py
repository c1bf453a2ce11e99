"""Faults of Slack: none of them is a fault of the gateway, and none may disturb the checks."""

from collections.abc import Mapping

from monitor.sandbox.faults.kinds import (
    HTML,
    JSON,
    Act,
    Disturbance,
    Host,
    How,
    Reply,
    SandboxFault,
    Twist,
    fault,
)

_THROTTLED = Reply(
    status=429, body='{"ok":false,"error":"ratelimited"}', content_type=JSON, headers={"retry-after": "30"}
)
_PAGE = Reply(status=200, body="<!doctype html><title>Slack</title><p>Something went wrong.", content_type=HTML)
_BROKEN = Reply(status=500, body='{"ok":false,"error":"internal_error"}', content_type=JSON)


def _trouble(about: str, how: How, reply: Reply = _BROKEN, seconds: float = 30.0) -> SandboxFault:
    return fault(about, Disturbance(host=Host.SLACK, how=how, reply=reply, seconds=seconds))


def _twist(about: str, twist: Twist) -> SandboxFault:
    return fault(about, Act(twist=twist))


FAULTS: Mapping[str, SandboxFault] = {
    "slack_unreachable": _trouble("nobody listens where Slack should be", How.REFUSE),
    "slack_silent": _trouble("Slack never answers", How.SILENCE),
    "slack_slow": _trouble("Slack needs half a minute", How.SLOW),
    "slack_reset": _trouble("Slack resets every connection", How.RESET),
    "slack_failing": _trouble("Slack answers 500", How.REPLY),
    "slack_throttled": _trouble("Slack answers 429 with Retry-After: 30", How.REPLY, _THROTTLED),
    "slack_page": _trouble("Slack answers 200 with a web page", How.REPLY, _PAGE),
    "slack_answer_lost": _trouble("Slack posts the message, and its answer is lost", How.LOSE),
    "slack_paced": _twist("Slack enforces its one message a second and channel", Twist.SLACK_PACED),
    "slack_invalid_auth": _twist("the bot's token is revoked", Twist.SLACK_INVALID_AUTH),
    "slack_channel_not_found": _twist("the channel is gone", Twist.SLACK_CHANNEL_NOT_FOUND),
    "slack_refuses_blocks": _twist("Slack refuses every message with blocks", Twist.SLACK_REFUSES_BLOCKS),
    "slack_edit_closed": _twist("messages can no longer be edited", Twist.SLACK_EDIT_CLOSED),
    "slack_forgets": _twist("messages posted earlier are gone", Twist.SLACK_FORGETS),
}
