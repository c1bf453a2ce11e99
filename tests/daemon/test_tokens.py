"""When a token expires, where it says so."""

import base64
import json
from typing import Any

import pytest

from monitor.daemon.status import expiry_of, token_expiries
from tests.settings.samples import MINIMAL, prod


def jwt(payload: Any) -> str:
    """Three parts, the middle one readable by anybody."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    middle = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{middle}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("token", "expires"),
    [
        (jwt({"exp": 1_800_086_400}), 1_800_086_400.0),
        (jwt({"exp": 1_800_086_400.5, "sub": "a"}), 1_800_086_400.5),
        (jwt({"sub": "a"}), None),
        (jwt({"exp": None}), None),
        (jwt({"exp": "tomorrow"}), None),
        (jwt({"exp": True}), None),
        (jwt({"exp": -1}), None),
        (jwt('{"exp": ' + "9" * 400 + "}"), None),
        (jwt('{"exp": NaN}'), None),
        (jwt('{"exp": 1e999}'), None),
        (jwt([1]), None),
        (jwt("no JSON"), None),
        (jwt("[" * 100_000), None),
        ("a.%%%.c", None),
        ("a.é.c", None),
        ("tfy_opaque_token", None),
        ("a.b", None),
        ("", None),
    ],
)
def test_a_token_shows_its_end_or_nothing(token: str, expires: float | None) -> None:
    """Whatever it is made of: an opaque token is no error."""
    assert expiry_of(token) == expires


def test_each_credential_is_named() -> None:
    """Only those that say so."""
    text = MINIMAL.replace("tfy-Secret-1", jwt({"exp": 1_900_000_000}))
    assert token_expiries(prod(text)) == {"gateway": 1_900_000_000.0, "control_plane": 1_900_000_000.0}
