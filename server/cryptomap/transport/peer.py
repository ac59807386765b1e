"""One client as bytes: what a transport offers to whoever speaks NETCONF over it.

A :class:`Peer` stands between two styles. A transport pushes bytes in with calls (``data_received`` and so on, the
names of asyncio's protocols) and offers a :class:`Channel` to write to; a session pulls them with ``await``. In
between it keeps both directions bounded: a session that does not read stops the client, a client that does not read
stops the session, for a while, and is then dropped.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

__all__ = ["Channel", "Peer", "PeerLost"]

_logger = logging.getLogger(__name__)

_READ_AHEAD: Final = 262144
_WRITE_PIECE: Final = 65536
_LONG_WRITE: Final = 65536
_CLOSE_TIMEOUT: Final = 5.0


class PeerLost(ConnectionError):
    """The client is gone, or was dropped because it did not read; nothing can be written to it any more."""


class Channel(Protocol):
    """What a transport lets a peer do."""

    def write(self, data: bytes) -> None:
        """Queue bytes; the transport calls ``Peer.pause_writing`` when too many wait."""

    def pause_reading(self) -> None:
        """Take nothing more from the client for now."""

    def resume_reading(self) -> None:
        """Go on."""

    def close(self) -> None:
        """Close after what is queued has gone out."""

    def abort(self) -> None:
        """Close at once."""


class Peer:
    """A connected and authenticated client.

    ``user`` is who it is, ``address`` where it comes from, ``transport`` the name for monitoring (RFC 6022
    section 2.1.3). ``slow_reader_timeout``: seconds a write may wait for the client to read, 0 for ever.
    """

    def __init__(
        self, channel: Channel, *, user: str, address: str, transport: str, slow_reader_timeout: float = 60.0
    ) -> None:
        self.user = user
        self.address = address
        self.transport = transport
        self._channel = channel
        self._slow_reader_timeout = slow_reader_timeout
        self._received: list[bytes] = []
        self._received_size = 0
        self._reading_paused = False
        self._eof = False
        self._gone: str | None = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = asyncio.Event()

    def __str__(self) -> str:
        return f"{self.user}@{self.address} ({self.transport})"

    # ===== for the session =====

    async def read(self) -> bytes:
        """What has arrived, at least one byte; ``b""`` when the client sends nothing more, or is gone."""
        while not self._received:
            if self._eof:
                return b""
            self._readable.clear()
            await self._readable.wait()
        data = b"".join(self._received)
        self._received.clear()
        self._received_size = 0
        self._resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while the client reads too slowly; raises PeerLost when it is gone or is dropped."""
        for start in range(0, len(data), _WRITE_PIECE):
            self._refuse_if_gone()
            self._channel.write(data if len(data) <= _WRITE_PIECE else data[start : start + _WRITE_PIECE])
            await self._drained()
            if len(data) >= _LONG_WRITE:
                await asyncio.sleep(0)  # a fast reader of a long reply must not keep the other sessions waiting

    async def close(self, reason: str) -> None:
        """Close after what was written has gone out (within 5 s); may be called again."""
        if self._gone is None:
            self._leave(reason)
            self._channel.close()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._closed.wait()
        except TimeoutError:
            self._channel.abort()

    def abort(self, reason: str) -> None:
        """Close at once; readers and writers are woken."""
        if self._gone is None:
            self._leave(reason)
        self._channel.abort()

    # ===== for the transport =====

    def data_received(self, data: bytes) -> None:
        if self._eof:
            return
        self._received.append(data)
        self._received_size += len(data)
        self._readable.set()
        if self._received_size >= _READ_AHEAD and not self._reading_paused:
            self._reading_paused = True
            self._channel.pause_reading()

    def eof_received(self) -> None:
        self._eof = True
        self._readable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        if self._gone is None:
            self._leave(str(error) if error else "the client closed the connection")
        self._closed.set()

    # ===== inside =====

    def _leave(self, reason: str) -> None:
        _logger.info("%s: closed: %s", self, reason)
        self._gone = reason
        self.eof_received()
        self.resume_writing()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._gone is None:
            self._reading_paused = False
            self._channel.resume_reading()

    def _refuse_if_gone(self) -> None:
        if self._gone is not None:
            raise PeerLost(self._gone)

    async def _drained(self) -> None:
        if self._writable.is_set():
            return
        try:
            async with asyncio.timeout(self._slow_reader_timeout or None):
                await self._writable.wait()
        except TimeoutError:
            self.abort(f"the client did not read for {self._slow_reader_timeout:g} s")
        self._refuse_if_gone()
