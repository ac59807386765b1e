"""Participants that cannot follow running: served all the same, retried with pauses, and no commit meanwhile."""

from __future__ import annotations

import pytest

from cryptomap.datastore.events import Event, SyncChanged
from cryptomap.datastore.transaction import OutcomeUnknown, OutOfSync, Transition
from cryptomap.errors import OperationFailed, ResourceDenied
from support.stores import ALICE, Clock, Fake, Open, commit_mtu, interface, mtu, put


def test_the_start_brings_a_participant_to_running(open_datastores: Open) -> None:
    commit_mtu(open_datastores(), 1500)
    given: list[Transition] = []

    class Backend(Fake):
        def prepare(self, transition: Transition) -> Transition | None:
            given.append(transition)
            return super().prepare(transition)

    datastores = open_datastores(participants=[Backend()])
    [transition] = given
    assert transition.from_observed
    assert transition.origin.kind == "startup"
    assert transition.old.root.is_empty
    assert transition.new is datastores.running
    assert [change.old for change in transition.changes] == [None]


def test_a_backend_that_is_down_at_the_start_is_retried_with_growing_pauses(
    open_datastores: Open, clock: Clock
) -> None:
    commit_mtu(open_datastores(), 1500)
    backend = Fake(faults={"prepare": ResourceDenied("down")})
    datastores = open_datastores(participants=[backend])
    assert mtu(datastores.running.root) == "1500"
    assert "down" in datastores.out_of_sync["backend"]
    pauses = []
    for _ in range(8):
        pause = datastores.tick()
        assert pause is not None
        pauses.append(pause)
        clock.advance(pause)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    backend.faults.clear()
    assert datastores.tick() is None
    assert datastores.out_of_sync == {}
    assert backend.world is datastores.running.root


def test_a_commit_reconciles_first_and_is_refused_if_that_fails(open_datastores: Open) -> None:
    backend = Fake()
    datastores = open_datastores(participants=[backend])
    put(datastores, interface("eth0", "<mtu>1500</mtu>"))
    backend.faults["apply"] = OutcomeUnknown("no answer for 30 s")
    with pytest.raises(OutOfSync):
        datastores.commit(ALICE)
    assert datastores.head == 0
    with pytest.raises(OperationFailed) as refused:
        datastores.commit(ALICE)
    assert refused.value.app_tag == "out-of-sync"
    backend.faults.clear()
    backend.diary.clear()
    datastores.commit(ALICE)
    assert backend.diary == ["backend prepare", "backend apply"] * 2
    assert mtu(datastores.running.root) == "1500"


def test_one_that_fails_does_not_keep_another_from_following(open_datastores: Open) -> None:
    good, bad = Fake("good"), Fake("bad", faults={"apply": OperationFailed("no")})
    datastores = open_datastores(participants=[bad, good])
    assert list(datastores.out_of_sync) == ["bad"]
    assert good.diary == ["good prepare", "good apply"]


def test_a_bug_in_a_participant_does_not_keep_the_server_from_starting(
    open_datastores: Open, caplog: pytest.LogCaptureFixture
) -> None:
    datastores = open_datastores(participants=[Fake(faults={"prepare": ZeroDivisionError("x")})])
    assert dict(datastores.out_of_sync) == {"backend": "internal error"}
    assert "ZeroDivisionError" in caplog.text


def test_drift_that_a_participant_reports_is_reconciled_and_announced(open_datastores: Open, clock: Clock) -> None:
    backend = Fake()
    datastores = open_datastores(participants=[backend])
    events: list[Event] = []
    datastores.subscribe(events.append)
    backend.diary.clear()
    datastores.desynchronized("backend", "it lost a tunnel")
    assert datastores.tick() is None
    assert backend.diary == ["backend prepare", "backend apply"]
    assert [dict(event.out_of_sync) for event in events if isinstance(event, SyncChanged)] == [
        {"backend": "it lost a tunnel"},
        {},
    ]


def test_facts_learnt_while_reconciling_are_stored(open_datastores: Open) -> None:
    open_datastores(participants=[Fake(facts={("a",): "1"})])
    assert dict(open_datastores().facts) == {("a",): "1"}
