"""The journal: what a commit writes, and what happens when it cannot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cryptomap.data.diff import diff
from cryptomap.data.tree import Node
from cryptomap.data.validation import empty_snapshot, validate
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.history import History
from cryptomap.datastore.journal import Journal
from cryptomap.datastore.statedir import StateDirectory, StateFault
from cryptomap.datastore.transaction import OutOfSync, Transition
from cryptomap.errors import OperationFailed
from cryptomap.schema.nodes import Schema
from support.stores import ALICE, Clock, Fake, Open, commit_mtu, interface, mtu, put, tree


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


class Failing(sqlite3.Connection):
    """A connection on which the statements in ``broken`` fail, as a full or dying disk makes them."""

    broken: frozenset[str] = frozenset()
    times = 1 << 30  # and then no more

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        for start in self.broken:
            if statement.startswith(start) and Failing.times:
                Failing.times -= 1
                raise sqlite3.OperationalError("disk I/O error")
        return super().execute(statement, *parameters)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Failing]]:
    """Have the journal use a connection whose statements can be made to fail."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{"factory": Failing} | k))
    yield Failing
    Failing.broken, Failing.times = frozenset(), 1 << 30


def transition(schema: Schema, old: Node, new: Node) -> Transition:
    before = empty_snapshot(schema) if old.is_empty else validate(schema, old, None)
    return Transition(before, validate(schema, new, None), tuple(diff(old, new)), ALICE)


@pytest.fixture
def change(schema: Schema) -> Transition:
    return transition(schema, Node.empty(schema.root), tree(schema, interface("eth0", "<mtu>1500</mtu>")))


@pytest.fixture
def journal(path: Path, schema: Schema, clock: Clock) -> Iterator[Journal]:
    journal = Journal(path, schema, clock)
    yield journal
    journal.close()


def test_what_was_prepared_is_seen_by_nobody_until_it_is_applied(
    journal: Journal, path: Path, change: Transition
) -> None:
    prepared = journal.prepare(change)
    assert History(path).records() == []
    assert journal.head == 0
    journal.apply(prepared)
    assert [record.id for record in History(path).records()] == [1]
    assert journal.head == 1


def test_what_was_aborted_is_gone(journal: Journal, path: Path, change: Transition) -> None:
    journal.abort(journal.prepare(change))
    assert History(path).records() == []
    journal.apply(journal.prepare(change))
    assert journal.head == 1


def test_a_process_that_dies_between_prepare_and_apply_leaves_nothing(
    path: Path, schema: Schema, clock: Clock, change: Transition
) -> None:
    journal = Journal(path, schema, clock)
    journal.prepare(change)
    journal.close()  # as the kernel does for a process that was killed: nothing is committed
    with closing(Journal(path, schema, clock)) as again:
        assert again.head == 0


def test_a_commit_writes_the_change_and_not_the_configuration(open_datastores: Open, tmp_path: Path) -> None:
    datastores = open_datastores(background=lambda work: None)
    put(datastores, "".join(interface(f"i{n}", "<mtu>1500</mtu>") for n in range(5000)))
    datastores.commit(ALICE)
    log = tmp_path / "state" / "journal.sqlite-wal"
    before = log.stat().st_size
    commit_mtu(datastores, 9000, "i77")
    assert log.stat().st_size - before <= 4 * 4200  # SQLite pages with their headers


def test_long_documents_are_stored_compressed_and_read_as_they_were(datastores: Datastores) -> None:
    put(datastores, "".join(interface(f"i{n}") for n in range(1000)))
    datastores.commit(ALICE)
    assert datastores.change_of(1).count(b"<name>") == 1000
    assert len(list(datastores.root_at(1).node("net:net").entries("interface").nodes())) == 1000  # type: ignore[union-attr]


@pytest.mark.parametrize("statement", ["BEGIN", "INSERT INTO commits"])
def test_a_journal_that_cannot_insert_refuses_the_commit_in_prepare(
    failing: type[Failing], open_datastores: Open, statement: str
) -> None:
    backend = Fake()
    datastores = open_datastores(participants=[backend])
    commit_mtu(datastores, 1500)
    backend.diary.clear()
    failing.broken = frozenset([statement])
    with pytest.raises(OperationFailed, match="disk I/O error") as refused:
        commit_mtu(datastores, 9000)
    assert refused.value.app_tag == "journal"
    assert backend.diary == ["backend prepare", "backend abort"]
    failing.broken = frozenset()
    datastores.commit(ALICE)
    assert mtu(open_datastores().running.root) == "9000"


def test_a_commit_that_fails_on_disk_is_undone_and_leaves_no_ghost(
    failing: type[Failing], open_datastores: Open
) -> None:
    backend = Fake()
    datastores = open_datastores(participants=[backend])
    commit_mtu(datastores, 1500)
    put(datastores, interface("eth0", "<mtu>9000</mtu>"))
    backend.diary.clear()
    failing.broken, failing.times = frozenset(["COMMIT"]), 1  # what settles the doubt goes through
    with pytest.raises(OperationFailed, match="disk I/O error"):
        datastores.commit(ALICE)
    assert backend.diary == ["backend prepare", "backend apply", "backend revert"]
    assert datastores.out_of_sync == {}
    assert mtu(open_datastores().running.root) == "1500"


def test_a_disk_that_takes_nothing_any_more_is_rollback_failed_until_it_does(
    failing: type[Failing], open_datastores: Open
) -> None:
    datastores = open_datastores()
    commit_mtu(datastores, 1500)
    failing.broken = frozenset(["COMMIT"])
    with pytest.raises(OutOfSync, match="neither store the commit nor take it back"):
        commit_mtu(datastores, 9000)
    assert mtu(datastores.running.root) == "1500"
    with pytest.raises(OperationFailed):
        datastores.commit(ALICE)
    failing.broken = frozenset()
    datastores.commit(ALICE)
    assert mtu(open_datastores().running.root) == "9000"


def test_a_full_disk_is_a_clear_error_and_reading_goes_on(open_datastores: Open) -> None:
    datastores = open_datastores()
    commit_mtu(datastores, 1500)
    db = datastores._running._journal._db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")
    put(datastores, "".join(interface(f"i{n}", f"<mtu>{68 + n}</mtu>") for n in range(5000)))
    with pytest.raises(OperationFailed, match="full"):
        datastores.commit(ALICE)
    assert mtu(datastores.running.root) == "1500"
    assert [record.id for record in datastores.history()] == [1]
    db.execute("PRAGMA max_page_count = 1000000")
    datastores.commit(ALICE)
    assert datastores.head == 2


def test_a_journal_of_a_newer_format_is_refused(path: Path, schema: Schema, clock: Clock) -> None:
    Journal(path, schema, clock).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StateFault, match="newer"):
        Journal(path, schema, clock)


def test_a_file_that_is_no_journal_is_refused(path: Path, schema: Schema, clock: Clock) -> None:
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(StateFault, match=str(path)):
        Journal(path, schema, clock)


def test_an_altered_row_is_noticed_when_it_is_read(datastores: Datastores, tmp_path: Path) -> None:
    commit_mtu(datastores, 1500)
    commit_mtu(datastores, 9000)
    with closing(sqlite3.connect(tmp_path / "state" / "journal.sqlite")) as db, db:
        db.execute("UPDATE commits SET user = 'mallory' WHERE id = 1")
    with pytest.raises(OperationFailed, match="commit 1 is damaged"):
        datastores.root_at(2)


def test_a_missing_row_is_noticed(datastores: Datastores, tmp_path: Path) -> None:
    for value in (1500, 9000, 68):
        commit_mtu(datastores, value)
    with closing(sqlite3.connect(tmp_path / "state" / "journal.sqlite")) as db, db:
        db.execute("DELETE FROM commits WHERE id = 2")
    with pytest.raises(OperationFailed, match="commit 2 is damaged or missing"):
        datastores.root_at(3)


def test_the_journal_is_private(datastores: Datastores, tmp_path: Path) -> None:
    commit_mtu(datastores, 1500)
    for file in (tmp_path / "state").iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_state_directory_serves_one_process(tmp_path: Path) -> None:
    first = StateDirectory(tmp_path / "state")
    with pytest.raises(StateFault, match="in use"):
        StateDirectory(tmp_path / "state")
    first.close()
    StateDirectory(tmp_path / "state").close()


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateFault, match=str(tmp_path / "file")):
        StateDirectory(tmp_path / "file" / "state")
