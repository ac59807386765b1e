"""Evaluation of constraints at instances of one tree, and of all there is to check at an instance and below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptomap.data.tree import Node, Value
from cryptomap.data.validation.constraints import Constraint, Unique
from cryptomap.data.validation.dependencies import chain_of, key_count
from cryptomap.data.validation.instances import Instance
from cryptomap.data.validation.leafrefs import Holders, IndexedEnv
from cryptomap.data.validation.references import Keys
from cryptomap.data.validation.structure import missing
from cryptomap.data.validation.violations import Violations
from cryptomap.data.validation.visits import InnerVisit, LeafVisit, Plans, Visit
from cryptomap.data.xpath import Cursor
from cryptomap.data.xpath.env import empty_node
from cryptomap.schema.nodes import Container, DataNode, InnerNode, LeafList, ListNode

__all__ = ["Counters", "Evaluation"]


@dataclass(slots=True)
class Counters:
    """``constraints``: constraint instances evaluated; ``nodes``: instances XPath looked at; ``touched``: instances
    visited because the diff names them or something above them."""

    constraints: int = 0
    nodes: int = 0
    touched: int = 0


class Evaluation:
    """What checks need at hand for one tree."""

    def __init__(self, plans: Plans, root: Node, holders: Holders, violations: Violations, counters: Counters) -> None:
        self._plans = plans
        self._violations = violations
        self._counters = counters
        self._holders = holders
        self.start(root)

    def start(self, root: Node) -> None:
        """Go on with another tree."""
        self.env = IndexedEnv(self._plans.plan.schema, root, self._holders)
        self._cursors: dict[Instance, Cursor | None] = {}

    def finish(self) -> None:
        """Count what was looked at in the tree."""
        self._counters.nodes += self.env.visited
        self.env.visited = 0

    # ===== instances =====

    def cursor(self, node: DataNode, keys: Keys) -> Cursor | None:
        """The instance, stored or implied, or ``None``."""
        if node.parent is None:
            return self.env.root
        instance = node, keys
        if instance in self._cursors:
            return self._cursors[instance]
        above = self.cursor(node.parent, keys[: key_count(node.parent)])
        found = self._child(above, node, keys) if above is not None else None
        self._cursors[instance] = found
        return found

    def _child(self, above: Cursor, node: DataNode, keys: Keys) -> Cursor | None:
        if isinstance(node, ListNode):
            return self.env.entry(above, node, keys[-1])
        value = self.env.value(above, node)
        if isinstance(node, LeafList) and isinstance(value, tuple):
            return Cursor(above, node, str(keys[-1]), keys[-1]) if keys[-1] in value else None
        return Cursor(above, node, value) if value is not None else None

    def below(self, ancestor: DataNode, keys: Keys, node: DataNode) -> Iterator[Keys]:
        """The keys of the instances of ``node`` below one instance of an ancestor of it."""
        if key_count(node) <= len(keys):
            yield keys[: key_count(node)]
            return
        top = self.cursor(ancestor, keys)
        if top is not None:
            yield from self._instances(top, chain_of(node)[len(chain_of(ancestor)) :], keys)

    def _instances(self, at: Cursor, steps: tuple[DataNode, ...], keys: Keys) -> Iterator[Keys]:
        if not steps:
            yield keys
            return
        found: list[Cursor] = []
        self.env.expand(at, steps[0], found)
        for cursor in found:
            yield from self._instances(cursor, steps[1:], keys if cursor.key is None else (*keys, cursor.key))

    # ===== single constraints =====

    def check(self, constraint: Constraint, keys: Keys) -> None:
        """Check a must or a reference at one instance, if that exists."""
        at = self.cursor(constraint.context, keys)
        if at is None:
            return
        self._counters.constraints += 1
        if isinstance(constraint.context, InnerNode):
            holds = constraint.holds(self.env, at, at.value)
        else:
            assert at.parent is not None
            holds = constraint.holds(self.env, at.parent, at.value)
        if not holds:
            self._violations.constraint(constraint, at)

    def holds_when(self, when: Constraint, seat: Cursor, value: Value) -> bool:
        """Whether a when is true for what is stored below (or, for a list entry, at) an instance of its seat."""
        self._counters.constraints += 1
        if when.context is when.node and isinstance(when.node, Container):
            return when.holds(self.env, Cursor(seat, when.node, value), value)
        return when.holds(self.env, seat, value)

    def structure(self, at: Cursor) -> None:
        """Check what must be there at an instance."""
        assert isinstance(at.schema, InnerNode)
        for fault in missing(self.env, at, self._plans.plan.nodes[at.schema].requirements):
            self._violations.structure(fault)

    def unique_value(self, unique: Unique, keys: Keys) -> tuple[Keys, tuple[str, ...]] | None:
        """(keys of the list, values) if all leafs of a unique statement exist in that entry, by default or not."""
        entry = self.cursor(unique.node, keys)
        if entry is None:
            return None
        values = [self._value_at(entry, path) for path in unique.paths]
        found = tuple([value for value in values if isinstance(value, str)])
        return (keys[:-1], found) if len(found) == len(values) else None

    def _value_at(self, at: Cursor, path: tuple[int, ...]) -> Value | None:
        value: Value | None = at.value
        for slot in path:
            assert isinstance(at.schema, InnerNode)
            child = at.schema.children[slot]
            value = self.env.value(at, child)
            if value is None:
                return None
            at = Cursor(at, child, value)
        return value

    # ===== all of an instance =====

    def everything(self, node: DataNode, keys: Keys, values: tuple[str, ...] | None) -> None:
        """Check all at an instance and below it, if it exists. For a leaf-list, the keys are those of its parent, and
        ``values`` may name the ones that count."""
        if node.parent is None:
            self._visit(self.env.root, self._plans.visit_of(self._plans.plan.schema.root))
            return
        parent = self.cursor(node.parent, keys[: key_count(node.parent)])
        if parent is None:
            return
        if not isinstance(node, (Container, ListNode)):
            leaf = self._plans.leaf_visit(node)  # type: ignore[arg-type]  # no other kind of node is left
            value = values or self.env.value(parent, node)
            if value is not None and leaf.constraints:
                self._leaf(parent, leaf, value)
            return
        item = self._plans.inner_visit(node)
        assert isinstance(parent.value, Node)
        if isinstance(node, ListNode):
            entry = self.cursor(node, keys)
            if entry is not None and self._guarded(parent, item):
                self._visit(entry, item.inside)
        else:
            self._container(parent, item, parent.value.slots[node.slot])

    def _visit(self, at: Cursor, visit: Visit) -> None:
        for when in visit.whens:
            self._counters.constraints += 1
            if not when.holds(self.env, at, at.value):
                self._violations.constraint(when, at)
                return
        self._inside(at, visit)
        if visit.complete is not None and not visit.complete(at.value.slots):  # type: ignore[union-attr]
            self.structure(at)

    def _inside(self, at: Cursor, visit: Visit) -> None:
        node, env = at.value, self.env
        slots = node.slots  # type: ignore[union-attr]  # only inner instances are visited
        for must in visit.musts:
            if not must.holds(env, at, node):
                self._violations.constraint(must, at)
        counted = len(visit.musts)
        for leaf in visit.leafs:
            value = slots[leaf.slot]
            if value is None:
                value = leaf.default
                if value is None and leaf.conditional:
                    value = env.value(at, leaf.node)
            if value is None:
                continue
            if value.__class__ is str:  # nearly always, and then nothing is wrong with it
                for holds in leaf.checks:
                    if not holds(env, at, value):
                        break
                else:
                    counted += len(leaf.checks)
                    continue
            self._leaf(at, leaf, value)
        self._counters.constraints += counted
        for item in visit.inner:
            value = slots[item.slot]
            if value is None:
                if item.implied:
                    self._container(at, item, None)
            elif value.__class__ is Node:
                self._container(at, item, value)
            elif self._guarded(at, item):
                schema, inside = item.node, item.inside
                for key, entry in value.items():  # type: ignore[union-attr]  # nothing else is left
                    self._visit(Cursor(at, schema, entry, key), inside)

    def _leaf(self, at: Cursor, leaf: LeafVisit, value: Value) -> None:
        """A leaf, or each value of a leaf-list."""
        env = self.env
        for item in value if value.__class__ is tuple else (value,):
            self._counters.constraints += len(leaf.constraints)
            for constraint in leaf.constraints:
                if not constraint.holds(env, at, item):
                    self._violations.constraint(constraint, self._cursor_of(at, leaf, item))
                    if constraint.kind == "when":
                        return

    @staticmethod
    def _cursor_of(at: Cursor, leaf: LeafVisit, value: Value) -> Cursor:
        return Cursor(at, leaf.node, value, value if isinstance(leaf.node, LeafList) else None)  # type: ignore[arg-type]

    def _guarded(self, at: Cursor, item: InnerVisit) -> bool:
        """Whether the whens that stand on the parent's side allow a list; if not, each entry is a violation."""
        for when in item.guards:
            self._counters.constraints += 1
            if not when.holds(self.env, at, at.value):
                found: list[Cursor] = []
                self.env.expand(at, item.node, found)
                for entry in found:
                    self._violations.constraint(when, entry)
                return False
        return True

    def _container(self, at: Cursor, item: InnerVisit, value: Value | None) -> None:
        """A container that is there; or one that may be there without being stored, whose whens just say whether."""
        stored = value is not None
        if not stored and (not item.implied or (item.in_choice and self.env.value(at, item.node) is None)):
            return
        content = value if value is not None else empty_node(item.node)
        cursor = Cursor(at, item.node, content)
        for when in item.guards:
            self._counters.constraints += 1
            if not when.holds(self.env, at, at.value):
                if stored:
                    self._violations.constraint(when, cursor)
                return
        if stored:
            self._visit(cursor, item.inside)
        elif all(when.holds(self.env, cursor, content) for when in item.inside.whens):
            self._inside(cursor, item.inside)
