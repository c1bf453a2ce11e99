"""What the filters of TrueFoundry's own store can ask: the operators of its SDK's types.

https://github.com/truefoundry/truefoundry-python-sdk (`types/span_field_filter.py` and others).
"""

from collections.abc import Callable, Mapping

Operator = Callable[[object, object], bool]


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _compare(decide: Callable[[float, float], bool]) -> Operator:
    def operator(actual: object, wanted: object) -> bool:
        left, right = _number(actual), _number(wanted)
        return left is not None and right is not None and decide(left, right)

    return operator


def _text(decide: Callable[[str, str], bool]) -> Operator:
    return lambda actual, wanted: isinstance(actual, str) and decide(actual, str(wanted))


def _between(actual: object, wanted: object) -> bool:
    if not isinstance(wanted, list) or len(wanted) != 2:  # noqa: PLR2004 - a range has two ends
        return False
    low, here, high = _number(wanted[0]), _number(actual), _number(wanted[1])
    return low is not None and here is not None and high is not None and low <= here <= high


def _in(actual: object, wanted: object) -> bool:
    return isinstance(wanted, list) and actual in wanted


def _has_any(actual: object, wanted: object) -> bool:
    return isinstance(actual, list | tuple) and isinstance(wanted, list) and bool(set(actual) & set(wanted))


OPERATORS: Mapping[str, Operator] = {
    "EQUAL": lambda actual, wanted: actual == wanted,
    "NOT_EQUAL": lambda actual, wanted: actual != wanted,
    "GREATER_THAN": _compare(lambda left, right: left > right),
    "LESS_THAN": _compare(lambda left, right: left < right),
    "GREATER_THAN_EQUAL": _compare(lambda left, right: left >= right),
    "LESS_THAN_EQUAL": _compare(lambda left, right: left <= right),
    "BETWEEN": _between,
    "IN": _in,
    "NOT_IN": lambda actual, wanted: not _in(actual, wanted),
    "STRING_CONTAINS": _text(lambda text, part: part in text),
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
