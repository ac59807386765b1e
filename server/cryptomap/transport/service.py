"""What all transports of a server share: who answers, the caps, and the sessions under way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from cryptomap.audit import Deed, Outcome, Witness, unseen
from cryptomap.transport.gate import Gate, Limits
from cryptomap.transport.peer import Peer, PeerLost

__all__ = ["Listener", "OnPeer", "Service"]

_logger = logging.getLogger(__name__)

_STOP_TIMEOUT: Final = 5.0

OnPeer = Callable[[Peer], Awaitable[None]]


class Listener(Protocol):
    """A way in."""

    def close(self) -> None:
        """Accept nothing more."""

    async def stop(self) -> None:
        """Close what is left; called when all sessions have ended."""


class Service:
    """Calls ``on_peer`` once for each session, whatever it came over; when that returns or fails, the session is
    closed. ``gate`` counts the sessions of all transports together; ``witness`` is told of each login."""

    def __init__(self, on_peer: OnPeer, limits: Limits | None = None, witness: Witness = unseen) -> None:
        self.witness = witness
        self.limits = limits or Limits()
        self.gate = Gate(self.limits)
        self._on_peer = on_peer
        self._tasks: set[asyncio.Task[None]] = set()

    def logged_in(self, transport: str, user: str, address: str) -> None:
        """Have a login recorded."""
        self.witness(Deed("login", transport, Outcome.OK, user, address))

    def turned_away(self, transport: str, user: str, address: str, reason: str) -> None:
        """Have a refused one recorded."""
        self.witness(Deed("login", transport, Outcome.DENIED, user, address, detail=reason))

    def serve(self, peer: Peer) -> asyncio.Task[None]:
        """Run ``on_peer`` in a task of its own, which is done when the peer is closed."""
        task = asyncio.create_task(self._serve(peer), name=str(peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self, *listeners: Listener) -> None:
        """Accept nothing more, let the sessions end for 5 s, then end them and close all connections."""
        for listener in listeners:
            listener.close()
        await self._end_sessions()
        for listener in listeners:
            await listener.stop()

    async def _end_sessions(self) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _serve(self, peer: Peer) -> None:
        try:
            await self._on_peer(peer)
        except PeerLost as error:
            _logger.info("%s: %s", peer, error)
        except Exception:
            _logger.exception("%s: the session failed", peer)
        finally:
            await peer.close("the session has ended")
