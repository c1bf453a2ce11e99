"""Write `values.schema.json` of the Helm chart, and the list of settings that are secrets. `make chart`.

The part `config` is the program's own JSON Schema as it stands: what Helm accepts there, the program accepts, and what it refuses is
refused before anything is installed. The types of all other values are those of their defaults in `values.yaml`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.chart_values import CHART, Value, read_values

PROGRAM = Path(__file__).parents[1] / "monitor" / "settings" / "schema.json"
SCHEMA = CHART / "values.schema.json"
SECRETS = CHART / "files" / "secret-settings.txt"

Node = Mapping[str, Any]
"""A schema, or a part of one."""

_NAME = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$"
_SECONDS = r"^[0-9]+(ms|s|m|h)$"
_PORT: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 65535}
_LABELS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
_NAMED: dict[str, Any] = {"type": "array", "items": {"type": "object", "required": ["name"]}}
_QUANTITIES: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": {"type": ["string", "number", "null"]},
}
_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}

_NARROWER: dict[str, dict[str, Any]] = {
    "existingSecret": {"maxLength": 253},
    "secret.values": {
        "propertyNames": {"pattern": r"^[-._a-zA-Z0-9]+$"},
        "additionalProperties": {"type": "string"},
    },
    "image.repository": {"minLength": 1},
    "image.digest": {"pattern": r"^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "imagePullSecrets": _NAMED,
    "nameOverride": {"pattern": _NAME},
    "fullnameOverride": {"pattern": _NAME},
    "persistence.accessModes": {
        "minItems": 1,
        "items": {"enum": ["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]},
    },
    "persistence.size": {"pattern": r"^[0-9]+(\.[0-9]+)?([KMGT]i?)?$"},
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "service.port": _PORT,
    "externalSecret.secretStoreRef": {
        "additionalProperties": False,
        "properties": {"name": {"type": "string"}, "kind": {"enum": ["SecretStore", "ClusterSecretStore"]}},
    },
    "externalSecret.data": {"items": {"type": "object", "required": ["secretKey", "remoteRef"]}},
    "externalSecret.dataFrom": {"items": {"type": "object"}},
    "httpRoute.parentRefs": _NAMED,
    "httpRoute.hostnames": _TEXTS,
    "networkPolicy.ingressNamespaces": _TEXTS,
    "networkPolicy.ingressFrom": {"items": {"type": "object"}},
    "networkPolicy.extraEgress": {"items": {"type": "object"}},
    "metrics.interval": {"pattern": _SECONDS},
    "metrics.scrapeTimeout": {"pattern": _SECONDS},
    "test.args": _TEXTS,
    "resources": {
        "additionalProperties": False,
        "properties": {"requests": _QUANTITIES, "limits": _QUANTITIES, "claims": _NAMED},
    },
    "terminationGracePeriodSeconds": {"minimum": 25},  # the daemon's own grace and a little
    "extraEnv": _NAMED,
    "extraEnvFrom": {"items": {"type": "object"}},
    "extraVolumes": _NAMED,
    "extraVolumeMounts": {"items": {"type": "object", "required": ["name", "mountPath"]}},
    "tolerations": {"items": {"type": "object"}},
    **dict.fromkeys(
        (
            "commonLabels",
            "podLabels",
            "podAnnotations",
            "nodeSelector",
            "persistence.annotations",
            "serviceAccount.annotations",
            "service.annotations",
            "ingress.annotations",
            "httpRoute.annotations",
            "metrics.podMonitor.labels",
            "metrics.serviceMonitor.labels",
            "prometheusRule.labels",
            "dashboard.labels",
            "dashboard.annotations",
        ),
        _LABELS,
    ),
}
"""What the default does not show: what a value may be, besides its type."""


def write() -> str:
    """The whole schema."""
    program = json.loads(PROGRAM.read_text())
    config = {key: part for key, part in program.items() if key not in {"$schema", "$defs"}}
    values = read_values()
    properties = {value.path: config if value.path == "config" else _schema(value) for value in values}
    schema = {
        "$schema": program["$schema"],
        "title": "Values of the chart gateway-trace-monitor",
        "type": "object",
        "additionalProperties": False,
        # `null` takes a default away, which is meant for `resources` and its like, and never for a whole section.
        "required": [value.path for value in values if value.path == "config" or value.described_below],
        "properties": {
            **properties,
            "global": {"type": "object", "description": "Values of a chart that this one is a part of; none is used."},
            "enabled": {"type": "boolean", "description": "For the `condition` of a chart that this one is a part of."},
        },
        "$defs": program["$defs"],
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_secrets() -> str:
    """The path of each setting that is a secret, one a line; `*` is any key. The chart refuses them in `config`."""
    program = json.loads(PROGRAM.read_text())
    return "".join(f"{path}\n" for path in sorted(set(_secrets(program, program["$defs"], ()))))


def _schema(value: Value) -> Node:
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    schema: dict[str, Any] = {"type": kinds[type(value.default)]}
    if value.text:
        schema["description"] = value.text
    if value.described_below:
        last = {below.path.rpartition(".")[2]: _schema(below) for below in value.below}
        return {**schema, "additionalProperties": False, "properties": last}
    return {**schema, "default": value.default, **_NARROWER.get(value.path, {})}


def _secrets(node: Node, defs: Node, path: tuple[str, ...]) -> Iterator[str]:
    """Every path to a part that is only ever written, never shown."""
    node = defs[node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    if node.get("writeOnly"):
        yield ".".join(path)
    for part in node.get("anyOf", ()):
        yield from _secrets(part, defs, path)
    for name, part in node.get("properties", {}).items():
        yield from _secrets(part, defs, (*path, name))
    if isinstance(node.get("additionalProperties"), dict):
        yield from _secrets(node["additionalProperties"], defs, (*path, "*"))


def main() -> None:
    """Write both files."""
    unknown = _NARROWER.keys() - {value.path for value in _all(read_values())}
    if unknown:
        sys.exit(f"values.yaml has no {', '.join(sorted(unknown))}")
    SCHEMA.write_text(write())
    SECRETS.write_text(write_secrets())


def _all(values: tuple[Value, ...]) -> Iterator[Value]:
    for value in values:
        yield value
        yield from _all(value.below)


if __name__ == "__main__":
    main()
