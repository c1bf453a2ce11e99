"""Compare the gateway's export configuration with what it should be, field by field, and remember when it changed.

The shape is that of TrueFoundry's `gateway-otel-config` manifest
(https://github.com/truefoundry/truefoundry-python-sdk, `types/gateway_otel_config.py`). A configuration is a mapping from
dotted path to scalar or `Secret`; an expectation is a rule per path. What a difference means for the export is decided here.
"""

from monitor.core.drift.compare import Comparison, compare
from monitor.core.drift.difference import Difference
from monitor.core.drift.filters import admits
from monitor.core.drift.manifest import (
    ATTRIBUTES,
    AUTHORIZATION,
    ENCODING,
    ENDPOINT,
    EXCLUDE,
    FILTERS,
    HEADERS,
    METRICS,
    TRACES,
    TYPE,
    ExportConfig,
    Filter,
    Value,
)
from monitor.core.drift.memory import ConfigMemory, ConfigSeen, remember, unmask_removal
from monitor.core.drift.rules import (
    Absent,
    Equals,
    ExpectedConfig,
    Match,
    NotAt,
    OneOf,
    Rule,
    SameSecret,
    SameUrl,
    show,
)

__all__ = [
    "ATTRIBUTES",
    "AUTHORIZATION",
    "ENCODING",
    "ENDPOINT",
    "EXCLUDE",
    "FILTERS",
    "HEADERS",
    "METRICS",
    "TRACES",
    "TYPE",
    "Absent",
    "Comparison",
    "ConfigMemory",
    "ConfigSeen",
    "Difference",
    "Equals",
    "ExpectedConfig",
    "ExportConfig",
    "Filter",
    "Match",
    "NotAt",
    "OneOf",
    "Rule",
    "SameSecret",
    "SameUrl",
    "Value",
    "admits",
    "compare",
    "remember",
    "show",
    "unmask_removal",
]
