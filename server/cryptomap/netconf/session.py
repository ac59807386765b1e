"""One NETCONF session without I/O: bytes in, events out; things to say in, bytes out (the model is h11).

``receive_data`` only stores; ``next_event`` thinks. Whoever owns the bytes calls them in a loop, see the package's
docstring. The same class is both ends; which messages may go in which direction stands in ``states``.

Errors come in two kinds. :class:`RemoteProtocolError`: the other side broke the protocol so that the session must be
closed without a word. :class:`LocalProtocolError`: we were about to break it, a bug of ours. Anything the other side
did wrong that can still be answered is an event. Any other exception from here is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from cryptomap.errors import BadElement, MalformedMessage, MissingAttribute, MissingElement, RpcError, TooBig
from cryptomap.netconf import messages
from cryptomap.netconf.capabilities import common_base
from cryptomap.netconf.events import (
    NEED_DATA,
    ConnectionLost,
    Event,
    HelloReceived,
    MalformedReceived,
    NeedData,
    NotificationReceived,
    ReplyReceived,
    Request,
    RpcReceived,
    RpcRefused,
    TooBigReceived,
)
from cryptomap.netconf.framing import (
    END_OF_MESSAGE,
    ChunkedDecoder,
    Decoder,
    DelimitedDecoder,
    FramingError,
    ReceiveBuffer,
    encode_chunked,
    encode_delimited,
)
from cryptomap.netconf.parser import MessageParser, ParserLimits
from cryptomap.netconf.states import Message, Role, SessionState, State, Violation

__all__ = ["Connection", "Limits", "LocalProtocolError", "ProtocolError", "RemoteProtocolError"]

_RPC: Final = f"{{{messages.BASE}}}rpc"
_REPLY: Final = f"{{{messages.BASE}}}rpc-reply"
_HELLO_LIMITS: Final = ParserLimits(size=4 * 1024 * 1024, markup=100_000)
_MESSAGE_LIMITS: Final = ParserLimits()
_NOTIFICATION: Final = f"{{{messages.NOTIFICATION}}}notification"


class ProtocolError(Exception):
    """Somebody broke the protocol; use one of the two subclasses."""


class LocalProtocolError(ProtocolError):
    """We were about to say something that is not allowed now."""


class RemoteProtocolError(ProtocolError):
    """The other side said something after which the session must be closed; nothing more is read from it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message of the other side may cost: ``hello`` before, ``message`` after the hellos have passed."""

    hello: ParserLimits = _HELLO_LIMITS
    message: ParserLimits = _MESSAGE_LIMITS


class Connection:
    """One end of a session.

    ``capabilities`` are ours, complete; ``session_id`` is required of a server and forbidden to a client.
    """

    def __init__(
        self,
        role: Role | str,
        capabilities: Iterable[str],
        *,
        session_id: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.role = Role(role)
        if (session_id is None) is (self.role is Role.SERVER):
            raise ValueError("a server's Connection has a session_id, a client's has none")
        self.capabilities = tuple(capabilities)
        self.session_id = session_id
        self._limits = limits or Limits()
        self._state = SessionState()
        self._buffer = ReceiveBuffer()
        self._decoder: Decoder = DelimitedDecoder()
        self._parser = MessageParser(self._limits.hello)
        self._fault: RpcError | None = None
        self._eof = False
        self._streaming = False
        self._last_message_id = 0

    @property
    def base(self) -> str | None:
        """The protocol the session speaks, "1.0" or "1.1"; None before the other side's hello."""
        return self._state.base

    @property
    def our_state(self) -> State:
        return self._state.of(self.role)

    @property
    def their_state(self) -> State:
        return self._state.of(self.role.other)

    @property
    def is_receiving(self) -> bool:
        """A message of theirs has begun and not ended."""
        return self._parser.started or self._fault is not None

    # ===== receiving =====

    def receive_data(self, data: bytes) -> None:
        """Store bytes that arrived; ``b""`` says that no more will come."""
        if data:
            self._buffer.append(data)
        else:
            self._eof = True

    def next_event(self) -> Event | NeedData:
        """The next thing that happened, or NEED_DATA; raises RemoteProtocolError when the session must be closed.

        After :class:`TooBigReceived` or an error it raises at each call; after the end it returns ConnectionLost again.
        """
        if self.their_state is State.ERROR:
            raise RemoteProtocolError("nothing more is read from this session")
        try:
            return self._next_event()
        except (Violation, FramingError) as error:
            raise self._failed(str(error)) from error

    def _next_event(self) -> Event | NeedData:
        while (piece := self._decoder.decode(self._buffer)) is not None:
            if piece is END_OF_MESSAGE:
                return self._message_received()
            if self._fault is not None:
                self._parser.skip(piece)
            elif (event := self._parse(piece)) is not None:
                return event
        return self._ended() if self._eof else NEED_DATA

    def _parse(self, piece: bytes) -> Event | None:
        """Feed the parser. A malformed message is skipped to its end, one that is too big ends the session here."""
        try:
            self._parser.feed(piece)
        except TooBig as error:
            self._received(Message.TOO_BIG, error)
            self.discard()
            return TooBigReceived(error, self._failed_request())
        except MalformedMessage as error:
            self._refuse_malformed(error)
        return None

    def _refuse_malformed(self, error: RpcError) -> None:
        self._received(Message.MALFORMED, error)
        self._fault = error

    def _failed_request(self) -> Request | None:
        tag = self._parser.start_tag()
        return messages.request_of(tag) if tag is not None and tag.tag == _RPC else None

    def _ended(self) -> ConnectionLost:
        self._state.process(self.role.other, Message.END)
        return ConnectionLost(clean=not (self._parser.started or self._fault or len(self._buffer)))

    def _message_received(self) -> Event:
        """The end of a message: make its event, and be ready for the next one."""
        try:
            element = self._parser.close() if self._fault is None else None
        except MalformedMessage as error:
            self._refuse_malformed(error)
            element = None
        event = self._malformed_event() if element is None else self._classify(element)
        self._fault = None
        self._parser = MessageParser(self._limits.message)
        return event

    def _malformed_event(self) -> MalformedReceived:
        assert self._fault is not None
        return MalformedReceived(self._fault, self._failed_request())

    def _classify(self, element: etree._Element) -> Event:
        if self.their_state is State.HELLO:
            return self._hello_received(element)
        if element.tag == _RPC:
            self._received(Message.RPC)
            return _rpc_event(element)
        if element.tag == _REPLY:
            self._received(Message.REPLY)
            return ReplyReceived(element.get("message-id"), element)
        if element.tag == _NOTIFICATION:
            self._received(Message.NOTIFICATION)
            return _notification_event(element)
        fault = MalformedMessage(f"<{element.tag}> is no NETCONF message", error_type="rpc")
        self._received(Message.MALFORMED, fault)
        return MalformedReceived(fault, None)

    def _hello_received(self, element: etree._Element) -> HelloReceived:
        capabilities, session_id = messages.read_hello(element)
        if self.role is Role.SERVER and session_id is not None:
            raise Violation("a client's hello must not contain a session-id")
        if self.role is Role.CLIENT and session_id is None:
            raise Violation("the server's hello has no session-id")
        base = common_base(self.capabilities, capabilities)
        if base is None:
            raise Violation("the hellos have no base capability in common")
        self._received(Message.HELLO)
        self._state.base = base
        self._decoder = ChunkedDecoder() if base == "1.1" else self._decoder
        self.session_id = session_id if self.role is Role.CLIENT else self.session_id
        return HelloReceived(capabilities, session_id, base)

    def _received(self, message: Message, fault: RpcError | None = None) -> None:
        """Move the other side's state; a message that is not allowed becomes an error that names the fault in it."""
        try:
            self._state.process(self.role.other, message)
        except Violation as error:
            raise Violation(f"{error}: {fault.message}" if fault else str(error)) from None

    def _failed(self, reason: str) -> RemoteProtocolError:
        self._state.fail(self.role.other)
        self._buffer.clear()
        return RemoteProtocolError(reason)

    # ===== sending =====

    def send_hello(self) -> bytes:
        """Our hello; the first thing either side sends, without waiting for the other."""
        self._send(Message.HELLO)
        identity = self.session_id if self.role is Role.SERVER else None
        return b"".join(_checked(encode_delimited([messages.hello(self.capabilities, identity)])))

    def send_rpc(self, operation: bytes, attributes: Mapping[str, str] | None = None) -> tuple[str, bytes]:
        """A request around ``operation`` (one element that declares its namespaces): its message-id, and the bytes."""
        self._send(Message.RPC)
        self._last_message_id += 1
        message_id = str(self._last_message_id)
        return message_id, self._encoded([messages.rpc(message_id, operation, attributes or {})])

    def send_reply(self, request: Request | None, body: Iterable[bytes]) -> Iterator[bytes]:
        """The reply around ``body``, framed slice by slice as ``body`` yields them.

        ``body`` is elements that declare their own namespaces. Nothing else may be sent before the iterator has
        ended; if ``body`` fails on the way the session cannot be saved, and the next send raises LocalProtocolError.
        """
        self._send(Message.REPLY)
        self._streaming = True
        return self._stream(request, body)

    def send_ok(self, request: Request | None) -> bytes:
        """The reply ``<ok/>``."""
        return b"".join(self.send_reply(request, [messages.ok_element(request)]))

    def send_errors(self, request: Request | None, faults: Iterable[RpcError]) -> bytes:
        """The reply with one rpc-error for each fault; ``request`` is None if it could not be read."""
        return b"".join(self.send_reply(request, [messages.error_elements(request, faults)]))

    def send_notification(self, event_time: str, body: bytes) -> bytes:
        """A notification around ``body`` (one element that declares its namespaces); ``event_time`` is RFC 3339."""
        self._send(Message.NOTIFICATION)
        return self._encoded([messages.notification(event_time, body)])

    def discard(self) -> None:
        """Let go of what has been received of a message: there will be no more of it."""
        self._buffer.clear()
        self._parser.discard()

    def close(self) -> None:
        """We send nothing more."""
        self._send(Message.END)

    def _send(self, message: Message) -> None:
        if self._streaming:
            raise LocalProtocolError("a reply is still being sent, or was left unfinished")
        try:
            self._state.process(self.role, message)
        except Violation as error:
            raise LocalProtocolError(str(error)) from None

    def _stream(self, request: Request | None, body: Iterable[bytes]) -> Iterator[bytes]:
        yield from self._frames(_around(messages.reply_tags(request), body))
        self._streaming = False

    def _encoded(self, parts: Iterable[bytes]) -> bytes:
        return b"".join(self._frames(parts))

    def _frames(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        if self._state.base == "1.1":
            return encode_chunked(parts)
        return _checked(encode_delimited(parts))


def _around(tags: tuple[bytes, bytes], body: Iterable[bytes]) -> Iterator[bytes]:
    yield tags[0]
    yield from body
    yield tags[1]


def _checked(frames: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from frames
    except FramingError as error:
        raise LocalProtocolError(str(error)) from error


def _rpc_event(element: etree._Element) -> RpcReceived | RpcRefused:
    """An rpc with a message-id and exactly one operation, or why it is none (RFC 6241 section 4.1)."""
    request = messages.request_of(element)
    error: RpcError | None = None
    if request.message_id is None:
        where = [("bad-attribute", "message-id"), ("bad-element", "rpc")]
        error = MissingAttribute("the rpc has no message-id", error_type="rpc", info=where)
    elif len(element) == 0:
        info = [("bad-element", "rpc")]
        error = MissingElement("the rpc contains no operation", error_type="protocol", info=info)
    elif len(element) > 1:
        info = [("bad-element", etree.QName(element[1]).localname)]
        error = BadElement("the rpc contains more than one operation", error_type="protocol", info=info)
    if error is not None:
        return RpcRefused(request.message_id, request.attributes, request.nsmap, request.prefix, error)
    return RpcReceived(request.message_id, request.attributes, request.nsmap, request.prefix, element, element[0])


def _notification_event(element: etree._Element) -> NotificationReceived:
    time = element.findtext(f"{{{messages.NOTIFICATION}}}eventTime")
    if time is None:
        raise Violation("a notification without eventTime")
    return NotificationReceived(time.strip(), element)
