"""Dynamic subscriptions (RFC 8639, over NETCONF RFC 8640): the operations, and the table of those there are.

What all subscriptions share is :class:`Dynamic`; ``stream_subscription`` and ``push`` are the two kinds of them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from cryptomap.data.build import Plain, build, date_and_time, seconds_of
from cryptomap.data.tree import Node, Value
from cryptomap.data.view import Provider
from cryptomap.data.xml import WriteOptions, write
from cryptomap.datastore.events import Committed, Event
from cryptomap.errors import InvalidValue, RpcError
from cryptomap.operations.call import Call
from cryptomap.operations.notifications.refusals import SN, refusal
from cryptomap.operations.notifications.selection import Kind, Selection, named_selection, read_selection
from cryptomap.operations.sift import SUBSCRIPTIONS
from cryptomap.operations.timers import Cancel
from cryptomap.schema.nodes import InnerNode

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["Dynamic", "Subscriptions"]

log = logging.getLogger(__name__)

FILTERS: Final = f"{SN}:filters"


class Dynamic(ABC):
    """One subscription: from ``begin``, while the request is answered, to ``end``. It ends with its session at the
    latest."""

    kind: Kind

    def __init__(self, call: Call, given: Node) -> None:
        """``given`` is the input of establish-subscription. Raises a refusal."""
        self.server = call.server
        self.session = call.session
        self.id = next(call.server.subscriptions.ids)
        self.selection = read_selection(call.server, self.kind, given, call.element) or Selection(self.kind)
        self.until = _stop_time(call, given, given.text("replay-start-time"))
        self._cancel: Cancel | None = None

    # ---- life --------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The subscription is accepted; its notifications begin after the reply."""
        self.session.subscriptions.append(self)
        self.server.subscriptions.by_id[self.id] = self
        self.session.outbox.hold()

    def end(self) -> None:
        """Nothing more is sent for it."""
        self.server.subscriptions.by_id.pop(self.id, None)
        self._disarm()

    def modify(self, call: Call, given: Node) -> None:
        """modify-subscription: what is given is changed, the rest stays."""
        until = _stop_time(call, given)
        selection = read_selection(self.server, self.kind, given, call.element)
        self.amend(given)
        if until is not None:
            self.stop_at(until)
        if selection is not None:
            self.select(selection)
        self.session.outbox.hold()
        self.say("subscription-modified", self.policy())

    def changed(self, is_state: bool) -> None:  # noqa: B027 - most subscriptions do not care
        """Something has changed in running or, with ``is_state``, in the state of the device."""

    def amend(self, given: Node) -> None:  # noqa: B027 - there may be nothing else to change
        """The rest of modify-subscription. Raises a refusal, and then nothing has changed."""

    @abstractmethod
    def select(self, selection: Selection) -> None:
        """Go on with another filter."""

    def stop_at(self, until: float | None) -> None:
        """End it then."""
        self.until = until
        self._disarm()
        if until is not None:
            self._cancel = self.server.timers.call_at(until, self.finish)

    def finish(self) -> None:
        """End it as its subscriber asked for: by deleting it, or at the stop-time. Only an unexpected end is told
        (RFC 8639 section 2.7.3); subscription-completed is for configured subscriptions."""
        self.end()
        if self in self.session.subscriptions:
            self.session.subscriptions.remove(self)

    def terminate(self, reason: str) -> None:
        """End it before its time, and say so."""
        self.finish()
        self.say("subscription-terminated", {"reason": f"{SN}:{reason}"})

    def filters_changed(self) -> None:
        """The configured filters are others than before; if its own is among them, that is told (section 2.7.2)."""
        if self.selection.name is None:
            return
        try:
            selection = named_selection(self.server, self.kind, self.selection.name)
        except RpcError:
            self.terminate("filter-unavailable")
            return
        if selection.entry != self.selection.entry:
            self.select(selection)
            self.say("subscription-modified", self.policy())

    def _disarm(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None

    # ---- telling about it --------------------------------------------------------------------------------------

    @abstractmethod
    def policy(self) -> Plain:
        """What it was asked to do, as content of the notification subscription-modified."""

    @property
    @abstractmethod
    def counts(self) -> tuple[int, int]:
        """(event records sent, event records left out)."""

    def common_policy(self) -> Plain:
        stop = None if self.until is None else date_and_time(self.until)
        return {**(self.selection.plain or {}), "stop-time": stop, "encoding": f"{SN}:encode-xml"}

    def state(self) -> Plain:
        """It, as an entry of the list of subscriptions."""
        sent, excluded = self.counts
        counters = {"sent-event-records": sent, "excluded-event-records": excluded}
        receiver = {"name": f"session {self.session.id}", **counters, "state": "active"}
        return {"id": self.id, **self.policy(), "receivers": {"receiver": [receiver]}}

    def say(self, name: str, content: Plain) -> None:
        """Send a notification about its state (RFC 8639 section 2.7)."""
        notification = self.server.schema.notifications[f"{{{_namespace(self.server)}}}{name}"]
        self.send(build(notification, {"id": self.id, **content}))

    def send(self, notification: Node) -> None:
        tree = self.server.notifier.tree
        reader = self.server.access.reader(self.session.user)
        xml = b"".join(write(tree.schema, tree.plant(notification), WriteOptions(hide=reader.hide)))
        self.session.outbox.put(date_and_time(self.server.timers.time()), xml)


def _namespace(server: Server) -> str:
    return server.schema.namespace_of_module[SN]


def _stop_time(call: Call, given: Node, replay: str | None = None) -> float | None:
    """A stop-time that is still to come, or with a replay is after its beginning. Raises InvalidValue."""
    text = given.text("stop-time")
    if text is None:
        return None
    until = seconds_of(text)
    if replay is not None and until <= seconds_of(replay):
        message = f"stop-time {text} is not after replay-start-time {replay}"
        raise InvalidValue(message, info=[("bad-element", "stop-time")])
    if replay is None and until <= call.server.timers.time():
        raise InvalidValue(f"stop-time {text} is over", info=[("bad-element", "stop-time")])
    return until


class Subscriptions:
    """All dynamic subscriptions of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self.ids = itertools.count(1)
        self.by_id: dict[int, Dynamic] = {}
        node = server.schema.root.by_qname.get(SUBSCRIPTIONS[1:])
        self.providers: Mapping[str, Provider] = {}
        if isinstance(node, InnerNode):
            self.providers = {node.path: lambda path: self._state(node)}
        server.datastores.subscribe(self._heard)

    def find(self, call: Call, subscription: int, identity: str = "no-such-subscription") -> Dynamic:
        """A subscription of this session. Raises a refusal if there is none."""
        found = self.by_id.get(subscription)
        if found is None or found.session is not call.session:
            raise refusal(identity, f"this session has no subscription {subscription}")
        return found

    def any(self, subscription: int) -> Dynamic:
        """A subscription of whichever session. Raises a refusal if there is none."""
        found = self.by_id.get(subscription)
        if found is None:
            raise refusal("no-such-subscription", f"there is no subscription {subscription}")
        return found

    def state_changed(self) -> None:
        """Some state of the device may have changed. From any thread."""
        self._soon(lambda: self._changed(is_state=True))

    def _heard(self, event: Event) -> None:
        """On the writer's thread."""
        if isinstance(event, Committed):
            node = self._server.schema.root.by_qname.get(FILTERS)
            old, new = event.transition.old.root, event.transition.new.root
            are_filters = node is not None and old.get(node) is not new.get(node)
            self._soon(lambda: self._changed(are_filters=are_filters))

    def _soon(self, function: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            log.debug("a change came after the end")

    def _changed(self, *, is_state: bool = False, are_filters: bool = False) -> None:
        for subscription in list(self.by_id.values()):
            if are_filters:
                subscription.filters_changed()
            subscription.changed(is_state)

    def _state(self, node: InnerNode) -> Value | None:
        listed = [subscription.state() for subscription in self.by_id.values()]
        return build(node, {"subscription": listed}) if listed else None
