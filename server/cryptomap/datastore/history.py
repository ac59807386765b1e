"""What the journal holds, read: who changed what and when, and the edit documents that rebuild any configuration.

Reading opens a connection of its own, so it may happen on any thread, beside the writer and without waiting for it.

The digests form a chain: each covers its commit's data, its document and the digest before it, so that a damaged or
altered row is noticed when it is read, and a checkpoint of another journal is told apart.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cryptomap.datastore.statedir import StateFault

__all__ = ["ENTRY_WEIGHT", "ORIGIN_DIGEST", "Entry", "History", "Record", "digest_of", "pack", "unpack"]

ORIGIN_DIGEST = "0" * 64  # stands before the first commit
LAST = 1 << 62  # above every id
PACK_FROM = 16 * 1024
ENTRY_WEIGHT = 1024  # what replaying a commit costs beside its document, in bytes of document

COLUMNS = "id, time, user, session, source, kind, message, created, modified, deleted, schema, digest"


@dataclass(frozen=True, slots=True)
class Record:
    """One commit of the history, without its document. ``created``, ``modified`` and ``deleted`` count changes, where a
    created or deleted subtree is one. ``schema`` is the content-id of the schema it was made under."""

    id: int
    time: float  # seconds since the epoch
    user: str
    session_id: int
    source: str
    kind: str  # as Origin.kind
    message: str
    created: int
    modified: int
    deleted: int
    schema: str
    digest: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One commit for replay: applied to the configuration after commit ``record.id - 1``, the document (an edit-config
    ``config`` element, UTF-8) yields the configuration after it."""

    record: Record
    document: bytes


class History:
    """The history in a journal file."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"

    def records(self, limit: int = 100, before: int | None = None) -> list[Record]:
        """At most ``limit`` commits, newest first, of ids below ``before``."""
        query = f"SELECT {COLUMNS} FROM commits WHERE id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608 - constant columns
        with closing(self._connect()) as connection:
            return [Record(*row) for row in connection.execute(query, (LAST if before is None else before, limit))]

    def document(self, commit: int) -> bytes:
        """The edit document of one commit. Raises KeyError if there is no such commit."""
        with closing(self._connect()) as connection:
            row = connection.execute("SELECT document, packed FROM commits WHERE id = ?", (commit,)).fetchone()
        if row is None:
            raise KeyError(commit)
        return unpack(*row)

    def digest(self, commit: int) -> str | None:
        """The chain's digest at a commit; ``None`` if there is no such commit."""
        if commit == 0:
            return ORIGIN_DIGEST
        with closing(self._connect()) as connection:
            row = connection.execute("SELECT digest FROM commits WHERE id = ?", (commit,)).fetchone()
        return str(row[0]) if row else None

    def entries(self, after: int, upto: int | None = None) -> Iterator[Entry]:
        """The commits with ids above ``after`` up to ``upto``, in order. Raises StateFault at a gap or at a row that
        does not carry the digest of what it holds."""
        previous, expected = self.digest(after), after + 1
        query = f"SELECT {COLUMNS}, document, packed FROM commits WHERE id > ? AND id <= ? ORDER BY id"  # noqa: S608
        with closing(self._connect()) as connection:
            for *columns, document, packed in connection.execute(query, (after, LAST if upto is None else upto)):
                record = Record(*columns)
                try:
                    plain = unpack(document, packed)
                except zlib.error:
                    plain = b""
                if previous is None or digest_of(record, plain, previous) != record.digest:
                    raise StateFault(f"journal: commit {expected} is damaged or missing")
                yield Entry(record, plain)
                previous, expected = record.digest, expected + 1

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._uri, uri=True, isolation_level=None)


def digest_of(record: Record, document: bytes, previous: str) -> str:
    """The digest of a commit (the record's own ``digest`` is left out), in hexadecimal."""
    fields = [getattr(record, name) for name in Record.__slots__ if name != "digest"]
    text = json.dumps([previous, *fields, hashlib.sha256(document).hexdigest()])
    return hashlib.sha256(text.encode()).hexdigest()


def pack(document: bytes) -> tuple[bytes, bool]:
    """A document as it is stored: long ones compressed. (stored form, whether it is compressed)"""
    return (zlib.compress(document, 1), True) if len(document) >= PACK_FROM else (document, False)


def unpack(stored: bytes, packed: bool) -> bytes:
    return zlib.decompress(stored) if packed else stored
