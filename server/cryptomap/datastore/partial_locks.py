"""Locks on parts of running (RFC 5717): nodes that only their session may change, with all below them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from cryptomap.data.diff import Change
from cryptomap.data.tree import Path
from cryptomap.datastore.clock import Clock
from cryptomap.errors import InvalidValue

__all__ = ["PartialLock", "PartialLocks"]


@dataclass(frozen=True, slots=True)
class PartialLock:
    """A granted lock: the nodes, the expressions that selected them, and when, in seconds since the epoch."""

    id: int
    session_id: int
    time: float
    select: tuple[str, ...]
    nodes: frozenset[Path]
    above: frozenset[Path]  # the ways to the nodes, without them


class PartialLocks:
    """Who holds which parts. Several locks of one session may overlap."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self._held: dict[int, PartialLock] = {}

    def __iter__(self) -> Iterator[PartialLock]:
        return iter(list(self._held.values()))

    def others(self, session_id: int) -> list[PartialLock]:
        """The locks of other sessions, oldest first."""
        return [lock for lock in self._held.values() if lock.session_id != session_id]

    def holder(self, nodes: Iterable[Path], session_id: int) -> PartialLock | None:
        """A lock of another session that covers one of these nodes, or something below it."""
        others = self.others(session_id)
        return next((lock for path in nodes for lock in others if _covers(lock, path) or path in lock.above), None)

    def acquire(self, session_id: int, select: tuple[str, ...], nodes: Collection[Path]) -> PartialLock:
        """Grant a lock on nodes that are known to be free."""
        above = frozenset(path[:length] for path in nodes for length in range(len(path)))
        lock = PartialLock(next(self._ids), session_id, self._clock.time(), select, frozenset(nodes), above)
        self._held[lock.id] = lock
        return lock

    def release(self, lock_id: int, session_id: int) -> None:
        """Raises InvalidValue unless that session holds that lock (RFC 5717 section 2.4.2)."""
        lock = self._held.get(lock_id)
        if lock is None or lock.session_id != session_id:
            info = (("bad-element", "lock-id"),)
            raise InvalidValue(f"this session has no partial lock {lock_id}", error_type="protocol", info=info)
        del self._held[lock_id]

    def release_all(self, session_id: int) -> None:
        """Forget a session that ended."""
        self._held = {lock.id: lock for lock in self.others(session_id)}

    def broken_by(self, changes: Iterable[Change], session_id: int) -> tuple[PartialLock, Path] | None:
        """The first lock of another session that one of the changes would touch, and where."""
        others = self.others(session_id)
        for change in changes if others else ():
            for path in _touched(change):
                for lock in others:
                    # What goes with its parent is touched, too.
                    if _covers(lock, path) or (change.new is None and path in lock.above):
                        return lock, path
        return None


def _touched(change: Change) -> Iterator[Path]:
    """The path of a change, and of a leaf-list those of the values that come or go."""
    yield change.path
    old, new = (value if isinstance(value, tuple) else () for value in (change.old, change.new))
    for value in (*old, *new):
        if value not in old or value not in new:
            yield (*change.path[:-1], (change.path[-1][0], value))


def _covers(lock: PartialLock, path: Path) -> bool:
    return any(path[:length] in lock.nodes for length in range(1, len(path) + 1))
