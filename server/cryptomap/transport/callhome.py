"""Call home (RFC 8071): the server opens the TCP connection to its manager, who is then the client of SSH or TLS on it.

A connection that is lost, or that never came, is sought again without end, as ``reconnect`` says; nothing else
depends on it: the listeners stay open. What is tried and how it went can be asked at any time.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from cryptomap.transport.reason import reason
from cryptomap.transport.reconnect import Schedule, Strategy

__all__ = ["Call", "CallHome", "CallHomeState", "Endpoint", "EndpointState", "Phase", "open_tcp"]

_logger = logging.getLogger(__name__)

Call = Callable[[socket.socket, Callable[[str], None], float], Awaitable[None]]
"""``call`` of SshListener and TlsListener."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a manager listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Phase(StrEnum):
    WAITING = "waiting"
    CONNECTING = "connecting"
    CONNECTED = "connected"


@dataclass(frozen=True, slots=True)
class EndpointState:
    """Times are seconds since the epoch, None: never. ``last_error`` is why the last attempt failed or the last
    connection ended, "" if neither is known."""

    endpoint: Endpoint
    attempts: int = 0
    failures: int = 0
    last_attempt: float | None = None
    last_connected: float | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class CallHomeState:
    """What is going on with one manager. ``current`` is the endpoint that is tried, connected or next; ``user`` is
    who logged in, "" before that; ``next_attempt`` is when the waiting ends."""

    name: str
    transport: str
    phase: Phase
    current: Endpoint
    endpoints: tuple[EndpointState, ...]
    user: str = ""
    next_attempt: float | None = None


Connect = Callable[[Endpoint, float], Awaitable[socket.socket]]
Sleep = Callable[[float], Awaitable[None]]


async def open_tcp(endpoint: Endpoint, max_wait: float) -> socket.socket:
    """A connected socket, to the first address of the name that answers; raises OSError within ``max_wait`` s."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(max_wait):
        found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        for number, (family, kind, protocol, _, address) in enumerate(found, 1):
            connection = socket.socket(family, kind, protocol)
            connection.setblocking(False)
            try:
                await loop.sock_connect(connection, address)
            except BaseException as error:
                connection.close()
                if number == len(found) or not isinstance(error, OSError):
                    raise
            else:
                return connection
    raise AssertionError("getaddrinfo answers one address at least")


class CallHome:
    """Keeps a connection to one manager. ``call`` is the ``call`` of a listener; ``keepalive``: seconds, as in Limits;
    the rest of the arguments is for tests, which have their own time and network."""

    def __init__(
        self,
        name: str,
        endpoints: Sequence[Endpoint],
        call: Call,
        *,
        transport: str,
        strategy: Strategy,
        keepalive: float,
        connect: Connect = open_tcp,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.time,
        schedule: Schedule | None = None,
    ) -> None:
        self._call = call
        self._strategy = strategy
        self._keepalive = keepalive
        self._connect = connect
        self._sleep = sleep
        self._clock = clock
        self._schedule = schedule or Schedule(len(endpoints), strategy)
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None
        states = tuple(EndpointState(endpoint) for endpoint in endpoints)
        self.state = CallHomeState(name, transport, Phase.WAITING, endpoints[0], states)

    def start(self) -> None:
        """Run in a task of its own."""
        self._task = asyncio.create_task(self.run(), name=f"call home {self.state.name}")

    def close(self) -> None:
        """Call no more; a connection that is there stays for now."""
        self._is_closing = True
        if self._task is not None and self.state.phase is not Phase.CONNECTED:
            self._task.cancel()

    async def stop(self) -> None:
        """Call no more, and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def run(self) -> None:
        """Until closed or cancelled."""
        while not self._is_closing:
            wait = await self._attempt()
            self._note(phase=Phase.WAITING, current=self._endpoint, user="", next_attempt=self._clock() + wait)
            await self._sleep(wait)

    @property
    def _endpoint(self) -> Endpoint:
        return self.state.endpoints[self._schedule.index].endpoint

    async def _attempt(self) -> float:
        """One connection from its beginning to its end; the seconds to wait before the next."""
        self._note(phase=Phase.CONNECTING, current=self._endpoint, next_attempt=None)
        self._count(attempts=1, last_attempt=self._clock())
        error = await self._connection()
        if self.state.phase is Phase.CONNECTED:
            self._count(last_error=error)
            wait = self._schedule.lost()
            self._log(logging.INFO, "the connection has ended%s; again in %.1f s", error and f": {error}", wait)
        else:
            self._count(failures=1, last_error=error)
            failed = self.state.current
            wait = self._schedule.failed()
            self._log(logging.WARNING, "%s: %s; next is %s in %.1f s", failed, error, self._endpoint, wait)
        return wait

    async def _connection(self) -> str:
        """Hold a connection until it ends; why it did, as far as known."""
        try:
            connection = await self._connect(self.state.current, self._strategy.max_wait)
            await self._call(connection, self._logged_in, self._keepalive)
        except TimeoutError:
            return f"no answer within {self._strategy.max_wait:g} s"
        except OSError as error:
            return reason(error)
        except Exception:
            _logger.exception("call home %s failed", self.state.name)
            return "internal error"
        return "" if self.state.phase is Phase.CONNECTED else "nobody logged in"

    def _logged_in(self, user: str) -> None:
        self._note(phase=Phase.CONNECTED, user=user)
        self._count(last_connected=self._clock(), last_error="")
        self._log(logging.INFO, "%s: %s logged in", self.state.current, user)

    def _note(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]

    def _count(self, *, attempts: int = 0, failures: int = 0, **changes: object) -> None:
        """Add to the counters of the endpoint that is tried, and replace its other values."""
        states = list(self.state.endpoints)
        state = states[self._schedule.index]
        states[self._schedule.index] = replace(
            state,
            attempts=state.attempts + attempts,
            failures=state.failures + failures,
            **changes,  # type: ignore[arg-type]
        )
        self._note(endpoints=tuple(states))

    def _log(self, level: int, text: str, *values: object) -> None:
        _logger.log(level, f"call home %s: {text}", self.state.name, *values)
