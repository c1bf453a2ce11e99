"""Messages quoted in documents, the texts they are compared with, and the words that plain English replaced."""

import re
from pathlib import Path

from monitor.core.model import Fault

GOLDEN = Path(__file__).parent / "golden" / "slack"

OUTDATED = re.compile(
    r"(?i)\b(?:mend(?:s|ed|ing)?|is well\b|are well\b|not well\b|takes? in\b|taken in\b|(?:is|are|be|was|were) told\b|telling"
    r"|lately|also broken|stands? (?:below|in)\b|the ways|hush|looks? at\b|spans? of (?:our|ours|its) ?(?:own)?\b|control spans?)"
)
"""What the documents no longer say: healthy, fixed, notified, accepts, recently, also wrong, is listed below, notifiers, check."""


def quoted(markdown: str) -> list[str]:
    """The quotations of a document, each a blockquote, on one line."""
    blocks = re.findall(r"^(?:> .+\n)+", markdown, re.MULTILINE)
    return [" ".join(line.removeprefix("> ") for line in block.splitlines()) for block in blocks]


def slack_shows(fault: Fault) -> str:
    """All that the golden texts have Slack show while this fault names the incident."""
    return (GOLDEN / f"{fault.value}.txt").read_text()
