"""A peer over file descriptors: for a server started by OpenSSH as its subsystem ``netconf``, or under a test."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from typing import BinaryIO, cast

from cryptomap.transport.peer import Peer

__all__ = ["open_stdio"]


async def open_stdio(
    *,
    user: str,
    address: str = "local",
    read_fd: int = 0,
    write_fd: int = 1,
    slow_reader_timeout: float = 60.0,
) -> Peer:
    """The peer at the other end of ``read_fd`` and ``write_fd``: pipes, terminals, or one socket (what sshd gives).

    The descriptors themselves are duplicated and may be closed. Raises ValueError for a regular file.
    """
    for fd in (read_fd, write_fd):
        if stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError(f"descriptor {fd} is a regular file; a session needs pipes, a terminal or a socket")
    pump = _Pump()
    peer = Peer(pump, user=user, address=address, transport="netconf-ssh", slow_reader_timeout=slow_reader_timeout)
    pump.peer = peer
    if stat.S_ISSOCK(os.fstat(read_fd).st_mode):
        await _open_socket(pump, read_fd)
    else:
        await _open_pipes(pump, read_fd, write_fd)
    return peer


async def _open_socket(pump: _Pump, fd: int) -> None:
    """Input and output are one socket: asyncio takes it as a whole, two pipe transports would disturb each other."""
    loop = asyncio.get_running_loop()
    connection = socket.socket(fileno=os.dup(fd))
    connection.setblocking(False)
    transport, _ = await loop.create_connection(lambda: _SocketSide(pump), sock=connection)
    pump.reader = pump.writer = transport


async def _open_pipes(pump: _Pump, read_fd: int, write_fd: int) -> None:
    loop = asyncio.get_running_loop()
    source, sink = _duplicate(read_fd, "rb"), _duplicate(write_fd, "wb")
    pump.writer, _ = await loop.connect_write_pipe(lambda: _WriteSide(pump), sink)
    pump.reader, _ = await loop.connect_read_pipe(lambda: _ReadSide(pump), source)


def _duplicate(fd: int, mode: str) -> BinaryIO:
    return cast(BinaryIO, os.fdopen(os.dup(fd), mode, buffering=0))


class _Pump:
    """The two directions as one channel."""

    peer: Peer
    reader: asyncio.ReadTransport
    writer: asyncio.WriteTransport

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def pause_reading(self) -> None:
        self.reader.pause_reading()

    def resume_reading(self) -> None:
        self.reader.resume_reading()

    def close(self) -> None:
        self.writer.close()
        self.reader.close()

    def abort(self) -> None:
        self.writer.abort()
        self.reader.close()


class _WriteSide(asyncio.BaseProtocol):
    def __init__(self, pump: _Pump) -> None:
        self._pump = pump

    def pause_writing(self) -> None:
        self._pump.peer.pause_writing()

    def resume_writing(self) -> None:
        self._pump.peer.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._pump.reader.close()
        self._pump.peer.connection_lost(exc)


class _ReadSide(asyncio.Protocol):
    def __init__(self, pump: _Pump) -> None:
        self._pump = pump

    def data_received(self, data: bytes) -> None:
        self._pump.peer.data_received(data)

    def eof_received(self) -> bool:
        self._pump.peer.eof_received()
        return True  # a socket stays open for what we still write


class _SocketSide(_WriteSide, _ReadSide):
    pass
