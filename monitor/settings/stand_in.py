"""The same settings on a machine that has none of their secrets: for whoever wants to check the rest, or the thresholds alone."""

from typing import Any

from pydantic import ValidationError

from monitor.settings.explain import shape_at
from monitor.settings.model import Settings, build
from monitor.settings.secret import SecretFile, StandIn
from monitor.settings.shape import Hidden

_CERTIFICATES = {"http": ("ca_file",), "server": ("tls_cert", "tls_key")}


def build_without_secrets(layers: list[dict[str, Any]]) -> Settings:
    """Merge and validate with a stand-in for each secret that is needed and given nowhere. Raises pydantic.ValidationError."""
    try:
        return build([*layers])
    except ValidationError as error:
        lacking = [each["loc"] for each in error.errors(include_url=False) if each["type"] == "missing"]
        secrets = [path for path in lacking if isinstance(shape_at(path), Hidden)]
        if not secrets:
            raise
    return build([*layers, _tree(secrets)])


def without_files(values: dict[str, Any]) -> dict[str, Any]:
    """A layer of settings with a stand-in for each secret that a file holds, and without certificates."""
    kept = {
        section: {key: value for key, value in values[section].items() if key not in names}
        for section, names in _CERTIFICATES.items()
        if isinstance(values.get(section), dict)
    }
    replaced: dict[str, Any] = _replace(values | kept)
    return replaced


def _tree(paths: list[tuple[int | str, ...]]) -> dict[str, Any]:
    root: dict[Any, Any] = {}
    for path in paths:
        node = root
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[path[-1]] = StandIn()
    return root


def _replace(given: Any) -> Any:  # noqa: ANN401 - whatever YAML can say
    match given:
        case SecretFile():
            return StandIn()
        case dict():
            return {key: _replace(value) for key, value in given.items()}
        case list():
            return [_replace(value) for value in given]
        case _:
            return given
