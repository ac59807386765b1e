"""A listening TCP socket and the connections that come to it, before anybody knows what they want."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Final

__all__ = ["accepted", "listen"]

_logger = logging.getLogger(__name__)

_BACKLOG: Final = 100
_REST: Final = 1.0


async def listen(host: str, port: int) -> socket.socket:
    """A socket that listens (``port`` 0 picks one); OSError if that is not possible."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    listening.setblocking(False)
    return listening


async def accepted(listening: socket.socket) -> AsyncIterator[tuple[socket.socket, str]]:
    """Each connection with the address it comes from, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, address = await loop.sock_accept(listening)
        except OSError as error:  # too many open files, say
            _logger.error("cannot accept a connection: %s", error)
            await asyncio.sleep(_REST)
            continue
        yield connection, str(address[0])
