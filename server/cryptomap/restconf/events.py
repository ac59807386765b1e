"""Event streams as server-sent events (RFC 8040 section 6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

from lxml import etree

from cryptomap.data.filter import xpath_select
from cryptomap.data.json import write_json
from cryptomap.data.tree import Node
from cryptomap.data.view import View
from cryptomap.data.xml import read_inner
from cryptomap.errors import InvalidValue, OperationNotSupported, ResourceDenied
from cryptomap.netconf.messages import notification
from cryptomap.operations.access import Reader
from cryptomap.operations.notifications.feed import Feed, Wanted
from cryptomap.operations.notifications.records import Record
from cryptomap.operations.notifications.subscription import STREAM
from cryptomap.operations.outbox import Outbox
from cryptomap.operations.with_defaults import AlreadySealed
from cryptomap.restconf.faults import NotFound
from cryptomap.restconf.media import accepted
from cryptomap.restconf.messages import EVENT_STREAM, Request, Response
from cryptomap.restconf.query import STREAM as STREAM_QUERY
from cryptomap.restconf.query import Query
from cryptomap.restconf.resource import Resource
from cryptomap.restconf.site import Site
from cryptomap.restconf.visitor import visitor
from cryptomap.schema import xpath
from cryptomap.schema.nodes import Schema

__all__ = ["ENCODINGS", "stream"]

ENCODINGS: Final = ("json", "xml")
ALIVE: Final = 15.0
"""Seconds without an event after which a comment is sent, so that a connection that is gone is noticed."""


async def stream(site: Site, request: Request, resource: Resource) -> Response:
    """The events from now on, or from ``start-time``, until the client goes or ``stop-time`` has come."""
    name, _, encoding = resource.name.partition("/")
    if name != STREAM or encoding not in ENCODINGS:
        raise NotFound(f"there is no stream {resource.name[:80]}; the only one is {STREAM}", error_type="protocol")
    query = Query(request.query, STREAM_QUERY)
    accepted(request.headers, (EVENT_STREAM,))
    headers = {"content-type": EVENT_STREAM, "cache-control": "no-cache"}
    if request.method == "HEAD":
        return Response(200, headers)
    if len(site.streams) >= site.most_streams:
        raise ResourceDenied(f"there are {site.most_streams} event streams already", error_type="protocol")
    return Response(200, headers, _Events(site, request, query, encoding).run())


class _Events:
    """One client's stream."""

    def __init__(self, site: Site, request: Request, query: Query, encoding: str) -> None:
        self._site = site
        self._schema = site.server.notifier.tree.schema
        self._is_json = encoding == "json"
        self._over = asyncio.Event()
        limits = site.server.limits
        session = visitor(site, request, lambda ended: self._over.set())
        session.outbox = self._outbox = Outbox(limits.queued_notifications, limits.queued_bytes, self._over.set)
        since, until = _times(site, query)
        self._feed = Feed(
            site.server,
            session,
            _wanted(site, query),
            since=since,
            until=until,
            replayed=lambda: None,
            completed=self._over.set,
        )

    async def run(self) -> AsyncIterator[bytes]:
        """The body."""
        self._site.streams[self] = self._over.set
        self._feed.begin()
        over = asyncio.create_task(self._over.wait())
        try:
            yield b": events follow\n\n"
            while (piece := await self._next(over)) is not None:
                yield piece
        finally:
            over.cancel()
            self._feed.end()
            del self._site.streams[self]

    async def _next(self, over: asyncio.Task[bool]) -> bytes | None:
        """The next event, or a sign of life; ``None`` at the end, when what was queued before has been sent."""
        event = asyncio.create_task(self._outbox.next())
        await asyncio.sleep(0)  # it has what was queued at once
        await asyncio.wait({event, over}, timeout=ALIVE, return_when=asyncio.FIRST_COMPLETED)
        if event.done():
            return self._written(*event.result())
        event.cancel()
        return None if over.done() else b": alive\n\n"

    def _written(self, time_of_event: str, xml: bytes) -> bytes:
        if not self._is_json:
            text = notification(time_of_event, xml)
        else:
            text = b"".join(_json(self._schema, time_of_event, xml))
        return b"".join(b"data: %b\n" % line for line in text.splitlines()) + b"\n"


def _json(schema: Schema, time_of_event: str, xml: bytes) -> list[bytes]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    root = read_inner(schema, schema.root, etree.fromstring(b"<event>%b</event>" % xml, parser), AlreadySealed())
    content = b"".join(write_json(schema, root))[1:]
    return [b'{"ietf-restconf:notification":{"eventTime":', json.dumps(time_of_event).encode(), b",", content, b"}"]


def _times(site: Site, query: Query) -> tuple[float | None, float | None]:
    """start-time and stop-time (sections 4.8.7 and 4.8.8)."""
    since, until = query.time("start-time"), query.time("stop-time")
    if since is None:
        if until is not None:
            raise InvalidValue("stop-time needs start-time", error_type="protocol")
        return None, None
    if site.server.notifier.replay is None:
        raise OperationNotSupported(f"the stream {STREAM} has no replay: leave start-time out", error_type="protocol")
    if since > site.server.timers.time():
        raise InvalidValue("start-time is in the future", error_type="protocol")
    if until is not None and until < since:
        raise InvalidValue("stop-time is before start-time", error_type="protocol")
    return since, until


def _wanted(site: Site, query: Query) -> Wanted:
    """The parameter filter is an XPath expression on the notification (section 4.8.4); module names are prefixes."""
    text = query.text("filter")
    if text is None:
        return lambda record, reader: True
    schema, budget = site.server.notifier.tree.schema, site.server.limits.xpath_nodes
    try:
        expr = xpath.parse(text, {name: name for name in schema.namespace_of_module}, None)
    except xpath.XPathFault as fault:
        raise InvalidValue(f"filter: {fault}", error_type="protocol") from fault
    xpath_select(schema, View(Node.empty(schema.root)), expr, budget=budget)  # refuse a bad one at once

    def wanted(record: Record, reader: Reader) -> bool:
        view = View(record.root(reader), hide=reader.hide)
        return xpath_select(schema, view, expr, budget=budget) is not None

    return wanted
