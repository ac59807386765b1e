"""For tests of RESTCONF: requests and responses in literal text, without HTTP around them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptomap.netconf.parser import ParserLimits
from cryptomap.restconf.handle import handle
from cryptomap.restconf.messages import JSON, Request, Response
from cryptomap.restconf.site import Site
from support.lab import Lab

PATIENCE = 20.0


@dataclass(frozen=True)
class Answer:
    """A response that has been read."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def errors(self) -> list[tuple[str, str]]:
        """(error-tag, error-path) of each error."""
        return [(error["error-tag"], error.get("error-path", "")) for error in self._errors]

    @property
    def message(self) -> str:
        return str(self._errors[0]["error-message"])

    @property
    def _errors(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.json["ietf-restconf:errors"]["error"]
        return found


class Web:
    """One user of a server, over HTTP."""

    def __init__(self, site: Site, user: str = "alice") -> None:
        self.site = site
        self.user = user

    async def respond(
        self, method: str, target: str, body: str | bytes | object = b"", media: str = JSON, **headers: str
    ) -> Response:
        """The response before its body is read. ``target`` is below /restconf; a body that is no text is JSON. Names of
        headers have ``_`` for ``-``."""
        path, _, query = target.partition("?")
        found = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body:
            found.setdefault("content-type", media)
        request = Request(method, f"/restconf{path}", query, found, body, self.user, "192.0.2.1")
        return await handle(self.site, request)

    async def ask(
        self, method: str, target: str, body: str | bytes | object = b"", media: str = JSON, **headers: str
    ) -> Answer:
        """A request and its whole response."""
        response = await self.respond(method, target, body, media, **headers)
        body = response.body
        pieces = [piece async for piece in body] if isinstance(body, AsyncIterator) else body
        return Answer(response.status, b"".join(pieces).decode(), response.headers)

    async def get(self, target: str, **headers: str) -> Any:
        """The JSON of a resource that is there."""
        answer = await self.ask("GET", target, **headers)
        assert answer.status == 200, answer
        return answer.json


class Events:
    """A stream of server-sent events being read."""

    def __init__(self, response: Response) -> None:
        assert isinstance(response.body, AsyncIterator)
        self._body = response.body
        self._text = ""

    async def next(self) -> str:
        """The data of the next event; "" at the end."""
        async with asyncio.timeout(PATIENCE):
            while True:
                async for piece in self._body:
                    self._text = piece.decode()
                    break
                else:
                    return ""
                if self._text.startswith("data: "):
                    return "\n".join(line.removeprefix("data: ") for line in self._text.strip().split("\n"))

    async def begun(self) -> Events:
        """Wait until the stream flows."""
        async with asyncio.timeout(PATIENCE):
            assert (await anext(self._body)).startswith(b":")
        return self

    async def close(self) -> None:
        await self._body.aclose()  # type: ignore[attr-defined]


def web(lab: Lab, user: str = "alice", limit: int = 2**20) -> Web:
    """A user of a lab's server."""
    return Web(Site.of(lab.server, ParserLimits(size=limit)), user)
