"""What filters can ask: the operators of TrueFoundry's own store, and those of Traceloop's searches.

https://github.com/truefoundry/truefoundry-python-sdk (`types/span_field_filter.py` and others) and
https://www.traceloop.com/docs/api-reference/warehouse/get_spans. The first argument is what a span has, the second what is wanted.
"""

import operator
from collections.abc import Callable, Mapping

Operator = Callable[[object, object], bool]


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _compare(decide: Callable[[float, float], bool]) -> Operator:
    def compared(actual: object, wanted: object) -> bool:
        left, right = _number(actual), _number(wanted)
        return left is not None and right is not None and decide(left, right)

    return compared


def _text(decide: Callable[[str, str], bool]) -> Operator:
    return lambda actual, wanted: isinstance(actual, str) and decide(actual, str(wanted))


def _between(actual: object, wanted: object) -> bool:
    at_least, at_most = _compare(operator.ge), _compare(operator.le)
    if not isinstance(wanted, list) or len(wanted) != 2:  # noqa: PLR2004 - a range has two ends
        return False
    return at_least(actual, wanted[0]) and at_most(actual, wanted[1])


def is_in(actual: object, wanted: object) -> bool:
    """Whether a value is in a list."""
    return isinstance(wanted, list) and actual in wanted


def _has_any(actual: object, wanted: object) -> bool:
    return isinstance(actual, list | tuple) and isinstance(wanted, list) and bool(set(actual) & set(wanted))


def _is_listed(actual: object, wanted: object) -> bool:
    values = wanted if isinstance(wanted, list) else str(wanted).split(",")
    return actual is not None and actual in [str(value).strip() for value in values]


OWN_STORE: Mapping[str, Operator] = {
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
    "GREATER_THAN": _compare(operator.gt),
    "LESS_THAN": _compare(operator.lt),
    "GREATER_THAN_EQUAL": _compare(operator.ge),
    "LESS_THAN_EQUAL": _compare(operator.le),
    "BETWEEN": _between,
    "IN": is_in,
    "NOT_IN": lambda actual, wanted: not is_in(actual, wanted),
    "STRING_CONTAINS": _text(operator.contains),
    "STRING_NOT_CONTAINS": _text(lambda text, part: part not in text),
    "STRING_STARTS_WITH": _text(str.startswith),
    "STRING_NOT_STARTS_WITH": _text(lambda text, part: not text.startswith(part)),
    "STRING_ENDS_WITH": _text(str.endswith),
    "STRING_NOT_ENDS_WITH": _text(lambda text, part: not text.endswith(part)),
    "ARRAY_HAS_ANY": _has_any,
    "ARRAY_HAS_NONE": lambda actual, wanted: not _has_any(actual, wanted),
    "PRESENT": lambda actual, _: actual is not None,
    "IS_NULL": lambda actual, _: actual is None,
}

TRACELOOP: Mapping[str, Operator] = {
    "equals": lambda actual, wanted: actual is not None and actual == str(wanted),
    "not_equals": lambda actual, wanted: actual != str(wanted),
    "greater_than": _compare(operator.gt),
    "greater_than_or_equal": _compare(operator.ge),
    "less_than": _compare(operator.lt),
    "less_than_or_equal": _compare(operator.le),
    "contains": _text(operator.contains),
    "starts_with": _text(str.startswith),
    "in": _is_listed,
    "not_in": lambda actual, wanted: not _is_listed(actual, wanted),
    "exists": lambda actual, _: actual is not None,
    "not_exists": lambda actual, _: actual is None,
}
