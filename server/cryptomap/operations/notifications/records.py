"""One event, as the subscriptions see it: now, or out of the log."""

from __future__ import annotations

from lxml import etree

from cryptomap.data.build import date_and_time
from cryptomap.data.tree import Node, Path
from cryptomap.data.xml import Sealer, WriteOptions, read_inner, write
from cryptomap.operations.access import EVERYTHING, Reader
from cryptomap.operations.hidden_parts import without_hidden_parts
from cryptomap.operations.notifications.event_tree import EventTree
from cryptomap.schema.nodes import Notification

__all__ = ["Record"]


class Record:
    """What happened ``at`` that time (seconds since the epoch; ``time`` as text), what it is about, and its content as
    a tree of ``schema``, which is that of all notifications."""

    def __init__(self, tree: EventTree, at: float, notification: Node, path: Path) -> None:
        assert isinstance(notification.schema, Notification)
        self.schema = tree.schema
        self.at = at
        self.time = date_and_time(at)
        self.notification = notification.schema
        self.path = path
        self._tree = tree
        self._content = notification
        self._roots: dict[Reader, Node] = {}
        self._written: dict[Reader, bytes] = {}

    @classmethod
    def logged(cls, tree: EventTree, at: float, xml: bytes, seal: Sealer | None) -> Record:
        """A record made of what :meth:`logged_xml` gave. Raises RpcErrors if the modules of today have no such
        notification."""
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
        element = etree.fromstring(b"<events>" + xml + b"</events>", parser)
        root = read_inner(tree.schema, tree.schema.root, element, seal)
        return cls(tree, at, *tree.dig(root))

    def logged_xml(self) -> bytes:
        """All of it, for the log."""
        return self.xml(EVERYTHING)

    def root(self, reader: Reader) -> Node:
        """The tree with what somebody may see of the notification, but for what ``reader.hide`` names."""
        if reader not in self._roots:
            seen = without_hidden_parts(self._tree.data, self._content, reader)
            self._roots[reader] = self._tree.plant(seen, self.path)
        return self._roots[reader]

    def xml(self, reader: Reader) -> bytes:
        """The notification's element as somebody may see it. Written once for all who see the same."""
        if reader not in self._written:
            self._written[reader] = b"".join(write(self.schema, self.root(reader), WriteOptions(hide=reader.hide)))
        return self._written[reader]
