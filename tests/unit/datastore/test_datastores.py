"""Running, candidate, startup: what each operation does to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from cryptomap.data.tree import Node
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.events import Committed, Event
from cryptomap.datastore.transaction import Transition
from cryptomap.errors import (
    InUse,
    InvalidValue,
    LockDenied,
    OperationFailed,
    OperationNotSupported,
    ResourceDenied,
    RpcError,
    RpcErrors,
)
from support.stores import ALICE, BOB, Fake, Open, commit_mtu, config, interface, mtu, put, tree, xml

MTU_1500 = interface("eth0", "<mtu>1500</mtu>")
DANGLING = interface("eth0", "<peer>nowhere</peer>")


def test_a_new_server_is_empty(datastores: Datastores) -> None:
    assert datastores.running.root.is_empty
    assert datastores.candidate is datastores.running.root
    assert (datastores.head, datastores.modified, datastores.history()) == (0, False, [])


def test_an_edit_changes_the_candidate_only(datastores: Datastores) -> None:
    put(datastores, MTU_1500)
    assert mtu(datastores.candidate) == "1500"
    assert datastores.running.root.is_empty
    assert datastores.modified


def test_a_commit_makes_the_candidate_running(datastores: Datastores) -> None:
    put(datastores, MTU_1500)
    candidate = datastores.candidate
    committed = datastores.commit(ALICE)
    assert committed is not None
    assert committed.record.id == datastores.head == 1
    assert datastores.running.root is candidate
    assert not datastores.modified


def test_a_reader_keeps_its_snapshot_while_commits_go_on(datastores: Datastores) -> None:
    commit_mtu(datastores, 1500)
    snapshot = datastores.running.root
    commit_mtu(datastores, 9000)
    assert mtu(snapshot) == "1500"
    assert mtu(datastores.running.root) == "9000"


def test_a_commit_of_nothing_asks_nobody_and_writes_nothing(open_datastores: Open) -> None:
    backend = Fake()
    datastores = open_datastores(participants=[backend])
    commit_mtu(datastores, 1500)
    backend.diary.clear()
    snapshot = datastores.running
    assert datastores.commit(ALICE) is None
    assert datastores.running is snapshot
    assert (backend.diary, datastores.head) == ([], 1)


def test_a_commit_of_an_edit_that_was_taken_back_writes_nothing(open_datastores: Open) -> None:
    backend = Fake()
    datastores = open_datastores(participants=[backend])
    put(datastores, MTU_1500)
    put(datastores, interface("eth0", operation="delete"))
    assert not datastores.modified
    backend.diary.clear()
    assert datastores.commit(ALICE) is None
    assert (backend.diary, datastores.head) == ([], 0)


def test_a_refused_commit_leaves_running_the_candidate_and_the_journal(open_datastores: Open) -> None:
    backend = Fake()
    datastores = open_datastores(participants=[backend])
    commit_mtu(datastores, 1500)
    put(datastores, interface("eth0", "<mtu>9000</mtu>"))
    backend.faults["apply"] = ResourceDenied("no room")
    with pytest.raises(ResourceDenied):
        datastores.commit(ALICE)
    assert mtu(datastores.running.root) == "1500"
    assert mtu(datastores.candidate) == "9000"
    assert datastores.head == 1
    assert datastores.out_of_sync == {}
    backend.faults.clear()
    datastores.commit(ALICE)
    assert mtu(datastores.running.root) == "9000"


def test_an_invalid_candidate_is_not_committed(datastores: Datastores) -> None:
    put(datastores, DANGLING)
    with pytest.raises(RpcErrors) as refused:
        datastores.commit(ALICE)
    assert refused.value.errors[0].app_tag == "instance-required"
    assert datastores.head == 0


def test_a_commit_rule_refuses_and_a_warning_is_announced(open_datastores: Open) -> None:
    def jumbo(transition: Transition) -> list[RpcError]:
        if mtu(transition.new.root) == "9000":
            return [OperationFailed("no jumbo frames here", app_tag="jumbo")]
        return [InvalidValue("an odd MTU", severity="warning")]

    datastores = open_datastores(checks=[jumbo])
    put(datastores, interface("eth0", "<mtu>9000</mtu>"))
    with pytest.raises(RpcErrors, match="jumbo"):
        datastores.validate(ALICE, "candidate")
    with pytest.raises(RpcErrors, match="jumbo"):
        datastores.commit(ALICE)
    put(datastores, MTU_1500)
    committed = datastores.commit(ALICE)
    assert committed is not None
    assert [warning.message for warning in committed.warnings] == ["an odd MTU"]


def test_validate_then_commit_validates_once(datastores: Datastores) -> None:
    put(datastores, MTU_1500)
    datastores.validate(ALICE, "candidate")
    first = datastores.rehearse(ALICE).transition.new
    committed = datastores.commit(ALICE)
    assert committed is not None
    assert committed.transition.new is first


@pytest.mark.parametrize(("option", "changed"), [("set", True), ("test-then-set", False), ("test-only", False)])
def test_test_option_with_an_invalid_edit(datastores: Datastores, option: str, changed: bool) -> None:
    if option == "set":
        datastores.edit(ALICE, "candidate", config(DANGLING), test_option=option)
    else:
        with pytest.raises(RpcErrors):
            datastores.edit(ALICE, "candidate", config(DANGLING), test_option=option)
    assert datastores.modified is changed


def test_test_only_changes_nothing(datastores: Datastores) -> None:
    datastores.edit(ALICE, "candidate", config(MTU_1500), test_option="test-only")
    assert not datastores.modified


def test_continue_on_error_keeps_the_rest_of_the_edit(datastores: Datastores) -> None:
    edit = interface("eth0", "<mtu>1500</mtu>") + interface("eth1", operation="delete")
    with pytest.raises(RpcErrors):
        datastores.edit(ALICE, "candidate", config(edit), error_option="continue-on-error")
    assert mtu(datastores.candidate) == "1500"


def test_discard_returns_to_running(datastores: Datastores) -> None:
    put(datastores, MTU_1500)
    datastores.discard(ALICE)
    assert datastores.candidate is datastores.running.root


def test_copy_replaces_the_candidate(datastores: Datastores) -> None:
    commit_mtu(datastores, 1500)
    datastores.copy(ALICE, "candidate", tree(datastores.schema, interface("eth9")))
    assert mtu(datastores.candidate) is None
    datastores.copy(ALICE, "candidate", "running")
    assert not datastores.modified


def test_running_is_not_edited_unless_it_is_writable(open_datastores: Open) -> None:
    with pytest.raises(OperationNotSupported):
        open_datastores().edit(ALICE, "running", config(MTU_1500))
    datastores = open_datastores(writable_running=True)
    datastores.edit(ALICE, "running", config(MTU_1500))
    assert mtu(datastores.running.root) == "1500"
    assert datastores.head == 1


def test_unknown_datastores_are_refused(datastores: Datastores) -> None:
    for use in (lambda: datastores.read("startup"), lambda: datastores.lock(1, "startup")):
        with pytest.raises(OperationNotSupported):
            use()
    with pytest.raises(OperationNotSupported):
        datastores.delete(ALICE, "running")


@pytest.mark.parametrize(("large", "settles"), [(1, True), (1 << 20, False)])
def test_what_a_large_commit_makes_is_no_business_of_the_garbage_collector(
    datastores: Datastores, monkeypatch: pytest.MonkeyPatch, large: int, settles: bool
) -> None:
    settle = MagicMock()
    monkeypatch.setattr("cryptomap.datastore.running.settle", settle)
    monkeypatch.setattr("cryptomap.datastore.running.LARGE_DOCUMENT", large)
    put(datastores, MTU_1500)
    datastores.commit(ALICE)
    assert settle.called is settles


def test_rehearsal_gives_the_plans_and_does_nothing(open_datastores: Open) -> None:
    backend = Fake()
    datastores = open_datastores(participants=[backend])
    put(datastores, MTU_1500)
    backend.diary.clear()
    rehearsal = datastores.rehearse(ALICE)
    assert rehearsal.plans == {"backend": rehearsal.transition}
    assert backend.diary == ["backend prepare", "backend abort"]
    assert datastores.running.root.is_empty
    datastores.discard(ALICE)
    assert datastores.rehearse(ALICE).plans == {}


# ---- locks ---------------------------------------------------------------------------------------------------------


def test_a_locked_datastore_is_in_use_for_others(datastores: Datastores) -> None:
    datastores.lock(BOB.session_id, "candidate")
    uses: list[Callable[[], object]] = [
        lambda: put(datastores, MTU_1500),
        lambda: datastores.discard(ALICE),
        lambda: datastores.commit(ALICE),
        lambda: datastores.copy(ALICE, "candidate", "running"),
    ]
    for use in uses:
        with pytest.raises(InUse, match="session 2"):
            use()
    put(datastores, MTU_1500, BOB)


def test_locked_running_refuses_others_commits_and_rollbacks(datastores: Datastores) -> None:
    put(datastores, MTU_1500)
    datastores.lock(BOB.session_id, "running")
    with pytest.raises(InUse):
        datastores.commit(ALICE)
    with pytest.raises(InUse):
        datastores.rollback(ALICE, 0)
    datastores.commit(BOB)


def test_a_candidate_with_changes_cannot_be_locked(datastores: Datastores) -> None:
    put(datastores, MTU_1500)
    with pytest.raises(LockDenied) as denied:
        datastores.lock(BOB.session_id, "candidate")
    assert denied.value.info == (("session-id", "0"),)
    datastores.discard(ALICE)
    datastores.lock(BOB.session_id, "candidate")


def test_unlocking_the_candidate_discards_its_changes(datastores: Datastores) -> None:
    datastores.lock(1, "candidate")
    put(datastores, MTU_1500)
    datastores.unlock(1, "candidate")
    assert not datastores.modified


def test_a_session_that_dies_with_the_lock_discards_its_changes(datastores: Datastores) -> None:
    datastores.lock(1, "candidate")
    put(datastores, MTU_1500)
    datastores.close_session(1)
    assert not datastores.modified
    datastores.lock(BOB.session_id, "candidate")


def test_a_session_that_dies_without_a_lock_leaves_the_shared_candidate(datastores: Datastores) -> None:
    put(datastores, MTU_1500)
    datastores.close_session(1)
    assert datastores.modified


# ---- history -------------------------------------------------------------------------------------------------------


def test_history_says_who_when_what_and_how_much(datastores: Datastores) -> None:
    put(datastores, MTU_1500 + interface("eth1"))
    datastores.commit(ALICE)
    commit_mtu(datastores, 9000, origin=BOB)
    put(datastores, interface("eth1", operation="delete"))
    datastores.commit(ALICE)
    newest, middle, oldest = datastores.history()
    assert [record.id for record in (newest, middle, oldest)] == [3, 2, 1]
    assert (middle.user, middle.session_id, middle.source, middle.time) == ("bob", 2, "192.0.2.2", 1_000_000.0)
    assert (oldest.created, oldest.modified, oldest.deleted) == (1, 0, 0)
    assert (middle.created, middle.modified, middle.deleted) == (0, 1, 0)
    assert (newest.created, newest.modified, newest.deleted) == (0, 0, 1)
    assert [record.id for record in datastores.history(limit=1, before=3)] == [2]


def test_the_change_of_a_commit_is_an_edit(datastores: Datastores) -> None:
    commit_mtu(datastores, 1500)
    commit_mtu(datastores, 9000)
    change = datastores.change_of(2).decode()
    assert "<mtu" in change
    assert "9000" in change
    with pytest.raises(InvalidValue, match="no commit 3"):
        datastores.change_of(3)


def test_every_configuration_of_the_past_is_there(datastores: Datastores) -> None:
    roots: list[Node] = [datastores.running.root]
    for value in (1500, 9000, 68):
        commit_mtu(datastores, value)
        roots.append(datastores.running.root)
    assert [datastores.root_at(commit) == root for commit, root in enumerate(roots)] == [True] * 4
    with pytest.raises(InvalidValue):
        datastores.root_at(4)


def test_rollback_is_a_commit_of_its_own_and_shares_what_is_the_same(datastores: Datastores) -> None:
    commit_mtu(datastores, 1500)
    commit_mtu(datastores, 100, "eth1")
    commit_mtu(datastores, 9000)
    untouched = datastores.running.root.node("net:net").entries("interface").get("eth1")  # type: ignore[union-attr]
    committed = datastores.rollback(BOB, 2)
    assert committed is not None
    assert (committed.record.kind, committed.record.modified, datastores.head) == ("rollback", 1, 4)
    assert mtu(datastores.running.root) == "1500"
    assert datastores.running.root.node("net:net").entries("interface").get("eth1") is untouched  # type: ignore[union-attr]
    assert datastores.rollback(BOB, 4) is None


def test_secrets_never_reach_the_journal_in_clear(open_datastores: Open, tmp_path: Path) -> None:
    datastores = open_datastores()
    put(datastores, interface("eth0", "<psk>canary-7</psk>"))
    datastores.commit(ALICE)
    first = datastores.running.root
    assert "canary-7" not in xml(datastores.schema, first)
    assert b"canary-7" not in datastores.change_of(1)
    put(datastores, interface("eth0", "<psk>canary-7</psk>"))
    assert datastores.commit(ALICE) is None  # the same key again is no change
    assert open_datastores().running.root == first
    state = tmp_path / "state"
    for path in [path for path in state.rglob("*") if path.is_file()]:
        assert b"canary-7" not in path.read_bytes()


# ---- events --------------------------------------------------------------------------------------------------------


def test_a_commit_is_announced_once_it_is_done(datastores: Datastores) -> None:
    events: list[Event] = []
    datastores.subscribe(events.append)
    commit_mtu(datastores, 1500)
    [event] = events
    assert isinstance(event, Committed)
    assert [str(change.path[-1][0].name) for change in event.transition.changes] == ["net"]


def test_a_listener_that_fails_fails_nothing_else(datastores: Datastores) -> None:
    events: list[Event] = []
    datastores.subscribe(lambda event: 1 / 0)  # type: ignore[arg-type]
    datastores.subscribe(events.append)
    commit_mtu(datastores, 1500)
    assert len(events) == 1


# ---- startup -------------------------------------------------------------------------------------------------------


def test_startup_is_what_the_next_boot_loads(open_datastores: Open) -> None:
    datastores = open_datastores(startup_enabled=True)
    commit_mtu(datastores, 1500)
    datastores.copy(ALICE, "startup", "running")
    commit_mtu(datastores, 9000)
    datastores = open_datastores(startup_enabled=True)
    assert mtu(datastores.running.root) == "1500"
    assert mtu(datastores.read("startup")) == "1500"
    assert [record.kind for record in datastores.history()] == ["startup", "commit", "commit"]
    assert mtu(datastores.root_at(2)) == "9000"


def test_without_the_option_the_next_boot_loads_what_was_committed(open_datastores: Open) -> None:
    datastores = open_datastores(startup_enabled=True)
    commit_mtu(datastores, 1500)
    datastores.copy(ALICE, "startup", "running")
    commit_mtu(datastores, 9000)
    assert mtu(open_datastores().running.root) == "9000"


def test_a_startup_of_its_own_survives(open_datastores: Open) -> None:
    datastores = open_datastores(startup_enabled=True)
    commit_mtu(datastores, 1500)
    datastores.edit(ALICE, "startup", config(interface("eth0", "<mtu>70</mtu>")))
    assert mtu(datastores.running.root) == "1500"
    assert mtu(open_datastores(startup_enabled=True).running.root) == "70"


def test_a_deleted_startup_boots_empty_and_one_that_never_was_does_not(open_datastores: Open) -> None:
    datastores = open_datastores(startup_enabled=True)
    commit_mtu(datastores, 1500)
    datastores = open_datastores(startup_enabled=True)
    assert mtu(datastores.running.root) == "1500"
    datastores.delete(ALICE, "startup")
    assert open_datastores(startup_enabled=True).running.root.is_empty


def test_an_invalid_startup_is_refused_when_it_is_written(open_datastores: Open) -> None:
    datastores = open_datastores(startup_enabled=True)
    with pytest.raises(RpcErrors):
        datastores.edit(ALICE, "startup", config(DANGLING))
    assert datastores.read("startup").is_empty


# ---- facts ---------------------------------------------------------------------------------------------------------


def test_facts_become_durable_with_the_commit_that_reports_them(open_datastores: Open) -> None:
    backend = Fake(facts={("dscp", "ipsec", "eth0", "map"): "40"})
    datastores = open_datastores(participants=[backend])
    backend.faults["apply"] = OperationFailed("no")
    with pytest.raises(OperationFailed):
        commit_mtu(datastores, 1500)
    assert ("dscp", "ipsec", "eth0", "map") in datastores.facts  # from the reconciliation at the start
    backend.faults.clear()
    backend.facts = {("dscp", "ipsec", "eth0", "map"): "46", ("x",): "y"}
    datastores.commit(ALICE)
    assert dict(datastores.facts) == {("dscp", "ipsec", "eth0", "map"): "46", ("x",): "y"}
    assert dict(open_datastores().facts) == dict(datastores.facts)


def test_facts_of_a_commit_that_fails_are_forgotten(open_datastores: Open) -> None:
    first, second = Fake("first"), Fake("second")
    datastores = open_datastores(participants=[first, second])
    first.facts = {("a",): "1"}
    second.faults["apply"] = OperationFailed("no")
    with pytest.raises(OperationFailed):
        commit_mtu(datastores, 1500)
    assert dict(datastores.facts) == {}


def test_facts_are_also_stored_and_deleted_apart_from_commits(open_datastores: Open) -> None:
    datastores = open_datastores()
    before = datastores.facts
    datastores.store_facts({("a",): "1", ("b",): "2"})
    datastores.store_facts({("a",): None, ("c",): None})
    assert dict(before) == {}
    assert dict(open_datastores().facts) == {("b",): "2"}
