"""The record as it is written: one process, any thread.

An entry is written before its deed is answered, in one ``write``: it survives the death of the server whatever comes.
The disk gets it within a second (a thread of the log's own syncs the file), so that a power cut may cost the last
second; of commits it costs nothing, because the journal has them on disk before they are answered, and the next start
records those that are missing here.

A record that cannot be written must not keep an operator from mending the disk that is full: the deed goes on, the log
of the server says so, and the next entry that can be written says how many are missing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptomap.audit.entry import BEGINNING, Deed, Entry, Header, Outcome
from cryptomap.audit.verify import files, tail

__all__ = ["AuditFault", "AuditLimits", "AuditLog"]

log = logging.getLogger(__name__)

SYNC_EVERY = 1.0  # seconds


class AuditFault(Exception):
    """The record cannot be used. One line that names the culprit."""


@dataclass(frozen=True, slots=True)
class AuditLimits:
    """A file is ended when it has that many bytes; the oldest beyond ``keep`` files are removed (0: none is)."""

    max_size: int = 8 << 20
    keep: int = 20


class AuditLog:
    """The record in a directory of its own (0700, files 0600). ``last_commit``: number and digest of the commit that
    was recorded last."""

    def __init__(
        self, directory: Path, limits: AuditLimits | None = None, now: Callable[[], float] = time.time
    ) -> None:
        """Go on with the record, or begin it. A file whose end is damaged is left as it is but for half an entry, which
        is cut off and said so. Raises AuditFault."""
        self._directory = directory
        self._limits = limits or AuditLimits()
        self._now = now
        self._lock = threading.Lock()
        self._unsynced = threading.Event()
        self._closing = threading.Event()
        self._lost = 0
        self._number, self._chain = 0, BEGINNING
        self._file = self._size = 0
        self.last_commit: tuple[int, str] | None = None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._go_on()
        except OSError as fault:
            raise AuditFault(f"audit record {directory}: {fault.strerror}") from fault
        self._syncer = threading.Thread(target=self._sync_often, name="audit-sync", daemon=True)
        self._syncer.start()

    def append(self, deed: Deed) -> None:
        """Record a deed."""
        with self._lock:
            if self._lost and self._written(_missing(self._lost)):
                self._lost = 0
            if self._lost or not self._written(deed):
                self._lost += 1
        self._unsynced.set()

    def close(self) -> None:
        """Sync and let go of the file. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._unsynced.set()
        self._syncer.join()
        with contextlib.suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)

    # ===== writing =====

    def _written(self, deed: Deed) -> bool:
        if self._size >= self._limits.max_size:
            self._next_file()
        entry, line = Entry.after(self._number + 1, self._now(), deed, self._chain)
        try:
            self._put(line)
        except OSError as fault:
            log.error("audit record: %s of %s is not recorded: %s", deed.operation, deed.user or "the server", fault)
            return False
        self._number, self._chain = entry.number, entry.chain
        if deed.commit is not None:
            self.last_commit = deed.commit, deed.digest
        return True

    def _put(self, line: bytes) -> None:
        """All of it or nothing."""
        if os.write(self._file, line) < len(line):
            os.ftruncate(self._file, self._size)
            raise OSError("the disk is full")
        self._size += len(line)

    def _next_file(self) -> None:
        """The old one stays in use if there is no room for a new one."""
        try:
            os.fsync(self._file)
            file, size = self._begin(Header(self._number + 1, self._chain))
        except OSError as fault:
            log.error("audit record: no new file: %s", fault)
            return
        os.close(self._file)
        self._file, self._size = file, size
        log.info("audit record: entry %d has the chain %s", self._number, self._chain)
        for path in files(self._directory)[: -self._limits.keep] if self._limits.keep else ():
            path.unlink(missing_ok=True)

    def _begin(self, header: Header) -> tuple[int, int]:
        path = self._directory / f"audit-{header.first:012}.log"
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        line = header.line()
        try:
            if os.write(file, line) < len(line):
                raise OSError("the disk is full")
            os.fsync(file)
        except OSError:
            path.unlink()
            os.close(file)
            raise
        return file, len(line)

    # ===== going on =====

    def _go_on(self) -> None:
        found = files(self._directory)
        if not found:
            self._file, self._size = self._begin(Header(1, BEGINNING))
            return
        try:
            header, entries, whole = tail(found[-1])
        except ValueError as fault:
            raise AuditFault(f"audit record {found[-1]}: {fault}; move it away to begin another") from fault
        self._number, self._chain = header.first - 1, header.follows
        if entries:
            self._number, self._chain = entries[-1].number, entries[-1].chain
        self.last_commit = _last_commit(entries) or _last_commit_of(found[:-1])
        self._file = os.open(found[-1], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size = os.fstat(self._file).st_size
        self._mend(found[-1], whole)

    def _mend(self, path: Path, whole: int) -> None:
        """Cut off half an entry; more than that is no accident of a crash: it is kept, and a new file goes on."""
        excess = self._size - whole
        if not excess:
            return
        log.error("audit record %s: %d bytes at its end are damaged", path, excess)
        if b"\n" in path.read_bytes()[whole:]:
            os.close(self._file)
            damaged = path.with_suffix(".damaged")
            path.rename(damaged)
            self._file, self._size = self._begin(Header(self._number + 1, self._chain))
            detail = f"{path.name} is damaged after entry {self._number}; it is kept as {damaged.name}"
        else:
            os.ftruncate(self._file, whole)
            self._size = whole
            detail = f"{excess} bytes of an unfinished entry were cut off"
        self._written(Deed("server", "audit", Outcome.FAILED, detail=detail))

    # ===== syncing =====

    def _sync_often(self) -> None:
        while not self._closing.is_set():
            self._unsynced.wait()
            self._unsynced.clear()
            with self._lock:
                file = os.dup(self._file)
            try:
                os.fsync(file)
            except OSError as fault:
                log.error("audit record: %s", fault)
            finally:
                os.close(file)
            self._closing.wait(SYNC_EVERY)


def _missing(count: int) -> Deed:
    return Deed("server", "audit", Outcome.FAILED, detail=f"{count} entries before this one could not be written")


def _last_commit(entries: list[Entry]) -> tuple[int, str] | None:
    found = (entry.deed for entry in reversed(entries) if entry.deed.commit is not None)
    return next(((deed.commit, deed.digest) for deed in found if deed.commit is not None), None)


def _last_commit_of(older: list[Path]) -> tuple[int, str] | None:
    for path in reversed(older):
        with contextlib.suppress(ValueError):
            found = _last_commit(tail(path)[1])
            if found is not None:
                return found
    return None
