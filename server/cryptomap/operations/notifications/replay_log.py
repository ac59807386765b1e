"""The events of the past, on disk, for those who ask for a replay (RFC 5277 section 3.3).

Everything here happens on one thread of the log's own, in order: whoever reads sees all that was appended before, and
neither an event nor a reader ever waits for the disk on the event loop. What was appended survives the death of the
process; the operating system's death may cost the last seconds.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["LogLimits", "Logged", "ReplayLog"]

log = logging.getLogger(__name__)

MAX_WAITING: Final = 10_000
"""Events that may wait for the disk; more are not logged."""

PRUNE_EVERY: Final = 100
"""Events appended between two looks at the limits."""

_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""What SQLite says about the file itself (SQLITE_ERROR: its tables are not ours), not about the disk under it."""

_TABLES = """
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, xml BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS by_time ON events (time);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much is kept: events, and seconds of their age."""

    events: int = 100_000
    age: float = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Logged:
    """One event of the past: its number, its time (seconds since the epoch) and its element with all there is in it."""

    number: int
    time: float
    xml: bytes


class ReplayLog:
    """One log. Times are stored to the millisecond, as they are printed."""

    def __init__(self, path: Path, limits: LogLimits | None = None, *, now: float) -> None:
        """Open the log or begin one. One that is damaged is set aside; if the disk is at fault the log stays where it
        is, and the events of this run are kept in memory only."""
        self._path = path
        self._limits = limits or LogLimits()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="replay-log")
        self._waiting = 0
        self._appended = 0
        self.created: float = now
        self.aged: float | None = None
        """The time of the last event that was dropped from the log."""
        self.last = 0
        """The number of the last event of an earlier run."""
        self._worker.submit(self._open, now).result()

    # ---- from the event loop -----------------------------------------------------------------------------------

    def append(self, number: int, time: float, write: Callable[[], bytes]) -> None:
        """Log an event. ``write``, called on the log's thread, gives its element."""
        if self._waiting >= MAX_WAITING:
            log.error("event %d is not logged: the disk does not keep up", number)
            return
        self._waiting += 1
        try:
            self._worker.submit(self._append, number, time, write)
        except RuntimeError:
            log.debug("event %d came after the end", number)

    async def read(self, after: int, since: float, most: int) -> list[Logged]:
        """At most ``most`` events in their order: those with a larger number than ``after``, that happened at or after
        ``since``."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._read, after, since, most)

    def close(self) -> None:
        """Write what waits and let go of the file. It may take a moment."""
        self._worker.submit(self._db.close)
        self._worker.shutdown()

    # ===== on the log's thread =====

    def _open(self, now: float) -> None:
        try:
            self._set_up(self._path, now)
        except (sqlite3.DatabaseError, OSError) as fault:
            if getattr(fault, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                self._begin_anew(fault, now)
            else:
                log.error("log of notifications %s: %s; events are kept until this server ends", self._path, fault)
                self._set_up(None, now)

    def _begin_anew(self, fault: Exception, now: float) -> None:
        aside = self._path.with_suffix(".damaged")
        log.error("log of notifications %s: %s; it is set aside as %s", self._path, fault, aside.name)
        self._path.replace(aside)
        for rest in ("-wal", "-shm"):
            self._path.with_name(self._path.name + rest).unlink(missing_ok=True)
        self._set_up(self._path, now)

    def _set_up(self, path: Path | None, now: float) -> None:
        """``None``: in memory."""
        if path is not None:
            path.touch(mode=0o600)
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_TABLES)
            self._db.execute("INSERT OR IGNORE INTO facts VALUES ('created', ?)", (_stored(now),))
            facts = dict(self._db.execute("SELECT name, value FROM facts"))
            (last,) = self._db.execute("SELECT max(id) FROM events").fetchone()
        except sqlite3.Error:
            self._db.close()
            raise
        self.created = facts["created"] / 1000
        self.aged = facts["aged"] / 1000 if "aged" in facts else None
        self.last = max(last or 0, facts.get("aged number", 0))

    def _append(self, number: int, time: float, write: Callable[[], bytes]) -> None:
        self._waiting -= 1
        try:
            self._db.execute("INSERT INTO events VALUES (?, ?, ?)", (number, _stored(time), write()))
            self._appended += 1
            if self._appended % PRUNE_EVERY == 0:
                self._prune(number, time)
        except sqlite3.Error as fault:
            log.error("event %d is not logged: %s", number, fault)
        except Exception:
            log.exception("event %d is not logged", number)

    def _prune(self, number: int, now: float) -> None:
        """Drop what is too old or too many, and remember the last of it."""
        where = "id <= ? OR time < ?"
        limits = (number - self._limits.events, _stored(now - self._limits.age))
        found = self._db.execute(f"SELECT id, time FROM events WHERE {where} ORDER BY id DESC LIMIT 1", limits)  # noqa: S608
        row = found.fetchone()
        if row is None:
            return
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM events WHERE id <= ?", (row[0],))
            self._db.execute("INSERT OR REPLACE INTO facts VALUES ('aged number', ?), ('aged', ?)", row)
        self.aged = row[1] / 1000

    def _read(self, after: int, since: float, most: int) -> list[Logged]:
        rows = self._db.execute(
            "SELECT id, time, xml FROM events WHERE id > ? AND time >= ? ORDER BY id LIMIT ?",
            (after, _stored(since), most),
        )
        return [Logged(number, time / 1000, xml) for number, time, xml in rows]


def _stored(time: float) -> int:
    return int(time * 1000)
