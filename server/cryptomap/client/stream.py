"""The bytes below a client: an SSH channel to the subsystem netconf."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import asyncssh

__all__ = ["ByteStream", "ClientError", "open_ssh"]

_READ_SIZE: Final = 1048576
_CIPHERS: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr")


class ClientError(Exception):
    """The server cannot be reached, refused us, or broke the protocol; the text is one line for the user."""


class ByteStream(Protocol):
    """What a client needs of a transport; the server's ``Peer`` has the same two verbs."""

    async def read(self) -> bytes:
        """What has arrived, ``b""`` at the end."""

    async def write(self, data: bytes) -> None:
        """Send, waiting while the other side does not read."""


class _SshStream:
    def __init__(self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(_READ_SIZE)
        except (asyncssh.Error, OSError) as error:
            raise ClientError(f"connection lost: {error}") from error

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (asyncssh.Error, OSError) as error:
            raise ClientError(f"connection lost: {error}") from error


@asynccontextmanager
async def open_ssh(
    host: str,
    port: int,
    *,
    user: str,
    identity: Path | Sequence[Path] | None,
    password: str | None,
    known_hosts: Path | None,
    connect_timeout: float,
) -> AsyncIterator[ByteStream]:
    """A stream to the netconf subsystem at ``host``; see :func:`cryptomap.client.connect` for the arguments."""
    try:
        connection = await asyncssh.connect(
            host,
            port,
            username=user,
            client_keys=_identities(identity),
            password=password,
            known_hosts=str(known_hosts) if known_hosts else (),
            config=None,
            encryption_algs=_CIPHERS,
            compression_algs=["none"],
            connect_timeout=connect_timeout,
            login_timeout=connect_timeout,
        )
    except (asyncssh.Error, OSError, ValueError) as error:
        raise ClientError(f"{user}@{host}:{port}: {error}") from error
    async with connection:
        try:
            writer, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
        except asyncssh.Error as error:
            raise ClientError(f"{user}@{host}:{port}: no netconf session: {error.reason}") from error
        yield _SshStream(reader, writer)


def _identities(identity: Path | Sequence[Path] | None) -> Sequence[str] | tuple[()]:
    """Key files for asyncssh; the empty tuple lets it use the agent and the user's own keys."""
    if identity is None:
        return ()
    return [str(path) for path in ([identity] if isinstance(identity, Path) else identity)]
