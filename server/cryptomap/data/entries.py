"""The entries of a list inside an instance tree (``data.tree``), found by key, never changed in place.

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
from typing import TYPE_CHECKING, TypeAlias

from cryptomap.data.turns import give_way

if TYPE_CHECKING:
    from cryptomap.data.tree import Node

__all__ = [
    "CHUNK_MAX",
    "CHUNK_TARGET",
    "NO_ENTRIES",
    "Chunk",
    "Entries",
    "EntriesTypes",
    "Key",
    "KeylessEntries",
    "LazyEntries",
    "SortedEntries",
    "StoredEntries",
    "UserEntries",
    "entries_like",
]

KeyPart: TypeAlias = str | int
Key: TypeAlias = KeyPart | tuple[KeyPart, ...]
"""Identifies an entry in its list: the single key's value, or a tuple in key order. Integer keys are ``int`` here so
that entries sort by number; all others are canonical strings."""

CHUNK_TARGET = 256
CHUNK_MAX = 512


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
        if len(entries) == 1:
            return cls((Chunk(tuple(entries), tuple(entries.values())),), (), 1)
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


def _entries_of_chunks(chunks: tuple[Chunk, ...]) -> tuple[Sequence[Key], Sequence[Node]]:
    if len(chunks) == 1:
        return chunks[0].keys, chunks[0].nodes
    return [key for chunk in chunks for key in chunk.keys], [node for chunk in chunks for node in chunk.nodes]


def _chunks(entries: Mapping[Key, Node]) -> tuple[Chunk, ...]:
    """The entries in key order, in as few chunks of about equal size as CHUNK_TARGET allows."""
    keys = sorted(entries)
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
            give_way()
            entry = make(key, stored)
            if entry is not None:
                yield key, entry

    def nodes(self) -> Iterator[Node]:
        return (entry for _, entry in self.items())

    def mapped(self, make: Callable[[Key, Node], Node | None]) -> LazyEntries:
        """These entries, each made into another, or left out, when it is reached."""
        first = self._make

        def made(key: Key, stored: Node) -> Node | None:
            entry = first(key, stored)
            return None if entry is None else make(key, entry)

        return LazyEntries(self._base, made)

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


def entries_like(base: StoredEntries, entries: Mapping[Key, Node]) -> StoredEntries | None:
    """Entries of the same kind as ``base``; ``None`` if there are none."""
    if not entries:
        return None
    if isinstance(base, SortedEntries):
        return SortedEntries.build(entries)
    return UserEntries(entries) if isinstance(base, UserEntries) else KeylessEntries(entries.values())
