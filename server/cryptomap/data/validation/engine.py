"""One validation run: from (valid base, candidate) to the next valid snapshot, or to all violations.

The order of work follows RFC 7950 section 8:

1. *Touch*: take the changes from the diff. What was created or changed is noted as *fresh*: everything in it will be
   checked. The value index is brought up to date, and an event noted for each constraint elsewhere that may look at it.
2. *Affected*: each event is led through the constraint's link to the contexts it can affect.
3. *Whens*: those affected are evaluated again, each after the whens it depends on. What stood under a when that has
   turned false is deleted, which touches again; where one has turned true, defaults come into use.
4. *Evaluate*: whens, musts, references and structure in what is fresh; the affected constraints elsewhere; unique.

Without a base, or with an empty one (which was never checked, because a schema may demand some configuration), the root
itself is fresh and nothing else is to do. ``counters`` tell how much work was done: a test holds them against the size
of the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeAlias

from cryptomap.data.diff import Change, diff
from cryptomap.data.tree import Node, Path, Value
from cryptomap.data.validation.constraints import Constraint, Plan, Unique
from cryptomap.data.validation.dependencies import Join, Link, is_within, key_count, shared_ancestor
from cryptomap.data.validation.evaluation import Counters, Evaluation
from cryptomap.data.validation.instances import (
    Instance,
    defaults_of,
    entries_in,
    entry_in,
    find,
    path_at,
    removed,
    values_in,
    way_up,
)
from cryptomap.data.validation.references import Keys, References
from cryptomap.data.validation.violations import Violations
from cryptomap.data.validation.visits import Reach, Uptake, plans_of
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode

__all__ = ["Counters", "Run", "index_of"]

_Indexing: TypeAlias = Callable[[object, Hashable, Keys], None]
_Event: TypeAlias = tuple[Constraint, Link, Keys, tuple[str, ...]]
"""A constraint, the link to its contexts, the keys it starts from, and the values of a leaf it starts from."""


class Run:
    """See the module docstring. ``root`` is the candidate, less what false whens delete."""

    def __init__(
        self, plan: Plan, root: Node, base: Node | None, references: References, violations: Violations
    ) -> None:
        self.root = root
        self.index = references.edit(plan.depths)
        self.counters = Counters()
        self._base = None if base is None or base.is_empty else base
        self._plans = plans_of(plan)
        self._violations = violations
        self._evaluation = Evaluation(self._plans, root, self.index.holders, violations, self.counters)
        self._fresh: dict[Instance, tuple[str, ...] | None] = {}
        self._parents: dict[Instance, None] = {}
        self._events: list[_Event] = []
        self._whens: dict[tuple[Constraint, Keys], None] = {}
        self._affected: dict[tuple[Constraint, Keys], None] = {}
        self._uniques: dict[tuple[Unique, Keys], None] = {}

    def run(self) -> None:
        """Do all of it; violations are collected, the index is ready to be finished."""
        if self._base is None:
            self._fresh[self.root.schema, ()] = None
            self.take_up(self._plans.uptake_of(self.root.schema), self.root, (), self.index.add)
        else:
            self._touch(diff(self._base, self.root))
            self._settle_whens()
        self.settle_uniques()
        self._evaluate()
        self._evaluation.finish()

    # ===== 1. touch =====

    def _touch(self, changes: Iterable[Change]) -> None:
        for change in changes:
            node, last = change.path[-1]
            if not node.config:
                continue
            self.counters.touched += 1
            keys = tuple([key for _, key in change.path if key is not None])
            if isinstance(node, ListNode) and last is None:
                self._note(self._plans.reach_of(node), keys, ())  # entries have moved
            else:
                self._changed(node, keys, change.old, change.new)

    def _changed(self, node: DataNode, keys: Keys, old: Value | None, new: Value | None) -> None:
        self._reindex(node, keys, old, new)
        self._reached(node, keys, old, new)
        if isinstance(node, LeafList):
            before = values_in(old)
            added = tuple([value for value in values_in(new) if value not in before])
            if added or new is None:
                self._fresh[node, keys] = added or None
        elif new is not None or self._plans.plan.nodes[node].implied:
            self._fresh[node, keys] = None
        if old is None or new is None or isinstance(node, LeafList):
            above = keys[: key_count(node.parent)] if node.parent is not None else ()
            self._note_parent(node, above)
            for sibling in self._plans.plan.nodes[node].siblings:
                self._flip(sibling, above)

    def _note_parent(self, node: DataNode, above: Keys) -> None:
        assert node.parent is not None
        if self._plans.plan.nodes[node.parent].requirements:
            self._parents[node.parent, above] = None

    def _flip(self, node: DataNode, keys: Keys) -> None:
        """Where nothing is stored, something may have begun or ceased to exist: a default, a container, a need."""
        self._note_parent(node, keys)
        if self._plans.plan.nodes[node].implied and (node, keys) not in self._fresh:
            self._fresh[node, keys] = None
            self._reached(node, keys, None, None)

    # ----- the value index -----

    def _reindex(self, node: DataNode, keys: Keys, old: Value | None, new: Value | None) -> None:
        if isinstance(node, InnerNode):
            uptake = self._plans.uptake_of(node)
            if isinstance(old, Node):
                self.take_up(uptake, old, keys, self.index.remove)
            if isinstance(new, Node):
                self.take_up(uptake, new, keys, self.index.add)
        elif self._plans.plan.nodes[node].indexed:
            for value in values_in(old):
                self.index.remove(node, value, _value_keys(node, keys, value))
            for value in values_in(new):
                self.index.add(node, value, _value_keys(node, keys, value))

    def take_up(self, uptake: Uptake, node: Node, keys: Keys, indexing: _Indexing) -> None:
        """Add an instance, and all below it, to the value index, or remove it; note its unique statements."""
        self.counters.touched += 1
        slots = node.slots
        for slot, leaf in uptake.leafs:
            value = slots[slot]
            if value is not None:
                indexing(leaf, value, keys)  # type: ignore[arg-type]  # a leaf's value is a text
        for slot, leaf_list in uptake.leaf_lists:
            for item in slots[slot] or ():  # type: ignore[union-attr]  # a leaf-list's value is a tuple
                indexing(leaf_list, item, (*keys, item))
        for unique in uptake.uniques:
            self._uniques[unique, keys] = None
        for slot, below in uptake.containers:
            value = slots[slot]
            if value is not None:
                self.take_up(below, value, keys, indexing)  # type: ignore[arg-type]
        for slot, below in uptake.lists:
            value = slots[slot]
            if value is not None:
                for key, entry in value.items():  # type: ignore[union-attr]  # a list's value is its entries
                    self.take_up(below, entry, (*keys, key), indexing)

    # ----- events -----

    def _reached(self, node: DataNode, keys: Keys, old: Value | None, new: Value | None) -> None:
        """Note what the creation, deletion or change of an instance can affect elsewhere."""
        reach = self._plans.reach_of(node)
        for unique in reach.uniques:
            self._uniques[unique, keys[: key_count(unique.node)]] = None
        self._note(reach, keys, (*values_in(old), *values_in(new), *defaults_of(node)))
        if reach.below:
            for side in (old, new):
                if side is not None or self._plans.plan.nodes[node].implied:
                    self._reached_inside(reach, keys, side)

    def _reached_inside(self, reach: Reach, keys: Keys, value: Value | None) -> None:
        slots = value.slots if isinstance(value, Node) else None
        for child, below in reach.below:
            inside = slots[child.slot] if slots is not None else None
            if isinstance(child, ListNode):
                for key, entry in entries_in(inside):
                    self._note(below, (*keys, key), ())
                    self._reached_inside(below, (*keys, key), entry)
            else:
                self._note(below, keys, values_in(inside) or defaults_of(child))
                self._reached_inside(below, keys, inside)

    def _note(self, reach: Reach, keys: Keys, values: tuple[str, ...]) -> None:
        self._events += [(constraint, link, keys, values) for constraint, link in reach.links]

    # ===== 2. affected =====

    def _find_affected(self) -> None:
        events, self._events = self._events, []
        for constraint, link, keys, values in events:
            found = self._whens if constraint.kind == "when" else self._affected
            for context in self._contexts(constraint.seat, link, keys, values):
                found[constraint, context] = None

    def _contexts(self, seat: DataNode, link: Link, keys: Keys, values: tuple[str, ...]) -> Iterator[Keys]:
        if not isinstance(link, Join):
            yield from self._below(link.ancestor, keys, seat)
            return
        found = self._joined_values(link, keys, values)
        if found is None or not found.isdisjoint(defaults_of(link.leaf)):
            yield from self._contexts(seat, link.outer, keys, values)
            return
        shared, around = shared_ancestor(link), link.to_context.ancestor
        within = keys[: min(key_count(shared), key_count(around))]
        for value in found:
            for holder in self.index.holders(link.leaf, value, within):
                if around is not shared and is_within(shared, around):
                    yield from self._below(shared, keys, seat)
                else:
                    yield from self._below(around, holder, seat)

    def _joined_values(self, link: Join, keys: Keys, values: tuple[str, ...]) -> set[str] | None:
        """What a leaf must hold to choose the changed entry; ``None`` if it is not about one entry."""
        if link.part is None:
            return set(values)
        depth = key_count(link.anchor)
        if len(keys) < depth:
            return None
        if isinstance(link.part, Leaf):
            return self._values_of(link.anchor, keys[:depth], link.part)
        key = keys[depth - 1]
        return {str(key[link.part] if isinstance(key, tuple) else key)}

    def _values_of(self, list_node: DataNode, keys: Keys, leaf: Leaf) -> set[str]:
        """The values of a leaf of an entry, before and now."""
        found = set(defaults_of(leaf))
        for root in (self._base, self.root):
            entry = find(root, list_node, keys) if root is not None else None
            if isinstance(entry, Node):
                found.update(values_in(entry.slots[leaf.slot]))
        return found

    def _below(self, ancestor: DataNode, keys: Keys, node: DataNode) -> Iterator[Keys]:
        while len(keys) < key_count(ancestor) and ancestor.parent is not None:
            ancestor = ancestor.parent  # the change is one of a list or leaf-list as a whole
        yield from self._evaluation.below(ancestor, keys[: key_count(ancestor)], node)

    # ===== 3. whens =====

    def _settle_whens(self) -> None:
        self._find_affected()
        while self._whens:
            rank = min([constraint.rank for constraint, _ in self._whens])
            due = [item for item in self._whens if item[0].rank == rank]
            unwanted: list[Path] = []
            for constraint, keys in due:
                del self._whens[constraint, keys]
                unwanted += self._settle(constraint, keys)
            if unwanted:
                self._delete(unwanted)
            self._find_affected()

    def _settle(self, when: Constraint, keys: Keys) -> list[Path]:
        """Evaluate a when again; where it is false, the paths of what existed before. What is new is fresh, and there
        the same false when is a violation."""
        node = when.node
        seat = self._evaluation.cursor(when.seat, keys)
        if seat is None:
            return []
        if when.seat is node:
            stored: Value | None = seat.value
        else:
            stored = seat.value.slots[node.slot]  # type: ignore[union-attr]  # a seat is an inner instance
        if stored is None:
            self._flip(node, keys)
            return []
        if self._evaluation.holds_when(when, seat, stored):
            return []
        assert self._base is not None
        before = find(self._base, node, keys)
        if isinstance(node, ListNode) and when.seat is not node:
            common = [key for key, _ in entries_in(stored) if entry_in(before, key) is not None]
            return [path_at(node, (*keys, key)) for key in common]
        if isinstance(node, LeafList):
            return [path_at(node, (*keys, value)) for value in values_in(stored) if value in values_in(before)]
        return [path_at(node, keys)] if before is not None else []

    def _delete(self, paths: list[Path]) -> None:
        before, self.root = self.root, removed(self.root, list(dict.fromkeys(paths)))
        self._evaluation.finish()
        self._evaluation.start(self.root)
        self._touch(diff(before, self.root))

    # ===== 4. evaluate =====

    def _evaluate(self) -> None:
        evaluation = self._evaluation
        for (node, keys), values in self._fresh.items():
            evaluation.everything(node, keys, values)
        for node, keys in self._parents:
            at = None if self._is_fresh(node, keys) else evaluation.cursor(node, keys)
            if at is not None:
                evaluation.structure(at)
        for constraint, keys in self._affected:
            if not self._is_fresh(constraint.context, keys):
                evaluation.check(constraint, keys)

    def _is_fresh(self, node: DataNode, keys: Keys) -> bool:
        """Whether this instance is, or lies in, one of which everything is checked."""
        fresh = self._fresh
        return any((above, keys[:count]) in fresh for above, count in way_up(node))

    def settle_uniques(self) -> None:
        """Bring the index of unique statements up to date, then name the entries that collide."""
        if not self._uniques:
            return
        values = {item: self._evaluation.unique_value(*item) for item in self._uniques}
        self._forget_unique_values()
        for (unique, keys), value in values.items():
            if value is not None:
                self.index.add(unique, value, keys)
        reported: set[tuple[Unique, Hashable]] = set()
        for (unique, _), value in values.items():
            holders = self.index.holders(unique, value) if value is not None else []
            if len(holders) > 1 and (unique, value) not in reported:
                reported.add((unique, value))
                self._violations.not_unique(unique, tuple(sorted(holders, key=repr)))

    def _forget_unique_values(self) -> None:
        """Remove what the base had for the entries concerned."""
        if self._base is None:
            return
        before = Evaluation(self._plans, self._base, self.index.holders, self._violations, Counters())
        for unique, keys in self._uniques:
            value = before.unique_value(unique, keys)
            if value is not None:
                self.index.remove(unique, value, keys)


def index_of(plan: Plan, root: Node) -> References:
    """The value index of a tree that is known to be valid."""
    run = Run(plan, root, None, References(), Violations(plan.schema))
    run.take_up(run._plans.uptake_of(root.schema), root, (), run.index.add)
    run.settle_uniques()
    return run.index.finish()


def _value_keys(node: DataNode, keys: Keys, value: str) -> Keys:
    return (*keys, value) if isinstance(node, LeafList) else keys
