"""What is planted in a canary's prompt: a fake that scanners take for real, and that is nobody's."""

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.canary import DecoyKind, decoy_of, sentence_with
from tests.core.build import quick

NONCE = "gtm-0123456789abcdef"


def test_none_is_none() -> None:
    """The default: the prompt stays as it is."""
    assert decoy_of(DecoyKind.NONE, NONCE) == ""
    assert sentence_with("") == ""


@quick
@given(st.text())
def test_a_card_number_passes_the_check_of_its_last_digit(nonce: str) -> None:
    """Sixteen digits; every second one doubled from the right, the sum ends in 0."""
    number = decoy_of(DecoyKind.CARD, nonce)
    assert re.fullmatch(r"400000\d{10}", number)
    digits = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    assert sum(sum(divmod(digit, 10)) for digit in digits) % 10 == 0


def test_a_token_has_the_three_parts_of_a_signed_one() -> None:
    """Header, claims and signature: https://www.rfc-editor.org/rfc/rfc7519#section-3."""
    header, claims, signature = decoy_of(DecoyKind.JWT, NONCE).split(".")
    read = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, claims)]
    assert read[0] == {"alg": "HS256", "typ": "JWT"}
    assert set(read[1]) == {"sub", "jti"}
    assert len(signature) == 43


@pytest.mark.parametrize("kind", [DecoyKind.EMAIL, DecoyKind.JWT, DecoyKind.CARD])
def test_each_canary_has_another_one_and_it_does_not_hold_the_nonce(kind: DecoyKind) -> None:
    """The nonce stands in a trace's metadata by design."""
    one, other = decoy_of(kind, NONCE), decoy_of(kind, "gtm-other")
    assert one != other
    assert NONCE not in one
    assert sentence_with(one).endswith(one)
