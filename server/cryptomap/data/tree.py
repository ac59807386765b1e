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

Large lists. Entries that the system orders are kept sorted by key in chunks of a few hundred. A look-up bisects twice,
an update copies one chunk and the tuple of chunks, a diff skips every chunk that is the same object, and output in key
order needs no sorting. ``docs/decisions.md`` has the measurement against ``immutables.Map``, which has no structural
diff and no order.
"""

from __future__ import annotations

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import compress, count
from typing import TypeAlias, Union

from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, ListNode

__all__ = [
    "AnyValue",
    "Chunk",
    "Entries",
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
]

KeyPart: TypeAlias = str | int
Key: TypeAlias = KeyPart | tuple[KeyPart, ...]
"""Identifies an entry in its list: the single key's value, or a tuple in key order. Integer keys are ``int`` here so
that entries sort by number; all others are canonical strings."""

Step: TypeAlias = tuple[DataNode, Key | None]
Path: TypeAlias = tuple[Step, ...]
"""An instance path from the root: (schema node, key). The key is ``None`` for containers, leafs and a list as a whole,
the value itself for one value of a leaf-list, and the position (int, from 0) for an entry of a keyless list."""

Value: TypeAlias = Union[str, tuple[str, ...], "Node", "Entries", "AnyValue"]

CHUNK_TARGET = 256
CHUNK_MAX = 512


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
        return not any(value is not None for value in self.slots)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Node) and self.schema is other.schema and self.slots == other.slots

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Node {self.schema.path or '/'}>"


class Chunk:
    """A run of entries in key order. ``xml`` is for ``data.xml.memory``, which keeps their serialised forms there."""

    __slots__ = ("__weakref__", "keys", "nodes", "xml")

    def __init__(self, keys: tuple[Key, ...], nodes: tuple[Node, ...]) -> None:
        self.keys = keys
        self.nodes = nodes
        self.xml: dict[Hashable, bytes] | None = None


class SortedEntries:
    """The entries of a list ordered by the system, sorted by key. Never empty."""

    __slots__ = ("_firsts", "_length", "chunks")

    def __init__(
        self, chunks: tuple[Chunk, ...], firsts: tuple[Key, ...] | None = None, length: int | None = None
    ) -> None:
        """``firsts`` and ``length``, if known: the first key of each chunk and the number of all entries."""
        self.chunks = chunks
        self._length = sum([len(chunk.keys) for chunk in chunks]) if length is None else length
        if len(chunks) == 1:  # most lists are short and many: spend nothing on them
            self._firsts: tuple[Key, ...] = ()
        else:
            self._firsts = tuple([chunk.keys[0] for chunk in chunks]) if firsts is None else firsts

    @classmethod
    def build(cls, entries: Mapping[Key, Node]) -> SortedEntries | None:
        """From any mapping; ``None`` if it is empty."""
        if not entries:
            return None
        return cls(_chunks(entries))

    def get(self, key: Key) -> Node | None:
        chunk = self.chunks[bisect_right(self._firsts, key) - 1]  # -1, the last one, where no chunk can hold the key
        at = bisect_left(chunk.keys, key)
        return chunk.nodes[at] if at < len(chunk.keys) and chunk.keys[at] == key else None

    def __len__(self) -> int:
        return self._length

    def __contains__(self, key: Key) -> bool:
        return self.get(key) is not None

    def items(self) -> Iterator[tuple[Key, Node]]:
        for chunk in self.chunks:
            yield from zip(chunk.keys, chunk.nodes, strict=True)

    def nodes(self) -> Iterator[Node]:
        for chunk in self.chunks:
            yield from chunk.nodes

    def replace(self, changes: Mapping[Key, Node | None]) -> SortedEntries | None:
        """A copy with entries set (a Node) or removed (``None``); ``None`` if nothing is left, self if all is as it
        was. Costs the chunks touched, not the length of the list."""
        touched: dict[int, dict[Key, Node | None]] = {}
        for key, node in changes.items():
            at = max(bisect_right(self._firsts, key) - 1, 0)
            touched.setdefault(at, {})[key] = node
        chunks: list[Chunk] = []
        firsts: list[Key] = []
        length = self._length
        done = 0
        for at in sorted(touched):
            old = self.chunks[at]
            new = _update_chunk(old, touched[at])
            if new == (old,):
                continue
            chunks += self.chunks[done:at]
            firsts += self._firsts[done:at]
            chunks += new
            firsts += [chunk.keys[0] for chunk in new]
            length += sum([len(chunk.keys) for chunk in new]) - len(old.keys)
            done = at + 1
        if not done:
            return self
        chunks += self.chunks[done:]
        firsts += self._firsts[done:]
        return SortedEntries(tuple(chunks), tuple(firsts), length) if chunks else None

    def differences(self, new: SortedEntries) -> Iterator[tuple[Key, Node | None, Node | None]]:
        """(key, old entry, new entry) for every key whose entry is not the same object, in key order."""
        if self is new:
            return
        start, end = _shared_ends(self.chunks, new.chunks)
        before = _entries_of_chunks(self.chunks[start : len(self.chunks) - end])
        after = _entries_of_chunks(new.chunks[start : len(new.chunks) - end])
        start, end = _shared_ends(before[1], after[1])
        old_entries = dict(zip(*[part[start : len(part) - end] for part in before], strict=True))
        new_entries = dict(zip(*[part[start : len(part) - end] for part in after], strict=True))
        for key in sorted(old_entries.keys() | new_entries.keys()):
            old_node, new_node = old_entries.get(key), new_entries.get(key)
            if old_node is not new_node:
                yield key, old_node, new_node

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, SortedEntries) or len(self) != len(other):
            return False
        return all(old == new for _, old, new in self.differences(other))

    __hash__ = None  # type: ignore[assignment]


def _shared_ends(old: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """How many items are the same objects at the start of both, and then at the end of what is left."""
    shorter = min(len(old), len(new))
    start = next(compress(count(), map(operator.is_not, old, new)), shorter)
    end = next(compress(count(), map(operator.is_not, reversed(old), reversed(new))), shorter)
    return start, min(end, shorter - start)


def _entries_of_chunks(chunks: tuple[Chunk, ...]) -> tuple[list[Key], list[Node]]:
    return [key for chunk in chunks for key in chunk.keys], [node for chunk in chunks for node in chunk.nodes]


def _chunks(entries: Mapping[Key, Node]) -> tuple[Chunk, ...]:
    """The entries in key order, in as few chunks of about equal size as CHUNK_TARGET allows."""
    keys = sorted(entries) if len(entries) > 1 else list(entries)
    if len(keys) <= CHUNK_TARGET:
        return (_chunk(keys, entries),)
    pieces = (len(keys) + CHUNK_TARGET - 1) // CHUNK_TARGET
    size = (len(keys) + pieces - 1) // pieces
    return tuple([_chunk(keys[start : start + size], entries) for start in range(0, len(keys), size)])


def _chunk(keys: list[Key], entries: Mapping[Key, Node]) -> Chunk:
    return Chunk(tuple(keys), tuple([entries[key] for key in keys]))


def _update_chunk(chunk: Chunk, changes: Mapping[Key, Node | None]) -> tuple[Chunk, ...]:
    if len(changes) == 1:
        return _update_one(chunk, *next(iter(changes.items())))
    entries: dict[Key, Node] = dict(zip(chunk.keys, chunk.nodes, strict=True))
    changed = False
    for key, node in changes.items():
        changed = changed or entries.get(key) is not node
        if node is None:
            entries.pop(key, None)
        else:
            entries[key] = node
    if not changed:
        return (chunk,)
    if not entries:
        return ()
    return _chunks(entries) if len(entries) > CHUNK_MAX else (_chunk(sorted(entries), entries),)


def _update_one(chunk: Chunk, key: Key, node: Node | None) -> tuple[Chunk, ...]:
    keys, nodes = chunk.keys, chunk.nodes
    at = bisect_left(keys, key)
    found = at < len(keys) and keys[at] == key
    if (nodes[at] if found else None) is node:
        return (chunk,)
    tail = at + 1 if found else at
    if node is None:
        keys = keys[:at] + keys[tail:]
        nodes = nodes[:at] + nodes[tail:]
    else:
        if not found:
            keys = (*keys[:at], key, *keys[at:])
        nodes = (*nodes[:at], node, *nodes[tail:])
    if not keys:
        return ()
    if len(keys) > CHUNK_MAX:
        return _chunks(dict(zip(keys, nodes, strict=True)))
    return (Chunk(keys, nodes),)


class UserEntries:
    """The entries of a list ordered by the user, in that order. Never empty."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[Key, Node]) -> None:
        self._entries = dict(entries)

    def get(self, key: Key) -> Node | None:
        return self._entries.get(key)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def items(self) -> Iterator[tuple[Key, Node]]:
        return iter(self._entries.items())

    def nodes(self) -> Iterator[Node]:
        return iter(self._entries.values())

    def keys(self) -> tuple[Key, ...]:
        return tuple(self._entries)

    def replace(self, changes: Mapping[Key, Node | None]) -> UserEntries | None:
        """A copy with entries set in place (new ones at the end) or removed; ``None`` if nothing is left."""
        entries = self._entries | {key: node for key, node in changes.items() if node is not None}
        for key, node in changes.items():
            if node is None:
                entries.pop(key, None)
        return UserEntries(entries) if entries else None

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, UserEntries) and list(self._entries.items()) == list(other._entries.items())

    __hash__ = None  # type: ignore[assignment]


class KeylessEntries:
    """The entries of a state list without keys."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[Node]) -> None:
        self._entries = tuple(entries)

    def get(self, key: Key) -> Node | None:
        return self._entries[key] if isinstance(key, int) and 0 <= key < len(self._entries) else None

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        return self.get(key) is not None

    def items(self) -> Iterator[tuple[Key, Node]]:
        return iter(enumerate(self._entries))

    def nodes(self) -> Iterator[Node]:
        return iter(self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeylessEntries) and self._entries == other._entries

    __hash__ = None  # type: ignore[assignment]


class LazyEntries:
    """The entries of a list as one reply shows them: made from the stored ones when they are reached, and not kept.

    ``make`` gives an entry as it is to be shown, or ``None`` to leave it out. Such entries stand in trees that a view
    or a filter makes for one reader, never in a datastore."""

    __slots__ = ("_base", "_make")

    def __init__(self, base: StoredEntries, make: Callable[[Key, Node], Node | None]) -> None:
        self._base = base
        self._make = make

    def get(self, key: Key) -> Node | None:
        stored = self._base.get(key)
        return None if stored is None else self._make(key, stored)

    def __len__(self) -> int:
        return sum(1 for _ in self.items())

    def __contains__(self, key: Key) -> bool:
        return self.get(key) is not None

    def items(self) -> Iterator[tuple[Key, Node]]:
        make = self._make
        for key, stored in self._base.items():
            entry = make(key, stored)
            if entry is not None:
                yield key, entry

    def nodes(self) -> Iterator[Node]:
        return (entry for _, entry in self.items())

    def settle(self) -> StoredEntries | None:
        """The same entries, made once and kept; ``None`` if there are none."""
        return entries_like(self._base, dict(self.items()))

    def __eq__(self, other: object) -> bool:
        return self is other or self.settle() == (other.settle() if isinstance(other, LazyEntries) else other)

    __hash__ = None  # type: ignore[assignment]


StoredEntries: TypeAlias = SortedEntries | UserEntries | KeylessEntries
Entries: TypeAlias = StoredEntries | LazyEntries
EntriesTypes = (SortedEntries, UserEntries, KeylessEntries, LazyEntries)
NO_ENTRIES: Entries = KeylessEntries(())


def entries_of(schema: ListNode, entries: Mapping[Key, Node]) -> StoredEntries | None:
    """The right kind of entries for a keyed list, from a mapping in document order; ``None`` if it is empty."""
    if not entries:
        return None
    return UserEntries(entries) if schema.user_ordered else SortedEntries.build(entries)


def entries_like(base: StoredEntries, entries: Mapping[Key, Node]) -> StoredEntries | None:
    """Entries of the same kind as ``base``; ``None`` if there are none."""
    if not entries:
        return None
    if isinstance(base, SortedEntries):
        return SortedEntries.build(entries)
    return UserEntries(entries) if isinstance(base, UserEntries) else KeylessEntries(entries.values())


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
