"""Defaults that are made from other settings, so that nobody who uses the settings has to compute them."""

import re
from collections.abc import Mapping
from typing import Any

from monitor.settings.target import Traceloop
from monitor.settings.url import CONTROL_PLANE, TRACELOOP, base_url

Raw = Mapping[str, Any]


def derive(given: Raw) -> dict[str, Any]:
    """The merged layers with every derived default in its place and without `defaults`."""
    slack = _part(_part(given, "alerting"), "slack")
    state = {name: value for name, value in given.items() if name != "defaults"}
    targets = _part(given, "targets")
    return {**state, "targets": {name: _target(target, slack) for name, target in targets.items()}}


def _target(given: Raw, slack: Raw) -> Raw:
    target = dict(given)
    control_plane = _part(target, "control_plane")
    traceloop = {"url": Traceloop.model_fields["url"].default, **_part(target, "traceloop")}
    _fill(target, "gateway", "url", _below(control_plane, CONTROL_PLANE, "/api/llm"))
    _fill(target, "gateway", "token", control_plane.get("token"))
    _fill(target, "expected", "endpoint", _below(traceloop, TRACELOOP, "/v1/traces"))
    _fill(target, "alerting", "channel", slack.get("channel"))
    _fill(target, "alerting", "mention", slack.get("mention"))
    target.setdefault("traceloop", {})
    return target


def _part(given: Raw, name: str) -> Raw:
    part = given.get(name)
    return part if isinstance(part, Mapping) else {}


def _below(given: Raw, pasted: re.Pattern[str], path: str) -> str | None:
    return f"{base_url(given['url'], pasted)}{path}" if "url" in given else None


def _fill(target: dict[str, Any], section: str, name: str, value: object) -> None:
    """Set what is absent or null; what stays null is as good as absent."""
    part = dict(_part(target, section))
    if part.get(name) is None:
        part.pop(name, None)
        target[section] = part if value is None else {**part, name: value}
