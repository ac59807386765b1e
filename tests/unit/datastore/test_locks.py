"""Locks by themselves; what they mean for the candidate is in test_datastores.py."""

from __future__ import annotations

import pytest

from cryptomap.datastore.locks import Lock, Locks
from cryptomap.errors import InUse, LockDenied, OperationFailed
from support.stores import Clock


@pytest.fixture
def locks(clock: Clock) -> Locks:
    return Locks(clock)


def test_a_lock_knows_its_session_and_its_time(locks: Locks, clock: Clock) -> None:
    locks.acquire("running", 4)
    assert locks.holder("running") == Lock(4, clock.wall)
    assert locks.holder("candidate") is None


@pytest.mark.parametrize("session_id", [4, 5])
def test_a_held_lock_is_denied_with_the_holders_session_id(locks: Locks, session_id: int) -> None:
    locks.acquire("running", 4)
    with pytest.raises(LockDenied) as denied:
        locks.acquire("running", session_id)
    assert denied.value.info == (("session-id", "4"),)


def test_only_the_holder_unlocks(locks: Locks) -> None:
    locks.acquire("running", 4)
    with pytest.raises(OperationFailed, match="session 4"):
        locks.release("running", 5)
    locks.release("running", 4)
    with pytest.raises(OperationFailed, match="not locked"):
        locks.release("running", 4)


def test_another_sessions_lock_is_in_use_and_ones_own_is_not(locks: Locks) -> None:
    locks.acquire("candidate", 4)
    locks.require_free("candidate", 4)
    locks.require_free("running", 5)
    with pytest.raises(InUse, match="session 4"):
        locks.require_free("candidate", 5)


def test_a_session_that_ends_leaves_no_lock(locks: Locks) -> None:
    for datastore, session_id in [("running", 4), ("candidate", 4), ("startup", 5)]:
        locks.acquire(datastore, session_id)
    assert locks.release_all(4) == {"running", "candidate"}
    assert locks.holder("startup") is not None
