"""Who may change what now: locks, locks on parts of running, and confirmed commits that wait.

A datastore is changed once the guard has let the session pass. It knows nothing of content but which parts of running
a change would touch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from cryptomap.data.diff import diff
from cryptomap.data.path import to_xpath
from cryptomap.data.tree import Node, Path
from cryptomap.datastore.clock import Clock
from cryptomap.datastore.confirm import Waiting, require_canceller, require_confirmer
from cryptomap.datastore.locks import Locks, lock_denied
from cryptomap.datastore.partial_locks import PartialLock, PartialLocks
from cryptomap.datastore.private_candidates import PrivateCandidates
from cryptomap.errors import InUse
from cryptomap.schema.nodes import Schema

__all__ = ["Guard"]


class Guard:
    """What stands between sessions and datastores. ``waiting`` answers the confirmed commit that waits for its
    confirmation."""

    def __init__(
        self, schema: Schema, clock: Clock, private: PrivateCandidates, waiting: Callable[[], Waiting | None]
    ) -> None:
        self.locks = Locks(clock)
        self.partial_locks = PartialLocks(clock)
        self._schema = schema
        self._private = private
        self._waiting = waiting

    # ---- who may pass ------------------------------------------------------------------------------------------

    def require_free(self, datastore: str, session_id: int) -> None:
        """Raises InUse if another session has locked the datastore."""
        self.locks.require_free(self._name(datastore, session_id), session_id)

    def require_parts_free(self, old: Node, new: Node, session_id: int) -> None:
        """Raises InUse if another session has locked a part of running that would change."""
        if not self.partial_locks.others(session_id):
            return
        broken = self.partial_locks.broken_by(diff(old, new), session_id)
        if broken is not None:
            lock, path = broken
            message = f"session {lock.session_id} has locked this part of running (partial lock {lock.id})"
            info = [("session-id", str(lock.session_id))]
            raise InUse(message, error_type="application", path=to_xpath(self._schema, path), info=info)

    def require_committer(self, session_id: int, persist_id: str | None) -> None:
        """Raises InUse or InvalidValue unless that session, with that token, may commit its candidate."""
        self.require_free("running", session_id)
        self.require_free("candidate", session_id)
        require_confirmer(self._waiting(), session_id, persist_id)

    def require_canceller(self, session_id: int, persist_id: str | None) -> None:
        """Raises InvalidValue, InUse or OperationFailed unless that session may cancel what waits."""
        require_canceller(self._waiting(), session_id, persist_id)

    def require_nothing_pending(self) -> None:
        """Raises InUse while a confirmed commit, whoever made it, may still be rolled back."""
        if self._waiting():
            raise InUse("a confirmed commit waits; confirm or cancel it first", error_type="protocol")

    # ---- locks -------------------------------------------------------------------------------------------------

    def lock(self, datastore: str, session_id: int, *, is_modified: bool) -> None:
        """lock (RFC 6241 section 7.5). ``is_modified``: the shared candidate has changes. Raises LockDenied."""
        name = self._name(datastore, session_id)
        if self.locks.holder(name) is None:
            if name == "candidate" and is_modified:
                raise lock_denied("the candidate has changes that were neither committed nor discarded", 0)
            if datastore == "running":
                self._require_nothing_of_others(session_id)
                for part in self.partial_locks.others(session_id):
                    message = f"session {part.session_id} has locked parts of running"
                    raise lock_denied(message, part.session_id)
        self.locks.acquire(name, session_id)

    def unlock(self, datastore: str, session_id: int) -> bool:
        """unlock (section 7.6); whether the shared candidate is free now. Raises OperationFailed."""
        name = self._name(datastore, session_id)
        self.locks.release(name, session_id)
        return name == "candidate"

    def lock_parts(self, session_id: int, select: tuple[str, ...], nodes: Collection[Path]) -> PartialLock:
        """partial-lock (RFC 5717 section 2.4.1). Raises LockDenied."""
        held = self.locks.holder("running")
        if held is not None and held.session_id != session_id:
            raise lock_denied(f"running is locked by session {held.session_id}", held.session_id)
        self._require_nothing_of_others(session_id)
        part = self.partial_locks.holder(nodes, session_id)
        if part is not None:
            raise lock_denied(f"session {part.session_id} has locked a part of this", part.session_id)
        return self.partial_locks.acquire(session_id, select, nodes)

    def release_all(self, session_id: int) -> bool:
        """Forget a session that ended; whether it had locked the shared candidate."""
        self.partial_locks.release_all(session_id)
        return "candidate" in self.locks.release_all(session_id)

    # ===== helpers =====

    def _name(self, datastore: str, session_id: int) -> str:
        """What a lock on a datastore is kept under: nobody else asks for a session's own candidate."""
        is_private = datastore == "candidate" and session_id in self._private
        return f"private candidate {session_id}" if is_private else datastore

    def _require_nothing_of_others(self, session_id: int) -> None:
        """Raises LockDenied while another session's confirmed commit may still be rolled back."""
        waiting = self._waiting()
        if waiting and waiting.pending.session_id != session_id:
            raise lock_denied("a confirmed commit of another session waits", waiting.pending.session_id)
