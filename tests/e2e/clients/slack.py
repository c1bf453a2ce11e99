"""slack-sdk posts, replies, edits, is refused, and uses a webhook. Argument: JSON with api_url, token, channel, webhook_url."""

import json
import sys

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

given = json.loads(sys.argv[1])
client = WebClient(given["token"], base_url=given["api_url"])

root = client.chat_postMessage(channel=given["channel"], text="the exporter is off")
reply = client.chat_postMessage(channel=given["channel"], text="still off", thread_ts=root["ts"], reply_broadcast=True)
edited = client.chat_update(channel=root["channel"], ts=root["ts"], text="resolved")
try:
    WebClient("xoxb-nobody", base_url=given["api_url"]).chat_postMessage(channel=given["channel"], text="no")
    refused = "accepted"
except SlackApiError as error:
    refused = error.response["error"]
webhook = WebhookClient(given["webhook_url"]).send(text="by webhook")
print(
    json.dumps(
        {
            "root": root["ok"],
            "reply": reply["ok"],
            "edited": edited["text"],
            "refused": refused,
            "webhook": [webhook.status_code, webhook.body],
        }
    )
)
