"""The garbage collector around changes, and memory that goes back to the system."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from cryptomap.datastore import memory
from cryptomap.datastore.memory import begin_collecting, give_back, settle, sweep, undisturbed


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    gc.enable()
    yield
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_inside() -> None:
    with undisturbed():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_comes_back_after_a_fault_and_stays_off_if_it_was() -> None:
    with pytest.raises(ZeroDivisionError), undisturbed():
        1 / 0  # noqa: B018
    assert gc.isenabled()
    with undisturbed(), undisturbed():
        pass
    assert gc.isenabled()
    gc.disable()
    with undisturbed():
        pass
    assert not gc.isenabled()


def test_what_a_large_change_made_is_never_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MANY_OBJECTS", 1000)
    before = gc.get_freeze_count()
    with undisturbed():
        many = [[number] for number in range(2000)]
    assert gc.get_freeze_count() >= before + len(many)


def test_a_large_change_that_frees_as_much_as_it_makes_is_named_as_such() -> None:
    old = [[number] for number in range(3000)]
    gc.collect()
    with undisturbed():
        new = [[number] for number in range(2000)]
        old.clear()
        settle()
    assert gc.get_freeze_count() >= len(new)


class Cyclic:
    """Only the collector finds it."""

    def __init__(self) -> None:
        self.me = self


def lost() -> weakref.ref[Cyclic]:
    return weakref.ref(Cyclic())


def test_a_sweep_finds_what_a_large_change_has_moved_out_of_sight() -> None:
    gc.disable()
    young = lost()
    sweep(lambda: young() is not None)
    assert young() is None
    assert gc.get_freeze_count() == 0  # it did not look further than it had to
    old = lost()
    gc.freeze()
    sweep(lambda: False)
    assert old() is not None
    sweep(lambda: old() is not None)
    assert old() is None
    assert gc.get_freeze_count() > 0


def test_a_small_change_is_left_to_the_collector() -> None:
    gc.collect()
    before = gc.get_freeze_count()
    with undisturbed():
        few = [[number] for number in range(20)]
    assert gc.get_freeze_count() == before
    assert few


def test_after_a_start_the_collector_is_on_and_looks_at_nothing_of_it() -> None:
    gc.disable()
    made = [[number] for number in range(2000)]
    begin_collecting()
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(made)


def test_memory_can_be_given_back_at_any_time() -> None:
    give_back()
