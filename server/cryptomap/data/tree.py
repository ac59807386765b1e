"""Immutable instance trees.

A :class:`Node` is a container, a list entry or the root: its schema node and one slot per schema child. What a slot
holds depends on the schema child:

=============  =================================================================================================
leaf           ``str``, the canonical value (RFC 7950 section 9.1; identities as ``module:name``)
leaf-list      non-empty ``tuple`` of canonical strings, in their order
container      :class:`Node`; a non-presence container without content is ``None``, never an empty Node
list           :class:`SortedEntries` (ordered-by system), :class:`UserEntries` (ordered-by user) or
               :class:`KeylessEntries` (state without keys); never empty
anydata/anyxml :class:`AnyValue`
=============  =================================================================================================

``None`` means absent. Defaults are not stored (``data.defaults`` knows them). Nothing here is ever changed in place: an
edit makes new nodes along the path to the root and shares everything else, so a candidate is a reference, a rollback is
a pointer and "the same object" means "nothing changed below".
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import TypeAlias, Union

from cryptomap.data.entries import (
    CHUNK_MAX,
    CHUNK_TARGET,
    NO_ENTRIES,
    Chunk,
    Entries,
    EntriesTypes,
    Key,
    KeylessEntries,
    LazyEntries,
    SortedEntries,
    StoredEntries,
    UserEntries,
    entries_like,
)
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode

__all__ = [
    "CHUNK_MAX",
    "CHUNK_TARGET",
    "NO_ENTRIES",
    "AnyValue",
    "Chunk",
    "Entries",
    "EntriesTypes",
    "Key",
    "KeylessEntries",
    "LazyEntries",
    "Node",
    "Path",
    "SortedEntries",
    "Step",
    "StoredEntries",
    "UserEntries",
    "Value",
    "entries_like",
    "entries_of",
    "key_from_text",
    "key_of",
    "key_text",
    "reuse",
    "values_of",
]

Step: TypeAlias = tuple[DataNode, Key | None]
Path: TypeAlias = tuple[Step, ...]
"""An instance path from the root: (schema node, key). The key is ``None`` for containers, leafs and a list as a whole,
the value itself for one value of a leaf-list, and the position (int, from 0) for an entry of a keyless list."""

Value: TypeAlias = Union[str, tuple[str, ...], "Node", "Entries", "AnyValue"]


class AnyValue:
    """The content of an anydata or anyxml node: a self-contained XML element, namespaces declared, as UTF-8."""

    __slots__ = ("xml",)

    def __init__(self, xml: bytes) -> None:
        self.xml = xml

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnyValue) and self.xml == other.xml

    def __hash__(self) -> int:
        return hash(self.xml)


class Node:
    """An immutable container, list entry or root. Compare with ``is`` for "untouched", with ``==`` for content."""

    __slots__ = ("schema", "slots")

    def __init__(self, schema: InnerNode, slots: tuple[Value | None, ...]) -> None:
        self.schema = schema
        self.slots = slots

    @classmethod
    def empty(cls, schema: InnerNode) -> Node:
        return cls(schema, (None,) * len(schema.children))

    def get(self, child: DataNode) -> Value | None:
        """What stands in the slot of that schema child; ``None`` if it is absent (defaults are not applied)."""
        return self.slots[child.slot]

    def __getitem__(self, name: str) -> Value | None:
        """The same by name: ``"leaf"`` in this node's module or ``"module:leaf"``. KeyError for an unknown name."""
        by_qname = self.schema.by_qname
        child = by_qname.get(name) or by_qname.get(f"{self.schema.module}:{name}")
        if child is None:
            raise KeyError(name)
        return self.slots[child.slot]

    def text(self, name: str) -> str | None:
        """The explicit value of a leaf by name, or ``None``."""
        value = self[name]
        return value if isinstance(value, str) else None

    def node(self, name: str) -> Node | None:
        """The container of that name, or ``None``."""
        value = self[name]
        return value if isinstance(value, Node) else None

    def entries(self, name: str) -> Entries:
        """The entries of the list of that name; an empty collection when it is absent."""
        value = self[name]
        return value if isinstance(value, EntriesTypes) else NO_ENTRIES

    def values(self, name: str) -> tuple[str, ...]:
        """The values of the leaf-list of that name; empty when it is absent."""
        value = self[name]
        return value if isinstance(value, tuple) else ()

    def with_slot(self, slot: int, value: Value | None) -> Node:
        """A copy with one slot replaced; self if the slot holds that very object already."""
        slots = self.slots
        if slots[slot] is value:
            return self
        return Node(self.schema, (*slots[:slot], value, *slots[slot + 1 :]))

    @property
    def is_empty(self) -> bool:
        return not any(map(operator.is_not, self.slots, repeat(None)))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Node) and self.schema is other.schema and self.slots == other.slots

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Node {self.schema.path or '/'}>"


def entries_of(schema: ListNode, entries: Mapping[Key, Node]) -> StoredEntries | None:
    """The right kind of entries for a keyed list, from a mapping in document order; ``None`` if it is empty."""
    if not entries:
        return None
    return UserEntries(entries) if schema.user_ordered else SortedEntries.build(entries)


def values_of(schema: LeafList, values: Iterable[str]) -> tuple[str, ...] | None:
    """The values of a leaf-list as a tree holds them: where their order is the system's they are sorted."""
    if schema.config and not schema.user_ordered:
        values = sorted(values, key=schema.type.sort_key)
    return tuple(values) or None


def reuse(old: Value | None, new: Value | None) -> Value | None:
    """``new`` with all that is equal to ``old`` in the same place taken from there, so that "the same object" goes on
    to mean "nothing changed" after something was replaced by nearly the same."""
    if old is None or new is None or old is new:
        return new
    if isinstance(old, Node) and isinstance(new, Node):
        if old.schema is not new.schema:
            return new
        slots = tuple(map(reuse, old.slots, new.slots))
        return old if all(map(operator.is_, slots, old.slots)) else Node(new.schema, slots)
    if isinstance(old, SortedEntries) and isinstance(new, SortedEntries):
        return old.replace({key: _reuse_entry(before, after) for key, before, after in old.differences(new)})
    if isinstance(old, UserEntries) and isinstance(new, UserEntries):
        entries = {key: _reuse_entry(old.get(key), entry) or entry for key, entry in new.items()}
        same = old.keys() == tuple(entries) and all(map(operator.is_, old.nodes(), entries.values()))
        return old if same else UserEntries(entries)
    return old if old == new else new


def _reuse_entry(old: Node | None, new: Node | None) -> Node | None:
    entry = reuse(old, new)
    assert entry is None or isinstance(entry, Node)
    return entry


def key_of(entry: Node) -> Key:
    """The key of a list entry, read from its key leafs. KeyError-free: all keys of a stored entry are present."""
    schema = entry.schema
    assert isinstance(schema, ListNode)
    return key_from_text(schema, tuple([_key_value(entry, leaf) for leaf in schema.keys]))


def _key_value(entry: Node, leaf: Leaf) -> str:
    value = entry.slots[leaf.slot]
    assert isinstance(value, str)
    return value


def key_from_text(schema: ListNode, values: tuple[str, ...]) -> Key:
    """The key made of canonical key values in key order."""
    if len(values) == 1:
        return schema.keys[0].type.sort_key(values[0])
    return tuple([leaf.type.sort_key(value) for leaf, value in zip(schema.keys, values, strict=True)])


def key_text(key: Key) -> tuple[str, ...]:
    """The canonical key values of a key, in key order."""
    return tuple([str(part) for part in key]) if isinstance(key, tuple) else (str(key),)
