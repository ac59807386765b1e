"""A configuration while it is typed: a mutable copy of the nodes that lines touch, all others shared with the base."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from cryptomap.data.tree import Entries, EntriesTypes, Key, Node, Value, entries_of
from cryptomap.schema.nodes import Choice, Container, DataNode, InnerNode, LeafList, ListNode
from cryptomap.staros.paths import leaf_schema, list_schema, resolve

__all__ = ["Draft", "DraftEntries"]


class DraftEntries:
    """The entries of a list being edited, in order."""

    def __init__(self, schema: ListNode, base: Entries | None) -> None:
        self.schema = schema
        self.items: dict[Key, Node | Draft] = dict(base.items()) if base is not None else {}

    def draft(self, key: Key) -> Draft | None:
        """The entry with that key, opened for edits."""
        found = self.items.get(key)
        if isinstance(found, Node):
            found = self.items[key] = Draft(self.schema, found)
        return found

    def create(self, key: Key, keys: dict[str, str]) -> Draft:
        """A new entry at the end; ``keys`` are its key leafs by name."""
        entry = self.items[key] = Draft(self.schema)
        assert isinstance(entry, Draft)
        for name, value in keys.items():
            entry.set(name, value)
        return entry

    def drafts(self) -> Iterator[tuple[Key, Draft]]:
        """All entries, opened for edits."""
        for key in list(self.items):
            entry = self.draft(key)
            assert entry is not None
            yield key, entry

    def move(self, key: Key, position: int) -> None:
        """Put an entry where only ``position`` others are before it."""
        order = [other for other in self.items if other != key]
        order.insert(position, key)
        self.items = {other: self.items[other] for other in order}

    def freeze(self) -> Value | None:
        entries = {key: item.entry() if isinstance(item, Draft) else item for key, item in self.items.items()}
        return entries_of(self.schema, entries)


class Draft:
    """A container, list entry or root being edited. ``insertion`` is the place for new rules of an access list,
    ``made_by`` the words of the command that made the entry in this text."""

    def __init__(self, schema: InnerNode, base: Node | None = None) -> None:
        self.schema = schema
        self.insertion: int | None = None
        self.made_by = ""
        self.slots: list[Value | Draft | DraftEntries | None]
        self.slots = [None] * len(schema.children) if base is None else list(base.slots)

    # ===== leafs =====

    def value(self, path: str) -> str | tuple[str, ...] | None:
        """What is set for a leaf or leaf-list; defaults do not count."""
        holder = self._holder(path, create=False)
        found = None if holder is None else holder.slots[resolve(self.schema, path)[-1].slot]
        return found if isinstance(found, str | tuple) else None

    def effective(self, path: str) -> str | tuple[str, ...] | None:
        """The same, else the default of the leaf (regardless of choices: the grammar asks for none inside one)."""
        leaf = leaf_schema(self.schema, path)
        default = leaf.defaults or None if isinstance(leaf, LeafList) else leaf.default
        found = self.value(path)
        return default if found is None else found

    def set(self, path: str, value: str | tuple[str, ...]) -> None:
        """Set a leaf or leaf-list; other cases of the choices it stands in go away."""
        leaf = leaf_schema(self.schema, path)
        if isinstance(leaf, LeafList) and not leaf.user_ordered:
            value = tuple(sorted(value, key=leaf.type.sort_key))
        holder = self._holder(path, create=True)
        assert holder is not None
        holder.put(leaf.slot, value)

    def remove(self, path: str) -> bool:
        """Remove a leaf, leaf-list or container; false if there is none."""
        holder = self._holder(path, create=False)
        slot = resolve(self.schema, path)[-1].slot
        if holder is None or holder.slots[slot] is None:
            return False
        holder.slots[slot] = None
        return True

    def put(self, slot: int, value: Value | Draft | DraftEntries) -> None:
        self.slots[slot] = value
        for other in _rivals(self.schema, slot):
            self.slots[other] = None

    # ===== what is inside =====

    def container(self, path: str) -> Draft:
        """A container, made if it is not there."""
        found = self._walk(resolve(self.schema, path), create=True)
        assert found is not None
        return found

    def entries(self, path: str) -> DraftEntries:
        """The entries of a list, opened for edits."""
        schema = list_schema(self.schema, path)
        holder = self._holder(path, create=True)
        assert holder is not None
        found = holder.slots[schema.slot]
        if not isinstance(found, DraftEntries):
            found = DraftEntries(schema, found if isinstance(found, EntriesTypes) else None)
            holder.put(schema.slot, found)
        return found

    def _holder(self, path: str, *, create: bool) -> Draft | None:
        """The draft of the node that holds the last step."""
        return self._walk(resolve(self.schema, path)[:-1], create=create)

    def _walk(self, steps: tuple[DataNode, ...], *, create: bool) -> Draft | None:
        here = self
        for step in steps:
            found = here.slots[step.slot]
            assert isinstance(step, Container)
            if not isinstance(found, Draft):
                if found is None and not create:
                    return None
                found = Draft(step, found if isinstance(found, Node) else None)
                here.put(step.slot, found)
            here = found
        return here

    # ===== the result =====

    def entry(self) -> Node:
        """What has been made of it, also if that is nothing."""
        return Node(self.schema, tuple([_freeze(value) for value in self.slots]))

    def freeze(self) -> Node | None:
        """The same; ``None`` for a non-presence container without content."""
        node = self.entry()
        is_presence = isinstance(self.schema, Container) and self.schema.presence
        return None if node.is_empty and not is_presence else node


def _freeze(value: Value | Draft | DraftEntries | None) -> Value | None:
    return value.freeze() if isinstance(value, Draft | DraftEntries) else value


@lru_cache(maxsize=4096)
def _rivals(schema: InnerNode, slot: int) -> tuple[int, ...]:
    """The slots of the other cases of every choice around that slot."""
    return tuple(_other_cases(schema.choices, slot))


def _other_cases(choices: tuple[Choice, ...], slot: int) -> Iterator[int]:
    for choice in choices:
        mine = [case for case in choice.cases if slot in case.all_slots()]
        for case in choice.cases if mine else ():
            if case is mine[0]:
                yield from _other_cases(case.choices, slot)
            else:
                yield from case.all_slots()
