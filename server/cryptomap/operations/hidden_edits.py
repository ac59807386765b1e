"""netconf-config-change (RFC 6470) for those who may not see all that changed: their edits are left out."""

from __future__ import annotations

from typing import Final

from cryptomap.data.path import parse_instance_identifier
from cryptomap.data.tree import EntriesTypes, KeylessEntries, Node
from cryptomap.operations.access import Reader
from cryptomap.schema.nodes import Schema
from cryptomap.schema.types import TypeFault

__all__ = ["without_hidden_edits"]

_CHANGE: Final = "ietf-netconf-notifications:netconf-config-change"


def without_hidden_edits(schema: Schema, notification: Node, reader: Reader) -> Node:
    """The notification without the edits whose target the reader does not see; itself if there are none."""
    if notification.schema.qname != _CHANGE:
        return notification
    edits = notification["edit"]
    if not isinstance(edits, EntriesTypes):
        return notification
    left = [edit for edit in edits.nodes() if _sees(schema, reader, edit.text("target") or "")]
    if len(left) == len(edits):
        return notification
    return notification.with_slot(notification.schema.child("edit").slot, KeylessEntries(left) if left else None)


def _sees(schema: Schema, reader: Reader, target: str) -> bool:
    """A target that cannot be read any more is not shown."""
    try:
        return reader.sees(parse_instance_identifier(schema, target))
    except TypeFault:
        return False
