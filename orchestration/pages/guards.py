"""What keeps pages from doing what no operator asked for: ours, and Dagster's user interface.

They listen on loopback and know no passwords, so whatever a browser on this machine sends must be
meant: only names of this machine are answered (a foreign name could be made to point here), and
what changes something counts only when it comes from a page of the same server, by its origin. A
form of ours has a token besides, which the page and a cookie share; Dagster's pages send JSON,
which no other site can have a browser send unasked.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from starlette.datastructures import FormData, Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestration.installation.errors import WrongUseError

# Any port: a tunnel may end on another one than the server listens on.
_OWN_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_ORIGIN = re.compile(r"https?://[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?", re.ASCII)
_GRAPHQL = "/graphql"
TOKEN_FIELD = "form_token"  # noqa: S105 (the name of a field)
_COOKIE = "saldo_form"
_TOO_LARGE = 413
# A browser reads the answer only once it has sent the request; beyond this it is cut off.
_DRAINED_TIMES = 10
HEADERS = {
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
    is_elsewhere = "origin" in request.headers and not is_own_origin(request.headers)
    cookie = request.cookies.get(_COOKIE, "")
    token = form.get(TOKEN_FIELD)
    is_ours = isinstance(token, str) and bool(cookie) and hmac.compare_digest(token, cookie)
    if is_elsewhere or not is_ours:
        raise ForgedFormError


class OriginError(WrongUseError):
    """What should be an origin is none; the message names it and says what one is."""


def read_origins(text: str, name: str) -> frozenset[str]:
    """The origins that a setting lists, those under which a proxy shows the pages.

    Args:
        text: origins with blanks or commas between them; may be empty.
        name: of the setting, for the error.

    Raises:
        OriginError: one of them is not an origin as browsers write it.

    """
    origins = frozenset(text.replace(",", " ").split())
    for origin in sorted(origins):
        if _ORIGIN.fullmatch(origin) is None:
            raise OriginError(
                f"{name}: {origin!r} is no origin; one is https://saldo.example.cl, in small"
                " letters, with its port unless that is the usual one, and no more"
            )
    return origins


def is_own_name(headers: Headers, origins: Collection[str] = ()) -> bool:
    """Whether a request asks for this machine by a loopback name, or by that of a proxy."""
    hosts = headers.getlist("host")
    return len(hosts) == 1 and (
        _OWN_HOST.fullmatch(hosts[0]) is not None or hosts[0].lower() in _hosts_of(origins)
    )


def is_own_origin(headers: Headers, origins: Collection[str] = ()) -> bool:
    """Whether a request comes from a page of the server that it asks, and says so."""
    host = headers.get("host", "").lower()
    own = {origin for origin in origins if origin.partition("://")[2] == host}
    if _OWN_HOST.fullmatch(host) is not None:
        own.add(f"http://{host}")
    said = headers.getlist("origin")
    return len(said) == 1 and said[0] in own


def _hosts_of(origins: Collection[str]) -> set[str]:
    return {origin.partition("://")[2] for origin in origins}


class OwnNames:
    """Answers only who asks for this machine by a name of its own, web sockets too."""

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on unless it is for a foreign name."""
        if scope["type"] == "lifespan" or is_own_name(Headers(scope=scope), self._origins):
            await self._app(scope, receive, send)
            return
        await _refuse(scope, receive, send, 400, "This server does not go by that name.")


class OwnWrites:
    """Lets only pages of the server itself change anything, or listen, in Dagster's way.

    Everything that Dagster does is a question to one address, and a question by GET may change
    things as well: that address takes POST and web sockets alone. A POST must be JSON, whatever
    Dagster would take besides.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on that reads, or that a page of ours sent."""
        refusal = self._judge(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(scope, receive, send, *refusal)

    def _judge(self, scope: Scope) -> tuple[int, str] | None:
        if scope["type"] == "lifespan":
            return None
        headers = Headers(scope=scope)
        method = scope.get("method", "")
        if method in {"GET", "HEAD"}:
            is_question = scope["path"].rstrip("/") == _GRAPHQL
            return (405, "Questions are asked by POST.") if is_question else None
        if scope["type"] == "http" and method != "POST":
            return 405, "This server takes GET and POST."
        if not is_own_origin(headers, self._origins):
            return 403, "This does not come from a page of this server: nothing was done."
        if scope["type"] == "http" and not _is_json(headers):
            return 415, "This server takes JSON."
        return None


def _is_json(headers: Headers) -> bool:
    said = headers.getlist("content-type")
    return len(said) == 1 and said[0].partition(";")[0].strip().lower() == "application/json"


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, message: str) -> None:
    if scope["type"] == "websocket":
        # Before it was accepted: the browser gets 403.
        await send({"type": "websocket.close", "code": 1008, "reason": message})
        return
    await PlainTextResponse(message, status)(scope, receive, send)


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

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._headers = HEADERS if headers is None else headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and its answer back with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[Any] = list(message.get("headers", []))
                headers += [
                    (name.lower().encode(), text.encode()) for name, text in self._headers.items()
                ]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_headers)
