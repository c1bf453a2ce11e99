"""What the gateway is set to export: the fields of the manifest, and its filters."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.core.model import Scalar
from monitor.core.secret import Secret

TRACES = "otel_traces_exporter_config"
METRICS = "otel_metrics_exporter_config"
TYPE = f"{TRACES}.type"
ENDPOINT = f"{TRACES}.endpoint"
ENCODING = f"{TRACES}.encoding"
HEADERS = f"{TRACES}.headers"
AUTHORIZATION = f"{HEADERS}.authorization"
EXCLUDE = f"{TRACES}.exclude_request_data"
ATTRIBUTES = f"{TRACES}.additional_resource_attributes"
FILTERS = f"{TRACES}.when"

Value = Scalar | Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One `when` filter: only spans whose string attribute `key` is one of `values` are exported.

    `understood` is False where the manifest holds another field or operator than the documented ones.
    """

    key: str
    values: tuple[str, ...]
    understood: bool = True

    @property
    def meaning(self) -> tuple[str, frozenset[str], bool]:
        """What makes two filters the same: the order of the values says nothing."""
        return self.key, frozenset(self.values), self.understood

    def __str__(self) -> str:
        return f"{self.key} IN [{', '.join(self.values)}]" if self.understood else f"{self.key} (not understood)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """What the gateway is set to export: `fields` by dotted path, and the filters. `off` when there is no traces exporter."""

    off: bool = False
    fields: Mapping[str, Value] = field(default_factory=dict)
    filters: tuple[Filter, ...] = ()

    def secrets(self) -> Mapping[str, Secret]:
        """The header values, by path."""
        return {path: value for path, value in self.fields.items() if isinstance(value, Secret)}
