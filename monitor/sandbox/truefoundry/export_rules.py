"""What the exporter does to spans on their way out: filters, exclusion of content, names, and what faults do besides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from monitor.sandbox.dialect import Naming
from monitor.sandbox.faults.kinds import Manifest, Twist
from monitor.sandbox.truefoundry.spans import METADATA, SERVICE, Attribute, GatewaySpan, metadata_as
from monitor.sandbox.world import World

_DOCUMENTED = frozenset({"tfy.input", "tfy.output", "tfy.input_short_hand"})
"""What `exclude_request_data` says that it drops (truefoundry-sdk, `types/otel_traces_exporter_common_config.py`)."""
_CONTENT = ("tfy.input", "tfy.output", "tfy.resolved_input", "gen_ai.prompt.", "gen_ai.completion.")


def exported_form(spans: Sequence[GatewaySpan], exporter: Manifest, world: World) -> tuple[GatewaySpan, ...]:
    """The spans that leave, as they leave."""
    return tuple(
        replace(span, attributes=_attributes(span, exporter, world))
        for span in spans
        if _admitted(span, exporter) and not _lost(span, world)
    )


def resource_of(exporter: Manifest, world: World) -> dict[str, str]:
    """The resource attributes of everything that leaves."""
    broken = world.broken
    resource = {"service.name": "unknown_service" if broken.does(Twist.RENAME_SERVICE) else SERVICE}
    more = exporter.get("additional_resource_attributes")
    if isinstance(more, dict) and not broken.does(Twist.DROP_ATTRIBUTES):
        resource |= {str(name): str(value) for name, value in more.items()}
    if broken.does(Twist.LEAK_CREDENTIAL):
        resource |= {"Authorization": f"Bearer {world.credentials.token}", "istfyllmgateway": "true"}
    return resource


def _admitted(span: GatewaySpan, exporter: Manifest) -> bool:
    """Whether a span matches all `when` filters; only string attributes can match."""
    rules = exporter.get("when")
    return all(_matches(span, rule) for rule in rules) if isinstance(rules, list) else True


def _matches(span: GatewaySpan, rule: Mapping[str, object]) -> bool:
    actual = span.attributes.get(str(rule.get("key")))
    values = rule.get("value")
    return isinstance(actual, str) and isinstance(values, list) and actual in values


def _lost(span: GatewaySpan, world: World) -> bool:
    kind = span.attributes.get("tfy.span_type")
    return (kind == "ChatCompletion" and world.broken.does(Twist.LOSE_ROOT)) or (
        kind == "Model" and world.broken.does(Twist.LOSE_CHILD)
    )


def _attributes(span: GatewaySpan, exporter: Manifest, world: World) -> dict[str, Attribute]:
    kept: dict[str, Attribute] = {}
    for key, value in span.attributes.items():
        if key == METADATA and isinstance(value, Mapping):
            kept |= metadata_as(world.dialect.metadata, value)
        elif not _dropped(key, exporter, world):
            kept[key] = value
    return kept


def _dropped(key: str, exporter: Manifest, world: World) -> bool:
    unnamed = world.dialect.naming is Naming.TFY_ONLY and key.startswith("gen_ai.")
    return unnamed or _excluded(key, exporter, world)


def _excluded(key: str, exporter: Manifest, world: World) -> bool:
    if world.broken.does(Twist.DROP_CONTENT):
        return key.startswith(_CONTENT)
    if exporter.get("exclude_request_data") is not True:
        return False
    return key in _DOCUMENTED if world.broken.does(Twist.KEEP_CONTENT) else key.startswith(_CONTENT)
