"""One session from its hello to its end.

Several things go on at once, each a task: reading (requests wait in a short queue, so that the end of the connection is
noticed while a commit runs), answering (one request after the other), watching the clock, and delivering notifications.
Whatever ends the session settles one future, once; then all tasks stop and what the session held is released.

A commit runs on the writer's thread and is not stopped by the end of its session: it finishes, and its reply is
dropped.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from cryptomap.datastore.memory import give_back
from cryptomap.errors import ResourceDenied, RpcError, RpcErrors
from cryptomap.netconf.events import (
    NEED_DATA,
    ConnectionLost,
    Event,
    HelloReceived,
    MalformedReceived,
    Request,
    RpcReceived,
    RpcRefused,
    TooBigReceived,
)
from cryptomap.netconf.session import Connection, LocalProtocolError, RemoteProtocolError
from cryptomap.netconf.states import Role
from cryptomap.operations.audited import session_refused
from cryptomap.operations.backlog import Backlog
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.dispatch import perform
from cryptomap.operations.outbox import Outbox
from cryptomap.operations.received import cost
from cryptomap.operations.sessions import Ended, Peer, Reason

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["serve"]

log = logging.getLogger(__name__)

_WAITING_REQUESTS: Final = 256
_WAITING_BYTES: Final = 32 * 2**20
_LARGE_REQUEST: Final = 16 * 2**20
"""Bytes of memory that are given back to the system at once, before a commit needs as much for other things."""
_DISCONNECTED: Final = Ended(Reason.DROPPED, "the connection ended without close-session")


async def serve(server: Server, peer: Peer) -> None:
    """Hold one session with a peer; returns when it has ended and its connection is closed."""
    try:
        conversation = Conversation(server, peer)
    except ResourceDenied as refusal:
        log.warning("session of %s from %s refused: %s", peer.user, peer.address or "?", refusal.message)
        server.witness(session_refused(peer.user, peer.address, refusal.message))
        await peer.close(refusal.message)
        return
    await conversation.run()


class Conversation:
    """A session and its connection. Raises ResourceDenied when there are too many sessions."""

    def __init__(self, server: Server, peer: Peer) -> None:
        self._server = server
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Ended] = self._loop.create_future()
        self.session = server.sessions.open(peer, time.time(), self.end)
        limits = server.limits
        self.session.outbox = Outbox(limits.queued_notifications, limits.queued_bytes, self._overflow)
        self._connection = Connection(
            Role.SERVER, server.capabilities, session_id=self.session.id, limits=limits.messages
        )
        self._requests = Backlog(_WAITING_REQUESTS, _WAITING_BYTES)
        self._held = server.received.share()
        self._sending = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_busy = False
        self._greeted = asyncio.Event()
        self._message_began = self._loop.time()
        self._heard = server.timers.monotonic()

    def end(self, ended: Ended) -> None:
        """Ask for the end; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(ended)

    async def run(self) -> None:
        """Until the end, whatever brings it."""
        for part in (self._read(), self._answer(), self._watch(), self._deliver()):
            self._start(part)
        try:
            ended = await self._ended
        except asyncio.CancelledError:
            await self._finish(Ended(Reason.OTHER, "the server stops"))
            raise
        await self._finish(ended)

    # ===== tasks =====

    def _start(self, part: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(self._guarded(part)))

    async def _guarded(self, part: Coroutine[Any, Any, None]) -> None:
        """Run a part of the conversation; what it raises ends the session."""
        try:
            await part
        except OSError as fault:
            self.end(Ended(Reason.DROPPED, f"the connection was lost: {fault}"))
        except RemoteProtocolError as fault:
            is_greeted = self.session.is_established
            if not is_greeted:
                self._server.sessions.statistics.in_bad_hellos += 1
            self.end(Ended(Reason.OTHER if is_greeted else Reason.BAD_HELLO, str(fault)))
        except LocalProtocolError as fault:
            self.end(Ended(Reason.OTHER, f"cannot go on: {fault}"))
        except Exception:
            log.exception("%s ends by a bug", self.session)
            self.end(Ended(Reason.OTHER, "internal error"))

    async def _finish(self, ended: Ended) -> None:
        """Stop everything and release what the session held, before the end is announced and the client notices."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()  # with them goes what a reply was made of, which may be a whole configuration
        self._connection.discard()
        self._held.close()
        await self._server.close_session(self.session, ended)
        await self._peer.close(ended.text or ended.reason)

    # ===== reading =====

    async def _read(self) -> None:
        await self._peer.write(self._connection.send_hello())
        size = 0
        while True:
            event = self._connection.next_event()
            if event is NEED_DATA:
                data = await self._more()
                taken = cost(data)
                if not self._held.take(taken):
                    await self._requests.put(self._no_room(), 0)
                    return
                self._connection.receive_data(data)
                size += taken
                continue
            if isinstance(event, HelloReceived):
                self._server.establish(self.session, event.capabilities)
                self._greeted.set()
                continue
            await self._requests.put(event, size)
            size = 0
            if isinstance(event, (ConnectionLost, TooBigReceived)):
                return

    async def _more(self) -> bytes:
        """What the client sends next. A message that has begun must go on."""
        limits = self._server.limits
        if not self._connection.is_receiving:
            self._message_began = self._loop.time()
        try:
            deadline = self._message_began + limits.message_timeout
            async with asyncio.timeout_at(deadline if self._is_waited_for() else None):
                data = await self._peer.read()
        except TimeoutError:
            raise RemoteProtocolError(f"a message was not complete after {limits.message_timeout:g} s") from None
        self._heard = self._server.timers.monotonic()
        return data

    def _is_waited_for(self) -> bool:
        return self._connection.is_receiving and self._server.limits.message_timeout > 0

    def _no_room(self) -> TooBigReceived:
        limit = self._server.received.limit
        message = f"the requests of all sessions take more than {limit} bytes; send this one in parts, or later"
        return TooBigReceived(ResourceDenied(message, error_type="rpc"), None)

    async def _watch(self) -> None:
        """The hello time-out, then the idle time-out (RFC 6470 calls both of them timeout)."""
        limits = self._server.limits
        no_hello = Ended(Reason.TIMEOUT, f"no hello within {limits.hello_timeout:g} s")
        with self._after(limits.hello_timeout, lambda: self.end(no_hello)):
            await self._greeted.wait()
        while limits.idle_timeout:
            left = self._heard + limits.idle_timeout - self._server.timers.monotonic()
            if self._is_in_use():
                left = limits.idle_timeout
            elif left <= 0:
                self.end(Ended(Reason.TIMEOUT, f"no request within {limits.idle_timeout:g} s"))
                return
            over = asyncio.Event()
            with self._after(left, over.set):
                await over.wait()

    @contextmanager
    def _after(self, seconds: float, callback: Callable[[], None]) -> Iterator[None]:
        """Have the callback called after some time (0: never), unless the block has ended by then."""
        timers = self._server.timers
        cancel = timers.call_at(timers.time() + seconds, callback) if seconds else None
        try:
            yield
        finally:
            if cancel is not None:
                cancel()

    def _is_in_use(self) -> bool:
        return self._is_busy or bool(self.session.subscriptions) or len(self._requests) > 0

    # ===== answering =====

    async def _answer(self) -> None:
        while not self.session.is_closing:
            event, size = await self._requests.get()
            self._is_busy = True
            await self._handle(event)
            del event  # the document of a large edit takes more than the configuration it makes
            self._held.give_back(size)
            if size >= _LARGE_REQUEST:
                self._loop.run_in_executor(None, give_back)
            self._is_busy = False
            self._heard = self._server.timers.monotonic()
        self.end(Ended(Reason.CLOSED))

    async def _handle(self, event: Event) -> None:
        match event:
            case RpcReceived():
                await self._handle_rpc(event)
            case RpcRefused():
                await self._handle_bad(event, event.error)
            case MalformedReceived():
                await self._handle_bad(event.request, event.error)
            case TooBigReceived():
                await self._handle_bad(event.request, event.error)
                self.end(Ended(Reason.OTHER, event.error.message))
            case ConnectionLost():
                self.end(_DISCONNECTED)

    async def _handle_rpc(self, request: RpcReceived) -> None:
        self.session.count("in_rpcs")
        try:
            reply = await perform(Call(self._server, self.session, request.operation))
        except RpcErrors as faults:
            log.info("%s: %s refused: %s", self.session, request.operation.tag, faults)
            await self._send_errors(request, faults.errors)
        else:
            await self._send_reply(request, reply)
        self.session.outbox.release()

    async def _handle_bad(self, request: Request | None, error: RpcError) -> None:
        self.session.count("in_bad_rpcs")
        log.warning("%s: bad message: %s", self.session, error)
        await self._send_errors(request, [error])

    # ===== sending =====

    async def _send_errors(self, request: Request | None, errors: Iterable[RpcError]) -> None:
        self.session.count("out_rpc_errors")
        async with self._sending:
            await self._peer.write(self._connection.send_errors(request, errors))

    async def _send_reply(self, request: Request, reply: Reply) -> None:
        async with self._sending:
            if reply is None:
                await self._peer.write(self._connection.send_ok(request))
                return
            frames = self._connection.send_reply(request, reply)
            async for frame in self._server.aside.slices(tuple(frames) if isinstance(reply, tuple) else frames):
                await self._peer.write(frame)

    def _overflow(self) -> None:
        log.warning("%s is dropped: it does not read its notifications", self.session)
        self.end(Ended(Reason.DROPPED, "notifications were not read"))

    async def _deliver(self) -> None:
        """Notifications, each between two replies."""
        while True:
            time_of_event, body = await self.session.outbox.next()
            async with self._sending:
                await self._peer.write(self._connection.send_notification(time_of_event, body))
            self.session.count("out_notifications")
