"""HTTP over TCP or TLS: uvicorn's protocol, with caps and time-outs before anybody has logged in."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Any, Final

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from cryptomap.restconf.app import CHAIN
from cryptomap.transport.tls import verified_chain

__all__ = ["HttpListener"]

log = logging.getLogger(__name__)

_HEADERS: Final = 64 * 1024
_KEEP_ALIVE: Final = 60
_STOP_TIMEOUT: Final = 5.0


class HttpListener:
    """Serves an application. ``context`` is TLS, ``None`` plain HTTP. ``most`` connections at once, 0: any number;
    ``grace``: seconds until a request's head must be there."""

    def __init__(self, app: ASGIApp, *, context: ssl.SSLContext | None = None, most: int = 256, grace: float = 30.0):
        self._context = context
        self._most = most
        self._grace = grace
        self._state = ServerState()
        self._config = Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=_HEADERS,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        self._config.load()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen and return the address and port in use (``port`` 0 picks one); OSError if that is not possible."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listening = socket.create_server(address[:2], family=family, backlog=128)
        listening.setblocking(False)
        bound = listening.getsockname()
        self._server = await loop.create_server(
            self._protocol,
            sock=listening,
            ssl=self._context,
            ssl_handshake_timeout=(self._grace or None) if self._context else None,
        )
        return bound[0], bound[1]

    def close(self) -> None:
        """Accept nothing more, and end the connections on which nothing is going on."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()

    async def stop(self) -> None:
        """Likewise; what is going on may end for 5 s."""
        self.close()
        if self._state.tasks:
            _, late = await asyncio.wait(list(self._state.tasks), timeout=_STOP_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.transport.abort()

    def _protocol(self) -> _Protocol:
        return _Protocol(self._config, self._state, {}, most=self._most, grace=self._grace)


class _Protocol(H11Protocol):
    """One connection."""

    def __init__(self, *arguments: Any, most: int = 0, grace: float = 0.0, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._most = most
        self._grace = grace
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._most and len(self.connections) > self._most:
            log.warning("%s: refused: %d HTTP connections already", self.client, self._most)
            transport.abort()
            return
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.getpeercert() is not None and tls.getpeercert():
            self.app_state = {CHAIN: verified_chain(tls)}
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._calm()

    def _watch(self) -> None:
        """Whoever has begun neither a connection nor a request for nothing has some time to say what it wants."""
        is_busy = self.cycle is not None and not self.cycle.response_complete
        if is_busy:
            self._calm()
        elif self._deadline is None and self._grace:
            self._deadline = self.loop.call_later(self._grace, self.transport.abort)

    def _calm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
