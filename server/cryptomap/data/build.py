"""Plain Python values -> nodes of a tree, for what the server itself provides: state, notifications, replies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias, overload

from cryptomap.data.tree import AnyValue, EntriesTypes, KeylessEntries, Node, Value, entries_of, key_of
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, ListNode

__all__ = ["Plain", "build", "build_entries", "date_and_time", "seconds_of"]

_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

Plain: TypeAlias = Mapping[str, Any]
"""Children by name: a leaf is a str, int, bool or address (one of type empty: whether it is there); a leaf-list is an
iterable of such; a container is a mapping; a list is an iterable of mappings. ``None`` is absent. Values are canonical,
identities ``module:name``."""


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
    if plain is None or isinstance(plain, (Node, AnyValue, *EntriesTypes)):
        return plain
    if isinstance(child, Leaf):
        return _leaf(child, plain)
    if isinstance(child, ListNode):
        return build_entries(child, plain)
    if isinstance(child, InnerNode):
        node = build(child, plain)
        return None if node.is_empty and not (isinstance(child, Container) and child.presence) else node
    return tuple([_text(item) for item in plain]) or None


def _leaf(leaf: Leaf, plain: object) -> str | None:
    if leaf.type.base == "empty" and isinstance(plain, bool):
        return "" if plain else None
    return _text(plain)


def _text(plain: object) -> str:
    return ("true" if plain else "false") if isinstance(plain, bool) else str(plain)


@overload
def date_and_time(seconds: float) -> str: ...
@overload
def date_and_time(seconds: float | None) -> str | None: ...
def date_and_time(seconds: float | None) -> str | None:
    """Seconds since the epoch as yang:date-and-time in UTC, to the millisecond."""
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return f"{text.removesuffix('+00:00')}Z"


def seconds_of(text: str) -> float:
    """The inverse, for any yang:date-and-time (RFC 3339 with its offset). Raises ValueError."""
    if _DATE_AND_TIME.fullmatch(text) is None:
        raise ValueError(f"'{text}' is no date and time")
    return datetime.fromisoformat(text).timestamp()
