"""What the applications of the sandbox share: routes without redirects, bearer tokens, JSON bodies."""

import json
from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ExceptionHandler


def routed(routes: Sequence[BaseRoute], handlers: Mapping[int, ExceptionHandler] | None = None) -> Starlette:
    """An application that serves these routes and nothing near them: a slash more is another path, not a redirect."""
    app = Starlette(routes=routes, exception_handlers=dict(handlers or {}))
    app.router.redirect_slashes = False
    return app


def bearer(request: Request) -> str:
    """The bearer token of a request; empty if there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def json_object(request: Request) -> dict[str, object] | None:
    """The body of a request if it is a JSON object."""
    try:
        body = json.loads(await request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
