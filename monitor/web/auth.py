"""Who may read and who may change. Tokens are asked for at each request, so a rotated one counts at once."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]
Token = Callable[[], str | None]

_CHALLENGE_TO_READ = 'Basic realm="trace-monitor", charset="UTF-8", Bearer realm="trace-monitor"'
_CHALLENGE_TO_CHANGE = 'Bearer realm="trace-monitor"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Checks the token of a request before its handler runs."""

    read_token: Token
    admin_token: Token

    def reading(self, handler: Handler) -> Handler:
        """Open without a read token; else it must be given, as Bearer or as the password of Basic. The admin's does as well."""

        async def guarded(request: Request) -> Response:
            wanted = self.read_token()
            if wanted is not None:
                given = _bearer(request) or _basic_password(request)
                if not (_same(given, wanted) or _same(given, self.admin_token())):
                    raise HTTPException(401, "a token is needed", headers={"www-authenticate": _CHALLENGE_TO_READ})
            return await handler(request)

        return guarded

    @property
    def can_change(self) -> bool:
        """Whether anything can be changed at all."""
        return self.admin_token() is not None

    def is_admin(self, typed: str) -> bool:
        """Whether what was typed into a form is the admin token."""
        return _same(typed.strip().encode() or None, self.admin_token())

    def changing(self, handler: Handler) -> Handler:
        """Only by Bearer with the admin token: a browser sends Basic by itself, also on behalf of a foreign page."""

        async def guarded(request: Request) -> Response:
            wanted = self.admin_token()
            if wanted is None:
                raise HTTPException(403, "nothing can be changed here: `server.admin_token` is not configured")
            given = _bearer(request)
            if _same(given, self.read_token()) and not _same(given, wanted):
                raise HTTPException(403, "the read token may not change anything: the admin token is needed")
            if not _same(given, wanted):
                headers = {"www-authenticate": _CHALLENGE_TO_CHANGE}
                raise HTTPException(401, "the admin token is needed, as `Authorization: Bearer`", headers=headers)
            return await handler(request)

        return guarded


def is_from_own_page(request: Request, external_url: str | None) -> bool:
    """Whether a form was sent by a page of this site: browsers say so, and no script of a foreign page can make them lie.

    `Sec-Fetch-Site` is not sent over plain http to another host than this machine; `Origin` is, with every form that is posted.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "").partition("://")[2]
    own = {request.headers.get("host", ""), urlsplit(external_url or "").netloc} - {""}
    return origin in own


def _given(request: Request, scheme: bytes) -> bytes | None:
    """What stands after this scheme, in the bytes that were sent: a header may hold any, and Starlette reads it as Latin-1."""
    given, _, credentials = request.headers.get("authorization", "").encode("latin-1").partition(b" ")
    return credentials.strip() or None if given.lower() == scheme else None


def _bearer(request: Request) -> bytes | None:
    return _given(request, b"bearer")


def _basic_password(request: Request) -> bytes | None:
    try:
        pair = base64.b64decode(_given(request, b"basic") or b"", validate=True)
    except binascii.Error:
        return None
    return pair.partition(b":")[2] or None


def _same(given: bytes | None, wanted: str | None) -> bool:
    """Whether both are there and equal, in a time that reveals nothing of where they differ."""
    return given is not None and wanted is not None and hmac.compare_digest(given, wanted.encode())
