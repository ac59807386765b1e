"""Confirmed commit (RFC 6241 section 8.4): confirmed, extended, cancelled, forgotten, restarted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryptomap.datastore.confirm import Confirm
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.events import ConfirmedCommit, Event
from cryptomap.errors import InUse, InvalidValue, LockDenied, OperationFailed, ResourceDenied
from support.stores import ALICE, BOB, Clock, Fake, Open, commit_mtu, interface, mtu, put

TEN_MINUTES = Confirm(600)
PERSISTENT = Confirm(600, persist="token")


@pytest.fixture
def backend() -> Fake:
    return Fake()


@pytest.fixture
def datastores(open_datastores: Open, backend: Fake) -> Datastores:
    """Running has an MTU of 1500; the candidate one of 9000."""
    datastores = open_datastores(participants=[backend])
    commit_mtu(datastores, 1500)
    put(datastores, interface("eth0", "<mtu>9000</mtu>"))
    return datastores


def test_confirmed_in_time_it_stays(datastores: Datastores, clock: Clock) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    assert mtu(datastores.running.root) == "9000"
    clock.advance(599)
    assert datastores.tick() == 1
    assert datastores.commit(ALICE) is None
    assert datastores.pending is None
    clock.advance(10)
    assert datastores.tick() is None
    assert mtu(datastores.running.root) == "9000"


def test_not_confirmed_in_time_it_is_rolled_back_everywhere(
    datastores: Datastores, clock: Clock, backend: Fake
) -> None:
    before = datastores.running
    datastores.commit(ALICE, TEN_MINUTES)
    clock.advance(600)
    assert datastores.tick() is None
    assert datastores.running is before
    assert backend.world is before.root
    newest = datastores.history()[0]
    assert (newest.kind, newest.user, newest.message) == ("revert", "alice", "confirmed commit: timeout")


def test_a_wall_clock_that_jumps_neither_hastens_nor_delays_it(datastores: Datastores, clock: Clock) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    clock.wall += 1e6
    assert datastores.tick() == 600
    clock.wall -= 1e7
    clock.steady += 600
    datastores.tick()
    assert mtu(datastores.running.root) == "1500"


def test_user_need_12_a_confirmed_commit_that_fails_arms_nothing(
    datastores: Datastores, clock: Clock, backend: Fake
) -> None:
    backend.faults["apply"] = ResourceDenied("no room")
    with pytest.raises(ResourceDenied):
        datastores.commit(ALICE, TEN_MINUTES)
    assert datastores.pending is None
    assert datastores.tick() is None


def test_a_follow_up_restarts_the_time_and_keeps_the_original(datastores: Datastores, clock: Clock) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    clock.advance(500)
    put(datastores, interface("eth0", "<mtu>2000</mtu>"))
    datastores.commit(ALICE, TEN_MINUTES)
    clock.advance(500)
    assert datastores.tick() == 100
    clock.advance(100)
    datastores.tick()
    assert mtu(datastores.running.root) == "1500"


def test_a_follow_up_that_fails_leaves_the_first_one_waiting(
    datastores: Datastores, clock: Clock, backend: Fake
) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    clock.advance(500)
    put(datastores, interface("eth0", "<mtu>2000</mtu>"))
    backend.faults["prepare"] = ResourceDenied("no room")
    with pytest.raises(ResourceDenied):
        datastores.commit(ALICE, TEN_MINUTES)
    backend.faults.clear()
    assert datastores.tick() == 100


def test_a_confirming_commit_takes_the_candidates_changes_along(datastores: Datastores, clock: Clock) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    commit_mtu(datastores, 2000)
    clock.advance(600)
    assert datastores.tick() is None
    assert mtu(datastores.running.root) == "2000"


def test_a_confirmed_commit_without_changes_waits_as_well(datastores: Datastores, clock: Clock) -> None:
    datastores.discard(ALICE)
    assert datastores.commit(ALICE, TEN_MINUTES) is None
    assert datastores.pending is not None
    clock.advance(600)
    datastores.tick()
    assert datastores.pending is None
    assert datastores.head == 1


def test_an_unmodified_candidate_follows_running_back(datastores: Datastores) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    datastores.copy(ALICE, "candidate", "running")
    datastores.cancel(ALICE)
    assert not datastores.modified
    assert mtu(datastores.candidate) == "1500"


def test_cancelled_it_is_rolled_back(datastores: Datastores) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    datastores.cancel(ALICE)
    assert mtu(datastores.running.root) == "1500"
    assert datastores.history()[0].kind == "cancel"
    with pytest.raises(OperationFailed, match="no confirmed commit"):
        datastores.cancel(ALICE)


def test_a_cancel_that_the_backend_refuses_goes_on_waiting(datastores: Datastores, backend: Fake) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    backend.faults["prepare"] = ResourceDenied("down")
    with pytest.raises(ResourceDenied):
        datastores.cancel(ALICE)
    assert mtu(datastores.running.root) == "9000"
    assert datastores.pending is not None


def test_a_backend_that_refuses_the_revert_is_reconciled_later(
    datastores: Datastores, clock: Clock, backend: Fake
) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    backend.faults["prepare"] = ResourceDenied("down")
    clock.advance(600)
    assert datastores.tick() is not None
    assert mtu(datastores.running.root) == "1500"
    assert mtu(backend.world or datastores.candidate) == "9000"
    assert list(datastores.out_of_sync) == ["backend"]
    backend.faults.clear()
    clock.advance(60)
    assert datastores.tick() is None
    assert mtu(backend.world or datastores.candidate) == "1500"


# ---- sessions and tokens -------------------------------------------------------------------------------------------


def test_another_session_can_neither_confirm_nor_cancel_it(datastores: Datastores) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    uses: list[Callable[[], object]] = [
        lambda: datastores.commit(BOB),
        lambda: datastores.cancel(BOB),
        lambda: datastores.rollback(BOB, 0),
    ]
    for use in uses:
        with pytest.raises(InUse):
            use()
    with pytest.raises(InvalidValue):
        datastores.commit(ALICE, persist_id="token")


def test_its_session_ends_and_it_is_rolled_back(datastores: Datastores) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    datastores.close_session(BOB.session_id)
    assert mtu(datastores.running.root) == "9000"
    datastores.close_session(ALICE.session_id)
    assert mtu(datastores.running.root) == "1500"


def test_a_persistent_one_survives_its_session_and_any_session_confirms_it(datastores: Datastores) -> None:
    datastores.commit(ALICE, PERSISTENT)
    datastores.close_session(ALICE.session_id)
    with pytest.raises(InvalidValue):
        datastores.commit(BOB, persist_id="guess")
    with pytest.raises(InUse, match="persist-id"):
        datastores.commit(BOB)
    datastores.commit(BOB, persist_id="token")
    assert datastores.pending is None
    assert mtu(datastores.running.root) == "9000"


def test_a_persistent_one_is_cancelled_with_its_token(datastores: Datastores) -> None:
    datastores.commit(ALICE, PERSISTENT)
    with pytest.raises(InvalidValue):
        datastores.cancel(BOB, persist_id="guess")
    datastores.cancel(BOB, persist_id="token")
    assert mtu(datastores.running.root) == "1500"


def test_a_follow_up_keeps_the_token_or_brings_a_new_one(datastores: Datastores) -> None:
    datastores.commit(ALICE, PERSISTENT)
    datastores.commit(BOB, Confirm(300), persist_id="token")
    datastores.commit(BOB, Confirm(300, persist="new"), persist_id="token")
    with pytest.raises(InvalidValue):
        datastores.commit(BOB, persist_id="token")
    datastores.commit(BOB, persist_id="new")


def test_a_token_without_a_confirmed_commit_is_invalid(datastores: Datastores) -> None:
    with pytest.raises(InvalidValue):
        datastores.commit(ALICE, persist_id="token")


def test_running_cannot_be_locked_while_anothers_waits(datastores: Datastores) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    with pytest.raises(LockDenied) as denied:
        datastores.lock(BOB.session_id, "running")
    assert denied.value.info == (("session-id", "1"),)
    datastores.lock(ALICE.session_id, "running")


def test_each_turn_is_announced(datastores: Datastores, clock: Clock) -> None:
    events: list[Event] = []
    datastores.subscribe(events.append)
    datastores.commit(ALICE, Confirm(60))
    datastores.commit(ALICE, Confirm(90))
    datastores.commit(ALICE)
    datastores.commit(ALICE, Confirm(60))
    datastores.cancel(ALICE)
    datastores.commit(ALICE, Confirm(60))
    clock.advance(60)
    datastores.tick()
    turns = [(event.event, event.timeout) for event in events if isinstance(event, ConfirmedCommit)]
    assert turns == [
        ("start", 60),
        ("extend", 90),
        ("complete", None),
        ("start", 60),
        ("cancel", None),
        ("start", 60),
        ("timeout", None),
    ]


# ---- restart -------------------------------------------------------------------------------------------------------


def test_a_restart_inside_the_window_keeps_a_persistent_one_waiting(
    datastores: Datastores, open_datastores: Open, clock: Clock
) -> None:
    datastores.commit(ALICE, PERSISTENT)
    clock.advance(100)
    again = open_datastores()
    assert mtu(again.running.root) == "9000"
    assert again.tick() == 500
    clock.advance(500)
    again.tick()
    assert mtu(again.running.root) == "1500"


def test_a_restart_inside_the_window_can_still_be_confirmed(datastores: Datastores, open_datastores: Open) -> None:
    datastores.commit(ALICE, PERSISTENT)
    open_datastores().commit(BOB, persist_id="token")
    again = open_datastores()
    assert again.pending is None
    assert mtu(again.running.root) == "9000"


def test_a_restart_after_the_window_rolls_back_before_anything_is_served(
    datastores: Datastores, open_datastores: Open, clock: Clock
) -> None:
    datastores.commit(ALICE, PERSISTENT)
    clock.advance(601)
    backend = Fake()
    again = open_datastores(participants=[backend])
    assert mtu(again.running.root) == "1500"
    assert backend.world is again.running.root
    assert [record.kind for record in again.history()] == ["revert", "commit", "commit"]
    assert mtu(open_datastores().running.root) == "1500"


def test_a_restart_is_the_end_of_the_session_of_one_that_is_not_persistent(
    datastores: Datastores, open_datastores: Open
) -> None:
    datastores.commit(ALICE, TEN_MINUTES)
    again = open_datastores()
    assert mtu(again.running.root) == "1500"
    assert again.pending is None


def test_the_original_survives_a_restart_and_a_follow_up(
    datastores: Datastores, open_datastores: Open, clock: Clock
) -> None:
    datastores.commit(ALICE, PERSISTENT)
    again = open_datastores()
    put(again, interface("eth0", "<mtu>2000</mtu>"))
    again.commit(BOB, PERSISTENT, persist_id="token")
    again = open_datastores()
    again.cancel(BOB, persist_id="token")
    assert mtu(again.running.root) == "1500"


def test_a_clock_set_back_over_a_restart_does_not_stretch_the_window(
    datastores: Datastores, open_datastores: Open, clock: Clock
) -> None:
    datastores.commit(ALICE, PERSISTENT)
    clock.wall -= 1e6
    assert open_datastores().tick() == 600
