"""The simulated gateway: tunnels, SAs, responders, QoS maps, peers and time, with every call all or nothing.

It lives in the server's process or in one of its own (:mod:`.process`, reached through :mod:`.remote`). One lock guards
it. Time is the clock's plus what ``advance`` added; nothing sleeps.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Collection
from itertools import count

from cryptomap_backend.capabilities import Capabilities
from cryptomap_backend.intent import Address, Intent, L2Marking, ResponderId, TunnelId, TunnelKind
from cryptomap_backend.plan import Step
from cryptomap_backend.simulator.dataplane import Dataplane, Received, Sent
from cryptomap_backend.simulator.events import EventQueue
from cryptomap_backend.simulator.faults import FaultGate, Faults
from cryptomap_backend.simulator.negotiation import Negotiator
from cryptomap_backend.simulator.observe import observation
from cryptomap_backend.simulator.peers import Behaviour, Peer
from cryptomap_backend.simulator.records import ResponderRecord, TunnelRecord
from cryptomap_backend.simulator.selectors import SelectorIndex
from cryptomap_backend.simulator.settings import Settings
from cryptomap_backend.simulator.staging import Staging, Undo
from cryptomap_backend.state import Event, EventKind, Health, Observation, Role

__all__ = ["World"]

Clock = Callable[[], float]


class World:
    """See the module. Public methods take the lock, do what is due, and then what is asked."""

    def __init__(self, settings: Settings | None = None, clock: Clock = time.time) -> None:
        settings = settings or Settings()
        self.settings = settings
        self.tunnels: dict[TunnelId, TunnelRecord] = {}
        self.responders: dict[ResponderId, ResponderRecord] = {}
        self.l2 = L2Marking()
        self.peers: dict[Address, Peer] = dict(settings.peers)
        self.index = SelectorIndex()
        self.by_spi: dict[int, tuple[TunnelId, ...]] = {}
        self.negotiator = Negotiator(settings.seed, self.by_spi.__contains__)
        self.gate = FaultGate(settings.faults)
        self._dataplane = Dataplane(self)
        self._events = EventQueue(settings.event_limit)
        self._clock = clock
        self._offset = 0.0
        self._timers: list[tuple[float, int, TunnelId]] = []
        self._serial = count()
        self._undo: Undo | None = None
        self._lock = threading.RLock()

    # ===== what the backend asks =====

    def capabilities(self) -> Capabilities:
        self.gate.before("capabilities")
        return self.settings.capabilities()

    def live(self, items: Collection[TunnelId | ResponderId]) -> dict[TunnelId | ResponderId, int]:
        """How many child SAs each of these has up. The dry run: nothing else happens."""
        with self._lock:
            self.gate.before("prepare")
            return {item: self._live(item) for item in items}

    def _live(self, item: TunnelId | ResponderId) -> int:
        if isinstance(item, TunnelId):
            record = self.tunnels.get(item)
            return len(record.children) if record else 0
        responder = self.responders.get(item)
        return sum(len(session.children) for session in responder.sessions) if responder else 0

    def held(self) -> Intent:
        """The intent this world holds."""
        with self._lock:
            self.gate.before("reconcile")
            tunnels = [record.tunnel for record in self.tunnels.values()]
            return Intent.of(tunnels, [record.responder for record in self.responders.values()], self.l2)

    def apply(self, token: str, steps: tuple[Step, ...], verb: str = "apply") -> None:
        """All steps or none. Raises ApplyFailed, OutcomeUnknown, Unavailable."""
        with self._lock:
            self.gate.before(verb)
            staging = self._staging()
            for number, step in enumerate(steps):
                self.gate.step(number)
                staging.do(step)
            self._undo = staging.commit(token)
            self.gate.after(verb)

    def revert(self, token: str, inverse: tuple[Step, ...]) -> None:
        """Undo the plan of that token: exactly if it was the last one, else by its inverse steps."""
        with self._lock:
            self.gate.before("revert")
            staging = self._staging()
            if self._undo and self._undo.token == token:
                staging.restore(self._undo)
            else:
                for step in inverse:
                    staging.do(step)
            staging.commit()
            self._undo = None
            self.gate.after("revert")

    def observe(self, only: TunnelId | None = None) -> Observation:
        with self._lock:
            self.gate.before("observe")
            self.tick()
            return observation(self, only, self.now(), self.gate.lie())

    def events(self, wait: float = 0.0) -> tuple[Event, ...]:
        with self._lock:
            self.tick()
        return self._events.take(wait)

    def health(self) -> Health:
        self.gate.before("health")
        return Health(True, self.settings.versions)

    # ===== what a test or a demonstration asks =====

    def send_packet(self, context: str, packet: bytes, vrf: str | None = None, color: int = 0) -> Sent:
        """A packet leaves from a context: protected, marked and counted. The first one brings its tunnel up.
        Raises PacketFault."""
        with self._lock:
            self.tick()
            return self._dataplane.send(context, packet, vrf, color)

    def receive_packet(self, context: str, packet: bytes) -> Received:
        """An ESP or AH packet arrives from outside. Raises PacketFault if it is no IP packet."""
        with self._lock:
            self.tick()
            return self._dataplane.receive(context, packet)

    def peer_seal(self, tunnel: TunnelId, packet: bytes) -> bytes:
        """The peer of a tunnel encapsulates a packet for us. KeyError, PacketFault."""
        with self._lock:
            return self._dataplane.peer_seal(tunnel, packet)

    def peer_open(self, tunnel: TunnelId, packet: bytes) -> bytes:
        """The peer of a tunnel decapsulates what we sent. Raises DecapsulationFault, PacketFault."""
        with self._lock:
            return self._dataplane.peer_open(tunnel, packet)

    def set_faults(self, faults: Faults) -> None:
        """From now on these faults; losing and regaining the connection are events."""
        with self._lock:
            was, now = self.gate.faults.disconnected, faults.disconnected
            self.gate.set(faults)
            if was != now:
                kind = EventKind.BACKEND_LOST if now else EventKind.BACKEND_BACK
                self._events.publish([Event(kind, self.now(), reason="simulated")])

    def set_peer(self, address: Address, peer: Peer) -> None:
        """The peer changes its ways: dead, tunnels with a liveness check find out in time; answering again, those that
        are kept up are tried at once."""
        with self._lock:
            self.tick()
            self.peers[address] = peer
            staging = self._staging()
            for record in [record for record in self.tunnels.values() if record.remote == address]:
                if peer.behaviour is Behaviour.DEAD:
                    staging.miss(record)
                elif not record.is_up:
                    staging.start(record)
            staging.commit()

    def dial_in(self, target: TunnelId | ResponderId, remote: Address) -> None:
        """A peer negotiates with a responder or a dynamic map. Raises KeyError, NegotiationFault (responder)."""
        with self._lock:
            self.tick()
            staging = self._staging()
            if isinstance(target, ResponderId):
                staging.dial_in(target, remote)
            elif self.tunnels[target].tunnel.kind is TunnelKind.DYNAMIC:
                staging.connect(self.tunnels[target], remote, Role.RESPONDER)
            staging.commit()

    def forget(self) -> None:
        """The gateway restarts: everything it held is gone, peers and faults stay."""
        with self._lock:
            self.tunnels.clear()
            self.responders.clear()
            self.by_spi.clear()
            self._timers.clear()
            self.index, self.l2, self._undo = SelectorIndex(), L2Marking(), None
            self._events.publish([Event(EventKind.BACKEND_BACK, self.now(), reason="the gateway restarted")])

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._offset += seconds
            self.tick()

    # ===== inside =====

    def now(self) -> float:
        return self._clock() + self._offset

    def tick(self) -> None:
        """Do everything that is due by now, each thing at its own time and in order."""
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            due, _, tunnel = heapq.heappop(self._timers)
            staging = Staging(self, due)
            staging.due(tunnel)
            staging.commit()

    def enter(self, staging: Staging) -> None:
        """A staged change becomes true. Cannot fail."""
        for tunnel, record in staging.tunnels.items():
            self._replace(tunnel, self.tunnels.get(tunnel), record)
        for responder, session in staging.responders.items():
            if session is None:
                self.responders.pop(responder, None)
            else:
                self.responders[responder] = session
        self.l2 = staging.l2
        self._events.publish(staging.events)

    def _replace(self, tunnel: TunnelId, old: TunnelRecord | None, new: TunnelRecord | None) -> None:
        if old is not None:
            self._forget_spis(old)
        if old is not None and (new is None or new.tunnel is not old.tunnel):
            self.index.remove(old.tunnel)
        if new is None:
            self.tunnels.pop(tunnel, None)
            return
        self.tunnels[tunnel] = new
        if old is None or new.tunnel is not old.tunnel:
            self.index.add(new.tunnel)
        for sa in new.receiving:
            self.by_spi[sa.spi_in] = (*self.by_spi.get(sa.spi_in, ()), tunnel)
        if (due := new.next_due) is not None:
            heapq.heappush(self._timers, (due, next(self._serial), tunnel))

    def _forget_spis(self, record: TunnelRecord) -> None:
        for sa in record.receiving:
            rest = tuple(other for other in self.by_spi.get(sa.spi_in, ()) if other != record.tunnel.id)
            if rest:
                self.by_spi[sa.spi_in] = rest
            else:
                self.by_spi.pop(sa.spi_in, None)

    def _staging(self) -> Staging:
        self.tick()
        return Staging(self, self.now())
