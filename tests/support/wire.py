"""A NETCONF client that says what a test says, byte by byte, over SSH. Nothing of the product is in it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
from lxml import etree

from support.server import PATIENCE, Daemon

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
HELLO = (
    f'<hello xmlns="{BASE}"><capabilities>'
    "<capability>urn:ietf:params:netconf:base:%s</capability></capabilities></hello>"
)
END = b"]]>]]>"


@dataclass(frozen=True)
class Error:
    """What a test looks at in an rpc-error."""

    tag: str
    message: str = ""
    type: str = "application"
    app_tag: str | None = None
    path: str | None = None
    info: Mapping[str, str] = field(default_factory=dict)


def errors(reply: str) -> list[Error]:
    """All rpc-errors inside a reply, or in a whole reply."""
    root = etree.fromstring(reply if reply.startswith("<rpc-reply") else f'<r xmlns="{BASE}">{reply}</r>')
    found = []
    for element in root.iterfind(f"{{{BASE}}}rpc-error"):
        text = {etree.QName(child).localname: child.text or "" for child in element}
        info = {etree.QName(child).localname: child.text or "" for child in element.iterfind("{*}error-info/*")}
        found.append(
            Error(
                text["error-tag"],
                text["error-message"],
                text["error-type"],
                text.get("error-app-tag"),
                text.get("error-path"),
                info,
            )
        )
    assert len(found) == len(root), reply
    return found


class Wire:
    """One SSH channel to the subsystem netconf."""

    def __init__(self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self.base = "1.0"
        self.hello = ""
        self._ids = 0

    # ----- bytes -----

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are. That the server has closed meanwhile is no fault: a test looks at that."""
        with suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    async def until(self, pattern: bytes) -> re.Match[bytes]:
        """Wait for what matches at the beginning of what arrived, and take it. Raises EOFError at the end."""
        async with asyncio.timeout(PATIENCE):
            while (match := re.match(pattern, bytes(self._buffer), re.DOTALL)) is None:
                await self._more()
        del self._buffer[: match.end()]
        return match

    async def _more(self) -> None:
        data = await self._reader.read(1 << 20)
        if not data:
            raise EOFError(f"the server closed the session; left: {bytes(self._buffer)!r}")
        self._buffer += data

    async def closed(self) -> bytes:
        """Wait for the server to close the session; what it sent before."""
        async with asyncio.timeout(PATIENCE):
            with suppress(EOFError):
                while True:
                    await self._more()
        return bytes(self._buffer)

    def pause(self) -> None:
        """Read nothing more from the TCP connection."""
        connection = self._writer.get_extra_info("connection")
        connection._transport.pause_reading()

    def drop(self) -> None:
        """End the TCP connection without a word."""
        connection = self._writer.get_extra_info("connection")
        connection.abort()

    # ----- messages -----

    async def greet(self, base: str = "1.1") -> Wire:
        """Exchange the hellos."""
        await self.send_bytes((HELLO % base).encode() + END)
        self.hello = (await self.until(rb"(.*?)\]\]>\]\]>"))[1].decode()
        self.base = base
        return self

    @property
    def session_id(self) -> int:
        found = re.search(r"<session-id>(\d+)</session-id>", self.hello)
        assert found
        return int(found[1])

    def framed(self, message: str | bytes) -> bytes:
        data = message if isinstance(message, bytes) else message.encode()
        return b"\n#%d\n%b\n##\n" % (len(data), data) if self.base == "1.1" else data + END

    async def send(self, message: str | bytes) -> None:
        """One message, framed."""
        await self.send_bytes(self.framed(message))

    async def receive(self) -> str:
        """The next message, unframed."""
        if self.base == "1.0":
            return (await self.until(rb"(.*?)\]\]>\]\]>"))[1].decode()
        parts = []
        while (size := (await self.until(rb"\n#(\d+|#)\n"))[1]) != b"#":
            parts.append(await self._exactly(int(size)))
        return b"".join(parts).decode()

    async def _exactly(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            while len(self._buffer) < size:
                await self._more()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    # ----- requests -----

    async def ask(self, operation: str) -> None:
        """Send an rpc and do not wait."""
        self._ids += 1
        await self.send(f'<rpc message-id="{self._ids}" xmlns="{BASE}">{operation}</rpc>')

    async def rpc(self, operation: str) -> str:
        """Send an rpc; what its reply holds."""
        await self.ask(operation)
        reply = await self.receive()
        start = f'<rpc-reply xmlns="{BASE}" message-id="{self._ids}">'
        assert reply.startswith(start), reply
        return reply[len(start) : -len("</rpc-reply>")]

    async def do(self, operation: str) -> None:
        """An rpc that must be answered ``<ok/>``."""
        reply = await self.rpc(operation)
        assert reply == "<ok/>", reply

    async def data(self, operation: str) -> etree._Element:
        """The <data> of a reply."""
        root = etree.fromstring(f'<r xmlns="{BASE}">{await self.rpc(operation)}</r>')
        assert root[0].tag == f"{{{BASE}}}data", etree.tostring(root)
        return root[0]

    async def get_config(self, datastore: str = "running") -> str:
        return await self.rpc(f"<get-config><source><{datastore}/></source></get-config>")

    async def edit(self, config: str, more: str = "") -> str:
        """edit-config of the candidate; ``config`` is a <config> or what stands inside one."""
        inner = config if config.lstrip().startswith(("<config", "<!--")) else f"<config>{config}</config>"
        return await self.rpc(f"<edit-config><target><candidate/></target>{more}{inner}</edit-config>")


def connection(daemon: Daemon, user: str | None = None, key: Path | None = None) -> AbstractAsyncContextManager[Any]:
    """Log in."""
    login: AbstractAsyncContextManager[Any] = asyncssh.connect(
        daemon.host,
        daemon.port,
        username=user or daemon.user,
        client_keys=[str(key or daemon.key)],
        known_hosts=None,
        config=None,
        agent_path=None,
    )
    return login


async def channel(over: asyncssh.SSHClientConnection) -> Wire:
    """A channel before its hello; a connection may have many."""
    writer, reader, _ = await over.open_session(subsystem="netconf", encoding=None)
    return Wire(reader, writer)


@asynccontextmanager
async def open_wire(daemon: Daemon, user: str | None = None, key: Path | None = None) -> AsyncIterator[Wire]:
    """A channel before its hello, on a connection of its own."""
    async with connection(daemon, user, key) as over:
        yield await channel(over)


@asynccontextmanager
async def session(daemon: Daemon, user: str | None = None, key: Path | None = None) -> AsyncIterator[Wire]:
    """A session after its hello, closed at the end."""
    async with open_wire(daemon, user, key) as wire:
        await wire.greet()
        yield wire
        with suppress(EOFError, OSError):
            await wire.ask("<close-session/>")
            await wire.closed()
