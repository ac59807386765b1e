"""A commit costs what the change costs, from the edit to the journal: work is counted, not timed. And many commits
leave nothing behind."""

from __future__ import annotations

import gc
import itertools
import os
import sys
from collections.abc import Callable, Iterator

import pytest
from bench import workload
from bench.inprocess import ORIGIN, World

from cryptomap.errors import RpcErrors
from cryptomap_backend.change import Change
from cryptomap_backend.plan import Plan
from support.yang import product_schema

SMALL, LARGE = 50, 1000
COMMITS = int(os.environ.get("CRYPTOMAP_SOAK_COMMITS", "400"))


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, World]]:
    """A loaded server's datastores at both sizes."""
    made = {}
    for count in (SMALL, LARGE):
        made[count] = world = World(tmp_path_factory.mktemp("world") / "state", product_schema())
        world.edit(workload.whole(count))
        world.commit()
    yield made
    for world in made.values():
        world.close()


def commit(world: World, document: str) -> bool:
    """Whether it was accepted."""
    world.edit(document)
    try:
        world.commit()
    except RpcErrors:
        world.datastores.discard(ORIGIN)
        return False
    return True


def calls(run: Callable[[], object]) -> int:
    """How many functions it calls, those in C included, on this thread."""
    count = 0

    def counting(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


DOCUMENTS = {
    "one leaf": (lambda turn: workload.one_leaf(20, turn % 60 + 1), True),
    "one more bundle": (lambda turn: workload.config([workload.bundle(2000 + turn)]), True),
    "dangling reference": (lambda turn: workload.dangling(20), False),
    "a rule too many": (lambda turn: workload.shared_rule(20), False),
}


@pytest.mark.parametrize(("document", "accepted"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_commit_calls_as_many_functions_in_a_large_configuration(
    document: Callable[[int], str], accepted: bool, worlds: dict[int, World]
) -> None:
    counts = {}
    for size, world in worlds.items():
        outcomes: list[bool] = []
        turns = itertools.count()
        commit(world, document(next(turns)))  # what the first one has to look up for good
        least = min(calls(lambda: outcomes.append(commit(world, document(next(turns))))) for _ in range(5))  # noqa: B023
        assert outcomes == [accepted] * 5
        counts[size] = least
    # Chunks of a list are of any length up to the largest, hence the tenth.
    assert counts[LARGE] <= 1.1 * counts[SMALL], counts


@pytest.mark.parametrize("document", [DOCUMENTS["one leaf"][0], DOCUMENTS["one more bundle"][0]])
def test_the_journal_stores_as_much_in_a_large_configuration(
    document: Callable[[int], str], worlds: dict[int, World]
) -> None:
    stored = []
    for world in worlds.values():
        assert commit(world, document(30))
        stored.append(len(world.datastores.change_of(world.datastores.head)))
    assert stored[0] == stored[1]


def test_the_backend_is_told_as_much_in_a_large_configuration(
    worlds: dict[int, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change of one more bundle: one tunnel."""
    told: list[list[int]] = []
    for world in worlds.values():
        prepare = world.gateway.backend.prepare

        def counting(change: Change, prepare: Callable[[Change], Plan] = prepare) -> Plan:
            told.append([len(list(which)) for which in (change.created, change.updated, change.deleted)])
            return prepare(change)

        monkeypatch.setattr(world.gateway.backend, "prepare", counting)
        assert commit(world, workload.config([workload.bundle(3000)]))
    assert told == [[1, 0, 0], [1, 0, 0]]


@pytest.mark.timeout(0 if COMMITS > 400 else 120)
def test_commits_leave_nothing_in_memory(worlds: dict[int, World]) -> None:
    """Blocks of the allocator after many commits of one leaf, against those after a few."""
    world = worlds[SMALL]
    values = itertools.cycle(range(1, 60))

    def some(count: int) -> int:
        for _ in range(count):
            assert commit(world, workload.one_leaf(20, next(values)))
        gc.collect()
        return sys.getallocatedblocks()

    before = some(100)
    after = some(COMMITS)
    assert after - before < COMMITS / 4, f"{after - before} blocks more after {COMMITS} commits"
