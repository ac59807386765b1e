"""The client: requests that can overlap, replies by message-id, notifications as an iterator.

::

    async with connect("192.0.2.1", 830, user="ann", identity=Path("id_ed25519"), known_hosts=Path("hosts")) as client:
        await client.edit_config(config_xml)
        await client.commit()

XML is given as text or bytes of one element that declares its namespaces, and comes back as lxml elements. An
``rpc-error`` is raised as the class of its tag in ``cryptomap.errors`` (several as ``RpcErrors``); warnings are not
raised but kept in ``client.warnings``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from lxml import etree

from cryptomap.client import requests
from cryptomap.client.requests import Xml
from cryptomap.client.stream import ByteStream, ClientError, open_ssh
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.netconf import (
    Connection,
    ConnectionLost,
    Event,
    HelloReceived,
    Limits,
    NeedData,
    NotificationReceived,
    ParserLimits,
    ProtocolError,
    ReplyReceived,
    Role,
)
from cryptomap.netconf.capabilities import BASE_1_0, BASE_1_1
from cryptomap.netconf.messages import BASE, read_errors

__all__ = ["Client", "ClientError", "connect"]

_CLOSE_TIMEOUT: Final = 5.0
_LIMITS: Final = Limits(message=ParserLimits(size=4 * 2**30, markup=500_000_000))


@asynccontextmanager
async def connect(
    host: str,
    port: int = 830,
    *,
    user: str,
    identity: Path | Sequence[Path] | None = None,
    password: str | None = None,
    known_hosts: Path | None = None,
    connect_timeout: float = 30.0,
    capabilities: Sequence[str] = (BASE_1_0, BASE_1_1),
) -> AsyncIterator[Client]:
    """A session with a server over SSH, closed with <close-session> at the end; raises ClientError if there is none.

    ``identity``: private key files, None for the agent and the user's own. ``known_hosts``: a file in OpenSSH's
    format, None for the user's own; a host key that is not in it is refused. ``connect_timeout``: seconds, for
    the TCP connection, for the login and for the hello, each. For a limit on a request use ``asyncio.timeout``.
    """
    stream = open_ssh(
        host,
        port,
        user=user,
        identity=identity,
        password=password,
        known_hosts=known_hosts,
        connect_timeout=connect_timeout,
    )
    async with stream as opened, Client(opened, capabilities=capabilities, hello_timeout=connect_timeout) as client:
        yield client


class Client:
    """A session over any byte stream; use it as an async context manager."""

    def __init__(
        self, stream: ByteStream, *, capabilities: Sequence[str] = (BASE_1_0, BASE_1_1), hello_timeout: float = 30.0
    ) -> None:
        self.capabilities: tuple[str, ...] = ()
        self.warnings: list[RpcError] = []
        self._stream = stream
        self._hello_timeout = hello_timeout
        self._connection = Connection(Role.CLIENT, capabilities, limits=_LIMITS)
        self._waiting: dict[str, asyncio.Future[etree._Element]] = {}
        self._notifications: asyncio.Queue[NotificationReceived | None] = asyncio.Queue()
        self._lost: ClientError | None = None
        self._receiver: asyncio.Task[None] | None = None

    @property
    def session_id(self) -> int | None:
        """The server's number for this session."""
        return self._connection.session_id

    async def __aenter__(self) -> Client:
        try:
            async with asyncio.timeout(self._hello_timeout):
                await self._stream.write(self._connection.send_hello())
                hello = await self._next_event()
        except ProtocolError as error:
            raise ClientError(f"the server's hello is refused: {error}") from error
        except TimeoutError:
            raise ClientError(f"the server sent no hello within {self._hello_timeout:g} s") from None
        if not isinstance(hello, HelloReceived):
            raise ClientError("the server closed the connection before its hello")
        self.capabilities = hello.capabilities
        self._receiver = asyncio.create_task(self._receive(), name="netconf client")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        with suppress(ClientError, RpcError, RpcErrors, ProtocolError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self.close_session()
        if self._receiver is not None:
            self._receiver.cancel()
            with suppress(asyncio.CancelledError):
                await self._receiver

    # ===== any request =====

    async def rpc(self, operation: Xml) -> etree._Element:
        """Send one operation and return its <rpc-reply>; raises its errors, or ClientError."""
        if self._lost is not None:
            raise self._lost
        message_id, frames = self._connection.send_rpc(requests.as_bytes(operation))
        reply: asyncio.Future[etree._Element] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = reply
        try:
            await self._stream.write(frames)
            element = await reply
        finally:
            self._waiting.pop(message_id, None)
        self._raise_errors(element)
        return element

    async def notifications(self) -> AsyncIterator[NotificationReceived]:
        """Notifications as they come, until the session ends."""
        while (event := await self._notifications.get()) is not None:
            yield event

    # ===== the operations of RFC 6241, RFC 6022 and RFC 5277 =====

    async def get(self, filter_: Xml | None = None, *, xpath: str | None = None) -> etree._Element:
        """Running configuration and state: the <data> of the reply."""
        return _data(await self.rpc(requests.get(filter_, xpath)))

    async def get_config(
        self, source: str = "running", filter_: Xml | None = None, *, xpath: str | None = None
    ) -> etree._Element:
        """The configuration of a datastore: the <data> of the reply."""
        return _data(await self.rpc(requests.get_config(source, filter_, xpath)))

    async def edit_config(
        self,
        config: Xml,
        target: str = "candidate",
        *,
        default_operation: str | None = None,
        test_option: str | None = None,
        error_option: str | None = None,
    ) -> None:
        """Edit a datastore; ``config`` is a <config>, or what stands inside one."""
        await self.rpc(requests.edit_config(config, target, default_operation, test_option, error_option))

    async def copy_config(self, source: str, target: str) -> None:
        await self.rpc(requests.copy_config(source, target))

    async def validate(self, source: str = "candidate") -> None:
        await self.rpc(requests.validate(source))

    async def commit(self) -> None:
        await self.rpc("<commit/>")

    async def discard_changes(self) -> None:
        await self.rpc("<discard-changes/>")

    async def lock(self, target: str = "candidate") -> None:
        await self.rpc(requests.lock(target))

    async def unlock(self, target: str = "candidate") -> None:
        await self.rpc(requests.unlock(target))

    async def kill_session(self, session_id: int) -> None:
        await self.rpc(f"<kill-session><session-id>{session_id}</session-id></kill-session>")

    async def close_session(self) -> None:
        await self.rpc("<close-session/>")

    async def get_schema(self, identifier: str, version: str | None = None, format_: str | None = None) -> str:
        """The text of a YANG module (RFC 6022 section 3.1)."""
        reply = await self.rpc(requests.get_schema(identifier, version, format_))
        return reply[0].text or ""

    async def create_subscription(self, filter_: Xml | None = None, *, stream: str | None = None) -> None:
        """From now on :meth:`notifications` yields (RFC 5277 section 2.1.1)."""
        await self.rpc(requests.create_subscription(filter_, stream))

    # ===== receiving =====

    async def _next_event(self) -> Event:
        while isinstance(event := self._connection.next_event(), NeedData):
            self._connection.receive_data(await self._stream.read())
        return event

    async def _receive(self) -> None:
        reason = "the server closed the session"
        try:
            while not isinstance(event := await self._next_event(), ConnectionLost):
                self._dispatch(event)
        except (ProtocolError, ClientError) as error:
            reason = str(error)
        finally:
            self._end(ClientError(reason))

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, NotificationReceived):
            self._notifications.put_nowait(event)
        elif isinstance(event, ReplyReceived):
            self._answer(event)

    def _answer(self, event: ReplyReceived) -> None:
        """Hand a reply to who waits for it; one without message-id can only answer the oldest request."""
        message_id = event.message_id or next(iter(self._waiting), "")
        waiting = self._waiting.get(message_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(event.element)

    def _end(self, reason: ClientError) -> None:
        self._lost = reason
        self._notifications.put_nowait(None)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(reason)

    def _raise_errors(self, reply: etree._Element) -> None:
        faults = read_errors(reply)
        self.warnings += [fault for fault in faults if fault.severity == "warning"]
        errors = [fault for fault in faults if fault.severity != "warning"]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise RpcErrors(errors)


def _data(reply: etree._Element) -> etree._Element:
    data = reply.find(f"{{{BASE}}}data")
    if data is None:
        raise ClientError("the reply has no <data>")
    return data
