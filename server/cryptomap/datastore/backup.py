"""A copy of the state directory in one file, made while a server runs, and the way back.

The file is a tar: the journal (SQLite's online backup: the state after some commit, whole), if wanted the keys, and a
manifest with the SHA-256 of each. Checkpoints and compiled schemas are not in it, for the journal makes them anew.

A restore first unpacks and checks everything beside what is there, and gives it a name in one rename: from then on it
will be finished, by whoever opens the directory next if not by the restore itself. What was there is moved aside.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptomap.datastore.history import History
from cryptomap.datastore.journal import key_proof
from cryptomap.datastore.secrets import KeyFile
from cryptomap.datastore.statedir import StateDirectory, StateFault, publish, sync_directory, write_durably

__all__ = ["Manifest", "back_up", "restore"]

FORMAT = 1
JOURNAL = "journal.sqlite"
MANIFEST = "manifest.json"
KEYS = ("secrets.key", "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub")
MAX_MANIFEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds: the configuration after commit ``head``, and the members by name with their SHA-256."""

    time: float  # seconds since the epoch
    head: int
    digest: str  # of that commit in the chain
    members: dict[str, str]
    format: int = FORMAT

    @property
    def has_keys(self) -> bool:
        return KEYS[0] in self.members


def back_up(state: Path, target: Path, *, keys: bool) -> Manifest:
    """Copy a state directory, in use or not, to a file (0600). ``keys``: the keys too, which makes the file as secret
    as they are. Raises StateFault, OSError."""
    if not (state / JOURNAL).exists():
        raise StateFault(f"state directory {state}: there is no journal to back up")
    work = target.with_name(f".{target.name}.part")
    _anew(work)
    try:
        _copy_journal(state / JOURNAL, work / JOURNAL)
        for name in KEYS if keys else ():
            if (state / name).exists():
                shutil.copy2(state / name, work / name)
        manifest = _manifest(work)
        (work / MANIFEST).write_text(json.dumps(asdict(manifest)))
        _pack(work, target, [MANIFEST, *manifest.members])
    finally:
        shutil.rmtree(work)
    return manifest


def restore(source: Path, state: StateDirectory, key_file: Path | None = None) -> tuple[Manifest, Path]:
    """Put a backup in the place of what a state directory holds. Its key file must open it: that of the backup, else
    ``key_file``, else the one that is there. The second value is where the former state is kept. Raises StateFault or
    OSError, and then nothing has changed."""
    work = state.path / ".restore.part"
    _anew(work)
    try:
        manifest = _unpack(source, work)
        if key_file is not None:
            KeyFile.read(key_file).write(work / KEYS[0])
        own = work / KEYS[0]
        _check(manifest, work, own if own.exists() else state.key_file)
        aside = f"replaced-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
        write_durably(work / "aside", [aside.encode()])
        sync_directory(work)
        publish(work, state.unfinished_restore)
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as fault:
        raise StateFault(f"{source} is no backup, or damaged: {fault}") from fault
    finally:
        shutil.rmtree(work, ignore_errors=True)
    state.finish_restore()
    return manifest, state.path / aside


def _anew(directory: Path) -> None:
    """An empty private directory, whatever an earlier attempt left."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)


def _copy_journal(journal: Path, copy: Path) -> None:
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file
    except sqlite3.Error as fault:
        raise StateFault(f"journal {journal}: {fault}") from fault


def _manifest(work: Path) -> Manifest:
    """Of what lies in a directory, once the journal in it has been found whole."""
    head, digest = _verified(work / JOURNAL)
    members = {path.name: _digest(path) for path in sorted(work.iterdir())}
    return Manifest(time.time(), head, digest, members)


def _verified(journal: Path) -> tuple[int, str]:
    """The number and the digest of the last commit. Raises StateFault unless every page and every commit is whole."""
    try:
        with contextlib.closing(sqlite3.connect(journal)) as db:
            [verdict] = db.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise StateFault(f"journal {journal}: {verdict}")
        last = deque(History(journal).entries(0), maxlen=1)
    except sqlite3.Error as fault:
        raise StateFault(f"journal {journal}: {fault}") from fault
    return (last[0].record.id, last[0].record.digest) if last else (0, "")


def _check(manifest: Manifest, work: Path, key_file: Path) -> None:
    for name, digest in manifest.members.items():
        if _digest(work / name) != digest:
            raise StateFault(f"the backup is damaged: {name} is not what was backed up")
    if _verified(work / JOURNAL) != (manifest.head, manifest.digest):
        raise StateFault(f"the backup is damaged: its journal does not end at commit {manifest.head}")
    if not key_file.exists():
        raise StateFault("the backup holds no keys, and there is no key file here: name the one it was made with")
    proof = key_proof(work / JOURNAL)
    if proof is not None and not KeyFile.read(key_file).vault().is_sealed(*proof):
        raise StateFault(f"key file {key_file} does not open the backup: name the one it was made with")


def _pack(work: Path, target: Path, names: list[str]) -> None:
    part = work / "tar"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            for name in names:
                tar.add(work / name, name, filter=_anonymous)
        file.flush()
        os.fsync(file.fileno())
    publish(part, target)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _unpack(source: Path, work: Path) -> Manifest:
    with tarfile.open(source, mode="r:gz") as tar:
        [first, *others] = _files(tar)
        if first.name != MANIFEST or first.size > MAX_MANIFEST:
            raise ValueError("it does not begin with a manifest")
        manifest = Manifest(**json.loads(_content(tar, first).read()))
        if manifest.format != FORMAT:
            raise ValueError(f"format {manifest.format} was written by a newer cryptomapd; this one reads {FORMAT}")
        if {member.name for member in others} != manifest.members.keys() or JOURNAL not in manifest.members:
            raise ValueError("it does not hold what its manifest says")
        for member in others:
            with open(os.open(work / member.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                shutil.copyfileobj(_content(tar, member), file)
                file.flush()
                os.fsync(file.fileno())
    return manifest


def _files(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, which have plain names of ours. Raises ValueError at any other."""
    for member in tar:
        if not member.isfile() or member.name not in (MANIFEST, JOURNAL, *KEYS):
            raise ValueError(f"there is a stranger in it, {member.name!r}")
        yield member


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tarfile.ExFileObject:
    file = tar.extractfile(member)
    assert file is not None
    return file  # type: ignore[return-value]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
