"""RESTCONF as an ASGI application: reads a request, finds out who asks, sends what ``handle`` answers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from cryptomap.restconf.api import HOST_META, host_meta
from cryptomap.restconf.handle import handle
from cryptomap.restconf.login import Busy, Login, Stranger
from cryptomap.restconf.messages import JSON, Request, Response
from cryptomap.restconf.site import ROOT, Site

__all__ = ["CHAIN", "Endpoint", "application"]

log = logging.getLogger(__name__)

CHAIN: Final = "certificates"
"""Where the state of a connection has the verified chain of its client."""

CONSOLE: Final = Path(__file__).parent / "console"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_CHALLENGE: Final = {"www-authenticate": 'Basic realm="cryptomap", charset="UTF-8"'}
_BODY_TIMEOUT: Final = 60.0
_SLOW_READER: Final = 60.0


def application(site: Site, login: Login, *, console: bool = True, more: Sequence[BaseRoute] = ()) -> Starlette:
    """The application. ``more`` is what else there is to get."""
    restconf = Endpoint(login, lambda request: handle(site, request), site.body.size)
    routes: list[BaseRoute] = [
        Route(ROOT + "{rest:path}", restconf),
        Route(HOST_META, Public(host_meta())),
        *more,
    ]
    if console:
        routes += [Mount("/console", _Static(directory=CONSOLE, html=True)), Route("/", RedirectResponse("/console/"))]
    return Starlette(routes=routes)


class Public:
    """A response that is the same for everybody."""

    def __init__(self, response: Response) -> None:
        self._response = response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _send(self._response, scope, receive, send)


class Endpoint:
    """What users may ask, once they have proven who they are."""

    def __init__(self, login: Login, answer: Callable[[Request], Awaitable[Response]], most: int = 0) -> None:
        self._login = login
        self._answer = answer
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._respond(scope, receive)
        except ClientDisconnect:
            return
        await _send(response, scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        http = HttpRequest(scope, receive)
        address = http.client.host if http.client else ""
        if http.method not in _SAFE and _is_foreign(http):
            return _error(403, "access-denied", "a page of another site may not do this in your name")
        try:
            user = await self._login.user(http.headers.get("authorization", ""), _chain(scope), address)
        except Stranger as reason:
            log.warning("%s: refused over HTTP: %s", address or "?", reason)
            return _error(401, "access-denied", "log in with a client certificate or a password", _CHALLENGE)
        except Busy as reason:
            return _error(503, "resource-denied", str(reason), {"retry-after": "5"})
        body = await _body(http, self._most)
        if body is None:
            return _error(413, "too-big", f"the body is larger than {self._most} bytes", {"connection": "close"})
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        request = Request(http.method, path, query, dict(http.headers), body, user, address)
        return await self._answer(request)


async def _body(http: HttpRequest, most: int) -> bytes | None:
    """The body; ``None`` if it is too big, which is known as early as can be."""
    length = http.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > most:
        return None
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            async for piece in http.stream():
                body += piece
                if len(body) > most:
                    return None
    except TimeoutError:
        raise ClientDisconnect from None
    return bytes(body)


def _is_foreign(http: HttpRequest) -> bool:
    """Whether a browser says that the page of another site makes it ask."""
    if http.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = http.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != http.headers.get("host")


def _chain(scope: Scope) -> Sequence[x509.Certificate]:
    found: Sequence[x509.Certificate] = scope.get("state", {}).get(CHAIN, ())
    return found


def _error(status: int, tag: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error before anybody knows which schema it would be about."""
    error = {"error-type": "transport", "error-tag": tag, "error-message": message}
    body = json.dumps({"ietf-restconf:errors": {"error": [error]}}).encode()
    return Response(status, {"content-type": JSON, **(headers or {})}, (body,))


async def _send(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    async def bounded(message: Message) -> None:
        async with asyncio.timeout(_SLOW_READER):
            await send(message)

    headers = {"date": formatdate(usegmt=True), "x-content-type-options": "nosniff", **response.headers}
    body = response.body if isinstance(response.body, AsyncIterator) else _gently(response.body)
    try:
        await StreamingResponse(body, response.status, headers)(scope, receive, bounded)
    except TimeoutError:
        log.warning("a client does not read its response: dropped")
        raise


async def _gently(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """A long response lets others have their turn."""
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


class _Static(StaticFiles):
    """The console's files: nothing may be put into its page, and the page into no other."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = {
                    "content-security-policy": _POLICY,
                    "x-content-type-options": "nosniff",
                    "referrer-policy": "no-referrer",
                    "cross-origin-opener-policy": "same-origin",
                    "cache-control": "no-cache",
                }
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in extra.items())]
            await send(message)

        await super().__call__(scope, receive, guarded)
