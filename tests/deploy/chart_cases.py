"""The values that the chart is rendered with in its tests."""

from collections.abc import Mapping
from typing import Any

import yaml

from tests.deploy.chart import ROOT, merged
from tools.chart_values import CHART

MINIMAL: dict[str, Any] = yaml.safe_load((CHART / "ci" / "minimal-values.yaml").read_text())
EVERYTHING: dict[str, Any] = yaml.safe_load((CHART / "ci" / "everything-values.yaml").read_text())
KEYS = {
    "targets__prod__control_plane__token": "tfy-Secret-1",
    "targets__prod__traceloop__api_key": "tl_Secret_2",
    "server__read_token": "read-Secret-3",
}
BY_ENVIRONMENT = [
    {"name": "TRACE_MONITOR_TARGETS__PROD__CONTROL_PLANE__URL", "value": "https://acme.truefoundry.cloud"},
    {"name": "TRACE_MONITOR_TARGETS__PROD__GATEWAY__MODEL", "value": "openai-main/gpt-4o-mini"},
    {"name": "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__ENVIRONMENT", "value": "prd"},
    {
        "name": "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY",
        "valueFrom": {"secretKeyRef": {"name": "mine", "key": "traceloop"}},
    },
]

WHOLE: dict[str, Mapping[str, Any]] = {
    "minimal": MINIMAL,
    "everything": EVERYTHING,
    "plain-manifests": yaml.safe_load((ROOT / "deploy" / "kubernetes" / "values.yaml").read_text()),
    "by-environment": {"extraEnv": BY_ENVIRONMENT},
    "secret-of-values": merged(MINIMAL, {"existingSecret": "", "secret": {"values": KEYS}}),
}
BESIDE_MINIMAL: dict[str, Mapping[str, Any]] = {
    "empty-dir": {"persistence": {"enabled": False}},
    "existing-claim": {"persistence": {"existingClaim": "mine"}},
    "pod-monitor": {"metrics": {"podMonitor": {"enabled": True}}},
    "service-monitor": {
        "metrics": {"serviceMonitor": {"enabled": True}, "readTokenKey": "server__read_token"},
        "service": {"port": 80},
    },
    "own-token-secret": {
        "metrics": {"podMonitor": {"enabled": True}, "readTokenSecret": "scrape", "readTokenKey": "token"}
    },
    "tls": {
        "config": {"server": {"tls_cert": "/etc/certificates/tls.crt", "tls_key": "/etc/certificates/tls.key"}},
        "extraVolumes": [{"name": "certificates", "secret": {"secretName": "tls"}}],
        "extraVolumeMounts": [{"name": "certificates", "mountPath": "/etc/certificates", "readOnly": True}],
        "metrics": {"serviceMonitor": {"enabled": True}, "tlsConfig": {"insecureSkipVerify": True}},
    },
    "ipv6": {"config": {"server": {"host": "::"}}},
    "ingress": {"ingress": {"enabled": True, "host": "monitor.example.com"}},
    "http-route": {
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["monitor.example.com"]}
    },
    "closed-network": {"networkPolicy": {"enabled": True}},
    "no-account": {"serviceAccount": {"create": False}},
    "named-account": {"serviceAccount": {"name": "mine"}},
    "no-validation-no-test": {"validateConfig": False, "test": {"enabled": False}},
    "openshift": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
    "named": {"fullnameOverride": "traces", "nameOverride": "watch"},
    "large-numbers": {"config": {"targets": {"prod": {"checks": {"canary": {"max_tokens_per_day": 20_000_000}}}}}},
    "part-of-another-chart": {"global": {"imageRegistry": "registry.example.com"}, "enabled": True},
}
CASES = WHOLE | {name: merged(MINIMAL, values) for name, values in BESIDE_MINIMAL.items()}
