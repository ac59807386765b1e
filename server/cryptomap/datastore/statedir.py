"""The state directory: one server at a time, private, and written so that a crash leaves whole files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

__all__ = ["StateDirectory", "StateFault", "credential", "keep_owner", "publish", "sync_directory", "write_durably"]

_KEY_FILE = "secrets.key"
_RESERVES = (256 << 10, 128 << 10, 64 << 10)
"""Bytes: what SQLite makes to share memory takes 32 KiB for each of two databases, and a stop removes it. The rest is
for further starts, if there is still no room: each writes a little."""


class StateFault(Exception):
    """The state directory, the key file or the journal cannot be used. One line that names the culprit."""


class StateDirectory:
    """Where the server keeps what must survive it. Holding one open keeps other servers out (``flock``), also after a
    crash of this one, because the kernel releases the lock."""

    def __init__(self, path: Path) -> None:
        """Make the directory (0700) if needed and take it. Raises StateFault if another process has it."""
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise StateFault(f"state directory {path}: {fault.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise StateFault(f"state directory {path}: in use by another process") from None
        self.finish_restore()

    @property
    def journal(self) -> Path:
        return self.path / "journal.sqlite"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def audit(self) -> Path:
        """The directory of the record of who did what."""
        return self.path / "audit"

    @property
    def key_file(self) -> Path:
        """The key of the sealed secrets: here, or where systemd has put the credential of that name."""
        handed = credential(_KEY_FILE)
        return handed if handed is not None and handed.exists() else self.path / _KEY_FILE

    @property
    def unfinished_restore(self) -> Path:
        """What a restore has unpacked and checked, until it has taken its place."""
        return self.path / ".restore"

    def finish_restore(self) -> None:
        """Give the files of a restore the place of what is here, which is moved aside. Does what is left to do, however
        often it was interrupted."""
        unpacked = self.unfinished_restore
        if not unpacked.exists():
            return
        aside = self.path / (unpacked / "aside").read_text()
        aside.mkdir(mode=0o700, exist_ok=True)
        if (unpacked / self.journal.name).exists():
            for name in ("journal.sqlite-wal", "journal.sqlite-shm", "checkpoints"):
                _move(self.path / name, aside / name)
        for path in sorted(unpacked.iterdir()):
            if path.name not in ("aside", self.journal.name):
                _replace(path, self.path / path.name, aside)
        if (unpacked / self.journal.name).exists():
            _replace(unpacked / self.journal.name, self.journal, aside)
        sync_directory(self.path)
        shutil.rmtree(unpacked)

    @property
    def reserve(self) -> Path:
        """Room for what a start must make, because an orderly stop has removed it: so one on a full disk succeeds."""
        return self.path / "reserve"

    def use_reserve(self) -> None:
        """At the beginning of a start."""
        self.reserve.unlink(missing_ok=True)

    def keep_reserve(self) -> None:
        """When the databases are closed, which makes room even on a full disk: as much as there is."""
        for size in _RESERVES:
            with contextlib.suppress(OSError):
                write_durably(self.reserve, [os.urandom(size)])  # zeros would take no room on a disk that compresses
                return

    @property
    def is_new(self) -> bool:
        """Nothing has been stored here yet."""
        return not self.journal.exists()

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def credential(name: str) -> Path | None:
    """Where systemd has put the credential of that name for this service, if it hands over any. An access list lets the
    service's user in there, which looks like a permission of the group."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(directory, name) if directory else None


def write_durably(path: Path, pieces: list[bytes], mode: int = 0o600) -> None:
    """Write a file that is wholly there or absent after a crash: temporary file, fsync, rename, fsync of the
    directory. Raises OSError and leaves no temporary file behind."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def publish(temporary: Path, path: Path) -> None:
    """Give a synced temporary file its name, durably."""
    temporary.rename(path)
    sync_directory(path.parent)


def keep_owner(directory: Path) -> None:
    """Give what root has made below a state directory to the directory's owner: else a server of that user could not
    read it."""
    if os.geteuid() != 0:
        return
    whose = directory.stat()
    for path in directory.rglob("*"):
        os.chown(path, whose.st_uid, whose.st_gid, follow_symlinks=False)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _move(path: Path, target: Path) -> None:
    if path.exists():
        path.rename(target)


def _replace(new: Path, path: Path, aside: Path) -> None:
    _move(path, aside / path.name)
    new.rename(path)
