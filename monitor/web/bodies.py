"""JSON in and out: bounded, of one shape, and never with a number that JSON does not have."""

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from monitor.core.model import Seconds
from monitor.ports import Clock

LIMIT = 64 * 1024
PATIENCE: Seconds = 10.0


async def read_object(request: Request, clock: Clock) -> dict[str, Any]:
    """The JSON object in a request's body; an empty one without a body. Raises HTTPException 400, 408, 413."""
    try:
        async with clock.timeout(PATIENCE):
            body = await _read(request)
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {PATIENCE:.0f} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body did not come whole") from None
    if not body.strip():
        return {}
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON: {type(error).__name__}") from None
    if not isinstance(parsed, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return parsed


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT:
            raise HTTPException(413, f"the body is longer than {LIMIT} bytes")
    return bytes(body)


def text_of(body: Mapping[str, Any], key: str, *, limit: int, default: str) -> str:
    """A short text of a body. Raises HTTPException 400."""
    value = body.get(key, default)
    if not isinstance(value, str) or len(value) > limit or not value.isprintable():
        raise HTTPException(400, f"`{key}` must be a text of at most {limit} printable characters")
    return value


def only(body: Mapping[str, Any], *known: str) -> None:
    """Refuse what nobody would heed. Raises HTTPException 400."""
    unknown = sorted(set(body) - set(known))
    if unknown:
        names = ", ".join(f"`{name[:40]}`" for name in unknown[:5])
        raise HTTPException(400, f"unknown: {names}; allowed: {', '.join(known)}")


def as_json(content: object, status: int = 200) -> Response:
    """A JSON answer."""
    body = json.dumps(_finite(content), separators=(",", ":"), default=str, allow_nan=False)
    return Response(body + "\n", status_code=status, media_type="application/json")


def _finite(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {str(key): _finite(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_finite(inner) for inner in value]
        case _:
            return value
