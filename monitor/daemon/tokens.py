"""When a token expires, where it tells: the payload of a JWT is readable by anybody (https://www.rfc-editor.org/rfc/rfc7519)."""

import base64
import binascii
import json
from collections.abc import Mapping

from monitor.core.model import Instant
from monitor.settings import Target

_PARTS = 3
_END_OF_TIME: Instant = 253_402_300_800.0  # the year 10000; NaN is not below it either


def expiry_of(token: str) -> Instant | None:
    """The `exp` of a JWT; None for an opaque token. Nothing is verified: only the holder is told."""
    parts = token.split(".")
    if len(parts) != _PARTS:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    expires = payload.get("exp") if isinstance(payload, Mapping) else None
    if not isinstance(expires, int | float) or isinstance(expires, bool) or not 0 <= expires < _END_OF_TIME:
        return None
    return float(expires)


def token_expiries(target: Target) -> dict[str, Instant]:
    """By credential, where a token tells."""
    tokens = {"gateway": target.gateway.token.get(), "traceloop": target.traceloop.api_key.get()}
    if target.control_plane is not None:
        tokens["control_plane"] = target.control_plane.token.get()
    found = {name: expiry_of(token) for name, token in tokens.items()}
    return {name: expires for name, expires in found.items() if expires is not None}
