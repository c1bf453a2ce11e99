"""Which of many cases `make test` tries; `make test-all` tries every one."""

from collections.abc import Iterable
from typing import Any

import pytest


def sample(cases: Iterable[Any], *, every: int) -> list[Any]:
    """Mark all cases but the first, and every so many after it, as thorough. A case of several parameters is a tuple."""
    return [
        case
        if number % every == 0
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.thorough)
        for number, case in enumerate(cases)
    ]
