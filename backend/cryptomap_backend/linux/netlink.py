"""Netlink messages (RFC 3549) and one socket that pipelines them. Framing is pure; nothing here knows IPsec."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Fault", "Message", "Netlink", "attribute", "attributes", "frames", "message"]

HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
ERROR, DONE = 2, 3
REQUEST, ACK, DUMP, CREATE, EXCLUSIVE = 0x1, 0x4, 0x300, 0x400, 0x200
DUMP_INTERRUPTED, CAPPED, HAS_TEXT = 0x10, 0x100, 0x200
SOL_NETLINK, CAP_ACK, EXT_ACK = 270, 10, 11
TEXT = 1
WINDOW = 64
"""Messages on their way at once: their acknowledgements must fit into the receive buffer."""
PATIENCE = 30
MODULES = {6: "xfrm_user"}
"""What makes the kernel speak a protocol."""
"""Seconds without an answer after which the kernel counts as stuck."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message without its header; ``flags`` beyond REQUEST and ACK."""

    kind: int
    body: bytes
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the kernel refused message number ``index``: errno and its own words, which may be empty."""

    index: int
    errno: int
    text: str

    def __str__(self) -> str:
        return self.text or os.strerror(self.errno)


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it was received."""

    kind: int
    flags: int
    sequence: int
    body: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> Mapping[int, bytes]:
    """The attributes of a message body from where they begin; broken ones end the list."""
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < 4 or at + length > len(data):
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += length + 3 & ~3
    return found


def message(item: Message, sequence: int, flags: int = REQUEST | ACK) -> bytes:
    """The bytes of a request."""
    body = item.body + bytes(-len(item.body) % 4)
    return HEADER.pack(16 + len(body), item.kind, flags | item.flags, sequence, 0) + body


def frames(data: bytes) -> Iterator[Frame]:
    """The messages of one datagram."""
    at = 0
    while at + 16 <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, at)
        yield Frame(kind, flags, sequence, data[at + 16 : at + length])
        at += max(length + 3 & ~3, 16)


def fault_of(frame: Frame, index: int) -> Fault | None:
    """What an acknowledgement says; ``None`` is success."""
    number = -int(struct.unpack_from("=i", frame.body)[0])
    if number == 0:
        return None
    text = b""
    if frame.flags & HAS_TEXT:
        text = attributes(frame.body[20:] if frame.flags & CAPPED else frame.body[20 + _original(frame) :]).get(
            TEXT, b""
        )
    return Fault(index, number, text.rstrip(b"\0").decode(errors="replace"))


def _original(frame: Frame) -> int:
    """Bytes of our request that an uncapped acknowledgement repeats after its header."""
    return max(int(struct.unpack_from("=I", frame.body, 4)[0]) - 16, 0)


class Netlink:
    """A socket in the network namespace of the thread that opens it, which raises OSError. ``sent`` counts messages."""

    def __init__(self, protocol: int) -> None:
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        except OSError as fault:
            if fault.errno != errno.EPROTONOSUPPORT:
                raise
            module = MODULES.get(protocol, f"of netlink protocol {protocol}")
            raise OSError(fault.errno, f"the kernel lacks the module {module} and cannot load it by itself") from fault
        self._socket.setsockopt(SOL_NETLINK, CAP_ACK, 1)
        self._socket.setsockopt(SOL_NETLINK, EXT_ACK, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self._socket.settimeout(PATIENCE)
        self._socket.bind((0, 0))
        self._sequence = 0
        self.sent = 0

    def send(self, messages: Sequence[Message]) -> tuple[list[Fault], int]:
        """Send in windows; stops after the first window with a fault. Answers the faults and how many messages were
        sent, of which all without a fault took effect."""
        faults: list[Fault] = []
        for start in range(0, len(messages), WINDOW):
            window = messages[start : start + WINDOW]
            faults += self._exchange(window, start)
            if faults:
                return faults, start + len(window)
        return faults, len(messages)

    def ask(self, messages: Sequence[Message]) -> Iterator[Frame | Fault]:
        """Questions that have one answer each, or a fault, in order."""
        for start in range(0, len(messages), WINDOW):
            window = messages[start : start + WINDOW]
            first = self._send(window, REQUEST)
            for index in range(len(window)):
                frame = next(frames(self._receive()))
                fault = fault_of(frame, start + index) if frame.kind == ERROR else None
                if frame.sequence != first + index:
                    raise OSError("the kernel answered another question")
                yield fault or frame

    def dump(self, item: Message) -> list[Frame]:
        """Everything of a kind; asked again if it changed while it was read. Raises OSError."""
        while True:
            answer, interrupted = self._dump(item)
            if not interrupted:
                return answer

    def close(self) -> None:
        self._socket.close()

    def _dump(self, item: Message) -> tuple[list[Frame], bool]:
        self._send([item], REQUEST | DUMP)
        answer: list[Frame] = []
        interrupted = False
        while True:
            for frame in frames(self._receive()):
                interrupted |= bool(frame.flags & DUMP_INTERRUPTED)
                if frame.kind == DONE:
                    return answer, interrupted
                if frame.kind == ERROR:
                    fault = fault_of(frame, 0)
                    raise OSError(fault.errno if fault else 0, str(fault))
                answer.append(frame)

    def _exchange(self, window: Sequence[Message], start: int) -> list[Fault]:
        first = self._send(window, REQUEST | ACK)
        faults, missing = [], len(window)
        while missing:
            for frame in frames(self._receive()):
                missing -= 1
                fault = fault_of(frame, start + frame.sequence - first)
                if fault:
                    faults.append(fault)
        return faults

    def _send(self, window: Sequence[Message], flags: int) -> int:
        """The sequence number of the first message."""
        first = self._sequence + 1
        self._sequence += len(window)
        self.sent += len(window)
        self._socket.send(b"".join([message(item, first + index, flags) for index, item in enumerate(window)]))
        return first

    def _receive(self) -> bytes:
        return self._socket.recv(1 << 18)
