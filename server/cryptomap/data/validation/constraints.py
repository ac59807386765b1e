"""The constraints of a schema, compiled once: what is checked where, and what a change of a node can affect.

:func:`plan_of` turns a :class:`~cryptomap.schema.nodes.Schema` into a :class:`Plan`. :func:`report` says for every
must, when and leafref whether a commit can check it incrementally, and why not if it cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from cryptomap.data.validation.checks import Check, check_of
from cryptomap.data.validation.dependencies import (
    Dependency,
    Join,
    Link,
    analyse,
    is_exact,
    key_count,
    shared_ancestor,
)
from cryptomap.data.validation.leafrefs import reference_check, reference_expr, references_of, target_of
from cryptomap.data.validation.structure import Requirement, requirements_of
from cryptomap.data.validation.whens import ranks_of, when_check
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import LeafrefType

__all__ = ["Constraint", "Finding", "NodePlan", "Plan", "Unique", "plan_of", "report"]


@dataclass(eq=False, slots=True)
class Constraint:
    """One must, when or leafref (``kind``) of ``node``; it is evaluated at instances of ``context``, which is the
    node itself or, for a when from augment, uses, choice or case, its parent.

    ``holds`` checks one instance. ``seat`` is the schema node whose instances an affected constraint is noted for: the
    context, but for a when the innermost instance that exists whether the when is true or not. ``rank`` orders whens
    that depend on whens (RFC 7950 section 7.21.5)."""

    kind: str
    node: DataNode
    context: DataNode
    text: str
    dependencies: frozenset[Dependency]
    holds: Check
    message: str | None = None
    app_tag: str | None = None
    rank: int = 0

    @property
    def seat(self) -> DataNode:
        if self.kind != "when" or (self.context is self.node and isinstance(self.node, ListNode)):
            return self.context
        assert self.node.parent is not None
        return self.node.parent

    def __repr__(self) -> str:
        return f"<{self.kind} {self.text!r} on {self.node.path}>"


@dataclass(eq=False, slots=True)
class Unique:
    """A unique statement of a list: slot paths of its leafs, and its text for the error."""

    node: ListNode
    paths: tuple[tuple[int, ...], ...]
    text: str


@dataclass(slots=True)
class NodePlan:
    """All that validation has to know about a schema node.

    ``dependents`` are the constraints that look at this node, with the way to their contexts. ``alternatives`` are the
    references of a union, any of which may hold. ``indexed``: its values are kept in the value index.
    ``uniques_above``: unique statements of lists above that read this leaf. ``siblings``: nodes of the same choice
    whose defaults (or non-presence containers) come into or go out of use when this node is created or deleted.
    ``implied``: it may exist without being stored."""

    musts: list[Constraint] = field(default_factory=list)
    whens: list[Constraint] = field(default_factory=list)
    references: tuple[Constraint, ...] = ()
    dependents: list[tuple[Constraint, Link]] = field(default_factory=list)
    indexed: bool = False
    uniques: list[Unique] = field(default_factory=list)
    uniques_above: list[Unique] = field(default_factory=list)
    requirements: tuple[Requirement, ...] = ()
    siblings: tuple[DataNode, ...] = ()
    implied: bool = False


@dataclass(eq=False, slots=True)
class Plan:
    """``depths`` are those of the value index: by how many keys the holders of a value are kept apart."""

    schema: Schema
    nodes: dict[DataNode, NodePlan]
    constraints: list[Constraint]
    depths: dict[object, int]


@lru_cache(maxsize=8)
def plan_of(schema: Schema) -> Plan:
    """The plan of a schema; computed once for each."""
    nodes: dict[DataNode, NodePlan] = {schema.root: NodePlan()}
    schema.walk(lambda node: nodes.__setitem__(node, NodePlan()))
    plan = Plan(schema, nodes, [], {})
    for node in list(nodes):
        if node.config or node.parent is None:
            _own_constraints(plan, node)
    for constraint in plan.constraints:
        for dependency in constraint.dependencies:
            _depend(plan, constraint, dependency)
    for when, rank in ranks_of([found for found in plan.constraints if found.kind == "when"]).items():
        when.rank = rank
    return plan


def _own_constraints(plan: Plan, node: DataNode) -> None:
    own = plan.nodes[node]
    own.implied = _may_be_implied(node)
    for must in node.musts:
        dependencies = analyse(plan.schema, must.expr, node)
        check = check_of(must.expr, node)
        own.musts.append(
            _add(plan, Constraint("must", node, node, must.text, dependencies, check, must.message, must.app_tag))
        )
    for when in node.whens:
        context = node.parent if when.on_parent and node.parent is not None else node
        dependencies = analyse(plan.schema, when.expr, context)
        check = when_check(when, node, context, dependencies)
        own.whens.append(_add(plan, Constraint("when", node, context, when.text, dependencies, check)))
    if isinstance(node, (Leaf, LeafList)):
        own.references = tuple(_references(plan, node))
    if isinstance(node, ListNode):
        own.uniques = [Unique(node, *item) for item in zip(node.unique, node.unique_text, strict=True)]
        for unique in own.uniques:
            plan.depths[unique] = 0
            for leaf in _unique_leaves(unique):
                plan.nodes[leaf].uniques_above.append(unique)
    if isinstance(node, InnerNode):
        own.requirements = requirements_of(node)
        _note_choices(plan, node)


def _add(plan: Plan, constraint: Constraint) -> Constraint:
    plan.constraints.append(constraint)
    return constraint


def _references(plan: Plan, node: Leaf | LeafList) -> Iterator[Constraint]:
    """The leafrefs and instance-identifiers of a leaf that need an instance. In a union any of them will do, so all
    of them have the same check."""
    kinds = references_of(node.type)
    if any(isinstance(kind, LeafrefType) for kind in kinds):
        _index(plan, node, key_count(node))
    wanted = [kind for kind in kinds if kind.require_instance]
    targets = [target_of(kind, node) if isinstance(kind, LeafrefType) else None for kind in wanted]
    for target in targets:
        if target is not None:
            _index(plan, target.leaf, target.depth)
    check = reference_check(node, list(zip(wanted, targets, strict=True)))
    for kind in wanted:
        expr = reference_expr(kind)
        text = kind.path_text if isinstance(kind, LeafrefType) else "instance-identifier"
        yield _add(plan, Constraint("leafref", node, node, text, analyse(plan.schema, expr, node), check))


def _index(plan: Plan, leaf: Leaf | LeafList, depth: int) -> None:
    plan.nodes[leaf].indexed = True
    plan.depths[leaf] = min(depth, plan.depths.get(leaf, depth))


def _unique_leaves(unique: Unique) -> Iterator[DataNode]:
    for path in unique.paths:
        node: DataNode = unique.node
        for slot in path:
            assert isinstance(node, InnerNode)
            node = node.children[slot]
        yield node


def _note_choices(plan: Plan, node: InnerNode) -> None:
    for choice in node.choices:
        slots = [slot for case in choice.cases for slot in case.all_slots()]
        implied = [node.children[slot] for slot in slots if _may_be_implied(node.children[slot])]
        for slot in slots:
            plan.nodes[node.children[slot]].siblings = tuple([child for child in implied if child.slot != slot])


def _may_be_implied(node: DataNode) -> bool:
    if isinstance(node, Leaf):
        return node.default is not None
    if isinstance(node, LeafList):
        return bool(node.defaults)
    return isinstance(node, Container) and not node.presence


def _depend(plan: Plan, constraint: Constraint, dependency: Dependency) -> None:
    node, link = dependency.node, dependency.link
    if node not in plan.nodes or not node.config:
        return
    plan.nodes[node].dependents.append((constraint, link))
    shared = key_count(shared_ancestor(link))
    while isinstance(link, Join):
        _index(plan, link.leaf, min(shared, key_count(link.to_context.ancestor)))
        link = link.outer


# ===== the report =====


@dataclass(frozen=True, slots=True)
class Finding:
    """How a constraint is checked at a commit: ``incremental`` if the work follows the change. ``way`` is local, join
    or all, the last if for some changes all contexts are evaluated again; ``reasons`` names the schema nodes whose
    changes these are."""

    kind: str
    node: str
    text: str
    incremental: bool
    way: str
    reasons: tuple[str, ...] = ()


def report(schema: Schema) -> list[Finding]:
    """One finding per must, when and leafref of the schema's configuration."""
    return [_finding(constraint) for constraint in plan_of(schema).constraints]


def _finding(constraint: Constraint) -> Finding:
    dependencies = [dependency for dependency in constraint.dependencies if dependency.node.config]
    reasons = sorted({found.node.path for found in dependencies if not is_exact(found, constraint.context)})
    joins = any(isinstance(found.link, Join) for found in dependencies)
    way = "all" if reasons else "join" if joins else "local"
    return Finding(constraint.kind, constraint.node.path, constraint.text, not reasons, way, tuple(reasons))
