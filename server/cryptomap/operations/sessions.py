"""The sessions of a server: who is connected, what they did (RFC 6022), and how a session is ended by somebody else."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from cryptomap.datastore.transaction import Origin
from cryptomap.errors import InvalidValue, ResourceDenied

if TYPE_CHECKING:
    from cryptomap.operations.notifications.subscription import Subscription
    from cryptomap.operations.outbox import Outbox

__all__ = ["Counters", "Ended", "Peer", "Reason", "Session", "SessionLimits", "Sessions"]


class Peer(Protocol):
    """The bytes of one session, from any transport that has authenticated its user."""

    @property
    def user(self) -> str: ...

    @property
    def address(self) -> str:
        """Where the user comes from: an IP address, or "" if there is none."""
        ...

    @property
    def transport(self) -> str:
        """An identity of ietf-netconf-monitoring, such as "netconf-ssh"."""
        ...

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end of the stream. Raises OSError when the connection is lost."""
        ...

    async def write(self, data: bytes) -> None:
        """Send; returns when the peer can take more. Raises OSError when it is gone or takes nothing for too long."""
        ...

    async def close(self, reason: str) -> None:
        """End the connection; what was written before is still delivered, within a few seconds."""
        ...


class Ending(Protocol):
    """Something a session has set up that ends with it."""

    def end(self) -> None: ...


class Reason(StrEnum):
    """Why a session ended, in the words of RFC 6470."""

    CLOSED = "closed"
    KILLED = "killed"
    DROPPED = "dropped"
    TIMEOUT = "timeout"
    BAD_HELLO = "bad-hello"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended. ``killed_by`` is a session-id; ``text`` is for the log and for the transport."""

    reason: Reason
    text: str = ""
    killed_by: int | None = None


@dataclass(slots=True)
class Counters:
    """The common counters of RFC 6022 section 2.1.5."""

    in_rpcs: int = 0
    in_bad_rpcs: int = 0
    out_rpc_errors: int = 0
    out_notifications: int = 0


@dataclass(slots=True)
class Statistics(Counters):
    """The same for all sessions together, and what happened to sessions (RFC 6022 section 2.1.5)."""

    in_bad_hellos: int = 0
    in_sessions: int = 0
    dropped_sessions: int = 0


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions there may be at once; 0: any number."""

    total: int = 0
    per_user: int = 0
    per_address: int = 0


@dataclass(eq=False, slots=True, weakref_slot=True)
class Session:
    """One session. ``end`` asks its conversation to end; it may be called from anywhere on the event loop, often."""

    id: int
    user: str
    address: str
    transport: str
    login_time: float  # seconds since the epoch
    end: Callable[[Ended], None]
    totals: Statistics
    counters: Counters = field(default_factory=Counters)
    outbox: Outbox = field(init=False)
    subscription: Subscription | None = None  # that of create-subscription
    subscriptions: list[Ending] = field(default_factory=list)  # all there are
    is_established: bool = False  # both hellos have passed
    is_closing: bool = False  # close-session was asked for: no request after it is performed
    finished: asyncio.Event = field(default_factory=asyncio.Event)  # its locks and all else it held are free

    @property
    def origin(self) -> Origin:
        return Origin(self.user, self.id, self.address)

    def count(self, name: str) -> None:
        """Count something for this session and for all together."""
        for counters in (self.counters, self.totals):
            setattr(counters, name, getattr(counters, name) + 1)

    def __str__(self) -> str:
        return f"session {self.id} ({self.user}{f' at {self.address}' if self.address else ''})"


class Sessions:
    """The table of sessions. Ids are never used twice while the server runs (RFC 6241 section 8.1)."""

    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._ids = itertools.count(1)
        self._by_id: dict[int, Session] = {}
        self.statistics = Statistics()

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def open(self, peer: Peer, now: float, end: Callable[[Ended], None]) -> Session:
        """A new session for a peer. Raises ResourceDenied when there are too many."""
        self._require_room(peer)
        session = Session(next(self._ids), peer.user, peer.address, peer.transport, now, end, self.statistics)
        self._by_id[session.id] = session
        return session

    def visitor(self, user: str, address: str, transport: str, now: float, end: Callable[[Ended], None]) -> Session:
        """Somebody who asks without a session: numbered like one, so that locks, history and log can name it, but not
        in the table."""
        return Session(next(self._ids), user, address, transport, now, end, self.statistics)

    def remove(self, session: Session) -> None:
        del self._by_id[session.id]

    def get(self, session_id: int) -> Session:
        """Raises InvalidValue if there is no such session."""
        session = self._by_id.get(session_id)
        if session is None:
            raise InvalidValue(f"there is no session {session_id}", info=[("bad-element", "session-id")])
        return session

    def _require_room(self, peer: Peer) -> None:
        users = Counter(session.user for session in self._by_id.values())
        addresses = Counter(session.address for session in self._by_id.values())
        limits = self._limits
        for what, count, limit in (
            ("sessions", len(self._by_id), limits.total),
            (f"sessions of user {peer.user}", users[peer.user], limits.per_user),
            (f"sessions from {peer.address}", addresses[peer.address] if peer.address else 0, limits.per_address),
        ):
            if limit and count >= limit:
                raise ResourceDenied(f"there are {limit} {what} already, which is the limit", error_type="transport")
