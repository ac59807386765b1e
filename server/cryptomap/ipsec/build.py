"""State as plain Python values -> nodes of a tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from cryptomap.data.tree import EntriesTypes, KeylessEntries, Node, Value, entries_of, key_of
from cryptomap.schema.nodes import DataNode, InnerNode, ListNode

__all__ = ["Plain", "build", "build_entries", "date_and_time"]

Plain: TypeAlias = Mapping[str, Any]
"""Children by name: a leaf is a str, int, bool or address; a leaf-list is an iterable of such; a container is a
mapping; a list is an iterable of mappings. ``None`` is absent. Identities are ``module:name``."""


def build(schema: InnerNode, content: Plain) -> Node:
    """The node of that schema node with this content. KeyError for a name the schema does not have."""
    slots: list[Value | None] = [None] * len(schema.children)
    for name, plain in content.items():
        child = schema.by_qname.get(name) or schema.by_qname[f"{schema.module}:{name}"]
        slots[child.slot] = _value(child, plain)
    return Node(schema, tuple(slots))


def build_entries(schema: ListNode, entries: Iterable[Plain]) -> Value | None:
    """The entries of a list, ``None`` if there are none."""
    nodes = [build(schema, entry) for entry in entries]
    if not schema.keys:
        return KeylessEntries(nodes) if nodes else None
    return entries_of(schema, {key_of(node): node for node in nodes})


def _value(child: DataNode, plain: Any) -> Value | None:
    if plain is None or isinstance(plain, (Node, *EntriesTypes)):
        return plain
    if isinstance(child, ListNode):
        return build_entries(child, plain)
    if isinstance(child, InnerNode):
        node = build(child, plain)
        return None if node.is_empty else node
    if isinstance(plain, (list, tuple, set, frozenset)):
        return tuple([_text(item) for item in plain]) or None
    return _text(plain)


def _text(plain: object) -> str:
    return ("true" if plain else "false") if isinstance(plain, bool) else str(plain)


def date_and_time(seconds: float | None) -> str | None:
    """Seconds since the epoch as yang:date-and-time in UTC, to the millisecond."""
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return f"{text.removesuffix('+00:00')}Z"
