"""Whether what a leaf refers to exists: leafrefs, instance-identifiers, and unions of them.

A leafref to a key is a look-up in the tree. Most others would have to search for their value; the value index knows
all instances that have it, so that only these are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cryptomap.data.tree import Node, Value
from cryptomap.data.validation.checks import Check, check_of, general_check, instance_at
from cryptomap.data.validation.dependencies import chain_of, key_count
from cryptomap.data.validation.places import Viewpoint, place_of
from cryptomap.data.validation.references import Keys
from cryptomap.data.xpath import Compiled, Cursor, Env, compile_expr, leafref_expr
from cryptomap.data.xpath.steps import DOT, filtered
from cryptomap.schema import xpath as ast
from cryptomap.schema.nodes import DataNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import InstanceIdentifierType, LeafrefType, Type, TypeFault, UnionType

__all__ = [
    "IndexedEnv",
    "Target",
    "members_of",
    "reference_check",
    "reference_expr",
    "references_of",
    "target_of",
]

Reference: TypeAlias = LeafrefType | InstanceIdentifierType
Holders: TypeAlias = Callable[[object, str, Keys], Sequence[Keys]]


class IndexedEnv(Env):
    """An evaluation that can ask the value index: (leaf, value, first keys of the path) -> instances."""

    __slots__ = ("holders",)

    def __init__(self, schema: Schema, root: Node, holders: Holders) -> None:
        super().__init__(schema, root)
        self.holders = holders


def members_of(kind: Type) -> Iterator[Type]:
    """The type itself, or the members of a union, of unions in it too."""
    if isinstance(kind, UnionType):
        for member in kind.members:
            yield from members_of(member)
    else:
        yield kind


def references_of(kind: Type) -> list[Reference]:
    """The types of a leaf that refer to something."""
    return [member for member in members_of(kind) if isinstance(member, (LeafrefType, InstanceIdentifierType))]


def reference_expr(kind: Reference) -> ast.Expr:
    """What must not be empty."""
    return leafref_expr(kind) if isinstance(kind, LeafrefType) else ast.Call("deref", (DOT,))


@dataclass(frozen=True, slots=True)
class Target:
    """A leafref's target that no key look-up leads to: it is found through the value index. ``climb``: how many steps
    lead from the leafref's parent up to the ancestor that both share, which has ``depth`` keys. ``predicates`` of the
    lists on the path, outermost first."""

    leaf: Leaf | LeafList
    climb: int
    depth: int
    predicates: tuple[tuple[ListNode, tuple[Compiled, ...]], ...]


def target_of(kind: LeafrefType, node: Leaf | LeafList) -> Target | None:
    """The target, if it takes more than a look-up and the path goes up and then down, as all leafrefs do."""
    path, leaf, view = kind.path, kind.target_node, Viewpoint.at(node)
    if view is not None and place_of(reference_expr(kind), view) is not None:
        return None
    if not isinstance(path, ast.Path) or path.base is not None:
        return None
    ups = next((at for at, step in enumerate(path.steps) if step.axis != "parent"), len(path.steps))
    down = path.steps[ups:]
    if any(step.axis != "child" for step in down) or (not path.absolute and ups == 0):
        return None
    chain = chain_of(leaf)
    shared = chain[: len(chain) - len(down)]
    climb = len(chain_of(node)) - 1 - len(shared) if path.absolute else ups - 1
    predicates = [
        (schema, tuple([compile_expr(predicate) for predicate in step.predicates]))
        for schema, step in zip(chain[len(shared) :], down, strict=True)
        if isinstance(schema, ListNode) and step.predicates
    ]
    depth = key_count(shared[-1]) if shared else 0
    return Target(leaf, climb, depth, tuple(predicates))


def reference_check(node: Leaf | LeafList, kinds: Sequence[tuple[Reference, Target | None]]) -> Check:
    """The check of a leaf's references; for a union, whether the value fits at least one member."""
    checks = [
        _indexed_check(node, target, reference_expr(kind)) if target else check_of(reference_expr(kind), node)
        for kind, target in kinds
    ]
    if not isinstance(node.type, UnionType):
        return checks[0] if checks else _always
    union = node.type

    def check(env: Env, ground: Cursor, value: Value) -> bool:
        return _fits_plain_member(union, value) or any(found(env, ground, value) for found in checks)

    return check


def _always(env: Env, ground: Cursor, value: Value) -> bool:
    return True


def _fits_plain_member(kind: UnionType, value: Value) -> bool:
    """Whether the value fits a member that needs no instance."""
    assert isinstance(value, str)
    for member in members_of(kind):
        if isinstance(member, (LeafrefType, InstanceIdentifierType)) and member.require_instance:
            continue
        try:
            member.parse(value)
        except TypeFault:
            continue
        return True
    return False


def _indexed_check(node: Leaf | LeafList, target: Target, expr: ast.Expr) -> Check:
    defaults = (target.leaf.default,) if isinstance(target.leaf, Leaf) else target.leaf.defaults
    general = general_check(expr, node)

    def check(env: Env, ground: Cursor, value: Value) -> bool:
        assert isinstance(env, IndexedEnv)
        assert isinstance(value, str)
        top = ground
        for _ in range(target.climb):
            assert top.parent is not None
            top = top.parent
        within = top.keys
        env.visited += 1
        for holder in env.holders(target.leaf, value, within):
            if not target.predicates or _chosen(env, top, target, holder, instance_at(ground, node, value)):
                return True
        return value in defaults and general(env, ground, value)

    return check


def _chosen(env: Env, top: Cursor, target: Target, holder: Keys, current: Cursor) -> bool:
    """Whether the entries that an instance of the target lies in satisfy the predicates of the path."""
    outer, env.current = env.current, current
    try:
        return all(_entry_chosen(env, top, schema, holder, tests) for schema, tests in target.predicates)
    finally:
        env.current = outer


def _entry_chosen(env: Env, top: Cursor, schema: ListNode, holder: Keys, tests: tuple[Compiled, ...]) -> bool:
    entry = _descend(env, top, schema, holder)
    return entry is not None and bool(filtered(env, [entry], tests))


def _descend(env: Env, top: Cursor, schema: DataNode, keys: Keys) -> Cursor | None:
    """The instance of a schema node below ``top`` with these keys along its path from the root."""
    at: Cursor | None = top
    depth = len(top.keys)
    for step in chain_of(schema)[len(chain_of(top.schema)) :]:
        if at is None:
            return None
        if isinstance(step, ListNode):
            at = env.entry(at, step, keys[depth])
            depth += 1
        else:
            value = env.value(at, step)
            at = Cursor(at, step, value) if value is not None else None
    return at
