"""Notifications as trees, so that what writes, filters and (later) guards data does the same for notifications.

A schema keeps notifications apart from data. Here they become containers of a schema of their own: at the top, or, if
they are defined inside data nodes, below containers and lists that hold nothing but keys and notifications (the form
RFC 7950 section 7.16.2 gives them on the wire).
"""

from __future__ import annotations

from dataclasses import replace

from cryptomap.data.tree import EntriesTypes, KeylessEntries, Node, Path, Value, entries_of, key_text
from cryptomap.schema.nodes import Container, DataNode, InnerNode, ListNode, Notification, Schema

__all__ = ["EventTree"]


class EventTree:
    """The schema of all notifications of a schema (``data``), and the way from a notification to an instance of it."""

    def __init__(self, schema: Schema) -> None:
        self.data = schema
        self._places: dict[InnerNode, InnerNode] = {}  # data nodes and notifications -> what stands for them here
        self._originals: dict[InnerNode, InnerNode] = {}  # and back
        root = replace(schema.root, children=(), choices=(), by_tag={}, by_qname={})
        tops = [self._container(item, root) for item in schema.notifications.values()]
        _adopt(root, [*tops, *self._children(schema.root, root)])
        self._places[schema.root] = root
        self._originals = {place: original for original, place in self._places.items()}
        self.schema = replace(schema, root=root)

    def plant(self, notification: Node, path: Path = ()) -> Node:
        """The root of a tree with one notification in it. ``path`` is the instance it is about."""
        place = self._places[notification.schema]
        value: Value = Node(place, notification.slots)
        for position in range(len(path) - 1, -1, -1):
            data_node, key = path[position]
            assert isinstance(data_node, InnerNode)
            parent = self._places[data_node]
            node = Node.empty(parent).with_slot(place.slot, value)
            if isinstance(parent, ListNode):
                for leaf, text in zip(parent.keys, key_text(key) if key is not None else (), strict=True):
                    node = node.with_slot(leaf.slot, text)
                entries = entries_of(parent, {key: node}) if key is not None else KeylessEntries((node,))
                assert entries is not None
                value = entries
            else:
                value = node
            place = parent
        return Node.empty(self.schema.root).with_slot(place.slot, value)

    def dig(self, root: Node) -> tuple[Node, Path]:
        """The one notification in a tree, and the instance it is about: the inverse of :meth:`plant`. Raises ValueError
        if there is none."""
        path: Path = ()
        node = root
        while True:
            child, value = _only_inner(node)
            original = self._originals[child]
            if isinstance(original, Notification):
                assert isinstance(value, Node)
                return Node(original, value.slots), path
            if isinstance(value, EntriesTypes):
                key, node = next(iter(value.items()))
            else:
                assert isinstance(value, Node)
                key, node = None, value
            path = (*path, (original, key))

    def _children(self, node: InnerNode, parent: InnerNode) -> list[DataNode]:
        """What stands for the data nodes below that have notifications somewhere inside."""
        inner = [child for child in node.children if isinstance(child, (Container, ListNode)) and _notifies(child)]
        return [self._clone(child, parent) for child in inner]

    def _clone(self, node: Container | ListNode, parent: InnerNode) -> InnerNode:
        clone = replace(node, parent=parent, children=(), choices=(), musts=(), whens=(), by_tag={}, by_qname={})
        keys = [replace(leaf, parent=clone) for leaf in node.keys] if isinstance(node, ListNode) else []
        own = [self._container(item, clone) for item in node.notifications.values()]
        _adopt(clone, [*keys, *own, *self._children(node, clone)])
        if isinstance(clone, ListNode):
            clone.keys = tuple(keys)
        self._places[node] = clone
        return clone

    def _container(self, node: Notification, parent: InnerNode) -> Container:
        container = Container(
            name=node.name,
            module=node.module,
            tag=node.tag,
            path=node.path,
            config=False,
            parent=parent,
            deny=node.deny,
            children=node.children,
            choices=node.choices,
            by_tag=node.by_tag,
            by_qname=node.by_qname,
            presence=True,
        )
        self._places[node] = container
        return container


def _only_inner(node: Node) -> tuple[InnerNode, Value]:
    for child, value in zip(node.schema.children, node.slots, strict=True):
        if isinstance(child, InnerNode) and value is not None:
            return child, value
    raise ValueError(f"there is no notification in {node!r}")


def _adopt(parent: InnerNode, children: list[DataNode]) -> None:
    for slot, child in enumerate(children):
        child.slot = slot
    parent.children = tuple(children)
    parent.by_tag = {child.tag: child for child in children}
    parent.by_qname = {child.qname: child for child in children}


def _notifies(node: DataNode) -> bool:
    if not isinstance(node, InnerNode):
        return False
    return bool(node.notifications) or any(_notifies(child) for child in node.children)
