"""The events of the stream for one subscription: those of the past if they are wanted, then those that happen.

The past is read from the log piece by piece as the client takes it, so a replay of any length waits for its client and
delays nobody. It goes over into the present when the log has nothing more, without a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptomap.errors import RpcErrors
from cryptomap.operations.access import Reader
from cryptomap.operations.notifications.records import Record
from cryptomap.operations.notifications.replay_log import Logged
from cryptomap.operations.sessions import Ended, Reason, Session
from cryptomap.operations.timers import Cancel

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["Feed", "Wanted"]

log = logging.getLogger(__name__)

PIECE: Final = 200  # events read from the log at once

Wanted: TypeAlias = Callable[[Record, Reader], bool]
"""Whether somebody's filter takes an event."""


class Feed:
    """What flows into a session's outbox from ``since`` (``None``: from now on) to ``until`` (``None``: the end of the
    session). ``replayed`` is called when the past has been sent, ``completed`` when ``until`` has come."""

    def __init__(
        self,
        server: Server,
        session: Session,
        wanted: Wanted,
        *,
        since: float | None = None,
        until: float | None = None,
        replayed: Callable[[], None],
        completed: Callable[[], None],
    ) -> None:
        self.wanted = wanted
        self.sent = 0
        self.excluded = 0
        self._server = server
        self._session = session
        self._since = since
        self._until = until
        self._replayed = replayed
        self._completed = completed
        self._replay: asyncio.Task[None] | None = None
        self._cancel: Cancel | None = None

    @property
    def until(self) -> float | None:
        return self._until

    def begin(self) -> None:
        """Begin; on the event loop, while the outbox is held."""
        if self._since is None:
            self._go_live()
        else:
            self._replay = asyncio.create_task(self._catch_up())

    def stop_at(self, until: float | None) -> None:
        """Another end."""
        self._until = until
        if self._replay is None:
            self._arm()

    def end(self) -> None:
        """Nothing more goes into the outbox."""
        self._server.notifier.unsubscribe(self)
        if self._replay is not None:
            self._replay.cancel()
        self._disarm()

    def offer(self, record: Record) -> None:
        """Send an event if the user may have it, the filter takes it and it is not too late for it."""
        if self._until is not None and record.at > self._until:
            return
        reader = self._server.access.reader(self._session.user)
        if not reader.receives(record.notification, record.path):
            self._server.access.dropped()
            self.excluded += 1
            return
        xml = record.xml(reader) if self.wanted(record, reader) else b""
        if not xml:
            self.excluded += 1
            return
        self.sent += 1
        self._session.outbox.put(record.time, xml)

    # ===== the past =====

    async def _catch_up(self) -> None:
        try:
            await self._replay_log()
        except Exception:
            log.exception("%s: replay failed", self._session)
            self._session.end(Ended(Reason.OTHER, "internal error"))
            return
        self._replay = None
        self._replayed()
        self._go_live()

    async def _replay_log(self) -> None:
        notifier, at = self._server.notifier, 0
        assert notifier.replay is not None
        assert self._since is not None
        while True:
            await self._session.outbox.room()
            newest = notifier.last
            piece = await notifier.replay.read(at, self._since, PIECE)
            if not piece and newest == notifier.last:
                return
            for logged in piece:
                if self._until is not None and logged.time > self._until:
                    return
                self._offer_logged(logged)
                at = logged.number
                await asyncio.sleep(0)  # reading one takes as long as a request: others have their turn

    def _offer_logged(self, logged: Logged) -> None:
        try:
            record = Record.logged(self._server.notifier.tree, logged.time, logged.xml, self._server.seal)
        except RpcErrors as fault:
            log.warning("event %d of the log does not fit the modules of today: %s", logged.number, fault)
            return
        self.offer(record)

    # ===== the present =====

    def _go_live(self) -> None:
        self._server.notifier.subscribe(self)
        self._arm()

    def _arm(self) -> None:
        self._disarm()
        if self._until is not None:
            self._cancel = self._server.timers.call_at(self._until, self._finish)

    def _disarm(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None

    def _finish(self) -> None:
        self.end()
        self._completed()
