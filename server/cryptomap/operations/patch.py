"""Changes of a datastore as the edits of a YANG patch (RFC 8072)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cryptomap.data.build import Plain
from cryptomap.data.diff import Change, entry_moves, value_moves
from cryptomap.data.path import resource_identifier
from cryptomap.data.tree import AnyValue, Key, KeylessEntries, Node, Path, UserEntries, Value, entries_of
from cryptomap.data.xml import WriteOptions, write
from cryptomap.schema.nodes import DataNode, LeafList, ListNode, Schema

__all__ = ["Edits"]


class Edits:
    """Makes the edits; an instance's values stand in elements of ``namespace``. ``options`` says how each of the
    elements is written ("value", and "source-value" if old values are wanted, too)."""

    def __init__(self, schema: Schema, namespace: str, options: Mapping[str, WriteOptions]) -> None:
        self._schema = schema
        self._namespace = namespace
        self._options = options
        self._ids = itertools.count(1)

    def of(self, changes: Iterable[Change]) -> Iterator[Plain]:
        """The edits, as content of the list edit."""
        for change in changes:
            path, old, new = change.path, change.old, change.new
            node, key = path[-1]
            if isinstance(node, ListNode) and key is None:
                yield from self._entries(path, old, new)
            elif isinstance(node, LeafList):
                yield from self._values(path, _items(old), _items(new))
            elif old is None and new is not None:
                yield self._edit("create", path, value=new)
            elif new is None and old is not None:
                yield self._edit("delete", path, source_value=old)
            elif old is not None and new is not None:
                yield self._edit("replace", path, value=new, source_value=old)

    def _entries(self, path: Path, old: Value | None, new: Value | None) -> Iterator[Plain]:
        node = path[-1][0]
        if isinstance(old, UserEntries) and isinstance(new, UserEntries):
            for key, before in entry_moves(old, new):
                yield self._placed("move", path, node, key, before)
        elif isinstance(old, KeylessEntries) or isinstance(new, KeylessEntries):
            yield self._edit("replace", path, value=new, source_value=old)

    def _values(self, path: Path, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[Plain]:
        node = path[-1][0]
        assert isinstance(node, LeafList)
        for value in old:
            if value not in new:
                yield self._edit("delete", (*path[:-1], (node, value)), source_value=(value,))
        if node.user_ordered:
            for value, before in value_moves(old, new):
                yield self._placed("move" if value in old else "insert", path, node, value, before)
            return
        for value in new:
            if value not in old:
                yield self._edit("create", (*path[:-1], (node, value)), value=(value,))

    def _placed(self, operation: str, path: Path, node: DataNode, key: Key, before: Key | None) -> Plain:
        there = (*path[:-1], (node, key))
        edit = self._edit(operation, there, value=(str(key),) if operation == "insert" else None)
        if before is None:
            return {**edit, "where": "first"}
        return {**edit, "where": "after", "point": resource_identifier((*path[:-1], (node, before)))}

    def _edit(
        self, operation: str, path: Path, *, value: Value | None = None, source_value: Value | None = None
    ) -> dict[str, Any]:
        edit: dict[str, Any] = {
            "edit-id": str(next(self._ids)),
            "operation": operation,
            "target": resource_identifier(path),
        }
        for name, shown in (("value", value), ("source-value", source_value)):
            if shown is not None and name in self._options:
                edit[name] = self._instance(name, path[-1][0], path[-1][1], shown)
        return edit

    def _instance(self, name: str, node: DataNode, key: Key | None, value: Value) -> AnyValue:
        """The anydata with the instance in it."""
        parent = node.parent
        assert parent is not None
        held = value
        if isinstance(node, ListNode) and isinstance(value, Node):
            entries = entries_of(node, {key: value}) if node.keys and key is not None else KeylessEntries((value,))
            assert entries is not None
            held = entries
        content = write(self._schema, Node.empty(parent).with_slot(node.slot, held), self._options[name])
        return AnyValue(
            b'<%b xmlns="%b">%b</%b>' % (name.encode(), self._namespace.encode(), b"".join(content), name.encode())
        )


def _items(value: Value | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()
