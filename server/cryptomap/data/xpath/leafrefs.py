"""A leafref's path as an expression of its own."""

from __future__ import annotations

from functools import lru_cache

from cryptomap.data.xpath.steps import DOT
from cryptomap.schema import xpath as ast
from cryptomap.schema.nodes import Leaf, ListNode
from cryptomap.schema.types import LeafrefType
from cryptomap.schema.xpath import Expr

__all__ = ["leafref_expr"]


@lru_cache(maxsize=4096)
def leafref_expr(kind: LeafrefType) -> Expr:
    """A leafref's path narrowed to the instances that hold the leafref's own value: ``list[key = current()]/key`` when
    the target is the single key of its list (a look-up), else ``target[. = current()]``."""
    path = kind.path
    assert isinstance(path, ast.Path)
    steps = list(path.steps)
    own = ast.Call("current", ())
    target = kind.target_node
    parent = target.parent
    by_key = isinstance(target, Leaf) and target.is_key and isinstance(parent, ListNode) and len(steps) >= 2
    if by_key and steps[-2].axis == "child":
        name = ast.Path(absolute=False, steps=(steps[-1],))
        list_step = steps[-2]
        predicates = (*list_step.predicates, ast.Binary("=", name, own))
        steps[-2] = ast.Step(list_step.axis, list_step.module, list_step.name, list_step.test, predicates)
    else:
        last = steps[-1]
        predicates = (*last.predicates, ast.Binary("=", DOT, own))
        steps[-1] = ast.Step(last.axis, last.module, last.name, last.test, predicates)
    return ast.Path(path.absolute, tuple(steps), path.base)
