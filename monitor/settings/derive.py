"""Defaults that are made from other settings, so that nobody who uses the settings has to compute them."""

from collections.abc import Mapping
from typing import Any

from monitor.settings.target import Traceloop

Raw = Mapping[str, Any]


def derive(given: Raw) -> dict[str, Any]:
    """The merged layers with every derived default in its place and without `defaults`. Wrong shapes pass untouched."""
    slack = _part(_part(given, "alerting"), "slack")
    state = {name: value for name, value in given.items() if name != "defaults"}
    targets = state.setdefault("targets", {})
    if isinstance(targets, Mapping):
        state["targets"] = {name: _target(target, slack) for name, target in targets.items()}
    return state


def _target(given: object, slack: Raw) -> object:
    if not isinstance(given, Mapping):
        return given
    target = dict(given)
    control_plane = _part(target, "control_plane")
    if isinstance(url := control_plane.get("url"), str):
        _fill(target, "gateway", "url", f"{url.strip().rstrip('/')}/api/llm")
    if (token := control_plane.get("token")) is not None:
        _fill(target, "gateway", "token", token)
    url = _part(target, "traceloop").get("url", Traceloop.model_fields["url"].default)
    if isinstance(url, str):
        _fill(target, "expected", "endpoint", f"{url.strip().rstrip('/')}/v1/traces")
    _fill(target, "alerting", "channel", slack.get("channel"))
    _fill(target, "alerting", "mention", slack.get("mention"))
    target.setdefault("gateway", {})
    target.setdefault("traceloop", {})
    return target


def _part(given: Raw, name: str) -> Raw:
    part = given.get(name)
    return part if isinstance(part, Mapping) else {}


def _fill(target: dict[str, Any], section: str, name: str, value: object) -> None:
    """Set what is absent or null."""
    present = target.get(section, {})
    if isinstance(present, Mapping) and present.get(name) is None and value is not None:
        target[section] = {**present, name: value}
