"""What each tunnel has carried since its bind: never less than was shown before, also when the server was away.

A backend counts as long as it lives. After a restart of the server it knows of the SAs there are, no longer of those
they have replaced. So what a tunnel had counted, and each of its SAs, is written down whenever an SA comes or goes; the
SAs that a restarted server still finds have counted on from there, and the rest is as it was written down. What an SA
counted that came and went while the server was away is lost. Between two such moments nothing is written.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TypeAlias

from cryptomap_backend.intent import TunnelId
from cryptomap_backend.state import Counters, TunnelState

__all__ = ["Totals"]

log = logging.getLogger(__name__)

NOTHING = Counters()

Spis: TypeAlias = tuple[int, int]

_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
"""Errors that say nothing about the file."""

_TABLE = """
CREATE TABLE IF NOT EXISTS totals (context TEXT, crypto_map TEXT, interface TEXT, record TEXT NOT NULL,
    PRIMARY KEY (context, crypto_map, interface)) WITHOUT ROWID
"""


@dataclass(slots=True)
class _Record:
    """``total`` and ``sas`` (by SPIs in and out) are as written down. ``earlier`` is what the backend does not count
    any more, known once the tunnel has been looked at; ``sought`` are the SAs of another life of the server that have
    not been seen in this one: one that is seen counts for itself again."""

    total: Counters = NOTHING
    rekeys: int = 0
    sas: dict[Spis, Counters] = field(default_factory=dict)
    earlier: Counters | None = None
    sought: dict[Spis, Counters] = field(default_factory=dict)

    def seen(self, state: TunnelState) -> Counters:
        """The counters of the tunnel, which is in that state now."""
        if self.earlier is None:
            counted = _more(state.counters, sum((sa.counters for sa in state.children), NOTHING))
            self.earlier, self.sought = _more(self.total, counted), dict(self.sas)
        for sa in state.children if self.sought else ():
            self.earlier = _more(self.earlier, self.sought.pop((sa.spi_in, sa.spi_out), NOTHING))
        return self.earlier + state.counters


class Totals:
    """Thread-safe. Without a path nothing outlives the process."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file or begin one. One that is damaged is set aside: then counting begins anew."""
        self._lock = threading.Lock()
        self._db, self._records = _opened(path)
        self._is_open = True

    def of(self, state: TunnelState) -> tuple[Counters, int]:
        """The counters of a tunnel, and how often its child SAs were rekeyed."""
        with self._lock:
            record = self._records.setdefault(state.id, _Record())
            return record.seen(state), record.rekeys

    def note(self, state: TunnelState, rekeys: int = 0) -> None:
        """An SA of the tunnel has come or gone, by so many rekeys: write down what was counted."""
        with self._lock:
            record = self._records.setdefault(state.id, _Record())
            record.total = record.seen(state)
            record.sas = {**record.sought, **{(sa.spi_in, sa.spi_out): sa.counters for sa in state.children}}
            record.rekeys += rekeys
            self._write("REPLACE INTO totals VALUES (?, ?, ?, ?)", [(*state.id, _dumped(record))])

    def forget(self, tunnels: Iterable[TunnelId]) -> None:
        """These are bound no longer: a later bind counts from nothing."""
        with self._lock:
            gone = [item for item in tunnels if self._records.pop(item, None) is not None]
            self._write("DELETE FROM totals WHERE context = ? AND crypto_map = ? AND interface = ?", gone)

    def _write(self, statement: str, rows: Iterable[tuple[str, ...]]) -> None:
        """A disk that takes nothing costs what would be written, not the counting nor who counts."""
        if not self._is_open:
            return
        try:
            self._db.executemany(statement, rows)
        except sqlite3.Error as fault:
            log.error("the counters of tunnels are not written down: %s", fault)

    def close(self) -> None:
        """Write nothing any more."""
        with self._lock:
            self._is_open = False
            self._db.close()


def _more(now: Counters, before: Counters) -> Counters:
    """By how much each counter is greater than another, 0 where it is not."""
    return Counters(*(max(new - old, 0) for new, old in zip(astuple(now), astuple(before), strict=True)))


# ===== the file =====


def _opened(path: Path | None) -> tuple[sqlite3.Connection, dict[TunnelId, _Record]]:
    try:
        return _read(path)
    except (sqlite3.DatabaseError, ValueError, TypeError) as fault:
        if path is None:
            raise
        if getattr(fault, "sqlite_errorcode", 0) & 0xFF in _DISK:
            log.error("the counters of tunnels will be lost with this server: %s cannot be used (%s)", path, fault)
            return _read(None)
        log.error("the counters of tunnels begin anew: %s is damaged (%s)", path, fault)
        path.replace(path.with_name(f"{path.name}.damaged"))
        return _read(path)


def _read(path: Path | None) -> tuple[sqlite3.Connection, dict[TunnelId, _Record]]:
    if path is not None:
        path.touch(mode=0o600)
    db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")  # what a crash of the machine loses is lost in the kernel as well
        db.execute(_TABLE)
        return db, {TunnelId(*row[:3]): _loaded(row[3]) for row in db.execute("SELECT * FROM totals")}
    except BaseException:
        db.close()
        raise


def _dumped(record: _Record) -> str:
    return json.dumps([astuple(record.total), record.rekeys, [[*spis, astuple(sa)] for spis, sa in record.sas.items()]])


def _loaded(text: str) -> _Record:
    total, rekeys, sas = json.loads(text)
    return _Record(
        Counters(*total), int(rekeys), {(spi_in, spi_out): Counters(*counted) for spi_in, spi_out, counted in sas}
    )
