"""What can be set: the models as one tree that everything walks (loader, complaints, `config show`), and as JSON Schema.

With the tree, the text of a YAML file, of an environment variable and of a file in a secrets directory mean the same. The JSON
Schema describes the file alone, so nothing in it is required: whatever is missing may come from the environment or a secrets
directory. Its copy in the package, for editors, is `schema.json`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from monitor.core.model import TARGET_NAME, Severity
from monitor.settings.model import Settings
from monitor.settings.problem import KeyPath
from monitor.settings.secret import HeaderSource, SecretSource
from monitor.settings.target import Target
from monitor.settings.values import Derived, Mark, format_duration

TWIN = "_file"
_NULL = {"type": "null"}


class Kind(Enum):
    """What a setting is: a mapping with known keys, one with keys that somebody else chooses, a list, a secret, one value."""

    SECTION = auto()
    MAPPING = auto()
    LIST = auto()
    SECRET = auto()
    VALUE = auto()


@dataclass(frozen=True)
class Setting:
    """One setting as its model declares it. `type` is without its marks and without None."""

    type: Any
    marks: tuple[Any, ...] = ()
    nullable: bool = False

    @cached_property
    def kind(self) -> Kind:
        """What it is."""
        origin = get_origin(self.type)
        if origin is tuple:
            return Kind.LIST
        if origin is Mapping:
            return Kind.MAPPING
        if isinstance(self.type, type) and issubclass(self.type, BaseModel):
            return Kind.SECTION
        return Kind.SECRET if isinstance(self.type, type) and issubclass(self.type, SecretSource) else Kind.VALUE

    @cached_property
    def attributes(self) -> Mapping[str, str]:
        """The attribute of each key of a section: the same word, but for `from`."""
        fields = self.type.model_fields if self.kind is Kind.SECTION else {}
        return {field.alias or name: name for name, field in fields.items()}

    @cached_property
    def keys(self) -> Mapping[str, "Setting"]:
        """What a section holds, by key; of the whole also `defaults`."""
        fields = {key: self.type.model_fields[name] for key, name in self.attributes.items()}
        keys = {key: _setting(field.annotation, tuple(field.metadata)) for key, field in fields.items()}
        return keys | {"defaults": Setting(Target)} if self.type is Settings else keys

    @cached_property
    def each(self) -> "Setting":
        """What a list or a mapping holds."""
        arguments = get_args(self.type)
        return _setting(arguments[1] if self.kind is Kind.MAPPING else arguments[0])

    @property
    def derived(self) -> str | None:
        """How its default is made from another setting, for people."""
        return next((mark.rule for mark in self.marks if isinstance(mark, Derived)), None)

    @property
    def takes_file(self) -> bool:
        """Whether it is the secret of a mapping, whose file is given as `{file: …}` instead of by a twin."""
        return self.type is HeaderSource

    @property
    def twinned(self) -> bool:
        """Whether it has a twin that names a file."""
        return self.kind is Kind.SECRET and not self.takes_file

    def names(self) -> list[str]:
        """Every key that may be given in a section, twins among them."""
        return [*self.keys, *(f"{name}{TWIN}" for name, setting in self.keys.items() if setting.twinned)]

    def twin_of(self, name: str) -> str | None:
        """The secret that `name` is the file of."""
        secret = name.removesuffix(TWIN)
        return secret if secret != name and secret in self.keys and self.keys[secret].twinned else None


@cache
def whole(model: type[BaseModel] = Settings) -> Setting:
    """The whole of a model: of the configuration, or of a section."""
    return Setting(model)


def setting_at(path: KeyPath) -> Setting | None:
    """The setting at a path."""
    found: Setting | None = whole()
    for part in path:
        if found is not None:
            found = found.each if found.kind in {Kind.MAPPING, Kind.LIST} else found.keys.get(str(part))
    return found


def sections(setting: Setting) -> Iterator[Setting]:
    """Every section of a setting, itself among them."""
    below = [setting.each] if setting.kind in {Kind.MAPPING, Kind.LIST} else setting.keys.values()
    yield from [setting] if setting.kind is Kind.SECTION else []
    for each in below:
        yield from sections(each)


def walk(section: BaseModel) -> Iterator[tuple[KeyPath, Setting, Any]]:
    """Every effective setting of a section, from the outside in: its path, what its model says of it, its value."""
    waiting: list[tuple[KeyPath, Setting, Any]] = [((), whole(type(section)), section)]
    while waiting:
        path, setting, value = waiting.pop()
        yield path, setting, value
        below: list[tuple[KeyPath, Setting, Any]] = []
        if setting.attributes and value is not None:
            below = [
                ((*path, key), setting.keys[key], getattr(value, name)) for key, name in setting.attributes.items()
            ]
        elif setting.kind is Kind.MAPPING:
            below = [((*path, key), setting.each, each) for key, each in value.items()]
        elif setting.kind is Kind.LIST:
            below = [((*path, place), setting.each, each) for place, each in enumerate(value)]
        waiting.extend(reversed(below))


def _setting(annotation: Any, marks: tuple[Any, ...] = (), *, nullable: bool = False) -> Setting:  # noqa: ANN401
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _setting(arguments[0], (*marks, *arguments[1:]), nullable=nullable)
    if get_origin(annotation) in {Union, UnionType} and NoneType in arguments:
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _setting(inner, marks, nullable=True)
    return Setting(annotation, marks, nullable or annotation is Any or any(isinstance(mark, Derived) for mark in marks))


def all_secrets(section: BaseModel | None) -> tuple[SecretSource, ...]:
    """The secrets in a section of the settings, or in all of them; each once."""
    every = walk(section) if section is not None else ()
    return tuple(dict.fromkeys(value for _, _, value in every if isinstance(value, SecretSource)))


# --- JSON Schema --------------------------------------------------------------------------------------------------------


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
    """Add what the models do not say by themselves: twins, and defaults as people write them."""
    schema.pop("required", None)
    properties: dict[str, Any] = schema["properties"]
    for name, setting in section.keys.items():
        if name not in properties:
            continue
        described = properties[name]
        described.pop("title", None)
        if text := described.pop("description", None):
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
    if isinstance(default, float) and Mark.SHARE not in setting.marks:
        return format_duration(default)
    return Severity(default).word if setting.type is Severity else default
