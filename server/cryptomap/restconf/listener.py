"""HTTP over TCP or TLS: uvicorn's protocol, with caps and time-outs before anybody has logged in."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Coroutine
from typing import Any, Final

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from cryptomap.restconf.app import CHAIN
from cryptomap.transport.accept import accepted, listen
from cryptomap.transport.tls import verified_chain

__all__ = ["HttpListener"]

log = logging.getLogger(__name__)

_HEADERS: Final = 64 * 1024
_KEEP_ALIVE: Final = 60
_STOP_TIMEOUT: Final = 5.0


class HttpListener:
    """Serves an application. ``context`` is TLS, ``None`` plain HTTP. ``most`` connections at once, 0: any number;
    ``grace``: seconds until TLS must be agreed on, and then until a request's head must be there."""

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
        self._listening: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._entering = 0

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen and return the address and port in use (``port`` 0 picks one); OSError if that is not possible."""
        self._listening = await listen(host, port)
        self._start(self._accept(self._listening))
        bound = self._listening.getsockname()
        return bound[0], bound[1]

    def close(self) -> None:
        """Accept nothing more, and end the connections on which nothing is going on."""
        for task in self._tasks:
            task.cancel()
        for connection in list(self._state.connections):
            connection.shutdown()

    async def stop(self) -> None:
        """Likewise, and free the port; what is going on may end for 5 s."""
        self.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()
        if self._state.tasks:
            _, late = await asyncio.wait(list(self._state.tasks), timeout=_STOP_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.transport.abort()

    def _start(self, part: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(part)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        async for connection, address in accepted(listening):
            if self._most and self._entering + len(self._state.connections) >= self._most:
                log.warning("%s: refused: %d HTTP connections already", address, self._most)
                connection.close()
            else:
                self._entering += 1
                self._start(self._admit(connection, address))

    async def _admit(self, connection: socket.socket, address: str) -> None:
        """Agree on TLS. Whoever does that slowly takes a place as well."""
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=(self._grace or None) if self._context else None,
            )
        except OSError as error:
            log.info("%s: no HTTP over TLS: %s", address, error)
        finally:
            self._entering -= 1

    def _protocol(self) -> _Protocol:
        return _Protocol(self._config, self._state, {}, grace=self._grace)


class _Protocol(H11Protocol):
    """One connection."""

    def __init__(self, *arguments: Any, grace: float = 0.0, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._grace = grace
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
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
