"""Lists and leaf-lists while an edit works on them: changes are collected and made in one go at the end."""

from __future__ import annotations

from typing import TypeVar, cast

from cryptomap.data.tree import Key, Node, SortedEntries, StoredEntries, UserEntries, Value, values_of
from cryptomap.schema.nodes import LeafList

__all__ = ["SortedWork", "UserWork", "ValueWork", "entry_work"]

T = TypeVar("T")


def place(items: dict[Key, T], key: Key, insert: str, anchor: Key | None) -> dict[Key, T]:
    """The same items with one moved: ``first``, ``last``, ``before`` or ``after`` the anchor, which must be there."""
    moved = items[key]
    others = [item for item in items.items() if item[0] != key]
    at = 0 if insert == "first" else len(others)
    if insert in {"before", "after"}:
        at = [other for other, _ in others].index(cast(Key, anchor)) + (insert == "after")
    return dict([*others[:at], (key, moved), *others[at:]])


class SortedWork:
    """A list ordered by the system."""

    def __init__(self, entries: SortedEntries | None) -> None:
        self._entries = entries
        self._changes: dict[Key, Node | None] = {}

    def get(self, key: Key) -> Node | None:
        if key in self._changes:
            return self._changes[key]
        return None if self._entries is None else self._entries.get(key)

    def set(self, key: Key, node: Node | None) -> None:
        self._changes[key] = node

    def finish(self) -> StoredEntries | None:
        if self._entries is not None:
            return self._entries.replace(self._changes)
        return SortedEntries.build({key: node for key, node in self._changes.items() if node is not None})


class UserWork:
    """A list ordered by the user."""

    def __init__(self, entries: UserEntries | None) -> None:
        self._entries = entries
        self._items: dict[Key, Node] = dict(entries.items()) if entries is not None else {}

    def get(self, key: Key) -> Node | None:
        return self._items.get(key)

    def set(self, key: Key, node: Node | None) -> None:
        if node is None:
            self._items.pop(key, None)
        else:
            self._items[key] = node

    def place(self, key: Key, insert: str, anchor: Key | None) -> bool:
        """Move an entry that is there; False if the anchor is not."""
        if insert in {"before", "after"} and (anchor not in self._items or anchor == key):
            return False
        self._items = place(self._items, key, insert, anchor)
        return True

    def finish(self) -> StoredEntries | None:
        if self._entries is not None and len(self._entries) == len(self._items):
            pairs = zip(self._entries.items(), self._items.items(), strict=True)
            if all(old_key == key and old is new for (old_key, old), (key, new) in pairs):
                return self._entries
        return UserEntries(self._items) if self._items else None


class ValueWork:
    """A leaf-list."""

    def __init__(self, schema: LeafList, values: tuple[str, ...] | None) -> None:
        self._schema = schema
        self._old = values
        self._items: dict[Key, None] = dict.fromkeys(values or ())
        self.seen: set[str] = set()

    def __contains__(self, value: str) -> bool:
        return value in self._items

    def add(self, value: str) -> None:
        self._items.setdefault(value)

    def remove(self, value: str) -> None:
        self._items.pop(value, None)

    def place(self, value: str, insert: str, anchor: str | None) -> bool:
        """Move a value that is there; False if the anchor is not."""
        if insert in {"before", "after"} and (anchor not in self._items or anchor == value):
            return False
        self._items = place(self._items, value, insert, anchor)
        return True

    def finish(self) -> Value | None:
        values = values_of(self._schema, map(str, self._items))
        return self._old if values == self._old else values


def entry_work(user_ordered: bool, entries: Value | None) -> SortedWork | UserWork:
    """The work on a keyed configuration list that holds these entries now."""
    if user_ordered:
        assert entries is None or isinstance(entries, UserEntries)
        return UserWork(entries)
    assert entries is None or isinstance(entries, SortedEntries)
    return SortedWork(entries)
