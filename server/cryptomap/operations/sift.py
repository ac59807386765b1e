"""What get-data takes away from what a filter selected: by where a node comes from, whether it is configuration, and
how deep it is (RFC 8526 section 3.1.1). Long lists stay lazy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Final, TypeAlias

from cryptomap.data.defaults import Default
from cryptomap.data.tree import EntriesTypes, Key, LazyEntries, Node, Path, Value
from cryptomap.data.view import View
from cryptomap.operations.access import Hide
from cryptomap.schema.nodes import DataNode, Leaf, ListNode

__all__ = [
    "SUBSCRIPTIONS",
    "DepthView",
    "by_origin",
    "origin_of",
    "sift",
    "state_hidden",
    "state_only",
    "unannounced_hidden",
]

SUBSCRIPTIONS: Final = "/ietf-subscribed-notifications:subscriptions"

Keep: TypeAlias = Callable[[DataNode, Value | None], bool]
"""Whether a leaf, a leaf-list or an anydata node with that value stays; with ``None`` for a container or an entry:
whether it stays although nothing in it does."""


@lru_cache(maxsize=256)
def state_hidden(hide: Hide | None) -> Hide:
    """What hides state besides."""
    return lambda node: not node.config or (hide is not None and hide(node))


@lru_cache(maxsize=256)
def unannounced_hidden(announced: frozenset[str], hide: Hide | None) -> Hide:
    """What hides, besides, state that is neither above nor below one of the announced schema paths."""
    known: dict[DataNode, bool] = {}

    def hides(node: DataNode) -> bool:
        if node not in known:
            is_around = any(_is_below(node.path, path) or _is_below(path, node.path) for path in announced)
            known[node] = (not node.config and not is_around) or (hide is not None and hide(node))
        return known[node]

    return hides


def _is_below(path: str, other: str) -> bool:
    return f"{path}/".startswith(f"{other}/")


def state_only(child: DataNode, value: Value | None) -> bool:
    """Keep state data."""
    return not child.config


def by_origin(wanted: Callable[[str], bool]) -> Keep:
    """Keep configuration whose origin is wanted ("intended", "default" or "learned"), and all state."""

    def keep(child: DataNode, value: Value | None) -> bool:
        if not child.config:
            return True
        first = value[0] if isinstance(value, tuple) else value
        is_default = isinstance(first, Default) or (value is None and not _is_somebodys(child))
        return wanted("default" if is_default else origin_of(child))

    return keep


def origin_of(child: DataNode) -> str:
    """Where a configuration node that is no default comes from, in operational: subscriptions are what clients asked
    for by operations, all else is intended."""
    return "learned" if child.path.startswith(SUBSCRIPTIONS) else "intended"


def _is_somebodys(child: DataNode) -> bool:
    """Whether an instance says something by itself: an entry of a list or a presence container."""
    return isinstance(child, ListNode) or bool(getattr(child, "presence", False))


def sift(node: Node, keep: Keep) -> Node | None:
    """The node with what is kept, and what that stands in with its keys."""
    slots: list[Value | None] = [None] * len(node.slots)
    found = False
    for child, value in zip(node.schema.children, node.slots, strict=True):
        if value is None:
            continue
        if isinstance(child, Leaf) and child.is_key:
            slots[child.slot] = value
            continue
        slots[child.slot] = kept = _sift_value(child, value, keep)
        found = found or kept is not None
    return Node(node.schema, tuple(slots)) if found or _stays(node, keep) else None


def _stays(node: Node, keep: Keep) -> bool:
    return node.schema.parent is not None and _is_somebodys(node.schema) and keep(node.schema, None)


def _sift_value(child: DataNode, value: Value, keep: Keep) -> Value | None:
    if isinstance(value, Node):
        return sift(value, keep)
    if isinstance(value, EntriesTypes):
        lazy = _lazily(value, lambda key, entry: sift(entry, keep))
        return lazy if next(lazy.nodes(), None) is not None else None
    return value if keep(child, value) else None


def _lazily(value: Value, make: Callable[[Key, Node], Node | None]) -> LazyEntries:
    assert isinstance(value, EntriesTypes)
    return value.mapped(make) if isinstance(value, LazyEntries) else LazyEntries(value, make)


# ===== depth =====


class DepthView(View):
    """A view in which what a filter selects has no more than ``depth`` levels, the selected node being the first. Keys
    are always there."""

    depth = 1
    _inside = False

    def whole(self, child: DataNode, value: Value | None, parent: Node, path: Path) -> Value | None:
        if self._inside:
            return super().whole(child, value, parent, path)
        self._inside = True
        try:
            found = super().whole(child, value, parent, path)
        finally:
            self._inside = False
        return None if found is None else _cut(found, self.depth)

    def expand(self, node: Node, path: Path) -> Node:
        if self._inside or not path:
            return super().expand(node, path)
        self._inside = True
        try:
            found = super().expand(node, path)
        finally:
            self._inside = False
        return _cut_node(found, self.depth)


def _cut(value: Value, depth: int) -> Value:
    if isinstance(value, Node):
        return _cut_node(value, depth)
    if isinstance(value, EntriesTypes):
        return _lazily(value, lambda key, entry: _cut_node(entry, depth))
    return value


def _cut_node(node: Node, depth: int) -> Node:
    kept: Collection[DataNode] = node.schema.children
    if depth == 1:
        kept = node.schema.keys if isinstance(node.schema, ListNode) else ()
    slots: list[Value | None] = [None] * len(node.slots)
    for child in kept:
        value = node.slots[child.slot]
        slots[child.slot] = None if value is None else _cut(value, max(depth - 1, 1))
    return Node(node.schema, tuple(slots))
