"""Notifications that name nodes of the configuration, for those who may not see all of these: the edits of a
netconf-config-change (RFC 6470) and the warnings of a commit-warning that are about others are left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptomap.data.path import parse_instance_identifier
from cryptomap.data.tree import EntriesTypes, KeylessEntries, Node
from cryptomap.operations.access import Reader
from cryptomap.schema.nodes import Schema
from cryptomap.schema.types import TypeFault

__all__ = ["without_hidden_parts"]

_PARTS: Final = {
    "ietf-netconf-notifications:netconf-config-change": ("edit", ("target",)),
    "cryptomap-server:commit-warning": ("warning", ("path", "mentions")),
}
"""The list of a notification, and the leafs of its entries that hold paths."""


def without_hidden_parts(schema: Schema, notification: Node, reader: Reader) -> Node:
    """The notification without the entries that name a node the reader does not see; itself if there are none."""
    found = _PARTS.get(notification.schema.qname)
    if found is None:
        return notification
    name, leafs = found
    entries = notification[name]
    if not isinstance(entries, EntriesTypes):
        return notification
    left = [entry for entry in entries.nodes() if all(_sees(schema, reader, path) for path in _paths(entry, leafs))]
    if len(left) == len(entries):
        return notification
    return notification.with_slot(notification.schema.child(name).slot, KeylessEntries(left) if left else None)


def _paths(entry: Node, leafs: tuple[str, ...]) -> Iterator[str]:
    for leaf in leafs:
        value = entry[leaf]
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            yield from value


def _sees(schema: Schema, reader: Reader, target: str) -> bool:
    """A target that cannot be read any more is not shown."""
    try:
        return reader.sees(parse_instance_identifier(schema, target))
    except TypeFault:
        return False
