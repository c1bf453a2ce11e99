"""One clear line per notice."""

import pytest

from monitor.notifiers.log import LogNotifier, line
from monitor.redaction import Redactor
from tests.notifiers import notices
from tests.notifiers.notices import KINDS, a_diagnosis, a_notice, an_incident


@pytest.mark.parametrize("kind", KINDS)
async def test_every_notice_is_one_line(kind: str) -> None:
    """With its time, its reason and who would be called."""
    lines: list[str] = []
    notice = KINDS[kind]()
    await LogNotifier(write=lines.append, redact=str).tell(notice)
    (written,) = lines
    assert "\n" not in written
    assert written.startswith("2027-01-15 ")
    assert f"[{notice.reason}" in written
    assert ("mention" in written.partition("]")[0]) is notice.mention
    assert ("broadcast" in written.partition("]")[0]) is notice.broadcast


def test_it_says_what_broke_where_why_and_what_to_do() -> None:
    """As a message would."""
    assert line(notices.opened(), str) == (
        "2027-01-15 08:00 UTC [opened, mention] 🚨 critical · prod · exporter_disabled: The gateway's traces exporter is off: "
        "the manifest is null | Where: the gateway's export configuration. Since 2027-01-15 07:59 UTC. | last changed by ana at "
        "2027-01-15 07:58 UTC | Next: Switch it on: AI Gateway, Controls, Settings, OTEL Config; `trace-monitor expected` "
        "prints every field."
    )


def test_foreign_text_makes_no_line_and_no_terminal_jump() -> None:
    """Whatever somebody wrote into a configuration."""
    incident = an_incident(a_diagnosis(because=("a", "b\n\x1b[2Jc" * 500)))
    written = line(a_notice(incident=incident), Redactor().redact)
    assert "\n" not in written
    assert "\x1b" not in written
    assert len(written) <= 2000
