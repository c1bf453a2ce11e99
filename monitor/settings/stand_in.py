"""The same settings on a machine that has none of their files: for whoever wants the thresholds alone."""

from typing import Any

from monitor.settings.secret import SecretFile, SecretText

STAND_IN = SecretText("https://stand-in.invalid/")
"""Passes for a token, and for a URL that is a secret; sent nowhere."""

_CERTIFICATES = {"http": ("ca_file",), "server": ("tls_cert", "tls_key")}


def without_files(values: dict[str, Any]) -> dict[str, Any]:
    """A layer of settings with a stand-in for each secret that a file holds, and without certificates."""
    kept = {
        section: {key: value for key, value in values[section].items() if key not in names}
        for section, names in _CERTIFICATES.items()
        if isinstance(values.get(section), dict)
    }
    replaced: dict[str, Any] = _replace(values | kept)
    return replaced


def _replace(given: Any) -> Any:  # noqa: ANN401 - whatever YAML can say
    match given:
        case SecretFile():
            return STAND_IN
        case dict():
            return {key: _replace(value) for key, value in given.items()}
        case list():
            return [_replace(value) for value in given]
        case _:
            return given
