"""State as plain Python values -> nodes of a tree, for the modules whose state the server itself provides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from cryptomap.data.tree import AnyValue, EntriesTypes, KeylessEntries, Node, Value, entries_of, key_of
from cryptomap.schema.nodes import DataNode, InnerNode, ListNode

__all__ = ["Plain", "build", "date_and_time", "seconds_of"]

_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

Plain: TypeAlias = Mapping[str, Any]
"""Children by name: a leaf is a str, an int, or True for an empty or boolean one; a leaf-list is a list of such; a
container is a mapping; a list is an iterable of mappings. ``None`` and False are absent. Values are canonical."""


def build(schema: InnerNode, content: Plain) -> Node:
    """The node of that schema node with this content. Raises KeyError for a name the schema does not have."""
    slots: list[Value | None] = [None] * len(schema.children)
    for name, plain in content.items():
        child = schema.by_qname.get(name) or schema.by_qname[f"{schema.module}:{name}"]
        slots[child.slot] = _value(child, plain)
    return Node(schema, tuple(slots))


def _value(child: DataNode, plain: Any) -> Value | None:
    if plain is None or plain is False:
        return None
    if isinstance(plain, (Node, AnyValue, *EntriesTypes)):
        return plain
    if isinstance(child, ListNode):
        return _entries(child, plain)
    if isinstance(child, InnerNode):
        return build(child, plain)
    if isinstance(plain, (list, tuple)):
        return tuple([str(item) for item in plain]) or None
    return "" if plain is True else str(plain)


def _entries(schema: ListNode, plain: Iterable[Plain]) -> Value | None:
    nodes = [build(schema, entry) for entry in plain]
    if not nodes:
        return None
    return entries_of(schema, {key_of(node): node for node in nodes}) if schema.keys else KeylessEntries(nodes)


def date_and_time(seconds: float) -> str:
    """Seconds since the epoch as yang:date-and-time in UTC, to the millisecond."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return f"{text.removesuffix('+00:00')}Z"


def seconds_of(text: str) -> float:
    """The inverse, for any yang:date-and-time (RFC 3339 with its offset). Raises ValueError."""
    if _DATE_AND_TIME.fullmatch(text) is None:
        raise ValueError(f"'{text}' is no date and time")
    return datetime.fromisoformat(text).timestamp()
