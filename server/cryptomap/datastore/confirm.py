"""Confirmed commit (RFC 6241 section 8.4): who may confirm, extend or cancel it, and what it returns to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryptomap.data.validation import Snapshot
from cryptomap.datastore.clock import Clock
from cryptomap.datastore.transaction import Origin, Pending
from cryptomap.errors import InUse, InvalidValue, OperationFailed

__all__ = ["DEFAULT_TIMEOUT", "Confirm", "Waiting", "require_canceller", "require_confirmer"]

DEFAULT_TIMEOUT = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Confirm:
    """What <confirmed/> asks for: the time to confirm in seconds, and the token that makes it survive its session."""

    timeout: float = DEFAULT_TIMEOUT
    persist: str | None = None

    def pending(self, origin: Origin, now: float, head: int, before: Pending | None) -> Pending:
        """What waits after this commit. A follow-up keeps the reference of the first one, and its token unless it
        brings another."""
        return Pending(
            reference=before.reference if before else head,
            deadline=now + self.timeout,
            timeout=self.timeout,
            session_id=origin.session_id,
            user=origin.user,
            persist=self.persist or (before.persist if before else None),
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A confirmed commit that waits in this process. ``due`` is on the monotonic clock."""

    pending: Pending
    original: Snapshot
    due: float

    @classmethod
    def armed(cls, pending: Pending, original: Snapshot, clock: Clock) -> Waiting:
        return cls(pending, original, clock.monotonic() + pending.timeout)

    @classmethod
    def recovered(cls, pending: Pending, original: Snapshot, clock: Clock) -> Waiting:
        """After a restart: what is left of the time. A wall clock that was set back does not stretch it beyond the
        time-out. Without a token nobody can confirm any more, so that its time is over."""
        left = min(max(pending.deadline - clock.time(), 0.0), pending.timeout) if pending.persist else 0.0
        return cls(pending, original, clock.monotonic() + left)

    def postponed(self, due: float) -> Waiting:
        return replace(self, due=due)


def require_confirmer(waiting: Waiting | None, session_id: int, persist_id: str | None) -> None:
    """Raises InvalidValue or InUse unless that session, with that token, may commit now."""
    if waiting is None or waiting.pending.persist is not None:
        _require_token(waiting, persist_id)
    elif persist_id is not None:
        raise InvalidValue("persist-id: the confirmed commit that waits has no persist token", error_type="protocol")
    elif waiting.pending.session_id != session_id:
        raise _in_use(waiting.pending)


def require_canceller(waiting: Waiting | None, session_id: int, persist_id: str | None) -> Waiting:
    """The confirmed commit to cancel. Raises InvalidValue, InUse or, when none waits, OperationFailed."""
    require_confirmer(waiting, session_id, persist_id)
    if waiting is None:
        raise OperationFailed("no confirmed commit waits for its confirmation", error_type="protocol")
    return waiting


def _require_token(waiting: Waiting | None, persist_id: str | None) -> None:
    expected = waiting.pending.persist if waiting else None
    if persist_id == expected:
        return
    if persist_id is not None or waiting is None:
        raise InvalidValue("persist-id does not match a confirmed commit that waits", error_type="protocol")
    raise _in_use(waiting.pending)


def _in_use(pending: Pending) -> InUse:
    how = "with its persist-id" if pending.persist else f"in session {pending.session_id}"
    return InUse(f"a confirmed commit by {pending.user} waits; confirm or cancel it {how}", error_type="protocol")
