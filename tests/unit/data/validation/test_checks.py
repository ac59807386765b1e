"""Checks made of plain look-ups mean what the general evaluator means, at every instance of random trees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptomap.data.tree import Node
from cryptomap.data.validation import snapshot_of
from cryptomap.data.validation.checks import check_of, general_check
from cryptomap.data.validation.constraints import plan_of
from cryptomap.data.validation.leafrefs import IndexedEnv, members_of, reference_expr
from cryptomap.data.xpath import Cursor
from cryptomap.schema.nodes import InnerNode, Leaf, LeafList
from cryptomap.schema.types import LeafrefType, UnionType
from cryptomap.schema.xpath import Expr
from support.worlds import SETS, World, make_world, scripts


@pytest.fixture(scope="module", params=SETS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    world = make_world(request.param)
    yield world
    if world.libyang is not None:
        world.libyang.close()


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_forms_agree(world: World, data: st.DataObject) -> None:
    root = Node.empty(world.schema.root)
    for text, _ in world.documents(data.draw(scripts(world))):
        root = world.edited(root, text)
        index = snapshot_of(world.schema, root).references.edit(plan_of(world.schema).depths)
        compare(IndexedEnv(world.schema, root, index.holders))


def compare(env: IndexedEnv) -> None:
    for at in instances(env, env.root):
        ground = at if isinstance(at.schema, InnerNode) else at.parent
        assert ground is not None
        for expr in [must.expr for must in at.schema.musts] + whens_below(at):
            general = general_check(expr, at.schema)(env, ground, at.value)
            assert check_of(expr, at.schema)(env, ground, at.value) is general, (expr, at.path)
        if isinstance(at.schema, (Leaf, LeafList)):
            compare_reference(env, at, ground, at.schema)


def whens_below(at: Cursor) -> list[Expr]:
    """Those that are evaluated at this instance, for its children."""
    if not isinstance(at.schema, InnerNode):
        return []
    return [when.expr for child in at.schema.children for when in child.whens if when.on_parent]


def compare_reference(env: IndexedEnv, at: Cursor, ground: Cursor, node: Leaf | LeafList) -> None:
    kinds = [kind for kind in members_of(node.type) if isinstance(kind, LeafrefType) and kind.require_instance]
    for constraint, kind in zip(plan_of(env.schema).nodes[node].references, kinds, strict=False):
        if not isinstance(node.type, UnionType):
            found = general_check(reference_expr(kind), node)(env, ground, at.value)
            assert constraint.holds(env, ground, at.value) is found, at.path


def instances(env: IndexedEnv, at: Cursor) -> Iterator[Cursor]:
    yield at
    for child in env.children(at):
        yield from instances(env, child)
