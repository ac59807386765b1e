"""The journal: committed changes in SQLite, one transaction and one fsync a commit.

``prepare`` inserts the commit inside an open SQLite transaction, ``apply`` is its COMMIT, ``abort`` its ROLLBACK. The
deadline and rollback reference of a confirmed commit, and the durable facts the participants reported, travel in that
same transaction. What is written follows the size of the change, never the size of the configuration.

The connection lives on the writer's thread and nowhere else (SQLite itself enforces it). A redundant pair of gateways
will keep its journal elsewhere; what the rest of the datastore uses of this class is small on purpose.

A COMMIT that fails (disk full, I/O error on fsync) leaves a doubt: its pages may stand in the write-ahead log although
SQLite has dropped them, and a crash before the next write would bring them back. So the next thing written, before
any other commit, is a transaction that overwrites them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from immutables import Map

from cryptomap.data.diff import Change, edit_document
from cryptomap.data.xml import Sealer
from cryptomap.datastore.clock import Clock
from cryptomap.datastore.history import COLUMNS, ENTRY_WEIGHT, ORIGIN_DIGEST, Record, digest_of, pack
from cryptomap.datastore.statedir import StateFault
from cryptomap.datastore.steps import Observer, Step, silent
from cryptomap.datastore.transaction import FactKey, OutcomeUnknown, Pending, Transition
from cryptomap.errors import OperationFailed
from cryptomap.schema.nodes import Schema

__all__ = ["KEY_PATH", "Journal", "StartupCopy", "connect", "key_proof", "shrink"]

log = logging.getLogger(__name__)

KEY_PATH = "journal"
_encode = json.JSONEncoder().encode
FORMAT = 1  # PRAGMA user_version
NEEDED = 1 << 16
"""Bytes: SQLite makes a file of 32 KiB by which those who use the journal share memory."""

TABLES = """
CREATE TABLE commits (id INTEGER PRIMARY KEY, time REAL NOT NULL, user TEXT NOT NULL, session INTEGER NOT NULL,
    source TEXT NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL, created INTEGER NOT NULL,
    modified INTEGER NOT NULL, deleted INTEGER NOT NULL, schema TEXT NOT NULL, digest TEXT NOT NULL,
    document BLOB NOT NULL, packed INTEGER NOT NULL);
CREATE TABLE pending (one INTEGER PRIMARY KEY CHECK (one = 1), reference INTEGER NOT NULL, deadline REAL NOT NULL,
    timeout REAL NOT NULL, session INTEGER NOT NULL, user TEXT NOT NULL, persist TEXT);
CREATE TABLE startup (one INTEGER PRIMARY KEY CHECK (one = 1), base INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE key (one INTEGER PRIMARY KEY CHECK (one = 1), sealed TEXT NOT NULL);
CREATE TABLE settled (one INTEGER PRIMARY KEY CHECK (one = 1), time REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class StartupCopy:
    """The startup datastore on disk: the configuration after commit ``base``, edited by ``document`` (may be empty)."""

    base: int
    document: bytes


@dataclass(frozen=True, slots=True)
class _Prepared:
    record: Record
    weight: int
    transition: Transition


class Journal:
    """The write side of the journal, and the last participant of every commit."""

    name = "journal"

    def __init__(self, path: Path, schema: Schema, clock: Clock, step: Observer = silent) -> None:
        """Open or make the journal file. Raises StateFault if it is unusable or of a newer format."""
        self._schema = schema
        self._clock = clock
        self._step = step
        self._in_doubt = False
        self.last: Record | None = None  # the commit stored last by this object, and what replaying it weighs
        self.last_weight = 0
        try:
            self._db = connect(path)
            with contextlib.ExitStack() as unless_complete:
                unless_complete.callback(self._db.close)
                _set_up(self._db, path)
                self._load()
                unless_complete.pop_all()
        except sqlite3.Error as fault:
            full = "; the disk is full: make room" if shutil.disk_usage(path.parent).free < NEEDED else ""
            raise StateFault(f"journal {path}: {fault}{full}") from None

    def _load(self) -> None:
        row = self._db.execute("SELECT id, digest FROM commits ORDER BY id DESC LIMIT 1").fetchone()
        self.head: int = row[0] if row else 0
        self.digest: str = row[1] if row else ORIGIN_DIGEST
        row = self._db.execute("SELECT reference, deadline, timeout, session, user, persist FROM pending").fetchone()
        self.pending = Pending(*row) if row else None
        row = self._db.execute("SELECT base, document FROM startup").fetchone()
        self.startup = StartupCopy(*row) if row else None
        rows = self._db.execute("SELECT key, value FROM facts").fetchall()
        keys = json.loads(f"[{','.join([key for key, _ in rows])}]")  # in one call: a fifth of the time of one each
        self.facts: Map[FactKey, str] = Map((tuple(key), value) for key, (_, value) in zip(keys, rows, strict=True))

    # ---- the participant ---------------------------------------------------------------------------------------

    def prepare(self, transition: Transition) -> _Prepared:
        document = edit_document(self._schema, list(transition.changes))
        record = self._record(transition, document)
        self._begin()
        try:
            self._insert(record, document)
            self._put_pending(transition.pending)
        except sqlite3.Error as fault:
            self._rollback()
            raise _cannot_store(fault) from fault
        self._step(Step.INSERTED)
        return _Prepared(record, len(document) + ENTRY_WEIGHT, transition)

    def apply(self, prepared: _Prepared) -> None:
        """The point of no return."""
        facts = prepared.transition.facts
        try:
            self._put_facts(facts)
        except sqlite3.Error as fault:
            self._rollback()
            raise _cannot_store(fault) from fault
        self._step(Step.NOTED)
        self._commit()
        self.head, self.digest = prepared.record.id, prepared.record.digest
        self.pending = prepared.transition.pending
        self.facts = _updated(self.facts, facts)
        self.last, self.last_weight = prepared.record, prepared.weight

    def abort(self, prepared: _Prepared) -> None:
        self._rollback()

    # ---- what is stored apart from a commit --------------------------------------------------------------------

    def store_pending(self, pending: Pending | None) -> None:
        """Arm, extend or end a confirmed commit that changes nothing else. Raises OperationFailed."""
        if pending != self.pending:
            with self._transaction():
                self._put_pending(pending)
            self.pending = pending

    def store_facts(self, facts: Mapping[FactKey, str | None]) -> None:
        """Durable facts that do not belong to a commit; ``None`` deletes. Raises OperationFailed."""
        news = {key: value for key, value in facts.items() if self.facts.get(key) != value}
        if news:
            with self._transaction():
                self._put_facts(news)
            self.facts = _updated(self.facts, news)

    def store_startup(self, startup: StartupCopy) -> None:
        """Replace the startup datastore. Raises OperationFailed."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO startup VALUES (1, ?, ?)", (startup.base, startup.document))
        self.startup = startup

    def require_key(self, seal: Sealer) -> None:
        """Raises StateFault if the secrets of this journal were sealed with a key that ``seal`` does not have: a stored
        secret would pass for a clear one and be sealed a second time."""
        row = self._db.execute("SELECT sealed FROM key").fetchone()
        if row is None:
            with self._transaction():
                self._db.execute("INSERT INTO key VALUES (1, ?)", (seal.seal(KEY_PATH, KEY_PATH),))
        elif not seal.is_sealed(KEY_PATH, row[0]):
            raise StateFault("the key file does not belong to this journal; restore the one it was made with")

    def close(self) -> None:
        self._db.close()

    # ---- SQL ---------------------------------------------------------------------------------------------------

    def _record(self, transition: Transition, document: bytes) -> Record:
        origin = transition.origin
        created, modified, deleted = _count(transition.changes)
        unsigned = Record(
            id=self.head + 1,
            time=self._clock.time(),
            user=origin.user,
            session_id=origin.session_id,
            source=origin.source,
            kind=origin.kind,
            message=origin.message,
            created=created,
            modified=modified,
            deleted=deleted,
            schema=self._schema.content_id,
            digest="",
        )
        return replace(unsigned, digest=digest_of(unsigned, document, self.digest))

    def _insert(self, record: Record, document: bytes) -> None:
        values = [getattr(record, name) for name in Record.__slots__]
        marks = ", ".join("?" * (len(values) + 2))
        self._db.execute(
            f"INSERT INTO commits ({COLUMNS}, document, packed) VALUES ({marks})",  # noqa: S608 - constant columns
            (*values, *pack(document)),
        )

    def _put_pending(self, pending: Pending | None) -> None:
        if pending == self.pending:
            return
        self._db.execute("DELETE FROM pending")
        if pending:
            values = (pending.reference, pending.deadline, pending.timeout, pending.session_id, pending.user)
            self._db.execute("INSERT INTO pending VALUES (1, ?, ?, ?, ?, ?, ?)", (*values, pending.persist))

    def _put_facts(self, facts: Mapping[FactKey, str | None]) -> None:
        gone = [(_encode(key),) for key, value in facts.items() if value is None]
        set_ = [(_encode(key), value) for key, value in facts.items() if value is not None]
        if gone:
            self._db.executemany("DELETE FROM facts WHERE key = ?", gone)
        if set_:
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", sorted(set_))

    # ---- transactions ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._begin()
        try:
            yield
        except sqlite3.Error as fault:
            self._rollback()
            raise _cannot_store(fault) from fault
        self._commit()
        self._step(Step.STORED)

    def _begin(self) -> None:
        try:
            if self._in_doubt:
                self._settle()
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as fault:
            raise _cannot_store(fault) from fault

    def _commit(self) -> None:
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as fault:
            log.error("journal: COMMIT failed: %s", fault)
            self._in_doubt = True
            self._rollback()
            self._settle_after(fault)
            raise _cannot_store(fault) from fault

    def _settle_after(self, fault: sqlite3.Error) -> None:
        try:
            self._settle()
        except sqlite3.Error:
            raise OutcomeUnknown(f"the journal can neither store the commit nor take it back ({fault})") from fault

    def _settle(self) -> None:
        """Overwrite what a failed COMMIT may have left in the write-ahead log."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute("DELETE FROM commits WHERE id > ?", (self.head,))
            self._db.execute("INSERT OR REPLACE INTO settled VALUES (1, ?)", (self._clock.time(),))
            self._db.execute("COMMIT")
        except sqlite3.Error:
            self._rollback()
            raise
        self._in_doubt = False
        self._step(Step.SETTLED)

    def _rollback(self) -> None:
        if self._db.in_transaction:  # some errors have rolled back already
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")


def connect(path: Path) -> sqlite3.Connection:
    """To write in a journal file: each COMMIT is on the disk when it returns."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = FULL")
    return db


def _set_up(db: sqlite3.Connection, path: Path) -> None:
    path.chmod(0o600)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")  # the checkpointer's thread does it, not a commit
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found > FORMAT:
        raise StateFault(f"journal {path}: format {found} was written by a newer cryptomapd; this one reads {FORMAT}")
    if found == 0:
        db.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;")


def key_proof(path: Path) -> tuple[str, str] | None:
    """(schema path, sealed text) that only the key of this journal opens; ``None`` if it never saw a key."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        row = db.execute("SELECT sealed FROM key").fetchone()
    return (KEY_PATH, row[0]) if row else None


def shrink(path: Path) -> None:
    """Move the write-ahead log into the database file, beside the writer and without making it wait."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _count(changes: tuple[Change, ...]) -> tuple[int, int, int]:
    created = sum(change.old is None for change in changes)
    deleted = sum(change.new is None for change in changes)
    return created, len(changes) - created - deleted, deleted


def _updated(facts: Map[FactKey, str], news: Mapping[FactKey, str | None]) -> Map[FactKey, str]:
    mutation = facts.mutate()
    for key, value in news.items():
        if value is not None:
            mutation[key] = value
        elif key in mutation:
            del mutation[key]
    return mutation.finish()


def _cannot_store(fault: sqlite3.Error) -> OperationFailed:
    return OperationFailed(f"the journal cannot store the change ({fault}); nothing was changed", app_tag="journal")
