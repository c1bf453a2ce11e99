"""What a read of a trace backend shows besides the facts, for `doctor`: nothing of the values."""

from dataclasses import dataclass

from monitor.core.model import TraceId
from monitor.core.trace import Route

PREFIXES = ("gen_ai.", "llm.", "tfy.")
"""How the attributes of a gateway's spans may be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadShape:
    """One read: by which route, for which trace (None: all of a window), which it showed, and how their attributes are named.

    `prefixes` are those of `gen_ai.`, `llm.`, `tfy.` that occur; `metadata` is how the request's metadata come (text, object,
    flat); `understood`: there were rows, or it said that there are none.
    """

    route: Route
    understood: bool
    asked: TraceId | None = None
    traces: frozenset[TraceId] = frozenset()
    prefixes: frozenset[str] = frozenset()
    metadata: str | None = None
