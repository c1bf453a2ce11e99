"""The JSON Schema of the configuration file, for editors and for checks without the program.

It describes the file alone, so nothing is required: whatever is missing may come from the environment or a secrets directory.
Its copy in the package is `schema.json`; `python -m monitor.settings.schema` writes it anew.
"""

import ast
import inspect
import json
import sys
import textwrap
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from monitor.core.model import Severity
from monitor.settings.model import Settings
from monitor.settings.target import TARGET_NAME
from monitor.settings.tree import TWIN, Kind, Setting, sections, whole
from monitor.settings.values import format_duration

COMMITTED = Path(__file__).with_name("schema.json")
_NULL = {"type": "null"}


def json_schema() -> dict[str, Any]:
    """The schema, made from the models."""
    made = Settings.model_json_schema()
    definitions = made["$defs"]
    for model, section in {section.type: section for section in sections(whole())}.items():
        _complete(made if model is Settings else definitions[model.__name__], section)
    made["properties"]["targets"]["propertyNames"] = {"pattern": f"^{TARGET_NAME}$"}
    what = "What every target has unless it says otherwise."
    made["properties"]["defaults"] = {"$ref": "#/$defs/Target", "description": what}
    made["title"] = "Gateway Trace Monitor"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def schema_text() -> str:
    """The schema as it is committed and printed."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _complete(schema: dict[str, Any], section: Setting) -> None:
    """Add what the models do not say by themselves: descriptions, twins, defaults as people write them."""
    schema.pop("required", None)
    properties: dict[str, Any] = schema["properties"]
    texts = descriptions(section.type)
    for name, setting in section.keys.items():
        if name not in properties:
            continue
        described = properties[name]
        described.pop("title", None)
        if text := texts.get(name) or texts.get(f"{name}_"):
            described["description"] = text
        if setting.derived and _NULL not in described.get("anyOf", ()):
            outside = {key: described.pop(key) for key in ("description", "default") if key in described}
            described = properties[name] = {"anyOf": [described, _NULL], **outside}
        if "default" in described:
            described["default"] = _as_written(described["default"], setting)
        if setting.twinned:
            what = f"Instead of `{name}`: the file that holds it; read again when it changes."
            properties[f"{name}{TWIN}"] = {"anyOf": [{"type": "string"}, _NULL], "description": what}


def _as_written(default: Any, setting: Setting) -> Any:  # noqa: ANN401 - JSON
    if setting.kind is Kind.LIST and default:
        return [_as_written(each, setting.each) for each in default]
    if isinstance(default, float):
        return format_duration(default)
    return Severity(default).word if setting.type is Severity else default


@cache
def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """The text below each field of a model, by name; none where the program was installed without its sources.

    Read only when somebody asks: pydantic's `use_attribute_docstrings` parses every source whenever the models are imported.
    """
    try:
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except OSError:
        return {}
    found: dict[str, str] = {}
    for statement, following in pairwise(node.body if isinstance(node, ast.ClassDef) else []):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def describe(model: type[BaseModel], name: str) -> str:
    """What a field is, in a sentence without its full stop; empty if nothing is written."""
    return descriptions(model).get(name, "").rstrip(".")


if __name__ == "__main__":
    sys.stdout.write(f"{COMMITTED}\n")
    COMMITTED.write_text(schema_text(), encoding="utf-8")
