"""What keeps the pages from doing what no operator asked for.

They listen on loopback and know no passwords, so whatever a browser on this machine sends must be
meant: only names of this machine are answered (a foreign name could be made to point here), and a
form counts only when it comes from a page of ours, by its origin and by a token that the page and
a cookie share.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import FormData, Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
TOKEN_FIELD = "form_token"  # noqa: S105 (the name of a field)
_COOKIE = "saldo_form"
_TOO_LARGE = 413
# A browser reads the answer only once it has sent the request; beyond this it is cut off.
_DRAINED_TIMES = 10
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # What is shown names people.
    "Cache-Control": "no-store",
}


class ForgedFormError(Exception):
    """A form that did not come from a page of ours."""


def form_token(request: Request) -> str:
    """The token that a browser's forms must carry; a new one for a new browser."""
    return request.cookies.get(_COOKIE) or secrets.token_urlsafe(32)


def remember_token(response: Response, token: str) -> None:
    """Have the browser send the token with each request from a page of ours."""
    response.set_cookie(_COOKIE, token, httponly=True, samesite="strict", path="/")


def check_form(request: Request, form: FormData) -> None:
    """Make sure that a form came from a page of ours.

    Raises:
        ForgedFormError: its origin is another site, or it lacks the browser's token.

    """
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    cookie = request.cookies.get(_COOKIE, "")
    token = form.get(TOKEN_FIELD)
    is_ours = isinstance(token, str) and bool(cookie) and hmac.compare_digest(token, cookie)
    if (origin is not None and origin != own) or not is_ours:
        raise ForgedFormError


class SizeLimit:
    """Answers 413 to a request that is larger than allowed, without keeping what it sends."""

    def __init__(self, app: ASGIApp, most_bytes: int, message: str) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._message = message

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on unless it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._most_bytes:
            await self._refuse(scope, receive, send)
            return
        await self._app(scope, self._count(receive), send)

    def _count(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most_bytes:
                raise HTTPException(_TOO_LARGE, self._message)
            return message

        return counted

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        drained, has_more = 0, True
        while has_more and drained < _DRAINED_TIMES * self._most_bytes:
            message = await receive()
            drained += len(message.get("body", b""))
            has_more = bool(message.get("more_body"))
        await PlainTextResponse(self._message, _TOO_LARGE)(scope, receive, send)


class SecurityHeaders:
    """Adds what tells a browser to show the pages as they are, here, and to keep nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and its answer back with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[Any] = list(message.get("headers", []))
                headers += [
                    (name.lower().encode(), text.encode()) for name, text in _HEADERS.items()
                ]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_headers)
