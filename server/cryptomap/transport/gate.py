"""How many may be in: caps on connections that have not logged in and on sessions, counted, refused with a reason; and
how soon who was refused may try again."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from cryptomap.transport.backoff import BackOff, source_of

__all__ = ["Gate", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps are numbers of connections or sessions, times are seconds; 0 turns a time-out or a cap of sessions off.

    ``login_grace`` is also how long a connection may be open without a session. ``auth_tries`` counts every refused
    key or password of a connection. ``back_off`` and ``back_off_limit``: see :class:`BackOff`. ``keepalive``: how often
    a silent client is asked whether it is there; the third time without an answer it is gone.
    """

    unauthenticated: int = 32
    unauthenticated_per_address: int = 8
    sessions: int = 256
    sessions_per_user: int = 64
    sessions_per_address: int = 128
    auth_tries: int = 3
    back_off: float = 1.0
    back_off_limit: float = 300.0
    login_grace: float = 30.0
    slow_reader_timeout: float = 60.0
    keepalive: float = 120.0


class Gate:
    """The counters. ``enter_`` returns None and counts, or says why not; each entered is left once. ``now`` is a clock
    in seconds that only goes forward."""

    def __init__(self, limits: Limits, now: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._unauthenticated: Counter[str] = Counter()
        self._back_off = BackOff(limits.back_off, limits.back_off_limit, now)
        self._sessions = 0
        self._by_user: Counter[str] = Counter()
        self._by_address: Counter[str] = Counter()

    def enter_connection(self, address: str) -> str | None:
        source = source_of(address)
        if wait := self._back_off.wait(source):
            return f"too many refused logins from {source}; try again in {math.ceil(wait)} s"
        limits = self._limits
        for count, limit, whose in (
            (self._unauthenticated.total(), limits.unauthenticated, ""),
            (self._unauthenticated[source], limits.unauthenticated_per_address, f" from {source}"),
        ):
            if count >= limit:
                return f"{count} connections{whose} are logging in already; try again later"
        self._unauthenticated[source] += 1
        return None

    def leave_connection(self, address: str) -> None:
        _decrement(self._unauthenticated, source_of(address))

    def login_failed(self, address: str) -> None:
        """A connection from there has ended without a login, after what it showed was refused."""
        self._back_off.failed(source_of(address))

    def login_succeeded(self, address: str) -> None:
        self._back_off.succeeded(source_of(address))

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
        _decrement(self._by_user, user)
        _decrement(self._by_address, address)

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


def _decrement(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
