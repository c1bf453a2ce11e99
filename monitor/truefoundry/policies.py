"""Side evidence about the gateway: its logging, global and data routing configurations.

Shapes of https://github.com/truefoundry/truefoundry-python-sdk. Logging configurations are named, and there may be several
(https://www.truefoundry.com/docs/ai-gateway/logging-config), while the SDK documents one answer: how several are shown is not
known, so a list of envelopes and a list of rules are read as well. Whatever else is shown is Garbled: it was not understood.
"""

from collections.abc import Mapping
from typing import Any

from monitor.core.gateway_policies import (
    ANY,
    Condition,
    ConditionField,
    GatewayPolicy,
    GatewayPolicyKind,
    GatewayRule,
    LoggingMode,
)
from monitor.ports import Garbled
from monitor.redaction import Redactor, clamp
from monitor.truefoundry.manifest import read_author, read_moment

_MOST_RULES = 100
_MOST_WORDS = 200
_CONDITIONS = {"subjects": 0, "models": 1, "metadata": 2}  # the known ones, in the order in which they are said


def read_gateway_policy(body: Any, kind: GatewayPolicyKind, redactor: Redactor) -> GatewayPolicy:  # noqa: ANN401 - JSON
    """What one of the configurations says. Raises Garbled where that is not understood."""
    if isinstance(body, Mapping) and isinstance(body.get("data"), list):
        body = body["data"]
    several = isinstance(body, list) and kind is GatewayPolicyKind.LOGGING
    given = body if several else [body]
    envelopes = [each for each in given if _is_of(each, kind)]
    if not 0 < len(envelopes) <= _MOST_RULES or len(envelopes) < len(given):
        raise Garbled(f"the control plane's answer is not a {kind}")
    newest = max(envelopes, key=lambda each: read_moment(each.get("updatedAt")) or 0.0)
    manifests = [each["manifest"] for each in envelopes]
    reader = _Reader(kind, redactor)
    rules: list[GatewayRule] = []
    if kind is GatewayPolicyKind.LOGGING:
        # Each is a rule itself, by the SDK's type, or holds a list of them, as other configurations of the gateway do.
        for manifest in manifests:
            several_rules = reader.some(manifest.get("rules"), "rules")
            rules += map(reader.logging_rule, [manifest] if several_rules is None else several_rules)
    elif kind is GatewayPolicyKind.ROUTING:
        rules = reader.destinations(reader.some(manifests[0].get("destinations"), "destinations") or [])
    return GatewayPolicy(
        kind=kind,
        rules=tuple(rules),
        mode=_mode(manifests[0]) if kind is GatewayPolicyKind.GLOBAL else None,
        updated_at=read_moment(newest.get("updatedAt")),
        updated_by=read_author(newest.get("createdBySubject"), redactor),
    )


def _is_of(envelope: object, kind: GatewayPolicyKind) -> bool:
    manifest = envelope.get("manifest") if isinstance(envelope, Mapping) else None
    if not isinstance(envelope, Mapping) or not isinstance(manifest, Mapping):
        return False
    return (envelope.get("type") or manifest.get("type")) == kind


def _mode(manifest: Mapping[str, Any]) -> LoggingMode | None:
    """The logging mode; None where it is not set."""
    setting = manifest.get("logging_settings")
    if setting is None:
        return None
    fields = setting if isinstance(setting, Mapping) else {"type": setting}
    match fields.get("type"), fields.get("log_body_by_default"):
        case "header_controlled", bool(by_default):
            return LoggingMode.OPT_OUT if by_default else LoggingMode.OPT_IN
        case "always", _:
            return LoggingMode.ALWAYS
        case "never", _:
            return LoggingMode.NEVER
    raise Garbled(f"logging_settings of {GatewayPolicyKind.GLOBAL} has an undocumented form")


class _Reader:
    """Reads rules; every word of them is redacted and clamped."""

    def __init__(self, kind: GatewayPolicyKind, redactor: Redactor) -> None:
        self._kind = kind
        self._redactor = redactor

    def some(self, value: object, name: str) -> list[Any] | None:
        """A field that is a list, if it is there."""
        if value is not None and (not isinstance(value, list) or len(value) > _MOST_RULES):
            raise self._garbled(f"field `{name}`, which is not a list of at most {_MOST_RULES}")
        return value

    def logging_rule(self, rule: object) -> GatewayRule:
        """Whether requests of a kind are logged. A condition of another form is kept as one that is not understood."""
        if not isinstance(rule, Mapping) or not isinstance(rule.get("log"), bool):
            raise self._garbled("a rule whose `log` is neither true nor false")
        when = rule.get("when")
        if when is not None and not isinstance(when, Mapping):
            raise self._garbled("field `when`, which is not an object")
        given = {name: value for name, value in (when or {}).items() if value is not None}
        conditions: list[Condition] = []
        for name, value in sorted(given.items(), key=lambda each: _CONDITIONS.get(each[0], len(_CONDITIONS))):
            if name in ("subjects", "models"):
                conditions.append(
                    self._in_not_in(ConditionField.SUBJECT if name == "subjects" else ConditionField.MODEL, value)
                )
            elif name == "metadata" and isinstance(value, Mapping) and len(value) <= _MOST_WORDS:
                conditions += [
                    self._condition(ConditionField.METADATA, self._show(str(key)), [each])
                    for key, each in value.items()
                ]
            else:
                conditions.append(self._unreadable(str(name)))
        return GatewayRule(name=self._name(rule), conditions=tuple(conditions), off=not rule["log"])

    def _in_not_in(self, matter: ConditionField, value: object) -> Condition:
        given = {"in": value} if isinstance(value, list) else value
        if not isinstance(given, Mapping) or not given.keys() <= {"in", "not_in"}:
            return Condition(matter=matter, understood=False)
        return self._condition(matter, "", given.get("in"), given.get("not_in"))

    def _condition(self, matter: ConditionField, key: str, inside: object, outside: object = None) -> Condition:
        within, without = self._words(inside), self._words(outside)
        unreadable = (inside is not None and not within) or (outside is not None and without is None)
        return Condition(
            matter=matter, key=key, inside=within or None, outside=without or (), understood=not unreadable
        )

    def _words(self, value: object) -> tuple[str, ...] | None:
        """A list of texts; None for anything else, and for more than can be kept."""
        if not isinstance(value, list) or len(value) > _MOST_WORDS or not all(isinstance(each, str) for each in value):
            return None
        return tuple(each if each == ANY else self._show(each) for each in value)

    def destinations(self, listed: list[Any]) -> list[GatewayRule]:
        """Where the traces of which requests are kept."""
        if not all(isinstance(each, Mapping) and isinstance(each.get("name"), str) for each in listed):
            raise self._garbled("a destination without a name")
        rules: list[GatewayRule] = []
        for destination in listed:
            when = destination.get("when")
            conditions = [self._unreadable("when")]
            if isinstance(when, list):
                conditions = [self._routing_condition(each) for each in when[:_MOST_RULES]]
            if destination.get("enabled") is not False:
                rules.append(GatewayRule(name=self._name(destination), conditions=tuple(conditions)))
        return rules

    def _routing_condition(self, given: object) -> Condition:
        if not isinstance(given, Mapping) or given.get("operator", "IN") != "IN":
            return self._unreadable("when")
        if given.get("field") == "created_by":
            return self._condition(ConditionField.SUBJECT, "", given.get("value") or [])
        if given.get("field") == "metadata" and isinstance(given.get("key"), str):
            return self._condition(ConditionField.METADATA, self._show(given["key"]), given.get("value") or [])
        return self._unreadable("when")

    def _unreadable(self, name: str) -> Condition:
        return Condition(matter=ConditionField.METADATA, key=self._show(name), understood=False)

    def _name(self, rule: Mapping[str, Any]) -> str:
        name = rule.get("name") or rule.get("id")
        return self._show(name) if isinstance(name, str) else "without a name"

    def _show(self, text: str) -> str:
        return clamp(self._redactor.redact(text), 100)

    def _garbled(self, what: str) -> Garbled:
        return Garbled(f"{self._kind} holds {what}")
