"""Datastore locks (RFC 6241 sections 7.5 and 7.6)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptomap.datastore.clock import Clock
from cryptomap.errors import InUse, LockDenied, OperationFailed

__all__ = ["Lock", "Locks"]


@dataclass(frozen=True, slots=True)
class Lock:
    """A granted lock: its session and when, in seconds since the epoch."""

    session_id: int
    time: float


class Locks:
    """Who holds which datastore. What a lock means for the candidate's content is decided in ``datastores``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, Lock] = {}

    def holder(self, datastore: str) -> Lock | None:
        return self._held.get(datastore)

    def acquire(self, datastore: str, session_id: int) -> None:
        """Raises LockDenied with the holder's session-id, also when the session holds the lock itself."""
        held = self._held.get(datastore)
        if held is not None:
            raise lock_denied(f"{datastore} is locked by session {held.session_id}", held.session_id)
        self._held[datastore] = Lock(session_id, self._clock.time())

    def release(self, datastore: str, session_id: int) -> None:
        """Raises OperationFailed unless that session holds the lock."""
        held = self._held.get(datastore)
        if held is None:
            raise OperationFailed(f"{datastore} is not locked", error_type="protocol")
        if held.session_id != session_id:
            raise OperationFailed(f"{datastore} is locked by session {held.session_id}", error_type="protocol")
        del self._held[datastore]

    def release_all(self, session_id: int) -> frozenset[str]:
        """Forget a session that ended; the datastores it had locked."""
        released = frozenset(name for name, lock in self._held.items() if lock.session_id == session_id)
        for name in released:
            del self._held[name]
        return released

    def require_free(self, datastore: str, session_id: int) -> None:
        """Raises InUse if another session holds the lock."""
        held = self._held.get(datastore)
        if held is not None and held.session_id != session_id:
            raise InUse(
                f"{datastore} is locked by session {held.session_id}; try again when it is unlocked",
                error_type="protocol",
                info=[("session-id", str(held.session_id))],
            )


def lock_denied(message: str, session_id: int) -> LockDenied:
    """lock-denied with the session-id RFC 6241 appendix A requires (0: not a NETCONF session)."""
    return LockDenied(message, error_type="protocol", info=[("session-id", str(session_id))])
