"""SECURITY.md is true: the tests that it names exist, and every secret that can be configured is in its table."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()

NAMED_OTHERWISE = {"ControlPlane": "control_plane", "OtherEnvironment": "traceloop.other_environments.*"}
"""By which path the settings of a section are written there."""


def test_every_test_that_it_names_is_there() -> None:
    """A claim whose test is gone is none."""
    named = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", PAGE)
    assert len(named) > 20
    missing = [(file, path) for file, path in named if not _holds(ROOT / file, path.split("::"))]
    assert missing == []


def _holds(file: Path, names: list[str]) -> bool:
    """Whether a file has a test of that name, in that class."""
    inside: list[ast.stmt] = ast.parse(file.read_text()).body if file.exists() else []
    for name in names:
        found = [
            node
            for node in inside
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        if not found:
            return False
        inside = found[0].body
    return True


def _secrets(node: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where a secret stands in the JSON Schema of the settings."""
    if isinstance(node, dict):
        if node.get("format") == "password":
            yield path
        for key, value in node.items():
            yield from _secrets(value, (*path, key))
    elif isinstance(node, list):
        for value in node:
            yield from _secrets(value, path)


def test_every_secret_that_can_be_configured_is_in_the_table() -> None:
    """Who adds a credential says what its holder could do with it."""
    schema: dict[str, Any] = json.loads((ROOT / "monitor" / "settings" / "schema.json").read_text())
    table = PAGE.split("## What is held", 1)[1].split("\n## ", 1)[0]
    settings: set[tuple[str, str]] = set()
    for path in _secrets(schema):
        section, name = path[path.index("$defs") + 1], path[path.index("properties") + 1]
        settings.add((NAMED_OTHERWISE.get(section, section.lower()), name))
    assert len(settings) > 10
    assert [f"{section}.{name}" for section, name in sorted(settings) if f"{section}.{name}`" not in table] == []
