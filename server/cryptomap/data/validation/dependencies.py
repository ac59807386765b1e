"""What an expression looks at, read off its syntax tree once per schema.

A commit must find the constraint instances a change can affect without visiting the others. So each expression is run
over *schema* nodes instead of instances: every schema node D it may look at becomes a :class:`Dependency`, with a link
that leads from a changed instance of D back to the instances of the constraint's context node S:

local  D and S hang below a common ancestor. The contexts are the instances of S below that ancestor: one, or, if S is
       in a list below it, all of them. Where D belongs to the ancestor itself, these are just the ones that look at it.
join   D lies in a list entry chosen by a key (or value) equal to a leaf X that is found from S: the contexts are the
       holders of that value, from the value index of X. A leafref is the plainest case (X is S itself). Joins nest: an
       entry may be chosen below an entry that was chosen.
all    A local link where D, too, is in a list below the common ancestor: every S below the ancestor is evaluated,
       though few look at this D. Correct for every expression, and the answer to whatever is not understood; the
       compiler reports it (:func:`is_exact`).

Links may lead to too many contexts (they are evaluated for nothing), never to too few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

from cryptomap.data.xpath import leafref_expr
from cryptomap.data.xpath.steps import does_not_need_context, fixed_child
from cryptomap.schema import xpath as ast
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import InstanceIdentifierType, LeafrefType, Type, UnionType
from cryptomap.schema.xpath import Expr

__all__ = [
    "Dependency",
    "Join",
    "Link",
    "Local",
    "analyse",
    "chain_of",
    "is_exact",
    "is_within",
    "key_count",
    "shared_ancestor",
]


@lru_cache(maxsize=65_536)
def chain_of(node: DataNode) -> tuple[DataNode, ...]:
    """The schema nodes from a top-level node down to this one; empty for the root."""
    chain: list[DataNode] = []
    at: DataNode | None = node
    while at is not None and at.parent is not None:
        chain.append(at)
        at = at.parent
    return tuple(reversed(chain))


@lru_cache(maxsize=65_536)
def key_count(node: DataNode) -> int:
    """How many keys identify an instance of this schema node: one per list (or leaf-list) on its path."""
    return sum(isinstance(step, (ListNode, LeafList)) for step in chain_of(node))


def is_within(node: DataNode, ancestor: DataNode) -> bool:
    """Whether a schema node is ``ancestor`` or below it."""
    chain = chain_of(ancestor)
    return chain_of(node)[: len(chain)] == chain


@dataclass(frozen=True, slots=True)
class Local:
    """Changed node and contexts share this ancestor instance."""

    ancestor: DataNode


@dataclass(frozen=True, slots=True)
class Join:
    """The changed node lies at or below an entry of ``anchor``. The contexts belong to those instances of ``leaf``
    whose value equals the entry's key part ``part`` (``None``: the changed leaf's own value; a leaf: the value of that
    leaf of the entry). ``to_context`` leads from ``leaf`` to the context. ``outer`` is the link that holds without this
    join, for an expression that climbs above the entry, or a value that is in use by default and so in no index."""

    anchor: DataNode
    part: int | Leaf | None
    leaf: Leaf | LeafList
    to_context: Local
    outer: Link


Link: TypeAlias = Local | Join


def shared_ancestor(link: Link) -> DataNode:
    """The schema node of the ancestor instance that changed node and contexts have in common at least."""
    while isinstance(link, Join):
        link = link.outer
    return link.ancestor


@dataclass(frozen=True, slots=True)
class Dependency:
    node: DataNode
    link: Link


@dataclass(frozen=True, slots=True)
class _At:
    """A schema node an expression may stand on, and how its instances are linked to the context."""

    node: DataNode
    link: Link


def analyse(schema: Schema, expr: Expr, context: DataNode) -> frozenset[Dependency]:
    """All dependencies of an expression evaluated at instances of ``context``."""
    run = _Analysis(schema, context)
    run.value_of(run.visit(expr, run.context))
    return frozenset([Dependency(found.node, _lowered(found.link, found.node, context)) for found in run.found])


def _lowered(link: Link, node: DataNode, context: DataNode) -> Link:
    """The same link from the deepest ancestor that is certainly shared: there is one instance of a container."""
    if isinstance(link, Join):
        return replace(link, outer=_lowered(link.outer, node, context))
    ancestor = link.ancestor
    above = len(chain_of(ancestor))
    for one, other in zip(chain_of(node)[above:], chain_of(context)[above:], strict=False):
        if one is not other or not isinstance(one, Container):
            break
        ancestor = one
    return Local(ancestor)


_DOWNWARDS = frozenset({"child", "descendant", "descendant-or-self", "self"})


class _Analysis:
    """One expression at the instances of one schema node."""

    def __init__(self, schema: Schema, context: DataNode) -> None:
        self.schema = schema
        self.context = _At(context, Local(context))
        self.found: set[Dependency] = set()

    # ===== expressions: the schema nodes of a node-set, or nothing for other results =====

    def visit(self, expr: Expr, at: _At) -> list[_At]:
        if isinstance(expr, ast.Path):
            return self._path(expr, at)
        if isinstance(expr, ast.Filter):
            return self._filtered(self.visit(expr.operand, at), expr.predicates)
        if isinstance(expr, ast.Call):
            return self._call(expr, at)
        if isinstance(expr, ast.Binary):
            left, right = self.visit(expr.left, at), self.visit(expr.right, at)
            if expr.op == "|":
                return left + right
            self.value_of(left)
            self.value_of(right)
        elif isinstance(expr, ast.Negate):
            self.value_of(self.visit(expr.operand, at))
        return []

    def value_of(self, nodes: list[_At]) -> None:
        """The string-value of a container or entry is made of its descendants."""
        for at in nodes:
            self._look_at(at)
            if isinstance(at.node, InnerNode):
                for below in _descendants(at.node):
                    self.found.add(Dependency(below, at.link))

    def _look_at(self, at: _At) -> None:
        if at.node.parent is not None:
            self.found.add(Dependency(at.node, at.link))

    def _call(self, expr: ast.Call, at: _At) -> list[_At]:
        if expr.name == "current":
            return [self.context]
        if expr.name == "deref":
            return self._deref(self.visit(expr.args[0], at))
        existence_only = expr.name in {"count", "not", "boolean"}
        for arg in expr.args:
            nodes = self.visit(arg, at)
            if not existence_only:
                self.value_of(nodes)
        if not expr.args and expr.name in {"string", "number", "string-length", "normalize-space"}:
            self.value_of([at])
        return []

    def _deref(self, nodes: list[_At]) -> list[_At]:
        found: list[_At] = []
        for at in nodes:
            self._look_at(at)
            kinds = _member_types(at.node.type) if isinstance(at.node, (Leaf, LeafList)) else []
            for kind in kinds:
                if isinstance(kind, LeafrefType):
                    found += self._follow(kind, at)
                elif isinstance(kind, InstanceIdentifierType):
                    found += [_At(node, Local(self.schema.root)) for node in _descendants(self.schema.root)]
        return found

    def _follow(self, kind: LeafrefType, at: _At) -> list[_At]:
        """The target of a leafref that stands at ``at``: as if its narrowed path were written there, with current()
        being the leafref itself. Behind a join the way back to the context is not known: then it is all contexts."""
        inner = _Analysis(self.schema, at.node)
        inner.context = at if isinstance(at.link, Local) else _At(at.node, Local(self.schema.root))
        nodes = inner.visit(leafref_expr(kind), inner.context)
        self.found |= inner.found
        return nodes

    # ===== paths =====

    def _path(self, expr: ast.Path, at: _At) -> list[_At]:
        if expr.base is not None:
            nodes = self.visit(expr.base, at)
        elif expr.absolute:
            nodes = [_At(self.schema.root, Local(self.schema.root))]
        else:
            nodes = [at]
        for step in expr.steps:
            if step.axis not in _DOWNWARDS:
                self._pass_through(nodes)
            nodes = _unique([found for node in nodes for found in self._step(step, node)])
        for node in nodes:
            self._look_at(node)
        return nodes

    def _pass_through(self, nodes: list[_At]) -> None:
        """Steps down are seen at their end; what a path leaves upwards or sideways must exist as well."""
        for at in nodes:
            if not is_within(self.context.node, at.node):
                self._look_at(at)

    def _step(self, step: ast.Step, at: _At) -> list[_At]:
        nodes = [found for found in _axis(step.axis, at) if _passes(step, found.node)]
        if step.test == "text":
            nodes = [at] if isinstance(at.node, (Leaf, LeafList)) else []
        if step.axis != "child" or not step.predicates:
            return self._filtered(nodes, step.predicates)
        return [found for node in nodes for found in self._entered(node, step.predicates)]

    def _entered(self, node: _At, predicates: tuple[Expr, ...]) -> list[_At]:
        """A child step with predicates: the leading ones that join the entry with a leaf of the context narrow the
        link. Any other predicate may count the siblings, so that nothing after it does."""
        for predicate in predicates:
            joined = self._joined(node, predicate)
            if joined is None:
                break
            node = joined
        return self._filtered([node], predicates)

    def _filtered(self, nodes: list[_At], predicates: tuple[Expr, ...]) -> list[_At]:
        for node in nodes:
            for predicate in predicates:
                self._look_at(node)
                self.value_of(self.visit(predicate, node))
        return nodes

    def _joined(self, at: _At, predicate: Expr) -> _At | None:
        part: int | Leaf | None = None
        value = _own_value_comparison(predicate) if isinstance(at.node, (Leaf, LeafList)) else None
        fixed = fixed_child(predicate)
        if fixed is not None and isinstance(at.node, ListNode):
            child = next((child for child in at.node.children if _passes(fixed[0], child)), None)
            if isinstance(child, Leaf):
                part = at.node.keys.index(child) if child in at.node.keys else child
                value = fixed[1]
        source = self._source(value) if value is not None else None
        if source is None:
            return None
        leaf, link = source
        return _At(at.node, Join(at.node, part, leaf, link, at.link))

    def _source(self, value: Expr) -> tuple[Leaf | LeafList, Local] | None:
        """The leaf of the context's surroundings whose value an entry is compared with, if it is such a leaf."""
        sources = _Analysis(self.schema, self.context.node)
        sources.context = self.context
        leaves = sources.visit(value, self.context)
        if len(leaves) != 1:
            return None
        leaf, link = leaves[0].node, leaves[0].link
        return (leaf, link) if isinstance(leaf, (Leaf, LeafList)) and isinstance(link, Local) else None


def _own_value_comparison(predicate: Expr) -> Expr | None:
    """The value of ``[. = value]`` when it does not depend on the node filtered."""
    if not isinstance(predicate, ast.Binary) or predicate.op != "=":
        return None
    for dot, value in ((predicate.left, predicate.right), (predicate.right, predicate.left)):
        is_dot = isinstance(dot, ast.Path) and not dot.absolute and dot.base is None and len(dot.steps) == 1
        if is_dot and isinstance(dot, ast.Path) and dot.steps[0].axis == "self" and does_not_need_context(value):
            return value
    return None


def _member_types(kind: Type) -> list[Type]:
    if isinstance(kind, UnionType):
        return [found for member in kind.members for found in _member_types(member)]
    return [kind]


def _unique(nodes: list[_At]) -> list[_At]:
    return list(dict.fromkeys(nodes))


def _descendants(node: InnerNode) -> Iterator[DataNode]:
    for child in node.children:
        yield child
        if isinstance(child, InnerNode):
            yield from _descendants(child)


def _passes(step: ast.Step, node: DataNode) -> bool:
    if step.test != "name":
        return step.test == "node"
    if step.name is not None and node.name != step.name:
        return False
    return node.parent is not None and (step.module is None or node.module == step.module)


def _parent(at: _At) -> list[_At]:
    parent = at.node.parent
    if parent is None:
        return []
    link = at.link
    while isinstance(link, Join) and link.anchor is at.node:
        link = link.outer
    if isinstance(link, Local) and not is_within(parent, link.ancestor):
        link = Local(parent)
    return [_At(parent, link)]


def _ancestors(at: _At) -> list[_At]:
    found: list[_At] = []
    above = _parent(at)
    while above:
        found += above
        above = _parent(above[0])
    return found


def _below(at: _At) -> list[_At]:
    return [_At(node, at.link) for node in _descendants(at.node)] if isinstance(at.node, InnerNode) else []


def _children(at: _At) -> list[_At]:
    return [_At(node, at.link) for node in at.node.children] if isinstance(at.node, InnerNode) else []


def _axis(axis: str, at: _At) -> list[_At]:
    if axis == "child":
        return _children(at)
    if axis == "self":
        return [at]
    if axis == "parent":
        return _parent(at)
    if axis == "descendant":
        return _below(at)
    if axis == "descendant-or-self":
        return [at, *_below(at)]
    if axis == "ancestor":
        return _ancestors(at)
    if axis == "ancestor-or-self":
        return [at, *_ancestors(at)]
    if axis in {"following-sibling", "preceding-sibling"}:
        return [sibling for parent in _parent(at) for sibling in _children(parent)]
    if axis in {"following", "preceding"}:
        ancestors = _ancestors(at)
        root = ancestors[-1].node if ancestors else at.node
        return _below(_At(root, Local(root)))
    return []


def is_exact(dependency: Dependency, context: DataNode) -> bool:
    """Whether the link leads to those contexts only that look at the changed node (and not to all of a list)."""
    link = dependency.link
    if isinstance(link, Join):
        return True
    shared = key_count(link.ancestor)
    return key_count(context) == shared or key_count(dependency.node) == shared
