"""From the gateway's logging, global and data routing configurations to the core's rules.

Shapes of https://github.com/truefoundry/truefoundry-python-sdk. Logging configurations are named, and there may be several
(https://www.truefoundry.com/docs/ai-gateway/logging-config), while the SDK documents one answer: how several are shown is not
known, so a list of envelopes and a list of rules are read as well. Whatever else is shown is Garbled: it was not understood.
"""

from collections.abc import Mapping
from typing import Any, assert_never

from monitor.core.gateway_policies import ANY, Condition, LoggingMode, Matter, SwitchKind, SwitchRule, SwitchSeen
from monitor.ports import Garbled
from monitor.redaction import Redactor, clamp
from monitor.truefoundry.manifest import read_author, read_moment

_MOST_RULES = 100
_MOST_WORDS = 200
_CONDITIONS = ("subjects", "models", "metadata")


def read_switch(body: object, kind: SwitchKind, redactor: Redactor) -> SwitchSeen:
    """What one of the configurations says. Raises Garbled where that is not understood."""
    envelopes = _envelopes(body, kind)
    newest = max(envelopes, key=lambda each: read_moment(each.get("updatedAt")) or 0.0)
    manifests = [each["manifest"] for each in envelopes]
    return SwitchSeen(
        kind=kind,
        rules=_Reader(kind, redactor).rules(manifests),
        mode=_mode(manifests[0]) if kind is SwitchKind.GLOBAL else None,
        updated_at=read_moment(newest.get("updatedAt")),
        updated_by=read_author(newest.get("createdBySubject"), redactor),
    )


def _envelopes(body: Any, kind: SwitchKind) -> list[Mapping[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(body, Mapping) and isinstance(body.get("data"), list):
        body = body["data"]
    several = isinstance(body, list) and kind is SwitchKind.LOGGING
    found = [each for each in (body if several else [body]) if _is_of(each, kind)]
    if not 0 < len(found) <= _MOST_RULES or (several and len(found) < len(body)):
        raise Garbled(f"the control plane's answer is no {kind}")
    return found


def _is_of(envelope: object, kind: SwitchKind) -> bool:
    manifest = envelope.get("manifest") if isinstance(envelope, Mapping) else None
    if not isinstance(envelope, Mapping) or not isinstance(manifest, Mapping):
        return False
    return (envelope.get("type") or manifest.get("type")) == kind


def _mode(manifest: Mapping[str, Any]) -> LoggingMode | None:
    """The logging mode; None where it is not set."""
    setting = manifest.get("logging_settings")
    if setting is None:
        return None
    word = setting.get("type") if isinstance(setting, Mapping) else setting
    by_default = setting.get("log_body_by_default") if isinstance(setting, Mapping) else None
    if word == "header_controlled" and isinstance(by_default, bool):
        return LoggingMode.OPT_OUT if by_default else LoggingMode.OPT_IN
    if word == "always":
        return LoggingMode.ALWAYS
    if word == "never":
        return LoggingMode.NEVER
    raise Garbled(f"logging_settings of {SwitchKind.GLOBAL} is of no documented form")


class _Reader:
    """Reads rules; every word of them is redacted and clamped."""

    def __init__(self, kind: SwitchKind, redactor: Redactor) -> None:
        self._kind = kind
        self._redactor = redactor

    def rules(self, manifests: list[Mapping[str, Any]]) -> tuple[SwitchRule, ...]:
        """Every rule of every manifest."""
        match self._kind:
            case SwitchKind.LOGGING:
                return tuple(self._logging_rule(rule) for each in manifests for rule in self._listed(each))
            case SwitchKind.ROUTING:
                return tuple(self._destinations(manifests[0].get("destinations")))
            case SwitchKind.GLOBAL:
                return ()
        assert_never(self._kind)

    def _listed(self, manifest: Mapping[str, Any]) -> list[Any]:
        """The rules of one manifest: itself, by the SDK's type, or a list as other configurations of the gateway have."""
        rules = manifest.get("rules")
        if rules is None:
            return [manifest]
        return self._some(rules, "rules")

    def _logging_rule(self, rule: object) -> SwitchRule:
        if not isinstance(rule, Mapping) or not isinstance(rule.get("log"), bool):
            raise self._garbled("a rule that is neither on nor off")
        when = rule.get("when")
        if when is not None and not isinstance(when, Mapping):
            raise self._garbled("the field when, which is no object")
        return SwitchRule(name=self._name(rule), conditions=self._logging_conditions(when or {}), off=not rule["log"])

    def _logging_conditions(self, when: Mapping[str, Any]) -> tuple[Condition, ...]:
        known = [
            self._in_not_in(Matter.SUBJECT, when.get("subjects")),
            self._in_not_in(Matter.MODEL, when.get("models")),
            *self._pairs(when.get("metadata")),
        ]
        others = [self._puzzle(str(name)) for name in when if name not in _CONDITIONS and when[name] is not None]
        return tuple(condition for condition in (*known, *others) if condition is not None)

    def _in_not_in(self, matter: Matter, value: object) -> Condition | None:
        if value is None:
            return None
        given = {"in": value} if isinstance(value, list) else value
        if not isinstance(given, Mapping) or not given.keys() <= {"in", "not_in"}:
            return Condition(matter=matter, understood=False)
        inside, outside = given.get("in"), given.get("not_in")
        return self._condition(matter, "", inside, outside)

    def _condition(self, matter: Matter, key: str, inside: object, outside: object = None) -> Condition:
        within, without = self._words(inside), self._words(outside)
        puzzling = (inside is not None and not within) or (outside is not None and without is None)
        return Condition(matter=matter, key=key, inside=within or None, outside=without or (), understood=not puzzling)

    def _pairs(self, metadata: object) -> list[Condition]:
        if metadata is None:
            return []
        if not isinstance(metadata, Mapping) or len(metadata) > _MOST_WORDS:
            return [self._puzzle("metadata")]
        return [self._condition(Matter.METADATA, self._show(str(key)), [value]) for key, value in metadata.items()]

    def _destinations(self, found: object) -> list[SwitchRule]:
        if found is None:
            return []
        listed = self._some(found, "destinations")
        if not all(isinstance(each, Mapping) and isinstance(each.get("name"), str) for each in listed):
            raise self._garbled("a destination without a name")
        return [
            SwitchRule(name=self._name(each), conditions=self._routing_conditions(each.get("when")))
            for each in listed
            if each.get("enabled") is not False
        ]

    def _routing_conditions(self, when: object) -> tuple[Condition, ...]:
        if not isinstance(when, list):
            return (self._puzzle("when"),)
        return tuple(self._routing_condition(each) for each in when[:_MOST_RULES])

    def _routing_condition(self, given: object) -> Condition:
        if not isinstance(given, Mapping) or given.get("operator", "IN") != "IN":
            return self._puzzle("when")
        if given.get("field") == "created_by":
            return self._condition(Matter.SUBJECT, "", given.get("value") or [])
        if given.get("field") == "metadata" and isinstance(given.get("key"), str):
            return self._condition(Matter.METADATA, self._show(given["key"]), given.get("value") or [])
        return self._puzzle("when")

    def _words(self, value: object) -> tuple[str, ...] | None:
        """A list of texts; None for anything else, and for more than can be kept."""
        if not isinstance(value, list) or len(value) > _MOST_WORDS or not all(isinstance(each, str) for each in value):
            return None
        return tuple(each if each == ANY else self._show(each) for each in value)

    def _some(self, value: object, name: str) -> list[Any]:
        if not isinstance(value, list) or len(value) > _MOST_RULES:
            raise self._garbled(f"the field {name}, which is no list of at most {_MOST_RULES}")
        return value

    def _puzzle(self, name: str) -> Condition:
        return Condition(matter=Matter.METADATA, key=self._show(name), understood=False)

    def _name(self, rule: Mapping[str, Any]) -> str:
        name = rule.get("name") or rule.get("id")
        return self._show(name) if isinstance(name, str) else "without a name"

    def _show(self, text: str) -> str:
        return clamp(self._redactor.redact(text), 100)

    def _garbled(self, what: str) -> Garbled:
        return Garbled(f"{self._kind} holds {what}")
