"""Content that is planted to be caught: a fake in the canary's prompt that looks like what a redaction must remove.

None of them belongs to anybody: addresses under example.com (https://www.rfc-editor.org/rfc/rfc2606#section-3), a token that no
server signed, a number of a range that is used for tests. Each canary has another one, so what is found is known to be its own.
"""

import base64
import hashlib
import json
from enum import StrEnum
from typing import assert_never

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
