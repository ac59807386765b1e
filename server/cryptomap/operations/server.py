"""The NETCONF server as one object: what it serves, to whom, within which limits.

The daemon makes it of the rooms it has built; nothing in here knows about transports, IPsec or backends, which hand in
plain callables and connected peers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias
from weakref import WeakSet

from cryptomap import netconf
from cryptomap.audit import Witness, unseen
from cryptomap.data import tree
from cryptomap.data.tree import Node
from cryptomap.data.view import Provider, View
from cryptomap.data.xml import Sealer
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.events import Event
from cryptomap.datastore.memory import sweep
from cryptomap.datastore.outlook import Outlook
from cryptomap.datastore.writer import Writer
from cryptomap.netconf.capabilities import PRIVATE_CANDIDATE, Capability
from cryptomap.operations import audited, compare, history, library, monitoring, nacm, plan, show
from cryptomap.operations.access import EVERYTHING, Access, Hide, Reader
from cryptomap.operations.actions import Handler
from cryptomap.operations.aside import Aside
from cryptomap.operations.capabilities import announced
from cryptomap.operations.notifications import events, streams
from cryptomap.operations.notifications.notifier import Notifier
from cryptomap.operations.notifications.replay_log import ReplayLog
from cryptomap.operations.notifications.subscriptions import Subscriptions
from cryptomap.operations.received import Received
from cryptomap.operations.sessions import Ended, Reason, Session, SessionLimits, Sessions
from cryptomap.operations.show import StarosText
from cryptomap.operations.timers import LoopTimers, Timers
from cryptomap.operations.url import Files

__all__ = ["Limits", "Server"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, 0: no limit. ``messages`` limits what clients send; ``xpath_nodes`` what one XPath filter may
    look at; ``received`` the bytes of memory that requests without an answer may take, over all sessions;
    ``message_timeout`` how long a message may take to arrive; ``state_deadline`` how long one reply may ask for state;
    ``queued_*`` what may wait for a subscriber; ``subscriptions`` how many of them a session can have."""

    sessions: SessionLimits = field(default_factory=SessionLimits)
    messages: netconf.Limits = field(default_factory=netconf.Limits)
    hello_timeout: float = 30.0
    idle_timeout: float = 0.0
    message_timeout: float = 600.0
    received: int = 2**31
    xpath_nodes: int = 2_000_000
    state_deadline: float = 30.0
    queued_notifications: int = 10_000
    queued_bytes: int = 16 * 2**20
    subscriptions: int = 100


LINGERING: Final = 1000
"""Sessions that have ended, each of some 60 kB, which may wait for the garbage collector."""

Outlooks: TypeAlias = Callable[[object], Outlook]
"""What the plan of a participant will do to the world."""


def unknown(prepared: object) -> Outlook:
    """Nobody knows what plans do."""
    return Outlook()


Performed: TypeAlias = Callable[[str, float, str], None]
"""Told of each operation: its name, the seconds until its reply begins, and the error-tag of a refusal or ""."""


def nobody_counts(name: str, seconds: float, tag: str) -> None:
    """Nobody wants to know."""


class Server:
    """What all sessions share.

    ``providers`` answer state by schema path, ``handlers`` perform rpcs and actions by schema path. ``recovery``
    users are not bound by ``access``, which is :class:`Nacm` unless given; ``groups`` answers the groups that a
    user has besides those configured. ``url_directory`` is where the files of :url are; ``None``: there are none.
    ``outlook`` tells what a participant's plan will do; ``staros`` knows StarOS text. ``seal`` is what the
    datastores seal with. Events are logged in ``replay``, if there is one, so that they can be had later; the server
    closes it. ``announced_state``: schema paths of state whose changes are followed by :meth:`notify`.
    """

    def __init__(
        self,
        datastores: Datastores,
        writer: Writer,
        *,
        seal: Sealer | None = None,
        providers: Mapping[str, Provider] | None = None,
        handlers: Mapping[str, Handler] | None = None,
        access: Access | None = None,
        recovery: Collection[str] = (),
        groups: nacm.Groups = nacm.no_groups,
        limits: Limits | None = None,
        replay: ReplayLog | None = None,
        announced_state: Collection[str] = (),
        witness: Witness = unseen,
        timers: Timers | None = None,
        url_directory: Path | None = None,
        outlook: Outlooks = unknown,
        staros: StarosText | None = None,
    ) -> None:
        self.schema = datastores.schema
        self.datastores = datastores
        self.writer = writer
        self.seal = seal
        self.limits = limits or Limits()
        self.timers: Timers = timers or LoopTimers()
        self.aside = Aside()
        self.access: Access = access or nacm.Nacm(self.schema, lambda: datastores.running.root, recovery, groups)
        datastores.permit = self.access.write
        self.sessions = Sessions(self.limits.sessions)
        self.witness = witness
        self.received = Received(self.limits.received)
        self.start_time = time.time()
        self.files = Files(url_directory, self.limits.messages.message)
        self.capabilities = announced(
            self.schema,
            startup="startup" in datastores.names,
            writable_running=datastores.writable_running,
            url=self.files.is_offered,
        )
        self.outlook = outlook
        self.staros = staros
        self.providers = {**_own_providers(self), **(providers or {})}
        self.handlers = {**_own_handlers(self), **(handlers or {})}
        self.notifier = Notifier(self.schema, self.timers, replay)
        datastores.subscribe(events.Announcer(self.schema, self.notifier))
        datastores.subscribe(self._record)
        self.subscriptions = Subscriptions(self)
        self.announced_state = frozenset(announced_state)
        self.performed: Performed = nobody_counts
        self._lingering: WeakSet[Session] = WeakSet()

    # ---- for whoever has news ----------------------------------------------------------------------------------

    def notify(self, notification: Node, path: tree.Path = ()) -> None:
        """Send a notification to all who subscribed; from any thread. ``notification`` is a node of a notification's
        schema; ``path`` is the instance it is about if it is defined inside a data node (RFC 7950 section 7.16)."""
        self.notifier.notify(notification, path)
        self.subscriptions.state_changed()

    def view(
        self,
        reader: Reader = EVERYTHING,
        hide: Hide | None = None,
        *,
        defaults: bool = False,
        kind: type[View] = View,
        more: Mapping[str, Provider] | None = None,
    ) -> View:
        """Running with the state of the device, asked within the deadline that starts now: what the reader may see of
        it, but for what ``reader.hide`` names, which is left out if it is given as ``hide``."""
        deadline = time.monotonic() + self.limits.state_deadline if self.limits.state_deadline else None
        root = reader.prune(self.datastores.running.root)
        providers = reader.providers({**self.providers, **more} if more else self.providers)
        return kind(root, providers, schema=self.schema, defaults=defaults, deadline=deadline, hide=hide)

    def _record(self, event: Event) -> None:
        for deed in audited.deeds_of(event):
            self.witness(deed)

    # ---- sessions ----------------------------------------------------------------------------------------------

    def establish(self, session: Session, capabilities: Iterable[str]) -> None:
        """Both hellos have passed; ``capabilities`` are the client's."""
        if PRIVATE_CANDIDATE in {Capability.parse(text).uri for text in capabilities}:
            self.datastores.private_candidates.open(session.id)
        session.is_established = True
        self.sessions.statistics.in_sessions += 1
        log.info("%s began over %s", session, session.transport)
        self.witness(audited.session_begun(session))
        events.session_start(self.schema, self.notifier, session)

    async def close_session(self, session: Session, ended: Ended) -> None:
        """A session has ended: free what it held, then tell about it. A commit it began is waited for."""
        try:
            await asyncio.shield(self.writer.run(self.datastores.close_session, session.id))
        except Exception:
            log.exception("%s: what it held could not be released", session)
        for subscription in session.subscriptions:
            subscription.end()
        self.sessions.remove(session)
        session.finished.set()
        if session.is_established and ended.reason in (Reason.DROPPED, Reason.TIMEOUT, Reason.OTHER):
            self.sessions.statistics.dropped_sessions += 1
        log.info("%s ended: %s", session, ended.text or ended.reason)
        self.witness(audited.session_ended(session, ended))
        events.session_end(self.schema, self.notifier, session, ended)
        self._lingering.add(session)
        if self._linger():
            self.writer.submit(sweep, self._linger)  # there, because a change makes much that it would look at

    def _linger(self) -> bool:
        """Whether many sessions have ended, but are still in memory."""
        return len(self._lingering) >= LINGERING

    async def stop(self) -> None:
        """End all sessions and wait until they have ended."""
        sessions = list(self.sessions)
        for session in sessions:
            session.end(Ended(Reason.OTHER, "the server stops"))
        for session in sessions:
            await session.finished.wait()
        self.aside.close()
        if self.notifier.replay is not None:
            await asyncio.sleep(0)  # what the sessions' ends have announced goes into the log
            await asyncio.to_thread(self.notifier.replay.close)


def _own_providers(server: Server) -> dict[str, Provider]:
    """The state that the server itself has."""
    return {
        **monitoring.providers(server),
        **library.providers(server),
        **streams.providers(server),
        **nacm.providers(server.schema, server.access),
    }


def _own_handlers(server: Server) -> dict[str, Handler]:
    """The rpcs and actions that the server itself performs."""
    return {
        **monitoring.handlers(server),
        **history.handlers(server),
        **plan.handlers(server),
        **show.handlers(server),
        **compare.handlers(server),
    }
