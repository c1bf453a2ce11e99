"""What is written for people says the same as the code."""

import re
from pathlib import Path

import pytest

from monitor.core.faults import FAULTS, Rule
from monitor.core.triage import TRIAGE
from tools.diagnosis_table import write

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"\| \[`(\w+)`\]\((\S+)\) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")


def test_the_written_diagnosis_is_current() -> None:
    """`make docs` writes it anew."""
    assert (ROOT / "docs" / "diagnosis.md").read_text() == write()


@pytest.mark.parametrize("rule", FAULTS.values(), ids=lambda rule: str(rule.fault))
def test_the_written_diagnosis_says_everything_of_a_rule(rule: Rule) -> None:
    """When, how much of it, why, what it explains, what to do, and where more stands."""
    section = write().split(f"\n### `{rule.fault}`\n", 1)[1].split("\n### ", 1)[0]
    for word in ("meaning", "component", "severity_text", "when", "settles", "because", "advice"):
        assert str(getattr(rule, word)) in section, word
    explained = set(re.findall(r"\(#(\w+)\)", section))
    assert explained == {str(fault) for fault in rule.explains}
    (runbook,) = re.findall(r"\]\((\.\./monitor/runbooks/\w+\.md)\)", section)
    assert (ROOT / "docs" / runbook).exists()


def test_the_written_diagnosis_shows_the_whole_triage() -> None:
    """Nine pairs of answers, each with the name that the loss gets."""
    triage = write().split("\n## Which hop lost a trace\n", 1)[1].split("\n## ", 1)[0]
    named = re.findall(r"^\| .* \| \[`(\w+)`\]\(#\w+\) \|$", triage, re.MULTILINE)
    assert named == [str(place.fault) for place in TRIAGE.values()]


def test_the_readme_lists_every_fault_as_the_table_has_it() -> None:
    """Name, order, severity, and a runbook that exists."""
    rows = ROW.findall((ROOT / "README.md").read_text())
    short = {rule.severity_text: rule.severity_text.partition(",")[0] for rule in FAULTS.values()}
    assert [(name, severity) for name, _, severity, _, _ in rows] == [
        (str(fault), short[rule.severity_text]) for fault, rule in FAULTS.items()
    ]
    assert all((ROOT / link).name == f"{name}.md" and (ROOT / link).exists() for name, link, *_ in rows)
