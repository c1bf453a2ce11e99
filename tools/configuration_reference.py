"""Write `docs/configuration.md`: every setting, from the JSON Schema of the configuration. `make docs`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).parents[1] / "monitor" / "settings" / "schema.json"

_QUOTE = '"'
_WORDS = {
    "object": "map",
    "string": "text",
    "password": "secret",
    "date-time": "time",
    "boolean": "true, false",
    "integer": "integer",
    "number": "number",
}

Node = Mapping[str, Any]
"""A schema, or a part of one."""

_PREFACE = """\
# Configuration reference

Written by `make docs` from `monitor/settings/schema.json`: change the settings there.

A configuration is one YAML file. `trace-monitor config validate` checks it, `trace-monitor config show` prints each effective value
with its source, and `trace-monitor config schema` prints the schema for an editor. A file with every setting is
[full.yaml](../deploy/examples/full.yaml), a short one [minimal.yaml](../deploy/examples/minimal.yaml).

## Where values come from

The file is the one of `--config PATH`, else of the environment variable `TRACE_MONITOR_CONFIG`, else `./trace-monitor.yaml`, else
`/etc/trace-monitor/config.yaml`. A single target needs no file. Of several sources the first in this list wins:

1. An environment variable: `TRACE_MONITOR_` and the path with `__` between its parts, such as
   `TRACE_MONITOR_TARGETS__PROD__GATEWAY__MODEL`. Upper and lower case are the same, and `_` in a target's name means `-`.
2. A file in the directory that `TRACE_MONITOR_SECRETS_DIR` names, such as `targets__prod__traceloop__api_key`.
3. The configuration file.
4. `defaults` of the configuration file, for every target.
5. The built-in default.

- **Secrets.** Every secret `x` has a twin `x_file`: the file that holds it, read again when it changes, so that a rotation needs no
  restart. Setting both in one source is an error.
- **Durations** are `30s`, `5m`, `1h30m`, `30d`, or a number of seconds.
- **No default**: the setting is required, or follows from others as its meaning says. `null` means not set.
- **Unknown keys** are errors that suggest the nearest name.
- **Reload.** `SIGHUP`, a changed file and `POST /-/reload` load the configuration again. A configuration with an error is refused,
  reported on the page, and changes nothing."""


def write() -> str:
    """The whole document."""
    schema = json.loads(SCHEMA.read_text())
    parts = [_PREFACE, *_sections("", schema, schema["$defs"])]
    return "\n\n".join(parts) + "\n"


def _sections(path: str, node: Node, definitions: Node) -> Iterator[str]:
    """A section for an object, then those of the objects in it; `defaults` has the shape of a target and is not repeated."""
    rows, nested = [], []
    for name, child in node["properties"].items():
        inner, suffix = _inner(child, definitions)
        below = f"{path}.{name}" if path else name
        if name == "defaults":
            rows.append((name, "as a target", "", child["description"]))
        elif inner is not None:
            nested.append((f"{below}{suffix}", inner))
        elif name.removesuffix("_file") == name or name.removesuffix("_file") not in node["properties"]:  # no twin
            rows.append((name, _kind(child, definitions), _default(child, definitions), child.get("description", "")))
    if rows:
        yield "\n".join(_section(path, node, rows))
    for below, inner in nested:
        yield from _sections(below, inner, definitions)


def _inner(node: Node, definitions: Node) -> tuple[Node | None, str]:
    """The object that a property holds, and what its path ends with: `.NAME` for a map of objects, `[]` for a list of them."""
    for candidate, suffix in (
        (node, ""),
        *((option, "") for option in node.get("anyOf", ())),
        (node.get("additionalProperties"), ".NAME"),
        (node.get("items"), "[]"),
    ):
        if isinstance(candidate, dict) and "$ref" in candidate:
            definition = definitions[candidate["$ref"].rpartition("/")[2]]
            if "properties" in definition:
                return definition, suffix
    return None, ""


def _section(path: str, node: Node, rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
    yield f"## `{path}`" if path else "## Top level"
    if path and node.get("description"):
        yield ""
        yield node["description"]
    yield ""
    yield "| setting | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, kind, default, meaning in rows:
        yield f"| `{name}` | {kind} | {default} | {meaning.replace('<', '&lt;')} |"


def _kind(node: Node, definitions: Node) -> str:
    """What may be written there, in words. The names of faults have a page of their own."""
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return "fault" if name == "Fault" else _kind(definitions[name], definitions)
    options = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        return _kind(options[0], definitions)
    if any("[dhms]" in option.get("pattern", "") for option in options):
        return "duration"
    if options:
        return " or ".join(dict.fromkeys(_kind(option, definitions) for option in options))
    if "enum" in node:
        return ", ".join(f"`{choice}`" for choice in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    if node.get("type") == "array":
        return f"list of {_kind(node['items'], definitions)}" if "items" in node else "list"
    return _WORDS[str(node.get("format") or node.get("type"))]


def _default(node: Node, definitions: Node) -> str:
    if "default" not in node:
        return "`{}`" if _kind(node, definitions) == "map" else ""
    return f"`{json.dumps(node['default'], ensure_ascii=False).replace(_QUOTE, '') or _QUOTE * 2}`"
