"""A connected stream socket, with or without TLS on it, as the channel of a peer."""

from __future__ import annotations

import asyncio
import socket
from typing import Final, cast

from cryptomap.transport.peer import Peer

__all__ = ["StreamChannel", "keep_alive"]

_HIGH_WATER: Final = 131072
_PROBES: Final = 3


class StreamChannel(asyncio.Protocol):
    """Both sides at once: a protocol to asyncio, a channel to the peer. ``peer`` must be set in
    :meth:`connected`, which is called when there is a transport to write to."""

    peer: Peer

    def __init__(self, *, half_close: bool) -> None:
        self._half_close = half_close

    def connected(self) -> None:
        """The transport is there."""

    # ===== for asyncio =====

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER)
        self.connected()

    def data_received(self, data: bytes) -> None:
        self.peer.data_received(data)

    def eof_received(self) -> bool:
        self.peer.eof_received()
        return self._half_close  # over TLS there is no half of a connection

    def pause_writing(self) -> None:
        self.peer.pause_writing()

    def resume_writing(self) -> None:
        self.peer.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.peer.connection_lost(exc)

    # ===== for the peer =====

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def pause_reading(self) -> None:
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        self.transport.resume_reading()

    def close(self) -> None:
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()


def keep_alive(connection: socket.socket, interval: float) -> None:
    """Have the kernel ask a silent TCP peer after ``interval`` seconds whether it is there, and drop it after the third
    time without an answer; also while data waits to be acknowledged. 0 leaves the connection alone."""
    if not interval:
        return
    seconds = max(1, round(interval))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", seconds),
        ("TCP_KEEPINTVL", seconds),
        ("TCP_KEEPCNT", _PROBES),
        ("TCP_USER_TIMEOUT", 1000 * seconds * (_PROBES + 1)),
    ):
        if hasattr(socket, name):  # what there is differs from system to system
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
