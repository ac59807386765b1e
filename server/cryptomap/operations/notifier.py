"""From whoever has news, on any thread, to the queues of those who subscribed."""

from __future__ import annotations

import asyncio
import logging
import time

from cryptomap.data.tree import Node, Path
from cryptomap.data.xml import WriteOptions, write
from cryptomap.operations.access import Reader
from cryptomap.operations.build import date_and_time
from cryptomap.operations.event_tree import EventTree
from cryptomap.operations.hidden_edits import without_hidden_edits
from cryptomap.operations.sessions import Sessions
from cryptomap.schema.nodes import Notification, Schema

__all__ = ["Notifier", "Record"]

log = logging.getLogger(__name__)


class Record:
    """One event: when it happened (RFC 3339), what it is about, and its content as a tree of ``schema``, which is that
    of all notifications."""

    def __init__(self, tree: EventTree, time_of_event: str, notification: Node, path: Path) -> None:
        assert isinstance(notification.schema, Notification)
        self.schema = tree.schema
        self.time = time_of_event
        self.notification = notification.schema
        self.path = path
        self._tree = tree
        self._content = notification
        self._roots: dict[Reader, Node] = {}
        self._written: dict[Reader, bytes] = {}

    def root(self, reader: Reader) -> Node:
        """The tree with what somebody may see of the notification, but for what ``reader.hide`` names."""
        if reader not in self._roots:
            self._roots[reader] = self._tree.plant(
                without_hidden_edits(self._tree.data, self._content, reader), self.path
            )
        return self._roots[reader]

    def xml(self, reader: Reader) -> bytes:
        """The notification's element as somebody may see it. Written once for all who see the same."""
        if reader not in self._written:
            self._written[reader] = b"".join(write(self.schema, self.root(reader), WriteOptions(hide=reader.hide)))
        return self._written[reader]


class Notifier:
    """Hands events to the subscriptions of all sessions, in the order they were announced."""

    def __init__(self, schema: Schema, sessions: Sessions) -> None:
        self.tree = EventTree(schema)
        self._sessions = sessions
        self._loop = asyncio.get_running_loop()

    @property
    def is_heard(self) -> bool:
        """Whether anybody has subscribed, so that making an event is worth while. From any thread."""
        return any(session.subscription is not None for session in self._sessions)

    def notify(self, notification: Node, path: Path = ()) -> None:
        """Announce an event that happened now. From any thread; never waits and never fails."""
        now = date_and_time(time.time())
        try:
            self._loop.call_soon_threadsafe(self._distribute, now, notification, path)
        except RuntimeError:
            log.debug("%s came after the end", notification.schema.name)

    def _distribute(self, now: str, notification: Node, path: Path) -> None:
        log.debug("event %s", notification.schema.name)
        subscriptions = [session.subscription for session in self._sessions if session.subscription is not None]
        if not subscriptions:
            return
        try:
            record = Record(self.tree, now, notification, path)
            for subscription in subscriptions:
                subscription.offer(record)
        except Exception:
            log.exception("event %s could not be delivered", notification.schema.name)
