"""The JSON Schema of the configuration file, for editors and for checks without the program.

It describes the file alone, so nothing is required: whatever is missing may come from the environment or a secrets directory.
Its copy in the package is `schema.json`; `python -m monitor.settings.schema` writes it anew.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monitor.core.model import Severity
from monitor.settings.docs import descriptions
from monitor.settings.duration import format_duration
from monitor.settings.model import Settings
from monitor.settings.shape import TWIN, Fields, Many, Shape, Table, Value, is_twinned, settings_shape
from monitor.settings.target import TARGET_NAME

COMMITTED = Path(__file__).with_name("schema.json")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}


def json_schema() -> dict[str, Any]:
    """The schema, made from the models."""
    made = Settings.model_json_schema()
    definitions = made["$defs"]
    for shape in _sections(settings_shape()):
        _complete(made if shape.model is Settings else definitions[shape.model.__name__], shape)
    made["properties"]["targets"]["propertyNames"] = {"pattern": f"^{TARGET_NAME}$"}
    made["properties"]["defaults"] = {
        "$ref": "#/$defs/Target",
        "description": "What every target has unless it says otherwise.",
    }
    made["title"] = "Gateway Trace Monitor"
    return {"$schema": _DIALECT, **made}


def schema_text() -> str:
    """The schema as it is committed and printed."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _sections(shape: Shape) -> Iterator[Fields]:
    match shape:
        case Fields():
            yield shape
            for inner in shape.of.values():
                yield from _sections(inner)
        case Table(value=inner) | Many(item=inner):
            yield from _sections(inner)
        case _:
            return


def _complete(schema: dict[str, Any], shape: Fields) -> None:
    """Add what the models do not say by themselves: descriptions, twins, defaults as people write them."""
    schema.pop("required", None)
    properties: dict[str, Any] = schema["properties"]
    texts = descriptions(shape.model)
    for name, inner in shape.of.items():
        if name not in properties:
            continue
        described = properties[name]
        described.pop("title", None)
        if text := texts.get(name) or texts.get(f"{name}_"):
            described["description"] = text
        if getattr(inner, "derived", None) and _NULL not in described.get("anyOf", ()):
            described = properties[name] = _nullable(described)
        _readable_default(described, inner)
        if is_twinned(inner):
            properties[f"{name}{TWIN}"] = {
                "anyOf": [{"type": "string"}, _NULL],
                "description": f"Instead of `{name}`: the file that holds it; read again when it changes.",
            }


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    outside: dict[str, Any] = {key: schema.pop(key) for key in ("description", "default") if key in schema}
    return {"anyOf": [schema, _NULL], **outside}


def _readable_default(schema: dict[str, Any], shape: Shape) -> None:
    default = schema.get("default")
    if isinstance(shape, Value) and shape.unit and isinstance(default, float):
        schema["default"] = format_duration(default)
    elif isinstance(shape, Many) and isinstance(shape.item, Value) and shape.item.unit and default:
        schema["default"] = [format_duration(each) for each in default]
    elif isinstance(default, int) and "enum" in schema:
        schema["default"] = Severity(default).word


if __name__ == "__main__":
    sys.stdout.write(f"{COMMITTED}\n")
    COMMITTED.write_text(schema_text(), encoding="utf-8")
