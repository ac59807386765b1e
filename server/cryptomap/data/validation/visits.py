"""What to do at an instance, per schema node: plans that a visit of a subtree follows from slot to slot.

:func:`visit_of` says what to check at an instance that is new, and below it; :func:`index_of` which of its values go
into the value index, and which unique statements read it. What needs nothing is not in the plans, so that a visit
passes by it. :func:`reach_of` says what a created, deleted or changed instance can affect outside of itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from cryptomap.data.validation.checks import Check
from cryptomap.data.validation.constraints import Constraint, Plan, Unique
from cryptomap.data.validation.dependencies import Join, Link, is_within, shared_ancestor
from cryptomap.data.validation.places import in_choice
from cryptomap.data.validation.structure import Quick, quick_test
from cryptomap.schema.nodes import Any_, Container, DataNode, InnerNode, Leaf, LeafList, ListNode

__all__ = ["InnerVisit", "LeafVisit", "Plans", "Reach", "Uptake", "Visit", "plans_of"]


@dataclass(eq=False, slots=True)
class LeafVisit:
    """The constraints of a leaf, leaf-list or anydata, whens first; ``checks`` are what they check. ``default`` is its
    value where nothing is set, if that depends on nothing; ``conditional``: a default may be in use, ask the accessible
    tree."""

    node: Leaf | LeafList | Any_
    slot: int
    constraints: tuple[Constraint, ...]
    checks: tuple[Check, ...]
    default: str | None
    conditional: bool


@dataclass(eq=False, slots=True)
class InnerVisit:
    """A container or list with something to check. ``guards`` are its whens that are evaluated at the parent.
    ``implied``: it may exist without being stored, and there is something to check then (``in_choice``: only in the
    right case)."""

    node: Container | ListNode
    slot: int
    guards: tuple[Constraint, ...]
    inside: Visit
    implied: bool
    in_choice: bool


@dataclass(eq=False, slots=True)
class Visit:
    """Checks of a container, list entry or the root and below. ``complete`` is a quick test of what must be there."""

    whens: tuple[Constraint, ...] = ()
    musts: tuple[Constraint, ...] = ()
    leafs: tuple[LeafVisit, ...] = ()
    inner: tuple[InnerVisit, ...] = ()
    complete: Quick | None = None

    @property
    def is_idle(self) -> bool:
        return not (self.whens or self.musts or self.leafs or self.inner or self.complete)

    @property
    def acts_on_nothing(self) -> bool:
        """Whether there is something to check in an instance without any content."""
        defaults = any(leaf.default is not None or leaf.conditional for leaf in self.leafs)
        return bool(self.musts) or defaults or any(item.implied for item in self.inner)


@dataclass(eq=False, slots=True)
class Uptake:
    """What of an instance the value index takes up: (slot, leaf) pairs, and the children that have some below."""

    leafs: tuple[tuple[int, Leaf], ...] = ()
    leaf_lists: tuple[tuple[int, LeafList], ...] = ()
    uniques: tuple[Unique, ...] = ()
    containers: tuple[tuple[int, Uptake], ...] = ()
    lists: tuple[tuple[int, Uptake], ...] = ()

    @property
    def is_idle(self) -> bool:
        return not (self.leafs or self.leaf_lists or self.uniques or self.containers or self.lists)


@dataclass(eq=False, slots=True)
class Reach:
    """The constraint instances outside of an instance that its creation, deletion or change can affect. ``links`` start
    from the keys (or the value) of the instance itself, those in ``below`` from instances in it. ``uniques``: unique
    statements of lists above that read a leaf in it."""

    links: tuple[tuple[Constraint, Link], ...] = ()
    uniques: tuple[Unique, ...] = ()
    below: tuple[tuple[DataNode, Reach], ...] = ()

    @property
    def is_idle(self) -> bool:
        return not (self.links or self.uniques or self.below)


@dataclass(eq=False, slots=True)
class Plans:
    """The plans of a schema, made when they are first needed."""

    plan: Plan
    _visits: dict[InnerNode, Visit] = field(default_factory=dict)
    _uptakes: dict[InnerNode, Uptake] = field(default_factory=dict)
    _reaches: dict[DataNode, Reach] = field(default_factory=dict)
    _leafs: dict[DataNode, LeafVisit] = field(default_factory=dict)
    _inner: dict[DataNode, InnerVisit] = field(default_factory=dict)

    # ===== visits =====

    def visit_of(self, node: InnerNode) -> Visit:
        """What to check at a new instance."""
        found = self._visits.get(node)
        if found is None:
            own = self.plan.nodes[node]
            whens = tuple([when for when in own.whens if when.context is node])
            complete = quick_test(own.requirements)
            leafs = [self.leaf_visit(child) for child in _config(node) if isinstance(child, (Leaf, LeafList, Any_))]
            inner = [self.inner_visit(child) for child in _config(node) if isinstance(child, (Container, ListNode))]
            found = self._visits[node] = Visit(
                whens,
                tuple(own.musts),
                tuple([leaf for leaf in leafs if leaf.constraints]),
                tuple([item for item in inner if item.guards or not item.inside.is_idle]),
                complete,
            )
        return found

    def leaf_visit(self, node: Leaf | LeafList | Any_) -> LeafVisit:
        """The same for a leaf, leaf-list or anydata."""
        found = self._leafs.get(node)
        if found is None:
            own = self.plan.nodes[node]
            constraints = (*own.whens, *own.musts, *own.references[:1])
            has_default = bool(constraints[len(own.whens) :]) and own.implied
            plain = has_default and isinstance(node, Leaf) and not node.whens and not in_choice(node)
            found = self._leafs[node] = LeafVisit(
                node,
                node.slot,
                constraints,
                tuple([constraint.holds for constraint in constraints]),
                node.default if plain and isinstance(node, Leaf) else None,
                has_default and not plain,
            )
        return found

    def inner_visit(self, node: Container | ListNode) -> InnerVisit:
        """The same for a container or list, as seen from its parent."""
        found = self._inner.get(node)
        if found is None:
            guards = tuple([when for when in self.plan.nodes[node].whens if when.context is not node])
            inside = self.visit_of(node)
            implied = self.plan.nodes[node].implied and inside.acts_on_nothing
            found = self._inner[node] = InnerVisit(node, node.slot, guards, inside, implied, in_choice(node))
        return found

    # ===== uptakes =====

    def uptake_of(self, node: InnerNode) -> Uptake:
        """What of an instance goes into the value index."""
        found = self._uptakes.get(node)
        if found is None:
            children = [child for child in _config(node) if self.plan.nodes[child].indexed]
            inner = [(child, self.uptake_of(child)) for child in _config(node) if isinstance(child, InnerNode)]
            busy = [(child, uptake) for child, uptake in inner if not uptake.is_idle]
            found = self._uptakes[node] = Uptake(
                tuple([(leaf.slot, leaf) for leaf in children if isinstance(leaf, Leaf)]),
                tuple([(leaf.slot, leaf) for leaf in children if isinstance(leaf, LeafList)]),
                tuple(self.plan.nodes[node].uniques),
                tuple([(child.slot, uptake) for child, uptake in busy if isinstance(child, Container)]),
                tuple([(child.slot, uptake) for child, uptake in busy if isinstance(child, ListNode)]),
            )
        return found

    # ===== reaches =====

    def reach_of(self, top: DataNode) -> Reach:
        """What an instance of ``top`` can affect outside of itself. What it affects inside is checked with it."""
        found = self._reaches.get(top)
        if found is None:
            starts: _Starts = {}
            uniques: dict[Unique, None] = {}
            for node in _subtree(top):
                for constraint, link in self.plan.nodes[node].dependents:
                    if not is_within(shared_ancestor(link), top):
                        start, usable = _start(top, link)
                        starts.setdefault(start, {})[constraint, usable] = None
                for unique in self.plan.nodes[node].uniques_above:
                    if not is_within(unique.node, top):
                        uniques[unique] = None
            found = self._reaches[top] = _tree_of(
                top, {node: tuple(links) for node, links in starts.items()}, tuple(uniques)
            )
        return found


@lru_cache(maxsize=8)
def plans_of(plan: Plan) -> Plans:
    """The plans of a schema's constraints."""
    return Plans(plan)


_Starts: TypeAlias = dict[DataNode, dict[tuple[Constraint, Link], None]]
"""The links that start at (instances of) a schema node; a dict for a set in order."""


def _config(node: InnerNode) -> list[DataNode]:
    return [child for child in node.children if child.config]


def _subtree(node: DataNode) -> list[DataNode]:
    below = [found for child in _config(node) for found in _subtree(child)] if isinstance(node, InnerNode) else []
    return [node, *below]


def _start(top: DataNode, link: Link) -> tuple[DataNode, Link]:
    """Where in an instance of ``top`` a link starts: at the instance itself, if a join that encloses it or no join at
    all gets by with its keys; else at each entry the innermost join is about. The deepest join leads to the fewest."""
    usable = link
    while isinstance(usable, Join):
        starts_here = usable.anchor is top if usable.part is None else is_within(top, usable.anchor)
        if starts_here:
            return top, usable
        usable = usable.outer
    return (link.anchor, link) if isinstance(link, Join) else (top, link)


def _tree_of(
    node: DataNode, starts: dict[DataNode, tuple[tuple[Constraint, Link], ...]], uniques: tuple[Unique, ...]
) -> Reach:
    below = []
    if isinstance(node, InnerNode):
        for child in _config(node):
            reach = _tree_of(child, starts, ())
            if not reach.is_idle:
                below.append((child, reach))
    return Reach(tuple(starts.get(node, ())), uniques, tuple(below))
