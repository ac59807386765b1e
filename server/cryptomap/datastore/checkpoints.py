"""Checkpoint files in the state directory: written in the background, the newest few kept.

A checkpoint becomes due when the documents written since the last one weigh a fixed minimum or half of that
checkpoint, whichever is more. So replay stays short against loading, and writing checkpoints costs no more than a
constant factor of what commits write, however large the configuration is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from cryptomap.data.tree import Node
from cryptomap.datastore.checkpoint import Checkpoint, CheckpointFault, Header, decode, encode
from cryptomap.datastore.journal import shrink
from cryptomap.datastore.statedir import publish
from cryptomap.datastore.steps import Observer, Step, silent
from cryptomap.schema.nodes import Schema

__all__ = ["Background", "Checkpointer", "Checkpoints", "on_thread"]

log = logging.getLogger(__name__)

KEEP = 3
MINIMUM_WEIGHT = 1 << 20  # bytes of documents
SHARE = 0.5  # of the last checkpoint's size
SUFFIX = ".checkpoint"

Background: TypeAlias = Callable[[Callable[[], None]], None]
"""Runs a function later, on a thread that is not the writer's."""


class Checkpoints:
    """The checkpoint files of one state directory. ``write`` runs on one thread at a time, the rest anywhere."""

    def __init__(self, directory: Path, step: Observer = silent) -> None:
        self._directory = directory
        self._step = step
        self._stopped = False
        directory.mkdir(mode=0o700, exist_ok=True)
        for left_over in directory.glob(f".*{SUFFIX}.part"):  # of a crash while writing
            left_over.unlink()

    def write(self, schema: Schema, root: Node, header: Header) -> int:
        """Write one durably and drop the oldest beyond those kept; its size in bytes. Raises OSError or, when it was
        told to stop, CheckpointFault; then the directory is as before."""
        if self._stopped:
            raise CheckpointFault("stopped")
        path = self._path(header.commit)
        temporary = path.with_name(f".{path.name}.part")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                self._step(Step.CHECKPOINT_OPENED)
                encode(schema, root, header, self._unless_stopped(file.write))
                file.flush()
                self._step(Step.CHECKPOINT_WRITTEN)
                os.fsync(file.fileno())
                self._step(Step.CHECKPOINT_SYNCED)
                size = file.tell()
            publish(temporary, path)
        except (OSError, CheckpointFault):
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        self._step(Step.CHECKPOINT_PUBLISHED)
        for commit in self.commits()[KEEP:]:
            self._path(commit).unlink(missing_ok=True)
        self._step(Step.CHECKPOINTS_PRUNED)
        return size

    def stop(self) -> None:
        """Give up the checkpoint that is being written."""
        self._stopped = True

    def remove_beyond(self, head: int) -> None:
        """Drop those of commits the journal does not know."""
        for commit in self.commits():
            if commit > head:
                self._path(commit).unlink(missing_ok=True)

    def remove_all_but(self, commit: int) -> None:
        """Drop those of other commits."""
        for other in self.commits():
            if other != commit:
                self._path(other).unlink(missing_ok=True)

    def commits(self) -> list[int]:
        """The commits there are checkpoints of, newest first."""
        names = [path.stem for path in self._directory.glob(f"*{SUFFIX}")]
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)

    def sizes(self) -> list[int]:
        """In bytes, of those there are."""
        return [self._path(commit).stat().st_size for commit in self.commits()]

    def good(self, upto: int | None = None, beyond: int = -1) -> Iterator[Checkpoint]:
        """The undamaged ones, newest first, of commits up to one and beyond another; others are not even read. Says in
        the log which are damaged."""
        for commit in self.commits():
            if commit <= beyond or (upto is not None and commit > upto):
                continue
            path = self._path(commit)
            try:
                yield decode(path.read_bytes())
            except (CheckpointFault, OSError) as fault:
                log.warning("checkpoint %s cannot be used, going on with an older one: %s", path, fault)

    def _unless_stopped(self, write: Callable[[bytes], object]) -> Callable[[bytes], object]:
        def guarded(piece: bytes) -> None:
            if self._stopped:
                raise CheckpointFault("stopped")
            write(piece)

        return guarded

    def _path(self, commit: int) -> Path:
        return self._directory / f"{commit:020}{SUFFIX}"


class Checkpointer:
    """Decides when a checkpoint is due and has it written in the background, one at a time."""

    def __init__(
        self,
        schema: Schema,
        checkpoints: Checkpoints,
        journal: Path,
        background: Background,
        step: Observer = silent,
    ) -> None:
        """``journal``: the journal file, whose write-ahead log is folded in at the same occasion."""
        self._step = step
        self._schema = schema
        self._checkpoints = checkpoints
        self._journal = journal
        self._background = background
        self._begun = False
        self._writing = threading.Lock()
        self._weight = 0
        self._size = max(checkpoints.sizes(), default=0)

    def note(self, weight: int, root: Node, header: Header, *, now: bool = False) -> None:
        """A commit of that weight (bytes) was made or replayed, and this is the configuration after it."""
        self._weight += weight
        due = now or self._weight >= max(MINIMUM_WEIGHT, SHARE * self._size)
        if due and not self._begun:
            self._weight = 0
            self._begun = True
            try:
                self._background(lambda: self._write(root, header))
            except RuntimeError as fault:  # no thread to be had; the commit itself is done
                log.warning("checkpoint of commit %d not begun: %s", header.commit, fault)
                self._begun = False

    def _write(self, root: Node, header: Header) -> None:
        with self._writing:
            try:
                self._size = self._checkpoints.write(self._schema, root, header)
                shrink(self._journal)
                self._step(Step.LOG_FOLDED)
            except Exception as fault:  # never fatal: the journal holds everything; the next commits try again
                log.warning("checkpoint of commit %d not written: %s", header.commit, fault)
            self._begun = False

    def close(self) -> None:
        """Give up what is being written, and wait until that has come to its end."""
        self._checkpoints.stop()
        with self._writing:
            pass


def on_thread(work: Callable[[], None]) -> None:
    """The background of a live server."""
    threading.Thread(target=work, name="checkpoint", daemon=True).start()
