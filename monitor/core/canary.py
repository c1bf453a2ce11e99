"""A canary and a control span: what is remembered of each from before it is sent until its trace is judged; and its decoy."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from monitor.core.model import Instant, Scalar, TraceId
from monitor.core.trace import LabelJudgement, Route

NONCE_ENTRY = "probe_id"
"""The entry of a canary's metadata that is another for each canary."""

CONTROL_SPAN_NAME = "gateway-trace-monitor.control"
"""What every control span is called."""


class IdSource(StrEnum):
    """How the trace id of a canary is known."""

    FEEDBACK = "feedback"  # the gateway named it: x-tfy-feedback-target-id
    TRACEPARENT = "traceparent"  # we sent it, and believe that the gateway honours it
    NONCE = "nonce"  # found by searching for the nonce


class Outcome(StrEnum):
    """What became of a canary's trace; the `outcome` label (`RECOVERED` is counted besides)."""

    ARRIVED = "arrived"
    LATE = "late"
    INCOMPLETE = "incomplete"
    MISSING = "missing"
    UNKNOWN = "unknown"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One request through the gateway and the trace it must leave behind.

    Recorded before it is sent (`answered_at` None), so that a restart in between loses nothing. `accepted` says that the
    gateway served it: only then does the absence of its trace mean anything. `trace_id` is the best known one; `sent_id`
    the one of our own `traceparent`, with `span_id` as its parent.
    """

    id: str
    sent_at: Instant
    sent_id: TraceId
    span_id: str
    nonce: str
    account: str = ""  # fingerprint of the tokens in use when it was sent
    answered_at: Instant | None = None
    accepted: bool = False
    trace_id: TraceId | None = None
    id_source: IdSource | None = None
    destination: str | None = None  # where TrueFoundry's own store keeps it
    model: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    # what the looks for its trace have shown so far
    last_look_at: Instant | None = None  # the last look that succeeded
    spans: int = 0
    seen_at: Instant | None = None  # when its first span was seen
    whole_at: Instant | None = None  # since when the tree has looked whole, with as many spans as now
    arrived_at: Instant | None = None  # when it was complete: whole, and no more spans at the next look
    seen_in_time: bool = True  # whether the look that showed it whole came soon after one that did not
    late: bool = False  # not complete at the look at `late_after`
    incomplete: str = ""  # what was missing at the last look, in words
    origin: bool | None = None  # whether TrueFoundry's own store has it; None: not known
    # where in it that was asked, and by whom: not to be there counts where that is proven
    origin_asked: tuple[str, ...] = ("",)
    elsewhere: str | None = None  # the other environment it was found in
    nowhere: bool = False  # the other environments were asked, and none of them had it
    outcome: Outcome | None = None  # None while it is awaited
    judged_at: Instant | None = None
    excused: bool = False  # lost to something that was already known: no transient loss, never counted
    transient_loss: bool = False  # reported as part of a transient loss
    labels: LabelJudgement | None = None
    not_judged: str = ""  # why its labels and content could not be judged, where that is final
    route: Route | None = None  # the route that answered last
    asked_again: int = 0  # looks since it was counted missing
    recovered_at: Instant | None = None  # found after it was counted missing
    evidence: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def pending(self) -> bool:
        """Whether its trace is still awaited."""
        return self.outcome is None and self.answered_at is not None

    @property
    def waited_since(self) -> Instant:
        """From when its deadlines count: the gateway's answer."""
        return self.answered_at if self.answered_at is not None else self.sent_at

    @property
    def arrival_seconds(self) -> float | None:
        """From the gateway's answer to the look that showed the whole trace; None where nobody could look for a while before that.

        Example: Traceloop's read API fails for two minutes, and the first look after that shows the trace. It arrived within these
        two minutes, and when is not known.
        """
        if self.arrived_at is None or self.answered_at is None or not self.seen_in_time:
            return None
        return max(0.0, self.arrived_at - self.answered_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSpan:
    """A span of our own, sent straight to the expected endpoint, to be read back.

    `accepted` None: the answer is not known. `shown_at` is when a read showed it.
    """

    trace_id: TraceId
    sent_at: Instant
    accepted: bool | None = None
    shown_at: Instant | None = None
    route: str | None = None  # by which route it was shown
    judged: bool = False

    @property
    def decided(self) -> bool:
        """Shown, refused, or accepted and not shown in time."""
        return self.accepted is False or (self.accepted is True and self.judged)


# --- the decoy -------------------------------------------------------------------------------------------------------
# Content that is planted to be caught: a fake in the canary's prompt that looks like what a redaction must remove. None of them
# belongs to anybody: addresses under example.com (https://www.rfc-editor.org/rfc/rfc2606#section-3), a token that no server signed,
# a number of a range that is used for tests. Each canary has another one, so what is found is known to be its own.

_TEST_RANGE = "400000"


class DecoyKind(StrEnum):
    """What the canary's prompt carries besides its question."""

    NONE = "none"
    EMAIL = "email"
    JWT = "jwt"
    CARD = "card"


def decoy_of(kind: DecoyKind, nonce: str) -> str:
    """The fake of one canary; "" for none. It does not hold the nonce, which may stand elsewhere in a trace."""
    digest = hashlib.sha256(f"decoy {nonce}".encode()).digest()
    match kind:
        case DecoyKind.NONE:
            return ""
        case DecoyKind.EMAIL:
            return f"pat.{digest[:8].hex()}@example.com"
        case DecoyKind.JWT:
            claims = {"sub": "pat", "jti": digest[:8].hex()}
            parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
            return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, digest))
        case DecoyKind.CARD:
            number = f"{_TEST_RANGE}{int.from_bytes(digest[:8]) % 10**9:09d}"
            return number + _check_digit(number)
    assert_never(kind)


def sentence_with(decoy: str) -> str:
    """How it stands in the prompt: so that a model need not answer it."""
    return f"\nFor reference only: {decoy}" if decoy else ""


def _check_digit(number: str) -> str:
    """The last digit of a card number (https://en.wikipedia.org/wiki/Luhn_algorithm), without which no scanner takes it for one."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number), start=1))
    return str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)  # noqa: PLR2004 - a digit
