"""Another master key for what is stored: every secret of the journal, its history and the startup datastore is sealed
anew, then the old key is forgotten.

Nothing of the configuration changes by it, and nothing of what a backend is told: keys are told apart by fingerprints
that do not depend on the master key. It can be ended at any moment. The key file first gets the new key on top of the
old one, and either opens; the journal goes over in one transaction; only then the old key leaves the file. Whoever
finds it half done just begins again. The chain of digests is made anew, because it covers what is sealed.

It works on a state directory that no server is using.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from lxml import etree

from cryptomap.data.xml import Sealer, read_config
from cryptomap.datastore.checkpoint import Header
from cryptomap.datastore.checkpoints import Checkpoints
from cryptomap.datastore.history import ORIGIN_DIGEST, History, digest_of, pack
from cryptomap.datastore.journal import KEY_PATH, connect
from cryptomap.datastore.password_hashes import PasswordHashes
from cryptomap.datastore.recovery import Archive, parse
from cryptomap.datastore.salvage import config_element
from cryptomap.datastore.secrets import PREFIX, KeyFile, Vault
from cryptomap.datastore.statedir import StateDirectory, StateFault
from cryptomap.datastore.steps import Observer, silent
from cryptomap.schema.nodes import Schema

__all__ = ["Rotated", "RotationStep", "rotate"]


class RotationStep(StrEnum):
    """The steps a test ends it at."""

    KEY_ADDED = "key added"
    RESEALED = "journal resealed"
    COMMITTED = "journal committed"
    CHECKPOINT_WRITTEN = "checkpoint replaced"
    SWEPT = "journal swept"
    KEY_FORGOTTEN = "old key forgotten"


@dataclass(frozen=True, slots=True)
class Rotated:
    """``secrets`` were sealed anew in ``commits`` commits. ``left`` could not be opened, because the modules that
    defined them are gone; if there are any, the old keys stay in the key file. ``before`` and ``after``: the digest of
    commit ``head``, the last."""

    secrets: int
    commits: int
    left: int
    head: int
    before: str
    after: str


def rotate(state: StateDirectory, schema: Schema, step: Observer = silent) -> Rotated:
    """Rotate the master key. Raises StateFault, OSError or sqlite3.Error, and then every key that is needed is in the
    key file."""
    keys = KeyFile.read(state.key_file).rotated()
    resealer = _Resealer(schema, keys.vault())
    checkpoints = Checkpoints(state.checkpoints)
    seal = PasswordHashes(schema, keys.vault())
    root = _current(state, schema, checkpoints, seal)
    keys.write(state.key_file)
    step(RotationStep.KEY_ADDED)
    rotated = _reseal_journal(state, resealer, step)
    step(RotationStep.COMMITTED)
    if (head := rotated.head) > 0:
        new = read_config(schema, resealer.element(root), seal)
        checkpoints.write(schema, new, Header(head, rotated.after, schema.content_id))
        checkpoints.remove_all_but(head)
    step(RotationStep.CHECKPOINT_WRITTEN)
    _sweep(state)
    step(RotationStep.SWEPT)
    if not rotated.left:
        keys.newest().write(state.key_file)
    step(RotationStep.KEY_FORGOTTEN)
    return rotated


def _current(state: StateDirectory, schema: Schema, checkpoints: Checkpoints, seal: Sealer) -> etree._Element:
    """Running as a config element. Raises StateFault if this version has not taken it over yet."""
    history = History(state.journal)
    records = history.records(1)
    rebuilt = Archive(schema, seal, checkpoints, history).rebuild(records[0].id if records else 0)
    if not rebuilt.trusted:
        raise StateFault("the configuration was stored under other modules: start the server once, then rotate the key")
    return config_element(schema, rebuilt.root)


def _reseal_journal(state: StateDirectory, resealer: _Resealer, step: Observer) -> Rotated:
    """In one transaction: every document and the chain over them, the startup datastore, and the proof of the key."""
    before, previous, head, commits = ORIGIN_DIGEST, ORIGIN_DIGEST, 0, 0
    with contextlib.closing(connect(state.journal)) as db, _transaction(db):
        for entry in History(state.journal).entries(0):
            document = resealer.document(entry.document)
            commits += document != entry.document
            digest = digest_of(replace(entry.record, digest=""), document, previous)
            row = (*pack(document), digest, entry.record.id)
            db.execute("UPDATE commits SET document = ?, packed = ?, digest = ? WHERE id = ?", row)
            before, previous, head = entry.record.digest, digest, entry.record.id
        for (startup,) in db.execute("SELECT document FROM startup").fetchall():
            db.execute("UPDATE startup SET document = ?", (resealer.document(startup),))
        db.execute("INSERT OR REPLACE INTO key VALUES (1, ?)", (resealer.vault.seal(KEY_PATH, KEY_PATH),))
        step(RotationStep.RESEALED)
    return Rotated(resealer.done, commits, resealer.left, head, before, previous)


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _sweep(state: StateDirectory) -> None:
    """Leave nothing of what the old key had sealed in free pages and in the write-ahead log."""
    with contextlib.closing(connect(state.journal)) as db:
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class _Resealer:
    """Seals the secrets in XML anew. ``done`` and ``left`` count those it could and could not open."""

    def __init__(self, schema: Schema, vault: Vault) -> None:
        self.vault = vault
        self.done = self.left = 0
        self._modules = {uri: name for name, uri in schema.namespace_of_module.items()}

    def document(self, document: bytes) -> bytes:
        """An edit document with its secrets sealed by the newest key; the same bytes if it holds none."""
        if PREFIX.encode() not in document:
            return document
        return etree.tostring(self.element(parse(document)), encoding="UTF-8")

    def element(self, config: etree._Element) -> etree._Element:
        """The same for a config element, in place."""
        for child in config:
            self._walk(child, "", "")
        return config

    def _walk(self, element: etree._Element, path: str, parent_module: str) -> None:
        if not isinstance(element.tag, str):
            return
        name = etree.QName(element)
        module = self._modules.get(name.namespace or "", "")
        path += f"/{name.localname}" if module == parent_module else f"/{module}:{name.localname}"
        if element.text and element.text.startswith(PREFIX):
            element.text = self._sealed(path, element.text)
        for child in element:
            self._walk(child, path, module)

    def _sealed(self, path: str, text: str) -> str:
        if not self.vault.is_sealed(path, text):
            self.left += 1
            return text
        self.done += 1
        return self.vault.seal(path, self.vault.reveal(path, text).decode())
