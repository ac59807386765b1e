"""What a reader sees: configuration plus state that is asked for only where the reader goes.

State comes from providers, registered at the schema path of a config-false node (or,
for the operational datastore, of configuration that did not come from running). A provider is called with the instance
path of the node it stands for and answers its value, as a tree would hold it. Lists that have state inside are shown
as :class:`LazyEntries`, so that a reply over 100,000 entries asks for their state one by one while it is written.

A view can also show defaults in use (RFC 6243 report-all). They are marked as :class:`Default`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from cryptomap.data.defaults import case_in_use, implied
from cryptomap.data.path import text_of
from cryptomap.data.tree import EntriesTypes, Key, LazyEntries, Node, Path, Value, entries_like
from cryptomap.data.xpath import Cursor, Env
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema

__all__ = ["Provider", "ProviderFault", "View", "fill", "materialize"]

log = logging.getLogger(__name__)

Provider: TypeAlias = Callable[[Path], Value | None]
"""Answers the value of a state node at an instance path; ``None`` if there is none now."""

Hide: TypeAlias = Callable[[DataNode], bool]
"""Whether a schema node is not there for a reader; always the same object for the same answers: they are remembered."""

MAX_FAULTS = 100


@dataclass(frozen=True, slots=True)
class ProviderFault:
    """A part of the state that a reply had to leave out."""

    path: Path
    reason: str


class View:
    """One reader's view of a tree. ``deadline`` (``time.monotonic`` seconds) ends the asking of providers: what comes
    later is left out and reported in ``faults``. Showing defaults needs the schema, for when conditions; those of state
    are shown only if there are providers. ``hide`` names schema nodes that are not there for this reader, with all
    below them; keys of a list are always there."""

    def __init__(
        self,
        root: Node,
        providers: Mapping[str, Provider] | None = None,
        *,
        schema: Schema | None = None,
        defaults: bool = False,
        deadline: float | None = None,
        hide: Hide | None = None,
    ) -> None:
        if defaults and schema is None:
            raise ValueError("a view that shows defaults needs the schema")
        self.root = root
        self.schema = schema
        self.defaults = defaults
        self.deadline = deadline
        self.faults: list[ProviderFault] = []
        self._providers = providers or {}
        self._above = frozenset(_ancestors(self._providers))
        self._hide = hide

    def hides(self, child: DataNode) -> bool:
        """Whether that schema node is not there for this reader."""
        return self._hide is not None and _hides(self._hide, child)

    def value(self, node: Node, child: DataNode, path: Path) -> Value | None:
        """What stands below ``node``, whose own path is ``path``: stored, asked, or a default in use if the view shows
        those. State further inside is not asked yet."""
        if self.hides(child):
            return None
        if child.path in self._providers:
            return self._ask(self._providers[child.path], (*path, (child, None)))
        value = node.slots[child.slot]
        if value is None and self.defaults and isinstance(child, Leaf | LeafList) and (child.config or self._providers):
            value = implied(node, child)
            if value is not None and not self._when_holds(child, value, path):
                return None
        return value

    def children(self, node: Node, path: Path) -> Iterator[tuple[DataNode, Value]]:
        """All children with everything inside, in schema order; each is asked for when the iteration gets there."""
        for child in node.schema.children:
            value = self.whole(child, self.value(node, child, path), node, path)
            if value is not None:
                yield child, value

    def whole(self, child: DataNode, value: Value | None, parent: Node, path: Path) -> Value | None:
        """The value with all state inside, where ``parent`` at ``path`` is the node it stands in."""
        if not isinstance(child, InnerNode) or not self.is_live(child):
            return value
        if isinstance(child, Container):
            return self._whole_container(child, value, parent, path)
        if not isinstance(value, EntriesTypes) or isinstance(value, LazyEntries):
            return value
        assert isinstance(child, ListNode)
        return LazyEntries(value, lambda key, entry: self.expand(entry, (*path, (child, key))))

    def expand(self, node: Node, path: Path) -> Node:
        """The node with all state inside; itself if there is nothing to add."""
        if not self.is_live(node.schema):
            return node
        slots = list(node.slots)
        for child in node.schema.children:
            slots[child.slot] = self.whole(child, self.value(node, child, path), node, path)
        same = all(new is old for new, old in zip(slots, node.slots, strict=True))
        return node if same else Node(node.schema, tuple(slots))

    def is_live(self, child: DataNode) -> bool:
        """Whether below that schema node this view may differ from the tree: asked, added or hidden."""
        if self.defaults or child.path in self._above:
            return True
        return self._hide is not None and _hides_below(self._hide, child)

    def materialize(self) -> Node:
        """The whole view as a stored tree, everything asked."""
        return materialize(self.expand(self.root, ()))

    def opened(self, child: Container, value: Value | None, parent: Node, path: Path) -> Node | None:
        """The container to look into: also one that is not stored, if it may hold state or defaults."""
        if isinstance(value, Node):
            return value
        if child.presence or not self.is_live(child) or not case_in_use(parent, parent.schema, child.slot):
            return None
        empty = Node.empty(child)
        return empty if self._when_holds(child, empty, path) else None

    def _whole_container(self, child: Container, value: Value | None, parent: Node, path: Path) -> Node | None:
        opened = self.opened(child, value, parent, path)
        if opened is None:
            return None
        expanded = self.expand(opened, (*path, (child, None)))
        return None if expanded.is_empty and not child.presence else expanded

    def _ask(self, provider: Provider, path: Path) -> Value | None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            self._report(path, "not asked: the time for this reply is over")
            return None
        try:
            return provider(path)
        except Exception as fault:  # whatever goes wrong in one provider costs its part of the reply, not the reply
            log.exception("state at %s is left out", text_of(path))
            self._report(path, f"{type(fault).__name__}: {fault}")
            return None

    def _report(self, path: Path, reason: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(ProviderFault(path, reason))

    def _when_holds(self, child: DataNode, value: Value, path: Path) -> bool:
        if not child.whens or self.schema is None:
            return True
        env = Env(self.schema, self.root, view=self)
        parent = env.root
        for schema, key in path:
            parent = _step(env, parent, schema, key)
        return env.exists_under_when(parent, child)


def _hides(hide: Hide, child: DataNode) -> bool:
    return not (isinstance(child, Leaf) and child.is_key) and hide(child)


@lru_cache(maxsize=8192)
def _hides_below(hide: Hide, node: DataNode) -> bool:
    return isinstance(node, InnerNode) and any(_hides(hide, c) or _hides_below(hide, c) for c in node.children)


def _step(env: Env, parent: Cursor, schema: DataNode, key: Key | None) -> Cursor:
    value = env.value(parent, schema)
    if key is not None and isinstance(value, EntriesTypes):
        value = value.get(key)
    assert value is not None
    return Cursor(parent, schema, value, key)


def _ancestors(paths: Iterable[str]) -> Iterator[str]:
    """The schema paths above the given ones, with that of the root, which is empty."""
    for path in paths:
        while path:
            path = path.rpartition("/")[0]
            yield path


def fill(schema: Schema, root: Node) -> Node:
    """The tree with all defaults in use written out, each a :class:`Default`."""
    return View(root, schema=schema, defaults=True).materialize()


def materialize(node: Node) -> Node:
    """The same tree with every lazily made entry made and kept; the node itself if it has none."""
    slots = tuple([_settled(value) for value in node.slots])
    same = all(new is old for new, old in zip(slots, node.slots, strict=True))
    return node if same else Node(node.schema, slots)


def _settled(value: Value | None) -> Value | None:
    if isinstance(value, Node):
        return materialize(value)
    if not isinstance(value, EntriesTypes):
        return value
    stored = value.settle() if isinstance(value, LazyEntries) else value
    if stored is None:
        return None
    entries = {key: materialize(entry) for key, entry in stored.items()}
    same = all(new is old for new, old in zip(entries.values(), stored.nodes(), strict=True))
    return stored if same else entries_like(stored, entries)
