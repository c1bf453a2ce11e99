"""The JSON Schema of the file."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import create_model

from monitor import settings
from monitor.settings.schema import Setting, descriptions, json_schema, schema_text, sections, whole
from monitor.settings.values import PATTERN

SCHEMA = json_schema()


def test_the_committed_schema_is_current() -> None:
    """If not: trace-monitor config schema > monitor/settings/schema.json."""
    committed = Path(settings.__file__).with_name("schema.json")
    assert committed.read_text(encoding="utf-8") == schema_text()


def definition(section: Setting) -> dict[str, Any]:
    """What the schema says of a section."""
    name = section.type.__name__
    found: dict[str, Any] = SCHEMA if name == "Settings" else SCHEMA["$defs"][name]
    return found


def test_the_schema_knows_exactly_the_keys_of_the_loader() -> None:
    """Twins among them, and nothing else is allowed."""
    for section in sections(whole()):
        assert set(definition(section)["properties"]) == set(section.names())
        assert definition(section)["additionalProperties"] is False


def test_nothing_is_required_by_the_schema() -> None:
    """What is missing in the file may come from elsewhere."""
    assert '"required"' not in schema_text()


def test_every_setting_is_described() -> None:
    """Editors show it."""
    bare = [
        f"{section.type.__name__}.{name}"
        for section in sections(whole())
        for name, described in definition(section)["properties"].items()
        if "description" not in described and "$ref" not in json.dumps(described)
    ]
    assert bare == []


def test_without_sources_there_are_no_descriptions_and_no_traceback() -> None:
    """A complaint is shorter then."""
    assert descriptions(create_model("Bare")) == {}


def test_durations_have_defaults_as_people_write_them() -> None:
    """And may be texts or numbers."""
    every = SCHEMA["$defs"]["CanaryCheck"]["properties"]["every"]
    assert every["default"] == "5m"
    assert [kind["type"] for kind in every["anyOf"]] == ["string", "number"]


@pytest.mark.parametrize("text", ["30s", "5m", "1h30m", "90", "0.5s", "250ms", "30d"])
def test_the_pattern_of_durations_takes_what_the_parser_takes(text: str) -> None:
    """What is commonly written."""
    assert re.search(PATTERN, text)


@pytest.mark.parametrize("text", ["", "s", "5x", "1:30", "5 minutes"])
def test_the_pattern_of_durations_refuses_what_the_parser_refuses(text: str) -> None:
    """What is commonly mistaken."""
    assert not re.search(PATTERN, text)


def test_severities_and_faults_are_words() -> None:
    """Not numbers, as in the metrics."""
    assert SCHEMA["$defs"]["TargetAlerting"]["properties"]["max_severity"]["default"] == "critical"
    assert "trace_missing" in SCHEMA["$defs"]["Fault"]["enum"]


def test_secrets_are_marked_and_their_defaults_never_shown() -> None:
    """Editors hide them."""
    token = SCHEMA["$defs"]["ControlPlane"]["properties"]["token"]
    assert (token["format"], token["writeOnly"]) == ("password", True)


def test_derived_settings_may_be_null() -> None:
    """Null asks for the derived default."""
    url = SCHEMA["$defs"]["Gateway"]["properties"]["url"]
    assert {"type": "null"} in url["anyOf"]
