"""Instances that a user must not read, taken out of a tree (RFC 8341 section 3.2.4: omitted with all below them).

Only where a rule with predicates leads is anything looked at, and where the rules name their entries, only these. What
is left is a stored tree that shares the rest, so that it is written as fast as the whole one.
"""

from __future__ import annotations

from typing import cast

from cryptomap.data.tree import (
    EntriesTypes,
    Key,
    LazyEntries,
    Node,
    Path,
    SortedEntries,
    StoredEntries,
    Value,
    entries_like,
    key_from_text,
)
from cryptomap.operations.nacm.paths import OTHER_KEY
from cryptomap.operations.nacm.policy import Policy
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, LeafList, ListNode
from cryptomap.schema.types import TypeFault

__all__ = ["Pruner"]


class Pruner:
    """Takes from values what one policy hides instance by instance. What it hides as a schema node stays: whoever
    writes or filters leaves that out (``Policy.hides``)."""

    def __init__(self, policy: Policy, user: str) -> None:
        self._policy = policy
        self._user = user
        self._named: dict[str, frozenset[Key] | None] = {}

    def node(self, node: Node, path: Path) -> Node:
        """The content of a container, entry or root that may itself be read."""
        slots: list[Value | None] | None = None
        for child in node.schema.children:
            value = node.slots[child.slot]
            if value is None or not self._policy.is_conditional(child):
                continue
            left = self.value(child, value, path)
            if left is not value:
                slots = slots or list(node.slots)
                slots[child.slot] = left
        return node if slots is None else Node(node.schema, tuple(slots))

    def value(self, child: DataNode, value: Value, path: Path) -> Value | None:
        """What is left of a child's value below the instance at ``path``."""
        if isinstance(value, EntriesTypes):
            assert isinstance(child, ListNode)
            return self._entries(child, value, path)
        if isinstance(child, LeafList):
            items = cast("tuple[str, ...]", value)
            left = tuple([item for item in items if self._may(path, child, item)])
            return value if len(left) == len(items) else left or None
        if isinstance(child, Leaf) and child.is_key:
            return value
        if not self._may(path, child, None):
            return None
        if not isinstance(value, Node):
            return value
        inside = self.node(value, (*path, (child, None)))
        return None if inside.is_empty and isinstance(child, Container) and not child.presence else inside

    def _may(self, path: Path, child: DataNode, key: Key | None) -> bool:
        return self._policy.decide((*path, (child, key)), "read").permit

    # ===== lists =====

    def _entries(self, child: ListNode, entries: StoredEntries | LazyEntries, path: Path) -> Value | None:
        stored = entries.settle() if isinstance(entries, LazyEntries) else entries
        if stored is None:
            return None
        named = self._names(child)
        if named is None or not isinstance(stored, SortedEntries):
            return self._scanned(child, stored, path)
        found = ((key, stored.get(key)) for key in named)
        changes = {key: self._entry(child, key, entry, path) for key, entry in found if entry is not None}
        if not self._may(path, child, OTHER_KEY):
            return entries_like(stored, {key: entry for key, entry in changes.items() if entry is not None})
        if self._is_whole(child, (*path, (child, OTHER_KEY))):
            return stored.replace(changes)
        return self._scanned(child, stored, path)

    def _is_whole(self, inner: InnerNode, path: Path) -> bool:
        """Whether nothing is to be taken from entries that no rule names: a rule may permit for one entry what a mark
        or a default denies for all others."""
        for child in inner.children:
            if not self._policy.is_conditional(child) or (isinstance(child, Leaf) and child.is_key):
                continue
            key = OTHER_KEY if isinstance(child, ListNode | LeafList) else None
            if not self._may(path, child, key):
                return False
            if isinstance(child, InnerNode) and not self._is_whole(child, (*path, (child, key))):
                return False
        return True

    def _scanned(self, child: ListNode, entries: StoredEntries, path: Path) -> Value | None:
        left = {key: kept for key, entry in entries.items() if (kept := self._entry(child, key, entry, path))}
        same = len(left) == len(entries) and all(left[key] is entry for key, entry in entries.items())
        return entries if same else entries_like(entries, left)

    def _entry(self, child: ListNode, key: Key, entry: Node, path: Path) -> Node | None:
        return self.node(entry, (*path, (child, key))) if self._may(path, child, key) else None

    def _names(self, child: ListNode) -> frozenset[Key] | None:
        """The keys of the entries that rules tell apart from the others; ``None`` if there are rules that do not name
        entries by their whole key."""
        if child.path not in self._named:
            self._named[child.path] = self._find_names(child)
        return self._named[child.path]

    def _find_names(self, child: ListNode) -> frozenset[Key] | None:
        depth = _depth(child)
        named: set[Key] = set()
        for rule in self._policy.rules:
            if not rule.is_conditional or len(rule.steps) < depth or rule.steps[depth - 1].qname != child.qname:
                continue
            step = rule.steps[depth - 1]
            if not step.wanted and len(rule.steps) == depth:
                continue  # all entries alike
            if not step.is_full or not child.keys:
                return None
            texts = {at: self._user if text is None else text for at, text in step.wanted}
            try:
                named.add(key_from_text(child, tuple([texts[at] for at in range(len(child.keys))])))
            except (TypeFault, ValueError):
                continue  # a user's name that cannot be this key
        return frozenset(named)


def _depth(node: DataNode) -> int:
    depth = 0
    step: InnerNode | DataNode = node
    while step.parent is not None:
        depth, step = depth + 1, step.parent
    return depth
