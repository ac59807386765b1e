"""create-subscription and what it sets up (RFC 5277), with replay."""

from __future__ import annotations

from typing import Final

from lxml import etree

from cryptomap.data.build import date_and_time, seconds_of
from cryptomap.data.tree import Node
from cryptomap.data.view import View
from cryptomap.errors import BadElement, InUse, InvalidValue, MissingElement, OperationNotSupported
from cryptomap.operations.access import Reader
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.notifications.feed import Feed, Wanted
from cryptomap.operations.notifications.records import Record
from cryptomap.operations.parameters import Parameters
from cryptomap.operations.retrieve import filtered

__all__ = ["NOTIFICATIONS", "STREAM", "Subscription", "create_subscription"]

STREAM: Final = "NETCONF"
"""The only event stream: all notifications of all modules."""

NOTIFICATIONS: Final = "urn:ietf:params:xml:ns:netmod:notification"


class Subscription:
    """What one create-subscription set up. A session has one at a time; when its stop time has come it may have
    another."""

    def __init__(self, call: Call, wanted: Wanted, since: float | None, until: float | None) -> None:
        self._call = call
        self._feed = Feed(
            call.server,
            call.session,
            wanted,
            since=since,
            until=until,
            replayed=lambda: self._say("replayComplete"),
            completed=self._completed,
        )

    def begin(self) -> None:
        session = self._call.session
        session.subscription = self
        session.subscriptions.append(self)
        session.outbox.hold()
        self._feed.begin()

    def end(self) -> None:
        self._feed.end()

    def _completed(self) -> None:
        self._call.session.subscription = None
        self._call.session.subscriptions.remove(self)
        self._say("notificationComplete")

    def _say(self, name: str) -> None:
        now = date_and_time(self._call.server.timers.time())
        self._call.session.outbox.put(now, f'<{name} xmlns="{NOTIFICATIONS}"/>'.encode())


async def create_subscription(call: Call) -> Reply:
    """Notifications begin after the reply, with those of the past if startTime is given. A session can have one
    subscription, none of RFC 8639 beside it (RFC 8640 section 3), and can go on with other requests (:interleave)."""
    parameters = Parameters(call.element, "stream", "filter", "startTime", "stopTime")
    stream = parameters.text("stream")
    if stream not in (None, STREAM):
        message = f"there is no stream '{stream[:40]}'; the only one is {STREAM}"
        raise InvalidValue(message, error_type="protocol", info=[("bad-element", "stream")])
    since, until = _times(call, parameters)
    if call.session.subscription is not None:
        raise InUse("this session has a subscription already", error_type="protocol")
    if call.session.subscriptions:
        message = "this session has subscriptions of RFC 8639: use another session, or establish-subscription"
        raise OperationNotSupported(message, error_type="protocol")
    Subscription(call, _wanted(call, parameters.get("filter")), since, until).begin()
    return None


def _times(call: Call, parameters: Parameters) -> tuple[float | None, float | None]:
    """startTime and stopTime (section 2.1.1), in seconds since the epoch."""
    since, until = _time(parameters, "startTime"), _time(parameters, "stopTime")
    if since is None:
        if until is not None:
            message = "stopTime needs startTime"
            raise MissingElement(message, error_type="protocol", info=[("bad-element", "startTime")])
        return None, None
    if call.server.notifier.replay is None:
        message = f"the stream {STREAM} has no replay: leave startTime out"
        raise OperationNotSupported(message, error_type="protocol", info=[("bad-element", "startTime")])
    if since > call.server.timers.time():
        message = "startTime is in the future"
        raise BadElement(message, error_type="protocol", info=[("bad-element", "startTime")])
    if until is not None and until < since:
        message = "stopTime is before startTime"
        raise BadElement(message, error_type="protocol", info=[("bad-element", "stopTime")])
    return since, until


def _time(parameters: Parameters, name: str) -> float | None:
    text = parameters.text(name)
    if text is None:
        return None
    try:
        return seconds_of(text)
    except ValueError:
        message = f"{name} is '{text[:40]}', not a date and time such as 2026-11-23T09:30:00Z"
        raise InvalidValue(message, error_type="protocol", info=[("bad-element", name)]) from None


def _wanted(call: Call, filter_element: etree._Element | None) -> Wanted:
    """An event is wanted if the filter selects something of it; it is then sent whole (section 3.6)."""
    if filter_element is None:
        return lambda record, reader: True
    server = call.server
    schema, budget = server.notifier.tree.schema, server.limits.xpath_nodes
    filtered(schema, View(Node.empty(schema.root)), filter_element, budget)  # refuse a bad filter at once

    def wanted(record: Record, reader: Reader) -> bool:
        return filtered(schema, View(record.root(reader), hide=reader.hide), filter_element, budget) is not None

    return wanted
