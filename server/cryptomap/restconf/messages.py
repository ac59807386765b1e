"""A request that has been read and authenticated, and its response: HTTP without a connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["EVENT_STREAM", "JSON", "RESTCONF", "XML", "Request", "Response"]

RESTCONF: Final = "urn:ietf:params:xml:ns:yang:ietf-restconf"
JSON: Final = "application/yang-data+json"
XML: Final = "application/yang-data+xml"
EVENT_STREAM: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` and ``query`` are percent-encoded, as they came; the names of ``headers`` are in lower case. ``user`` is
    who asks, proven, and ``address`` where from."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """``body`` is made while it is sent; an event stream's never ends by itself."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] | AsyncIterator[bytes] = ()
