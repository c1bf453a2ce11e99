"""How Traceloop's searches filter and sort rows."""

from collections.abc import Callable, Mapping, Sequence

from monitor.sandbox.traceloop.rows import Row

Wanted = Callable[[Row], bool]


class BadFilter(ValueError):
    """A search that the API refuses: 400."""


Columns = Mapping[str, Callable[[Row], str]]

COLUMNS: Columns = {
    "span_name": lambda row: row.name,
    "service.name": lambda row: row.service_name,
    "duration": lambda row: str(row.duration),
    "duration_ms": lambda row: str(row.duration),
}
"""What the documentation names; everything else is an attribute."""

WITH_TRACE_ID: Columns = {**COLUMNS, "trace_id": lambda row: row.trace_id}
_SORTS: Mapping[str, Callable[[Row], int | str]] = {
    "timestamp": lambda row: row.timestamp,
    "duration_ms": lambda row: row.duration,
    "span_name": lambda row: row.name,
    "trace_id": lambda row: row.trace_id,
    "total_tokens": lambda row: row.total_tokens,
    "traceloop_workflow_name": lambda row: row.workflow,
    "traceloop_entity_name": lambda row: row.attributes.get("traceloop.entity.name", ""),
    "llm_usage_total_tokens": lambda row: row.total_tokens,
    "llm_response_model": lambda row: row.attributes.get("llm.response.model", ""),
}


def sort_key(name: object) -> Callable[[Row], int | str]:
    """What `sort_by` sorts by. Raises BadFilter."""
    key = _SORTS.get(str(name or "timestamp"))
    if key is None:
        raise BadFilter(f"sort_by must be one of {', '.join(_SORTS)}")
    return key


def query_filters(parameters: Mapping[str, object], *, columns: Columns = COLUMNS) -> list[Wanted]:
    """Parameters that the API does not know: attributes that must be equal. A typo matches nothing."""
    return [_wanted(columns, name, "equals", str(value)) for name, value in parameters.items()]


def body_filters(rules: Sequence[object], *, key: str, columns: Columns = COLUMNS) -> list[Wanted]:
    """Filters as objects; the field is called `id` in the warehouse and `field` in the searches. Raises BadFilter."""
    found: list[Wanted] = []
    for rule in rules:
        if not isinstance(rule, Mapping) or not isinstance(rule.get(key), str):
            raise BadFilter(f"each filter needs {key}, operator and value")
        if rule.get("value_type", "string") not in {"string", "number", "boolean"}:
            raise BadFilter("value_type must be string, number or boolean")
        found.append(_wanted(columns, str(rule[key]), str(rule.get("operator")), rule.get("value")))
    return found


def _wanted(columns: Columns, field: str, operator: str, value: object) -> Wanted:
    decide = OPERATORS.get(operator)
    if decide is None:
        raise BadFilter(f"operator must be one of {', '.join(OPERATORS)}")
    column = columns.get(field)
    if column is not None:
        return lambda row: decide(column(row), value)
    attribute = field.removeprefix("span_attributes.")
    return lambda row: decide(row.attributes.get(attribute), value)


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


Operator = Callable[[str | None, object], bool]


def _compare(decide: Callable[[float, float], bool]) -> Operator:
    def operator(actual: str | None, wanted: object) -> bool:
        left, right = _number(actual), _number(wanted)
        return left is not None and right is not None and decide(left, right)

    return operator


def _among(actual: str | None, wanted: object) -> bool:
    values = wanted if isinstance(wanted, list) else str(wanted).split(",")
    return actual is not None and actual in [str(value).strip() for value in values]


OPERATORS: Mapping[str, Operator] = {
    "equals": lambda actual, wanted: actual is not None and actual == str(wanted),
    "not_equals": lambda actual, wanted: actual != str(wanted),
    "greater_than": _compare(lambda left, right: left > right),
    "greater_than_or_equal": _compare(lambda left, right: left >= right),
    "less_than": _compare(lambda left, right: left < right),
    "less_than_or_equal": _compare(lambda left, right: left <= right),
    "contains": lambda actual, wanted: actual is not None and str(wanted) in actual,
    "starts_with": lambda actual, wanted: actual is not None and actual.startswith(str(wanted)),
    "in": _among,
    "not_in": lambda actual, wanted: not _among(actual, wanted),
    "exists": lambda actual, _: actual is not None,
    "not_exists": lambda actual, _: actual is None,
}
