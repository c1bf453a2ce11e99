"""The notifiers: each implements `monitor.ports.Notifier`. What is said is in `wording`, how it looks in each notifier.

Here is what an HTTP answer of a receiver means for a notice: taken, not now, or nobody knows. None of it is permanent. Permanent is
only what a service documents as such; of a receiver that anybody may have written we know nothing, and a mistake in its
configuration is fixed there, so the next attempt may succeed.
"""

from monitor.core.model import Instant
from monitor.http import Answer
from monitor.ports import Undeliverable, Unreachable

_NEVER_SENT = frozenset({"dns", "connect", "tls", "denied", "proxy"})
_PERHAPS_SENT = frozenset({"timeout", "starved", "shortage"})
OK_ENDS, SERVER_ERROR = 300, 500


def taken(answer: Answer) -> bool:
    """Whether the receiver said yes."""
    return 200 <= answer.status < OK_ENDS  # noqa: PLR2004 - OK


def refused(who: str, answer: Answer, now: Instant, said: str = "") -> Undeliverable:
    """Any other answer, with what was said, if that is fit to be shown. A 5xx may come from behind a receiver that has acted."""
    return Undeliverable(
        f"{who} answers {answer.status}" + (f": {said}" if said else ""),
        unknown=answer.status >= SERVER_ERROR,
        retry_after=answer.retry_after(now),
    )


def unanswered(who: str, error: Unreachable) -> Undeliverable:
    """No answer at all. Until the request was on its way, nothing can have been taken."""
    unsent = error.kind in _NEVER_SENT or (error.kind in _PERHAPS_SENT and error.phases.processing is None)
    return Undeliverable(f"{who} cannot be asked: {error}", unknown=not unsent)
