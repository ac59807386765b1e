"""A NETCONF client that does as little as possible: it frames requests and finds the ends of replies, without parsing.

What is measured over SSH should be the server and the SSH connection, not the client.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import asyncssh

HELLO = (
    b'<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>'
    b"<capability>urn:ietf:params:netconf:base:1.1</capability></capabilities></hello>]]>]]>"
)
END = b"\n##\n"
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""As cryptomap's own client asks for. The client chooses; asyncssh's default would be ChaCha20, which it computes in
Python, at a third of the time of a small read."""


class Refused(Exception):
    """The server answered with an error where there should be none."""


@dataclass(frozen=True)
class Reply:
    """How long a reply took (seconds, to the first and to the last byte), its size, and its beginning."""

    seconds: float
    first: float
    size: int
    head: bytes

    @property
    def is_error(self) -> bool:
        return b"<rpc-error" in self.head


class RawClient:
    """One session; one request at a time."""

    def __init__(self, connection: asyncssh.SSHClientConnection, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._connection = connection
        self._process = process
        self._ids = 0
        self.deadline: float | None = None  # seconds for one reply

    @classmethod
    async def connect(cls, host: str, port: int, user: str, key: Path) -> RawClient:
        connection = await asyncssh.connect(
            host,
            port,
            username=user,
            client_keys=[str(key)],
            known_hosts=None,
            agent_path=None,
            config=None,
            encryption_algs=CIPHERS,
        )
        process = await connection.create_process(subsystem="netconf", encoding=None, window=16 * 2**20)
        process.stdin.write(HELLO)
        await process.stdout.readuntil(b"]]>]]>")
        return cls(connection, process)

    async def rpc(self, operation: str) -> Reply:
        """Send an operation and read its reply to the end. TimeoutError when that takes longer than the deadline."""
        async with asyncio.timeout(self.deadline):
            return await self._rpc(operation)

    async def _rpc(self, operation: str) -> Reply:
        self._ids += 1
        message = f'<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="{self._ids}">{operation}</rpc>'
        data = message.encode()
        begun = time.perf_counter()
        self._process.stdin.write(b"\n#%d\n%b\n##\n" % (len(data), data))
        await self._process.stdin.drain()
        head, size, tail, first = b"", 0, b"", 0.0
        while not tail.endswith(END):
            piece = await self._process.stdout.read(2**20)
            if not piece:
                raise ConnectionError("the server closed the session")
            first = first or time.perf_counter() - begun
            head = head or piece[:2000]
            size += len(piece)
            tail = (tail + piece)[-len(END) :]
        return Reply(time.perf_counter() - begun, first, size, head)

    async def ok(self, operation: str) -> Reply:
        """The same for what must succeed."""
        reply = await self.rpc(operation)
        if reply.is_error:
            raise Refused(" ".join(reply.head.decode(errors="replace").split()))
        return reply

    async def close(self) -> None:
        await self.rpc("<close-session/>")
        await self.abandon()

    async def abandon(self) -> None:
        """Close the connection whatever the server is doing."""
        self._connection.close()
        await self._connection.wait_closed()
