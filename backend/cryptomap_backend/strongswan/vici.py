"""One connection to charon's VICI socket on which nothing waits without an end.

The codec is that of the ``vici`` package; the transport is our own because every exchange has a deadline here, events
may come between a request and its answer, and another thread can break off an exchange.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from vici.protocol import Message as Codec
from vici.protocol import Packet

__all__ = ["Lost", "Message", "Rejected", "Vici"]

Message: TypeAlias = Mapping[str, Any]
"""Keys to texts, lists of texts, or messages."""

LARGEST = 512 * 1024
"""Bytes of one packet: the limit of the protocol."""


class Rejected(Exception):
    """charon understood and said no; the text is charon's."""


class Lost(Exception):
    """charon cannot be reached, went away, or did not answer in time."""


class Vici:
    """Connects when first used, and again after a loss. For one thread, except :meth:`interrupt` and :meth:`close`.

    ``timeout`` seconds is how long charon may be silent within one exchange.
    """

    def __init__(self, path: str, timeout: float) -> None:
        self.path = path
        self.timeout = timeout
        self.requests = 0
        """Commands that were sent so far."""
        self._socket: socket.socket | None = None
        self._events: deque[tuple[str, Message]] = deque()
        self._guard = threading.Lock()
        self._busy = threading.Lock()
        self._closed = False

    def request(self, command: str, message: Message | None = None) -> Message:
        """The answer to a command. Raises Rejected, Lost."""
        self.requests += 1
        self._send(Packet.request(command, None if message is None else Codec.serialize(message)))
        answer = self._answer(command)
        if answer.get("success", "yes") != "yes":
            raise Rejected(answer.get("errmsg", f"{command} failed"))
        return answer

    def stream(self, command: str, event: str, message: Message | None = None) -> list[Message]:
        """The events a command answers with. Raises Rejected, Lost."""
        self.register([event])
        try:
            self.request(command, message)
            return [content for name, content in self._taken() if name == event]
        finally:
            if self._socket is not None:
                self._send(Packet.unregister_event(event))
                self._confirmed(event)

    def register(self, events: Iterable[str]) -> None:
        """From now on :meth:`event` answers these."""
        for event in events:
            self._send(Packet.register_event(event))
            self._confirmed(event)

    def event(self, wait: float) -> tuple[str, Message] | None:
        """The next registered event, ``None`` if none came within ``wait`` seconds. Raises Lost."""
        if not self._events:
            packet = self._receive(wait, idle=True)
            if packet is not None:
                self._keep(packet)
        return self._events.popleft() if self._events else None

    def interrupt(self) -> None:
        """Break off the exchange in progress: it raises Lost soon."""
        with self._guard:
            if self._socket is not None:
                self._shut(self._socket)

    def close(self) -> None:
        """End it for good; an exchange in progress raises Lost."""
        self._closed = True
        self.interrupt()
        with self._busy:
            self._forget()

    # ===== packets =====

    def _confirmed(self, event: str) -> None:
        while (packet := self._receive(self.timeout)) is not None:
            if packet.response_type == Packet.EVENT_CONFIRM:
                return
            if packet.response_type == Packet.EVENT_UNKNOWN:
                raise Rejected(f"charon knows no event {event}")
            self._keep(packet)

    def _answer(self, command: str) -> Message:
        while (packet := self._receive(self.timeout)) is not None:
            if packet.response_type == Packet.CMD_RESPONSE:
                return _message(packet)
            if packet.response_type == Packet.CMD_UNKNOWN:
                raise Rejected(f"charon knows no command {command}")
            self._keep(packet)
        raise AssertionError("only an idle receive answers nothing")

    def _keep(self, packet: Any) -> None:
        if packet.response_type == Packet.EVENT:
            self._events.append((packet.event_type.decode(), _message(packet)))

    def _taken(self) -> list[tuple[str, Message]]:
        taken = list(self._events)
        self._events.clear()
        return taken

    # ===== bytes =====

    def _send(self, packet: bytes) -> None:
        with self._busy:
            self._send_all(packet)

    def _send_all(self, packet: bytes) -> None:
        try:
            connection = self._connected()
            connection.settimeout(self.timeout)
            connection.sendall(struct.pack("!I", len(packet)) + packet)
        except OSError as fault:
            raise self._lose(fault) from fault

    def _receive(self, wait: float, idle: bool = False) -> Any:
        """One packet; ``None`` only when ``idle`` and nothing at all came in time."""
        with self._busy:
            return self._receive_one(wait, idle)

    def _receive_one(self, wait: float, idle: bool) -> Any:
        try:
            connection = self._connected()
            deadline = time.monotonic() + wait
            header = self._exactly(connection, 4, deadline, idle)
            if header is None:
                return None
            (length,) = struct.unpack("!I", header)
            if length > LARGEST:
                raise OSError(f"a packet of {length} bytes")
            return Packet.parse(self._exactly(connection, length, time.monotonic() + self.timeout))
        except OSError as fault:
            raise self._lose(fault) from fault

    def _exactly(self, connection: socket.socket, count: int, deadline: float, idle: bool = False) -> bytes | None:
        data = bytearray()
        while len(data) < count:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                piece = connection.recv(count - len(data))
            except TimeoutError:
                if idle and not data:
                    return None
                raise
            if not piece:
                raise OSError("the connection was closed")
            data += piece
        return bytes(data)

    def _connected(self) -> socket.socket:
        with self._guard:
            if self._socket is None:
                if self._closed:
                    raise OSError("closed")
                self._socket = self._connect()
            return self._socket

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(self.timeout)
            connection.connect(self.path)
        except OSError:
            connection.close()
            raise
        return connection

    def _forget(self) -> None:
        with self._guard:
            if self._socket is not None:
                self._socket.close()
            self._socket = None
        self._events.clear()

    def _lose(self, fault: OSError) -> Lost:
        self._forget()
        why = f"did not answer within {self.timeout:g} s" if isinstance(fault, TimeoutError) else str(fault)
        return Lost(f"charon at {self.path}: {why}")

    @staticmethod
    def _shut(connection: socket.socket) -> None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already gone


def _message(packet: Any) -> Message:
    content: Message = _decoded(Codec.deserialize(packet.payload))
    return content


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, Mapping):
        return {key: _decoded(item) for key, item in value.items()}
    return [_decoded(item) for item in value]
