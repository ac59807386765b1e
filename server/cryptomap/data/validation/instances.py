"""Instances by schema node and keys, in trees and below each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from cryptomap.data.tree import Entries, Key, KeylessEntries, Node, Path, SortedEntries, UserEntries, Value
from cryptomap.data.validation.dependencies import chain_of, key_count
from cryptomap.data.validation.references import Keys
from cryptomap.schema.nodes import Container, DataNode, Leaf, LeafList, ListNode

__all__ = ["Instance", "defaults_of", "entries_in", "entry_in", "find", "path_at", "removed", "values_in", "way_up"]

Instance = tuple[DataNode, Keys]
"""A schema node and the keys along the path. A list, or leaf-list, as a whole lacks its own key at the end."""


def path_at(node: DataNode, keys: Keys) -> Path:
    """The instance path of a schema node with the keys along it."""
    rest = iter(keys)
    return tuple(
        [(step, next(rest, None) if isinstance(step, (ListNode, LeafList)) else None) for step in chain_of(node)]
    )


@lru_cache(maxsize=65_536)
def way_up(node: DataNode) -> tuple[tuple[DataNode, int], ...]:
    """The schema nodes from this one up to the root, each with how many keys its instances have."""
    way = []
    at: DataNode | None = node
    while at is not None:
        way.append((at, key_count(at)))
        at = at.parent
    return tuple(way)


def find(root: Node, node: DataNode, keys: Keys) -> Value | None:
    """What is stored at an instance. A leaf-list is found as a whole, and a list without its own key, too."""
    value: Value | None = root
    rest = iter(keys)
    for step in chain_of(node):
        if not isinstance(value, Node):
            return None
        value = value.slots[step.slot]
        if isinstance(step, ListNode) and value is not None:
            key: Key | None = next(rest, None)
            value = entry_in(value, key) if key is not None else value
    return value


def values_in(value: Value | None) -> tuple[str, ...]:
    """The values of a leaf or leaf-list."""
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, tuple) else ()


def entries_in(value: Value | None) -> Iterable[tuple[Key, Node]]:
    """The entries of a list with their keys."""
    return value.items() if isinstance(value, (SortedEntries, UserEntries, KeylessEntries)) else ()


def entry_in(value: Value | None, key: Key) -> Node | None:
    """The entry of a list with that key."""
    return value.get(key) if isinstance(value, (SortedEntries, UserEntries, KeylessEntries)) else None


def defaults_of(node: DataNode) -> tuple[str, ...]:
    """The values a leaf or leaf-list may have without anybody setting them."""
    if isinstance(node, Leaf):
        return () if node.default is None else (node.default,)
    return node.defaults if isinstance(node, LeafList) else ()


def removed(node: Node, paths: Sequence[Path]) -> Node:
    """A tree without the instances at these paths (none above another). Containers that end up empty go too."""
    by_child: dict[DataNode, list[Path]] = {}
    for path in paths:
        by_child.setdefault(path[0][0], []).append(path)
    for child, below in by_child.items():
        node = node.with_slot(child.slot, _less(child, node.slots[child.slot], below))
    return node


def _less(child: DataNode, value: Value | None, paths: list[Path]) -> Value | None:
    if isinstance(child, ListNode) and isinstance(value, (SortedEntries, UserEntries)):
        return _fewer_entries(value, paths)
    if isinstance(value, tuple):
        unwanted = {path[0][1] for path in paths}
        return tuple([item for item in value if item not in unwanted]) or None
    inside = [path[1:] for path in paths]
    if not isinstance(value, Node) or not all(inside):
        return None
    left = removed(value, inside)
    return None if isinstance(child, Container) and not child.presence and left.is_empty else left


def _fewer_entries(entries: SortedEntries | UserEntries, paths: list[Path]) -> Entries | None:
    by_key: dict[Key, list[Path]] = {}
    for path in paths:
        key = path[0][1]
        assert key is not None
        by_key.setdefault(key, []).append(path[1:])
    changes: dict[Key, Node | None] = {}
    for key, inside in by_key.items():
        entry = entries.get(key)
        changes[key] = removed(entry, inside) if entry is not None and all(inside) else None
    return entries.replace(changes)
