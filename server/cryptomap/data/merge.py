"""Two sets of changes that grew out of the same tree, brought together.

What only one side has changed is taken from it. What both have changed is a conflict, also if both have changed it in
the same way: whoever changed it might have wanted something else, had they known. What may change is a value, the
existence of a list entry or of a presence container, a leaf-list as a whole, and the order that the user gives
entries (draft-ietf-netconf-privcand, section 4.7.1). Two sides that chose different cases of a choice are in conflict,
too.

The trees share what was not touched, so a merge costs the changes of both sides.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from cryptomap.data.diff import entries_that_differ
from cryptomap.data.tree import Key, Node, Path, SortedEntries, UserEntries, Value, entries_of
from cryptomap.schema.nodes import Choice, Container, DataNode, ListNode

__all__ = ["Conflict", "Sides", "merge"]

T_co = TypeVar("T_co", bound=Value | None, covariant=True)


class Sides(NamedTuple, Generic[T_co]):
    """One node before the changes, and on each side after them; ``None``: it is not there."""

    base: T_co
    ours: T_co
    theirs: T_co


@dataclass(frozen=True, slots=True)
class Conflict:
    """A node that both sides have changed. Where the path ends with a list and no key, it is the order of its
    entries."""

    path: Path
    sides: Sides[Value | None]


def merge(base: Node, ours: Node, theirs: Node, *, prefer_theirs: bool = False) -> tuple[Node, list[Conflict]]:
    """The tree with the changes of both sides, and where they are in conflict; there it is as the preferred side has
    it, a deleted node with all that was in it included."""
    merging = _Merge(prefer_theirs)
    return merging.node(Sides(base, ours, theirs), ()), merging.conflicts


class _Merge:
    def __init__(self, prefer_theirs: bool) -> None:
        self._prefer_theirs = prefer_theirs
        self.conflicts: list[Conflict] = []

    def node(self, sides: Sides[Node], path: Path) -> Node:
        if sides.ours is sides.base or sides.theirs is sides.base:
            return _changed(sides)
        schema, old = sides.theirs.schema, sides.theirs.slots
        values = zip(sides.base.slots, sides.ours.slots, old, strict=True)
        slots = [self._value(child, Sides(*three), path) for child, three in zip(schema.children, values, strict=True)]
        for choice in schema.choices:
            self._choice(choice, sides, slots, path)
        return sides.theirs if all(map(operator.is_, slots, old)) else Node(schema, tuple(slots))

    def _value(self, child: DataNode, sides: Sides[Value | None], path: Path) -> Value | None:
        if _same(sides.ours, sides.base) or _same(sides.theirs, sides.base):
            return _changed(sides)
        if isinstance(child, ListNode):
            return self._entries(child, Sides(*[_entries(side) for side in sides]), path)
        here = (*path, (child, None))
        if isinstance(child, Container) and not child.presence:
            node = self.node(Sides(*[side if isinstance(side, Node) else Node.empty(child) for side in sides]), here)
            return None if node.is_empty else node
        return self._inside_or_preferred(sides, here)

    def _inside_or_preferred(self, sides: Sides[Value | None], path: Path) -> Value | None:
        base, ours, theirs = sides
        if isinstance(base, Node) and isinstance(ours, Node) and isinstance(theirs, Node):
            return self.node(Sides(base, ours, theirs), path)
        return self._preferred(sides, path)

    def _preferred(self, sides: Sides[Value | None], path: Path) -> Value | None:
        self.conflicts.append(Conflict(path, sides))
        return sides.theirs if self._prefer_theirs else sides.ours

    # ===== choices =====

    def _choice(self, choice: Choice, sides: Sides[Node], slots: list[Value | None], path: Path) -> None:
        """Of two cases that have data, one goes."""
        used = [case for case in choice.cases if any(slots[slot] is not None for slot in case.all_slots())]
        if len(used) > 1:
            self._one_case(choice, sides, slots, path)
        for nested in used[0].choices if len(used) == 1 else ():
            self._choice(nested, sides, slots, path)

    def _one_case(self, choice: Choice, sides: Sides[Node], slots: list[Value | None], path: Path) -> None:
        base, ours, theirs = (side.slots for side in sides)
        every = [slot for case in choice.cases for slot in case.all_slots()]
        first = next(slot for slot in every if ours[slot] is not None and not _same(ours[slot], base[slot]))
        values = Sides(base[first], ours[first], theirs[first])
        self.conflicts.append(Conflict((*path, (sides.ours.schema.children[first], None)), values))
        chosen = sides.theirs if self._prefer_theirs else sides.ours
        for slot in every:
            slots[slot] = chosen.slots[slot]

    # ===== lists =====

    def _entries(self, child: ListNode, sides: Sides[SortedEntries | UserEntries | None], path: Path) -> Value | None:
        theirs = sides.theirs
        changes: dict[Key, Node | None] = {}
        for key, base, ours in entries_that_differ(sides.base, sides.ours):
            there = theirs.get(key) if theirs is not None else None
            changes[key] = self._entry(Sides(base, ours, there), (*path, (child, key)))
        if theirs is None:
            merged = entries_of(child, {key: entry for key, entry in changes.items() if entry is not None})
        else:
            merged = theirs.replace(changes)
        return self._ordered(child, sides, merged, path) if isinstance(merged, UserEntries) else merged

    def _entry(self, sides: Sides[Node | None], path: Path) -> Node | None:
        if _same(sides.ours, sides.base) or _same(sides.theirs, sides.base):
            return _changed(sides)
        entry = self._inside_or_preferred(sides, path)
        assert entry is None or isinstance(entry, Node)
        return entry

    def _ordered(
        self, child: ListNode, sides: Sides[SortedEntries | UserEntries | None], merged: UserEntries, path: Path
    ) -> UserEntries:
        """The entries in the order of the side that has moved some, the new ones of the other side in their places."""
        base, ours, theirs = (side.keys() if isinstance(side, UserEntries) else () for side in sides)
        moved = _is_reordered(base, ours), _is_reordered(base, theirs)
        leads_ours = moved == (True, False)
        if all(moved):
            leads_ours = self._preferred(sides, (*path, (child, None))) is sides.ours
        order = _woven(ours, theirs, merged) if leads_ours else _woven(theirs, ours, merged)
        if order == list(merged.keys()):
            return merged
        entries = dict(merged.items())
        return UserEntries({key: entries[key] for key in order})


def _same(one: Value | None, other: Value | None) -> bool:
    return one is other or one == other


def _changed(sides: Sides[T_co]) -> T_co:
    """The side that differs, where at most one does."""
    return sides.theirs if _same(sides.ours, sides.base) else sides.ours


def _entries(value: Value | None) -> SortedEntries | UserEntries | None:
    return value if isinstance(value, SortedEntries | UserEntries) else None


def _is_reordered(old: Sequence[Key], new: Sequence[Key]) -> bool:
    """Whether entries that are in both stand in another order."""
    before, after = set(old), set(new)
    return [key for key in old if key in after] != [key for key in new if key in before]


def _woven(leads: Sequence[Key], follows: Sequence[Key], present: UserEntries) -> list[Key]:
    """The keys in the first order; those that only the second has after what they follow there."""
    order = [key for key in leads if key in present]
    known = set(order)
    place = 0
    for key in follows:
        if key in known:
            place = order.index(key) + 1
        elif key in present:
            order.insert(place, key)
            place += 1
    return order
