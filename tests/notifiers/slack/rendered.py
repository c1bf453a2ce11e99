"""A message for Slack as the tests render and read it."""

from typing import Any

from monitor.notifiers.slack.render import Frame, Message, post, reply, root
from monitor.redaction import Redactor
from tests.notifiers.notices import MENTION
from tests.notifiers.slack.limits import texts

FRAME = Frame(redact=Redactor().redact, external_url="https://monitor.acme.dev", mention=MENTION, commands=True)
WRITERS = (root, post, reply)


def payload(message: Message) -> dict[str, Any]:
    """As it is posted."""
    return {"text": message.text, "blocks": message.blocks}


def shown(message: Message) -> str:
    """Everything that the blocks say."""
    return "\n".join(texts(payload(message)))


def first_line(message: Message) -> str:
    """What is read first."""
    return shown(message).partition("\n")[0]
