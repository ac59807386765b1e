"""What ``Connection.next_event`` returns: frozen records, one class for each thing that can arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from lxml import etree

from cryptomap.errors import RpcError

__all__ = [
    "NEED_DATA",
    "ConnectionLost",
    "Event",
    "HelloReceived",
    "MalformedReceived",
    "NeedData",
    "NotificationReceived",
    "ReplyReceived",
    "Request",
    "RpcReceived",
    "RpcRefused",
    "TooBigReceived",
]


class NeedData(Enum):
    """There is no event before more bytes arrive."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA


@dataclass(frozen=True, slots=True)
class Request:
    """The start tag of an ``rpc``: what its reply has to mirror (RFC 6241 section 4.2).

    ``attributes`` has all of them, message-id too, in their order, names in ``{namespace}name`` form; ``nsmap`` the
    namespace declarations, None for the default; ``prefix`` the one the element itself is written with.
    """

    message_id: str | None
    attributes: Mapping[str, str]
    nsmap: Mapping[str | None, str]
    prefix: str | None


@dataclass(frozen=True, slots=True)
class HelloReceived:
    """The other side's hello. ``base`` is "1.0" or "1.1", what the session speaks from now on; ``session_id`` is
    None on a server (RFC 6241 section 8.1)."""

    capabilities: tuple[str, ...]
    session_id: int | None
    base: str


@dataclass(frozen=True, slots=True)
class RpcReceived(Request):
    """A request: ``element`` is the ``rpc``, ``operation`` the one element in it."""

    element: etree._Element
    operation: etree._Element


@dataclass(frozen=True, slots=True)
class RpcRefused(Request):
    """An ``rpc`` that breaks a rule of the rpc layer itself (no message-id, no operation): answer it with ``error``."""

    error: RpcError


@dataclass(frozen=True, slots=True)
class MalformedReceived:
    """A message that is no NETCONF: answer it with ``error`` and go on. ``request`` is its start tag, if readable."""

    error: RpcError
    request: Request | None


@dataclass(frozen=True, slots=True)
class TooBigReceived:
    """A message above a limit: answer it with ``error``, then close; nothing more is read."""

    error: RpcError
    request: Request | None


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    """A reply: ``element`` is the ``rpc-reply``; ``message_id`` is None if the server could not read the request's."""

    message_id: str | None
    element: etree._Element


@dataclass(frozen=True, slots=True)
class NotificationReceived:
    """A notification: ``event_time`` as sent (RFC 3339), ``element`` the ``notification``."""

    event_time: str
    element: etree._Element


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The other side's bytes have ended. ``clean`` is False when that happened inside a message."""

    clean: bool


Event = (
    HelloReceived
    | RpcReceived
    | RpcRefused
    | MalformedReceived
    | TooBigReceived
    | ReplyReceived
    | NotificationReceived
    | ConnectionLost
)
