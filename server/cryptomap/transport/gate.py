"""How many may be in: caps on connections that have not logged in and on sessions, counted, refused with a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

__all__ = ["Gate", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps are numbers of connections or sessions, times are seconds; 0 turns a time-out or a cap of sessions off.

    ``login_grace`` is also how long a connection may be open without a session. ``auth_tries`` counts every refused
    key or password of a connection. ``keepalive``: how often a silent client is asked whether it is there; the third
    time without an answer it is gone.
    """

    unauthenticated: int = 32
    sessions: int = 256
    sessions_per_user: int = 64
    sessions_per_address: int = 128
    auth_tries: int = 3
    login_grace: float = 30.0
    slow_reader_timeout: float = 60.0
    keepalive: float = 120.0


class Gate:
    """The counters. ``enter_`` returns None and counts, or says why not; each entered is left once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._unauthenticated = 0
        self._sessions = 0
        self._by_user: Counter[str] = Counter()
        self._by_address: Counter[str] = Counter()

    def enter_connection(self) -> str | None:
        if self._unauthenticated >= self._limits.unauthenticated:
            return f"{self._unauthenticated} connections are logging in already; try again later"
        self._unauthenticated += 1
        return None

    def leave_connection(self) -> None:
        self._unauthenticated -= 1

    def enter_session(self, user: str, address: str) -> str | None:
        """``address`` may be "" for a session that comes from none; then that cap does not count."""
        reason = self._full(user, address)
        if reason is None:
            self._sessions += 1
            self._by_user[user] += 1
            self._by_address[address] += 1
        return reason

    def leave_session(self, user: str, address: str) -> None:
        self._sessions -= 1
        for counter, key in ((self._by_user, user), (self._by_address, address)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]

    def _full(self, user: str, address: str) -> str | None:
        limits = self._limits
        from_address = self._by_address[address] if address else 0
        for count, limit, whose in (
            (self._sessions, limits.sessions, "in total"),
            (self._by_user[user], limits.sessions_per_user, f"of user {user}"),
            (from_address, limits.sessions_per_address, f"from {address}"),
        ):
            if limit and count >= limit:
                return f"the limit of {limit} sessions {whose} is reached; close one first"
        return None
