"""What stands before TrueFoundry's services: Cloudflare, which turns away the user agents of bare libraries."""

import re

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.sandbox.faults.kinds import CLOUDFLARE_1010

_BARE_LIBRARY = re.compile(r"(python-urllib|python-httpx|python-requests)(/|$)", re.IGNORECASE)


class WithFrontDoor:
    """An ASGI application behind Cloudflare."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it: 403 and `error code: 1010`, which is no permission."""
        agent = Headers(scope=scope).get("user-agent", "").strip()
        if agent and not _BARE_LIBRARY.match(agent):
            await self._app(scope, receive, send)
            return
        refused = PlainTextResponse(CLOUDFLARE_1010.body, CLOUDFLARE_1010.status, dict(CLOUDFLARE_1010.headers))
        await refused(scope, receive, send)
