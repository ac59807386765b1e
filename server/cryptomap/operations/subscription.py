"""create-subscription and what it sets up (RFC 5277), without replay."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from lxml import etree

from cryptomap.data.tree import Node
from cryptomap.data.view import View
from cryptomap.errors import InUse, InvalidValue, MissingElement, OperationNotSupported
from cryptomap.operations.access import Access, Reader
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.notifier import Record
from cryptomap.operations.parameters import Parameters
from cryptomap.operations.retrieve import filtered
from cryptomap.operations.sessions import Ended, Reason, Session

__all__ = ["Subscription", "create_subscription"]

log = logging.getLogger(__name__)

Wanted: TypeAlias = Callable[[Record, Reader], bool]


class Subscription:
    """One session's notifications that were not sent yet. It lives as long as its session.

    A client that does not read them fast enough is disconnected: nobody waits for it, and it must not miss events
    without noticing.
    """

    def __init__(self, session: Session, wanted: Wanted, access: Access, most: int, most_bytes: int) -> None:
        self.is_delivered = False  # somebody takes what is here
        self._session = session
        self._wanted = wanted
        self._access = access
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    def offer(self, record: Record) -> None:
        """Queue an event if the user may have it and the filter takes it."""
        reader = self._access.reader(self._session.user)
        if not reader.receives(record.notification, record.path):
            self._access.dropped()
            return
        if not self._wanted(record, reader):
            return
        xml = record.xml(reader)
        if not xml:
            return
        if len(self._waiting) >= self._most or self._bytes + len(xml) > self._most_bytes:
            log.warning("%s is dropped: it does not read its notifications", self._session)
            self._session.end(Ended(Reason.DROPPED, "notifications were not read"))
            return
        self._waiting.append((record.time, xml))
        self._bytes += len(xml)
        self._arrived.set()

    async def next(self) -> tuple[str, bytes]:
        """The oldest event: its time and its element."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        time_of_event, xml = self._waiting.popleft()
        self._bytes -= len(xml)
        return time_of_event, xml


async def create_subscription(call: Call) -> Reply:
    """Notifications begin after the reply. A session can have one subscription, and it can go on with other requests
    (:interleave)."""
    parameters = Parameters(call.element, "stream", "filter", "startTime", "stopTime")
    _refuse_replay(parameters)
    stream = parameters.text("stream")
    if stream not in (None, "NETCONF"):
        message = f"there is no stream '{stream[:40]}'; the only one is NETCONF"
        raise InvalidValue(message, error_type="protocol", info=[("bad-element", "stream")])
    if call.session.subscription is not None:
        raise InUse("this session has a subscription already", error_type="protocol")
    server = call.server
    limits = server.limits
    call.session.subscription = Subscription(
        call.session,
        _wanted(call, parameters.get("filter")),
        server.access,
        limits.queued_notifications,
        limits.queued_bytes,
    )
    return None


def _refuse_replay(parameters: Parameters) -> None:
    if parameters.has("startTime"):
        message = "the stream NETCONF has no replay: leave startTime out"
        raise OperationNotSupported(message, error_type="protocol", info=[("bad-element", "startTime")])
    if parameters.has("stopTime"):
        message = "stopTime needs startTime"
        raise MissingElement(message, error_type="protocol", info=[("bad-element", "startTime")])


def _wanted(call: Call, filter_element: etree._Element | None) -> Wanted:
    """An event is wanted if the filter selects something of it; it is then sent whole (RFC 5277 section 3.6)."""
    if filter_element is None:
        return lambda record, reader: True
    server = call.server
    schema, budget = server.notifier.tree.schema, server.limits.xpath_nodes
    filtered(schema, View(Node.empty(schema.root)), filter_element, budget)  # refuse a bad filter at once

    def wanted(record: Record, reader: Reader) -> bool:
        return filtered(schema, View(record.root(reader), hide=reader.hide), filter_element, budget) is not None

    return wanted
