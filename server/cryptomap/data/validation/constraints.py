"""The constraints of a schema, compiled once: what is checked where, and what a change of a node can affect.

:func:`plan_of` turns a :class:`~cryptomap.schema.nodes.Schema` into a :class:`Plan`. :func:`report` says for every
must, when and leafref whether a commit can check it incrementally, and why not if it cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from cryptomap.data.validation.dependencies import Dependency, Join, Link, analyse, is_exact
from cryptomap.data.validation.structure import Requirement, requirements_of
from cryptomap.data.xpath import Compiled, compile_expr, leafref_expr
from cryptomap.schema import xpath as ast
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import InstanceIdentifierType, LeafrefType, Type, UnionType

__all__ = ["Constraint", "Finding", "NodePlan", "Plan", "Unique", "plan_of", "report"]


@dataclass(eq=False, slots=True)
class Constraint:
    """One must, when or leafref (``kind``) of ``node``; it is evaluated at instances of ``context``, which is the
    node itself or, for a when from augment, uses, choice or case, its parent."""

    kind: str
    node: DataNode
    context: DataNode
    text: str
    compiled: Compiled
    dependencies: frozenset[Dependency]
    message: str | None = None
    app_tag: str | None = None

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

    ``dependents`` are the constraints elsewhere that look at this node. ``indexed``: its values are kept in the value
    index. ``uniques_above``: unique statements of lists above that read this leaf. ``implied`` are children that exist
    without being stored (defaults, non-presence containers) and matter to a constraint. ``also`` are leafs whose
    default comes into or goes out of use when this node is created or deleted. ``busy``: something at or below this
    node needs a visit when it is created or deleted; the others are skipped whole."""

    musts: list[Constraint] = field(default_factory=list)
    whens: list[Constraint] = field(default_factory=list)
    leafref: Constraint | None = None
    alternatives: tuple[Constraint, ...] = ()
    dependents: list[tuple[Constraint, Link]] = field(default_factory=list)
    indexed: bool = False
    uniques: list[Unique] = field(default_factory=list)
    uniques_above: list[Unique] = field(default_factory=list)
    requirements: tuple[Requirement, ...] = ()
    implied: list[DataNode] = field(default_factory=list)
    also: list[DataNode] = field(default_factory=list)
    busy: bool = False
    has_whens_below: bool = False


@dataclass(eq=False, slots=True)
class Plan:
    schema: Schema
    nodes: dict[DataNode, NodePlan]
    constraints: list[Constraint]


@lru_cache(maxsize=8)
def plan_of(schema: Schema) -> Plan:
    """The plan of a schema; computed once for each."""
    nodes: dict[DataNode, NodePlan] = {schema.root: NodePlan()}
    schema.walk(lambda node: nodes.__setitem__(node, NodePlan()))
    plan = Plan(schema, nodes, [])
    for node in list(nodes):
        if node.config:
            _own_constraints(plan, node)
    for constraint in plan.constraints:
        for dependency in constraint.dependencies:
            _depend(plan, constraint, dependency)
    _mark(plan, schema.root)
    return plan


def _own_constraints(plan: Plan, node: DataNode) -> None:
    own = plan.nodes[node]
    for must in node.musts:
        constraint = _constraint(plan, "must", node, node, must.text, must.expr)
        constraint.message, constraint.app_tag = must.message, must.app_tag
        own.musts.append(constraint)
    for when in node.whens:
        context = node.parent if when.on_parent and node.parent is not None else node
        own.whens.append(_constraint(plan, "when", node, context, when.text, when.expr))
    if isinstance(node, (Leaf, LeafList)):
        _own_reference(plan, node, own)
    if isinstance(node, ListNode):
        own.uniques = [Unique(node, *item) for item in zip(node.unique, node.unique_text, strict=True)]
        for unique in own.uniques:
            for leaf in _unique_leaves(unique):
                plan.nodes[leaf].uniques_above.append(unique)
    if isinstance(node, InnerNode):
        own.requirements = requirements_of(node)
        _note_default_cases(plan, node)


def _constraint(plan: Plan, kind: str, node: DataNode, context: DataNode, text: str, expr: ast.Expr) -> Constraint:
    dependencies = analyse(plan.schema, expr, context)
    constraint = Constraint(kind, node, context, text, compile_expr(expr), dependencies)
    plan.constraints.append(constraint)
    return constraint


def _own_reference(plan: Plan, node: Leaf | LeafList, own: NodePlan) -> None:
    """A leafref or instance-identifier; in a union, the alternatives are tried when the value fits one of them."""
    members = list(_members(node.type))
    references = [member for member in members if isinstance(member, (LeafrefType, InstanceIdentifierType))]
    constraints = [
        _constraint(plan, "leafref", node, node, _reference_text(member), _reference_expr(member))
        for member in references
        if member.require_instance
    ]
    own.indexed = any(isinstance(member, LeafrefType) for member in members)
    if not isinstance(node.type, UnionType):
        own.leafref = constraints[0] if constraints else None
    elif constraints:
        own.alternatives = tuple(constraints)


def _members(kind: Type) -> Iterator[Type]:
    if isinstance(kind, UnionType):
        for member in kind.members:
            yield from _members(member)
    else:
        yield kind


def _reference_text(kind: LeafrefType | InstanceIdentifierType) -> str:
    return kind.path_text if isinstance(kind, LeafrefType) else "instance-identifier"


def _reference_expr(kind: LeafrefType | InstanceIdentifierType) -> ast.Expr:
    if isinstance(kind, LeafrefType):
        return leafref_expr(kind)
    return ast.Call("deref", (ast.Path(absolute=False, steps=(ast.Step("self", None, None, "node"),)),))


def _unique_leaves(unique: Unique) -> Iterator[DataNode]:
    for path in unique.paths:
        node: DataNode = unique.node
        for slot in path:
            assert isinstance(node, InnerNode)
            node = node.children[slot]
        yield node


def _note_default_cases(plan: Plan, node: InnerNode) -> None:
    """Creating or deleting a node of one case changes whether the defaults of the default case are in use."""
    for choice in node.choices:
        default_case = next((case for case in choice.cases if case.name == choice.default), None)
        if default_case is None:
            continue
        defaults = [node.children[slot] for slot in default_case.all_slots()]
        for case in choice.cases:
            for slot in case.all_slots():
                plan.nodes[node.children[slot]].also += [leaf for leaf in defaults if leaf.slot != slot]


def _depend(plan: Plan, constraint: Constraint, dependency: Dependency) -> None:
    node, link = dependency.node, dependency.link
    if node not in plan.nodes or not node.config:
        return
    plan.nodes[node].dependents.append((constraint, link))
    if isinstance(link, Join):
        plan.nodes[link.leaf].indexed = True


def _mark(plan: Plan, node: DataNode) -> tuple[bool, bool]:
    """Fill ``busy``, ``has_whens_below`` and ``implied`` bottom-up; (busy, whens at or below)."""
    own = plan.nodes[node]
    busy = bool(
        own.musts or own.whens or own.leafref or own.alternatives or own.dependents or own.indexed or own.uniques
        or own.uniques_above or own.requirements or own.also
    )  # fmt: skip
    whens = bool(own.whens)
    if isinstance(node, InnerNode):
        for child in node.children:
            if not child.config:
                continue
            child_busy, child_whens = _mark(plan, child)
            busy, whens = busy or child_busy, whens or child_whens
            if child_busy and _may_be_implied(child):
                own.implied.append(child)
    own.busy, own.has_whens_below = busy, whens
    return busy, whens


def _may_be_implied(child: DataNode) -> bool:
    if isinstance(child, Leaf):
        return child.default is not None
    if isinstance(child, LeafList):
        return bool(child.defaults)
    return isinstance(child, Container) and not child.presence


# ===== the report =====


@dataclass(frozen=True, slots=True)
class Finding:
    """How a constraint is checked at a commit: ``incremental`` if the work follows the change. ``reasons`` names, for
    the others, each schema node whose change makes all contexts be evaluated again."""

    kind: str
    node: str
    text: str
    incremental: bool
    reasons: tuple[str, ...] = ()


def report(schema: Schema) -> list[Finding]:
    """One finding per must, when and leafref of the schema's configuration."""
    return [_finding(constraint) for constraint in plan_of(schema).constraints]


def _finding(constraint: Constraint) -> Finding:
    reasons = sorted(
        dependency.node.path
        for dependency in constraint.dependencies
        if dependency.node.config and not is_exact(dependency, constraint.context)
    )
    return Finding(constraint.kind, constraint.node.path, constraint.text, not reasons, tuple(reasons))
