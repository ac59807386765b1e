"""What is special about when: it guards the very node it stands on, and whens depend on whens (RFC 7950 7.21.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cryptomap.data.validation.checks import Check, check_of
from cryptomap.data.validation.dependencies import Dependency, chain_of, is_within
from cryptomap.schema.nodes import DataNode, InnerNode, When

if TYPE_CHECKING:
    from cryptomap.data.validation.constraints import Constraint

__all__ = ["ranks_of", "when_check"]


def when_check(when: When, node: DataNode, context: DataNode, dependencies: frozenset[Dependency]) -> Check:
    """The check of a when of ``node``. Only one that looks at what it guards needs to see a tree without that."""
    guarded = [child for child in _children(node.parent) if when in child.whens] if when.on_parent else [node]
    if not any(is_within(found.node, child) for found in dependencies for child in guarded):
        return check_of(when.expr, context)
    if context is node and isinstance(node, InnerNode):
        return lambda env, ground, value: ground.parent is not None and env.holds_when(when, ground.parent, node)
    return lambda env, ground, value: env.holds_when(when, ground, node)


def _children(node: InnerNode | None) -> tuple[DataNode, ...]:
    return node.children if node is not None else ()


def ranks_of(whens: Iterable[Constraint]) -> dict[Constraint, int]:
    """The order in which whens have to be settled: what a when looks at is settled before it. Whens in a circle, which
    YANG forbids, get some order."""
    by_node: dict[DataNode, list[Constraint]] = {}
    for when in whens:
        by_node.setdefault(when.node, []).append(when)
    ranks: dict[Constraint, int] = {}

    def rank(when: Constraint) -> int:
        if when not in ranks:
            ranks[when] = 0
            seen = {above for dependency in when.dependencies for above in chain_of(dependency.node)}
            before = [rank(other) for node in seen for other in by_node.get(node, ()) if other is not when]
            ranks[when] = 1 + max(before, default=-1)
        return ranks[when]

    for found in by_node.values():
        for when in found:
            rank(when)
    return ranks
