"""The JSON Schema of the file, and the examples, which work and of which the full one is full."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor import settings
from monitor.core.model import TargetName
from monitor.settings import Loaded, load
from monitor.settings.schema import TWIN, Kind, Setting, json_schema, schema_text, sections, whole
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


EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
SECRETS = "/etc/trace-monitor/secrets"


def load_example(name: str, tmp_path: Path) -> Loaded:
    """Load an example with secrets that exist."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for line in text.splitlines():
        for word in line.replace("}", " ").split():
            if word.startswith(SECRETS):
                kind = "https://hooks.example.com/x" if word.endswith("-url") else "secret-value"
                (tmp_path / Path(word).name).write_text(f"{kind}\n")
    file = tmp_path / name
    file.write_text(text.replace(SECRETS, str(tmp_path)), encoding="utf-8")
    return load(str(file), {}, tmp_path)


@pytest.mark.parametrize("name", sorted(file.name for file in EXAMPLES.glob("*.yaml")))
def test_an_example_is_valid(name: str, tmp_path: Path) -> None:
    """Without a warning."""
    assert load_example(name, tmp_path).warnings == ()


@pytest.mark.parametrize("name", ["minimal.yaml", "full.yaml"])
def test_an_example_fits_the_schema_structurally(name: str) -> None:
    """Every mapping has only keys that the schema knows at its place, every list stands where one belongs."""
    schema = json_schema()

    def fits(value: Any, described: dict[str, Any], at: str) -> None:
        options = described.get("anyOf", [described])
        resolved = [schema["$defs"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in options]
        kinds = {each.get("type") for each in resolved}
        if isinstance(value, dict):
            (mapping,) = (each for each in resolved if each.get("type") == "object")
            for key, child in value.items():
                known = mapping.get("properties", {}).get(key, mapping.get("additionalProperties"))
                assert known not in (None, False), f"{at}.{key}"
                fits(child, known if isinstance(known, dict) else {}, f"{at}.{key}")
        elif isinstance(value, list):
            assert "array" in kinds or not described, at
        elif value is None:
            assert "null" in kinds, at
        else:
            assert kinds - {"object", "array"}, at

    fits(yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8")), schema, "")


def test_the_full_example_holds_every_setting() -> None:
    """A setting that is added must be shown; a secret may be shown by its twin."""
    text = yaml.safe_load((EXAMPLES / "full.yaml").read_text(encoding="utf-8"))
    missing: list[str] = []

    def look(value: Any, setting: Setting, at: str) -> None:
        if setting.kind is Kind.SECTION:
            for name, inner in setting.keys.items():
                if name in value:
                    look(value[name], inner, f"{at}.{name}")
                elif not (inner.twinned and f"{name}{TWIN}" in value):
                    missing.append(f"{at}.{name}")
        elif setting.kind is Kind.MAPPING and setting.each.kind is not Kind.SECRET:
            each = next(iter(value.values()))
            if setting.each.kind is Kind.SECTION:  # what one entry leaves out, another may show
                each = {key: part for item in reversed(value.values()) for key, part in item.items()}
            look(each, setting.each, f"{at}.*")
        elif setting.kind is Kind.LIST and setting.each.kind is Kind.SECTION:
            look({key: part for item in value for key, part in item.items()}, setting.each, f"{at}[]")

    look(text, whole(), "")
    assert [path for path in missing if not path.startswith(".defaults")] == []


def test_the_full_example_shows_the_built_in_defaults(tmp_path: Path) -> None:
    """Where it does not differ on purpose."""
    full, minimal = (load_example(name, tmp_path).settings for name in ("full.yaml", "minimal.yaml"))
    one, (other,) = full.targets[TargetName("prod")], minimal.targets.values()
    assert one.checks.config == other.checks.config
    assert one.checks.gateway == other.checks.gateway
    assert one.checks.arrival == other.checks.arrival
    assert (one.checks.control, one.checks.origin) == (other.checks.control, other.checks.origin)
    assert (full.http, full.state, full.log) == (minimal.http, minimal.state, minimal.log)
    assert full.alerting.remind_every == minimal.alerting.remind_every


def test_the_schema_line_of_the_examples_points_to_the_schema() -> None:
    """Editors follow it."""
    for file in EXAMPLES.glob("*.yaml"):
        first = file.read_text(encoding="utf-8").splitlines()[0]
        relative = first.removeprefix("# yaml-language-server: $schema=")
        assert json.loads((file.parent / relative).read_text(encoding="utf-8"))["title"] == "Gateway Trace Monitor"
