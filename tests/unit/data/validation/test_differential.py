"""Three judges of the same commits: our incremental validation, our full validation, and libyang.

Hypothesis makes sequences of edits over adversarial modules (``modules/``, each set about one family of constraints)
and over the product's own. After each edit

- the incremental commit and the full validation of the same candidate name the same violations, and if there are none
  the same tree and the same value index;
- yanglint accepts what we accept and refuses what we refuse. It also decides what false whens delete: what it objects
  to by a when, and was there before, is taken away until it has no such objection left.

docs/conformance-validation.md lists the faults of libyang that are taken out of the comparison here, and the faults
seeded into the engine to see whether these tests can find any.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptomap.data.path import find, parse_instance_identifier
from cryptomap.data.tree import Node, Path, SortedEntries, UserEntries
from cryptomap.data.validation import Snapshot, empty_snapshot, snapshot_of, validate
from cryptomap.data.validation.constraints import plan_of
from cryptomap.data.xml import write
from cryptomap.data.xpath import Cursor, Env
from cryptomap.errors import RpcErrors
from cryptomap.schema.nodes import Container, Schema
from support.worlds import SETS, Script, World, make_world, scripts
from support.yanglint import need_yanglint

EXAMPLES = int(os.environ.get("CRYPTOMAP_FUZZ_EXAMPLES", "500"))


# ===== our judges =====

Verdict = Snapshot | frozenset[tuple[str, str | None, str]]


def ours(schema: Schema, candidate: Node, base: Snapshot | None) -> Verdict:
    """The snapshot, or the violations."""
    try:
        return validate(schema, candidate, base)
    except RpcErrors as refusal:
        return frozenset((error.tag, error.app_tag, str(error.path)) for error in refusal.errors)


def settled(schema: Schema, candidate: Node, base: Node) -> Node:
    """The candidate without what false whens delete, by looking at everything again and again: the nodes that were
    there before and have a false when go, those first that no other such when looks at."""
    while True:
        false = [path for path in false_whens(Env(schema, candidate)) if find(base, path) is not None]
        if not false:
            return candidate
        ranks = [min(when.rank for when in plan_of(schema).nodes[path[-1][0]].whens) for path in false]
        for path, rank in zip(false, ranks, strict=True):
            if rank == min(ranks):
                candidate = without(candidate, path)


def false_whens(env: Env) -> Iterator[Path]:
    """The topmost stored instances whose when is false."""
    above = [env.root]
    while above:
        at = above.pop()
        if not isinstance(at.value, Node):
            continue
        for child in at.value.schema.children:
            found: list[Cursor] = []
            if at.value.get(child) is not None:
                env.expand(at, child, found)
            if found and not env.exists_under_when(at, child):
                yield from [cursor.path for cursor in found]
            else:
                above += found


def without(node: Node, path: Path) -> Node:
    """A tree without the instance at a path."""
    (child, key), rest = path[0], path[1:]
    value: Any = node.slots[child.slot]
    left: Any = None
    if value is not None and rest:
        left = without(value if key is None else value.get(key), rest)
        if isinstance(child, Container) and not child.presence and left.is_empty:
            left = None
    if isinstance(value, (SortedEntries, UserEntries)):
        left = value.replace({key: left})  # type: ignore[dict-item]
    elif isinstance(value, tuple):
        left = tuple(item for item in value if item != key) or None
    return node.with_slot(child.slot, left)


# ===== the other judge =====

_FALSE_WHEN = re.compile(r'When condition ".*" not satisfied\. \(path: (?:Schema|Data) location "(.*)"\.\)', re.DOTALL)
_UNIQUE = re.compile(r'Unique data leaf\(s\) "([^"]*)" not satisfied')

DEFAULTS_OUT_OF_USE = {"bag/mark kind", "which/one/choice-a", "box/inner", "value"}
"""Unique statements for which libyang counts defaults that are not in use."""
DEFAULT_LEAFREFS = ("r:home", "r:paint")
"""Leafrefs whose default value libyang does not check."""


def compare_with_libyang(world: World, candidate: Node, base: Node, wanted: Node, verdict: Verdict) -> None:
    """libyang deletes what we delete, and accepts what we accept."""
    assert world.libyang is not None
    while True:
        said = world.libyang.refusal(b"".join(write(world.schema, candidate)))
        if said is None:
            return
        unwanted = _FALSE_WHEN.search(said)
        path = parse_instance_identifier(world.schema, unwanted[1]) if unwanted else ()
        if not path or find(base, path) is None:
            break
        candidate = without(candidate, path)
    unique = _UNIQUE.search(said)
    if unique and unique[1] in DEFAULTS_OUT_OF_USE:
        return
    if isinstance(verdict, frozenset):
        assert said or all(path.endswith(DEFAULT_LEAFREFS) for _, _, path in verdict), ("only we say", verdict)
    else:
        assert not said, ("only libyang says", said)
        assert candidate == wanted, "libyang deletes something else"


def judge(world: World, candidate: Node, base: Snapshot) -> Snapshot | None:
    """The next snapshot if the commit is good; all judges agree on that."""
    incremental = ours(world.schema, candidate, base)
    reference = settled(world.schema, candidate, base.root)
    full = ours(world.schema, reference, None)
    if isinstance(incremental, Snapshot):
        assert isinstance(full, Snapshot), ("accepted incrementally, refused in full", sorted(full, key=str))
        assert incremental.root == reference, "false whens deleted something else"
        assert set(incremental.references) == set(full.references), "the value index is not what a full one is"
        assert set(full.references) == set(snapshot_of(world.schema, reference).references)
    else:
        assert incremental == full, "incremental and full validation see different violations"
    if world.libyang is not None:
        compare_with_libyang(world, candidate, base.root, reference, incremental)
    return incremental if isinstance(incremental, Snapshot) else None


# ===== commits =====


def play(world: World, script: Script) -> tuple[int, int]:
    """Commit one edit after the other; (accepted, refused)."""
    running = empty_snapshot(world.schema)
    candidate = running.root
    accepted = refused = 0
    for text, keep in world.documents(script):
        candidate = world.edited(candidate, text)
        if candidate is running.root:
            continue
        snapshot = judge(world, candidate, running)
        if snapshot is not None:
            running, candidate = snapshot, snapshot.root
            accepted += 1
        else:
            candidate = candidate if keep else running.root
            refused += 1
    return accepted, refused


@pytest.fixture(scope="module", params=SETS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    world = make_world(request.param)
    yield world
    if world.libyang is not None:
        world.libyang.close()


@settings(
    max_examples=max(1, EXAMPLES // len(SETS)), deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_judges_agree(world: World, data: st.DataObject) -> None:
    play(world, data.draw(scripts(world)))


def test_the_other_judge_is_there() -> None:
    """Without it the tests above compare our two ways only: that is skipped, and in CI a failure."""
    need_yanglint()
