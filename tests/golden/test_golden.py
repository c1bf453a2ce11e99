"""What Slack shows of every fault is what the files under `slack/` say, and reads well. `make golden` writes them anew."""

import re

import pytest

from monitor.core.model import Fault
from tools.golden import FOLDER, STORIES, notices

FILES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.txt")}
SHORT = ("gateway_unreachable", "exporter_disabled")
"""The stories of a loss take hours of looks; its messages are drawn by the same code."""
_DIALECT = re.compile(
    r"\b(mended|lately|takes in|a span of our own|also broken|stands below|told|tells?|telling|our own|so far:)\b|\(s\)",
    re.IGNORECASE,
)


def test_there_is_one_file_for_each_fault() -> None:
    """No fault without golden texts, no golden text without a fault."""
    assert set(FILES) == set(Fault)


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=() if fault in SHORT else pytest.mark.thorough) for fault in STORIES],
)
async def test_what_slack_shows_is_what_the_file_says(fault: str) -> None:
    """Opened, changed, resolved, word by word."""
    assert await notices(fault) == FILES[fault]


@pytest.mark.parametrize("fault", STORIES)
def test_the_first_message_answers_what_a_reader_asks(fault: str) -> None:
    """In this order: how bad, which target, what, the name; what that means; the path; the next step."""
    first, said, path, *rest = FILES[fault].split("\n\n")[1].split("\n")
    assert re.fullmatch(rf"(🚨 \*critical\*|⚠️ \*warning\*) · \*demo\* · \*.+\* \(`{fault}`\)", first)
    assert said.endswith(".")
    assert path.count("→") == 3
    assert FILES[fault].index(path) < FILES[fault].index("*Next step*")
    assert not rest or rest == ["<!subteam^S0123>"]


@pytest.mark.parametrize("fault", STORIES)
def test_the_end_is_said_with_the_word_resolved(fault: str) -> None:
    """In the thread and in the edited root, which do not disagree about what became of the canaries."""
    *_, reply, root = FILES[fault].strip().split("=== ")
    counted = [
        [line for line in part.split("\n") if "canar" in line and "trace-monitor" not in line] for part in (reply, root)
    ]
    assert "✅ *resolved*" in reply
    assert "✅ *resolved*" in root
    assert counted[0] == counted[1]


@pytest.mark.parametrize("fault", STORIES)
def test_it_is_plain_english(fault: str) -> None:
    """No invented word, and no sentence twice in one message."""
    assert not _DIALECT.findall(FILES[fault])
    for message in FILES[fault].split("=== "):
        lines = [line for line in message.split("\n") if len(line) > 30]
        assert len(lines) == len(set(lines))
