"""A covering array: few combinations of switches in which every two values of different switches meet at least once."""

import random
from collections.abc import Mapping
from functools import cache
from itertools import combinations

from monitor.sandbox import SWITCHES

_Pair = tuple[tuple[str, str], tuple[str, str]]
_CANDIDATES = 60


@cache  # two modules are made of it, in each process that collects them
def covering_array() -> list[dict[str, str]]:
    """Combinations of the sandbox's switches; the same ones in every run.

    Greedy: each row begins with a pair that has not been met and is the best of a few random completions.
    """
    values = {name: [str(value) for value in switch.values] for name, switch in SWITCHES.items()}
    chance = random.Random(1)  # noqa: S311 - the same rows in every run are the point
    unmet = {
        ((one, a), (other, b)) for one, other in combinations(values, 2) for a in values[one] for b in values[other]
    }
    rows: list[dict[str, str]] = []
    while unmet:
        begun = dict(min(unmet))
        candidates = [
            {name: begun.get(name) or chance.choice(values[name]) for name in values} for _ in range(_CANDIDATES)
        ]
        best = max(candidates, key=lambda row: len(pairs(row) & unmet))
        unmet -= pairs(best)
        rows.append(best)
    return rows


def pairs(row: Mapping[str, str]) -> set[_Pair]:
    """Every two values that meet in a combination."""
    return set(combinations(row.items(), 2))
