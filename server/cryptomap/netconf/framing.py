"""Message framing of NETCONF over SSH (RFC 6242): bytes of the wire to pieces of messages, and back.

Two framings exist. The older one puts ``]]>]]>`` after each message; it is used for the hellos, and for everything in
a session where one side knows only base:1.0. The newer one (section 4.2) sends chunks with their length in front, so
that content may contain anything.

A decoder never keeps a message: it hands on what has arrived, piece by piece, so that a parser can work while the
rest is still on its way and a message of 100 MB is not held twice. It looks at no XML. A decoder is pulled, one piece
at a time, because the framing may change between two messages that arrived in the same packet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, Protocol

__all__ = [
    "END_OF_MESSAGE",
    "MAX_CHUNK_SIZE",
    "PIECE",
    "ChunkedDecoder",
    "Decoder",
    "DelimitedDecoder",
    "EndOfMessage",
    "FramingError",
    "ReceiveBuffer",
    "encode_chunked",
    "encode_delimited",
]

DELIMITER: Final = b"]]>]]>"
MAX_CHUNK_SIZE: Final = 4294967295
PIECE: Final = 65536
"""The largest piece a decoder hands on, in bytes: larger ones would meet the XML parser's look-ahead limit."""

_COALESCE: Final = 32768
_END_OF_CHUNKS: Final = b"\n##\n"
_HEADER = re.compile(rb"\n#(?:([1-9][0-9]{0,9})|#)\n")
_HEADER_SO_FAR = re.compile(rb"(?:\n(?:#(?:[1-9][0-9]{0,9}|#)?)?)?")
_LONGEST_HEADER: Final = 13


class FramingError(ValueError):
    """The bytes break the framing: nothing that follows can be trusted, so the session ends (RFC 6242 section 4.2)."""


class EndOfMessage(Enum):
    """What a decoder returns after the last piece of a message."""

    END_OF_MESSAGE = "end of message"


END_OF_MESSAGE: Final = EndOfMessage.END_OF_MESSAGE


class ReceiveBuffer:
    """Bytes that have arrived and were not interpreted yet."""

    def __init__(self) -> None:
        self._data = bytearray()

    def __len__(self) -> int:
        return len(self._data)

    def append(self, data: bytes) -> None:
        self._data += data

    def peek(self, size: int) -> bytes:
        """The first ``size`` bytes, or all there are, left where they are."""
        return bytes(self._data[:size])

    def find(self, pattern: bytes, end: int) -> int:
        """Where ``pattern`` begins within the first ``end`` bytes, or -1."""
        return self._data.find(pattern, 0, end)

    def take(self, size: int) -> bytes:
        """Remove and return the first ``size`` bytes."""
        taken = bytes(memoryview(self._data)[:size])
        del self._data[:size]
        return taken

    def clear(self) -> None:
        self._data.clear()


class Decoder(Protocol):
    """One framing's way from bytes to pieces."""

    def decode(self, buffer: ReceiveBuffer) -> bytes | EndOfMessage | None:
        """The next piece (never empty), END_OF_MESSAGE, or None when more bytes are needed; may raise FramingError."""


class DelimitedDecoder:
    """``]]>]]>`` after each message (RFC 6242 section 4.3)."""

    def decode(self, buffer: ReceiveBuffer) -> bytes | EndOfMessage | None:
        """See :class:`Decoder`."""
        position = buffer.find(DELIMITER, PIECE + len(DELIMITER))
        if position == 0:
            buffer.take(len(DELIMITER))
            return END_OF_MESSAGE
        available = min(position, PIECE) if position > 0 else self._safe(buffer)
        if not available:
            return None
        return buffer.take(available)

    @staticmethod
    def _safe(buffer: ReceiveBuffer) -> int:
        """How many bytes cannot be part of a delimiter that is still arriving."""
        if len(buffer) > PIECE + len(DELIMITER):
            return PIECE
        window = buffer.peek(len(buffer))
        held = next((n for n in range(len(DELIMITER) - 1, 0, -1) if window.endswith(DELIMITER[:n])), 0)
        return min(len(window) - held, PIECE)


class ChunkedDecoder:
    r"""``\n#<size>\n<data>`` chunks, ``\n##\n`` after the last (RFC 6242 section 4.2)."""

    def __init__(self) -> None:
        self._inside = False
        self._remaining = 0

    def decode(self, buffer: ReceiveBuffer) -> bytes | EndOfMessage | None:
        """See :class:`Decoder`. The size grammar is strict: no leading zero, no sign, at most 4294967295."""
        if not self._remaining:
            end = self._header(buffer)
            if not self._remaining:
                return end
        if not len(buffer):
            return None
        piece = buffer.take(min(self._remaining, len(buffer), PIECE))
        self._remaining -= len(piece)
        return piece

    def _header(self, buffer: ReceiveBuffer) -> EndOfMessage | None:
        """Read a chunk header if it has arrived wholly: the size of the data, or END_OF_MESSAGE."""
        window = buffer.peek(_LONGEST_HEADER)
        match = _HEADER.match(window)
        if match is None:
            self._refuse_unless_partial(window)
            return None
        buffer.take(match.end())
        size = match[1]
        if size is None:
            return self._end()
        if int(size) > MAX_CHUNK_SIZE:
            raise FramingError(f"chunk size {int(size)} is above {MAX_CHUNK_SIZE}")
        self._remaining = int(size)
        self._inside = True
        return None

    def _end(self) -> EndOfMessage:
        if not self._inside:
            raise FramingError("end of chunks without a chunk before it")
        self._inside = False
        return END_OF_MESSAGE

    @staticmethod
    def _refuse_unless_partial(window: bytes) -> None:
        if not _HEADER_SO_FAR.fullmatch(window):
            raise FramingError(f"expected a chunk header, found {window!r}")


def encode_chunked(slices: Iterable[bytes]) -> Iterator[bytes]:
    """Frame one message in chunks as its slices come; small slices are gathered, large ones are copied once."""
    for data, last in _gathered(slices):
        header = b"\n#%d\n" % len(data) if data else b""
        yield b"".join((header, data, _END_OF_CHUNKS if last else b""))


def encode_delimited(slices: Iterable[bytes]) -> Iterator[bytes]:
    """Frame one message with the delimiter after it; content that contains the delimiter raises FramingError."""
    tail = b""
    for data, last in _gathered(slices):
        if DELIMITER in data or DELIMITER in tail + data[: len(DELIMITER)]:
            raise FramingError("the message contains ]]>]]>, which base:1.0 cannot carry")
        tail = (tail + data[-len(DELIMITER) :])[-len(DELIMITER) :]
        yield data + DELIMITER if last else data


def _gathered(slices: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The same bytes in slices of at least 32 KiB, each with whether it is the last, which may be small or empty."""
    pending: list[bytes] = []
    size = 0
    for piece in slices:
        pending.append(piece)
        size += len(piece)
        if size >= _COALESCE:
            yield b"".join(pending), False
            pending, size = [], 0
    yield b"".join(pending), True
