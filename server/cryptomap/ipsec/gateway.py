"""The room as one object, for the daemon: what it hands to the datastores and to the server, and what it needs of them.

>>> gateway = Gateway(schema, backend, vault, facts, policy, clock)
>>> datastores = Datastores(schema, ..., participants=[gateway.participant], checks=[gateway.check])
>>> gateway.attach(datastores, writer)
>>> server = Server(..., providers=gateway.providers(), handlers=gateway.handlers())
>>> datastores.subscribe(gateway.listener(server.notify))
>>> threading.Thread(target=gateway.listen, args=(server.notify,), daemon=True).start()
>>> threading.Thread(target=gateway.watch, args=(server.notify, 60.0), daemon=True).start()
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from cryptomap.data.build import build
from cryptomap.data.tree import Node, Path, Value
from cryptomap.data.turns import waiting
from cryptomap.data.validation import Snapshot
from cryptomap.data.view import Provider
from cryptomap.datastore.clock import Clock
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.events import Committed, Listener, SyncChanged
from cryptomap.datastore.events import Event as DatastoreEvent
from cryptomap.datastore.transaction import FactKey, Origin, OutcomeUnknown, Transition
from cryptomap.datastore.writer import Writer
from cryptomap.errors import OperationFailed, RpcError
from cryptomap.ipsec.drift import DriftWatch
from cryptomap.ipsec.events import RESYNCHRONIZE, SA_CHANGES, STATUS_CHANGES, Notifications
from cryptomap.ipsec.figures import TunnelFigures, figures
from cryptomap.ipsec.hooks import BackendParticipant
from cryptomap.ipsec.keys import Secrets
from cryptomap.ipsec.names import CONTEXTS, Kind
from cryptomap.ipsec.observer import Observer
from cryptomap.ipsec.platform import Facts, Surroundings
from cryptomap.ipsec.rules import findings, violations
from cryptomap.ipsec.scope import Policy, Scopes
from cryptomap.ipsec.state import State
from cryptomap.ipsec.state_platform import HealthRecord, platform, status_of
from cryptomap.ipsec.totals import Totals
from cryptomap.ipsec.trace import Tracer, packet_of
from cryptomap.schema.nodes import InnerNode, Operation, Schema
from cryptomap_backend.change import Change
from cryptomap_backend.contract import Backend
from cryptomap_backend.intent import Intent, TunnelId
from cryptomap_backend.state import Event, EventKind

__all__ = ["Gateway", "Handler", "Notify"]

log = logging.getLogger(__name__)

Handler = Callable[[Path, Node, Origin], Node | None]
"""(instance the action is called on, input, who asks) -> output. May wait; not for the event loop."""

Notify = Callable[[Node], None]
"""Sends a notification; from any thread."""

T = TypeVar("T")

ANNOUNCED = ("status", "last-change", "reapply-pending")
"""Leafs of a tunnel's state whose changes are told as they happen."""

MAX_VIOLATIONS = 100

WAIT = 1.0
"""Seconds one call for events waits, which is also how long :meth:`Gateway.listen` takes to notice an end."""


def nobody_asks() -> None:
    """Nobody wants to know when state changes."""


class Gateway:
    """Built before the datastores; :meth:`attach` closes the circle."""

    def __init__(
        self,
        schema: Schema,
        backend: Backend,
        secrets: Secrets,
        facts: Facts,
        policy: Policy,
        clock: Clock = time,
        totals: Totals | None = None,
    ) -> None:
        self.schema = schema
        self.backend = backend
        self._clock = clock
        self._surroundings = Surroundings(backend, facts)
        self._scopes = Scopes(schema, self._surroundings, policy, secrets)
        self.observer = Observer(backend, clock.monotonic)
        self.participant = BackendParticipant(
            schema, backend, self._scopes, self._surroundings, lambda: self._facts(), self._in_doubt, clock
        )
        self.drift = DriftWatch(schema, backend, lambda: self.intent, clock)
        self._notifications = Notifications(schema, lambda: self.intent, self.observer.tunnel_or_none)
        self._datastores: Datastores | None = None
        self._writer: Writer | None = None
        self._totals = totals or Totals()
        self._health = HealthRecord()
        self._changed: dict[TunnelId, float] = {}
        self._violations: tuple[str, ...] = ()
        self._stopped = threading.Event()
        self.state_changed: Callable[[], None] = nobody_asks
        """Called, on any thread, whenever state that :attr:`announced_state` names may have changed."""

    @property
    def intent(self) -> Intent:
        """What running asks of the backend."""
        return self.participant.intent

    def attach(self, datastores: Datastores, writer: Writer) -> None:
        """Before ``datastores.start()``."""
        self._datastores = datastores
        self._writer = writer

    # ===== rules =====

    def check(self, transition: Transition) -> Iterator[RpcError]:
        """The commit rules, as a check of the datastores."""
        return findings(self._scopes.of(transition))

    def examine(self, snapshot: Snapshot) -> list[RpcError]:
        """What rules a whole configuration breaks: for a start-up, when the platform may be another one than when
        it was committed. What it violates is logged and shown as state; it is served all the same."""
        errors = violations(self._scopes.whole(snapshot))
        for error in errors:
            log.error("running breaks a commit rule on this platform: %s", error)
        self._violations = tuple(str(error) for error in errors[:MAX_VIOLATIONS])
        return errors

    # ===== state and actions =====

    def providers(self) -> dict[str, Provider]:
        """Schema path -> provider of state."""
        state = State(
            schema=self.schema,
            scopes=self._scopes,
            observer=self.observer,
            totals=self._totals,
            running=self._running,
            intent=lambda: self.intent,
            facts=self._facts,
            time=self._clock.time,
            last_change=self._changed.get,
        )
        return {**state.providers(), self.schema.find("cryptomap-platform:platform").path: self._platform}

    @property
    def announced_state(self) -> tuple[str, ...]:
        """Schema paths of the state whose changes are told by ``state_changed``."""
        return tuple(
            self.schema.find(f"{CONTEXTS}/{Kind.INTERFACE}/{Kind.MAP}/state/{leaf}").path for leaf in ANNOUNCED
        )

    def figures(self) -> Iterator[TunnelFigures]:
        """All tunnels in figures. May wait for the backend."""
        return figures(self.intent, self.observer)

    def handlers(self) -> dict[str, Handler]:
        """Schema path of an action -> handler."""
        actions: Mapping[tuple[str, str], Handler] = {
            (f"{CONTEXTS}/{Kind.INTERFACE}/{Kind.MAP}", "reapply"): self._reapply,
            (CONTEXTS, "trace-packet"): self._trace,
        }
        return {self._action(path, name).path: handler for (path, name), handler in actions.items()}

    def _platform(self, path: Path) -> Value | None:
        with waiting():
            health = self.backend.health()
        schema = path[-1][0]
        assert isinstance(schema, InnerNode)
        since = self._health.seen(status_of(health), self._clock.time())
        able = self._surroundings.capabilities if health.connected else None
        content = platform(
            self._surroundings.facts, self.backend.name, health, since, able, self._violations, self.drift.state()
        )
        return build(schema, content)

    def _reapply(self, path: Path, _given: Node, _origin: Origin) -> Node:
        context, interface, crypto_map = [str(key) for _, key in path if key is not None]
        assert self._writer is not None
        item = TunnelId(context, crypto_map, interface)
        with waiting():
            content = self._writer.submit(self._reapply_now, item).result()
        return build(self._action(f"{CONTEXTS}/{Kind.INTERFACE}/{Kind.MAP}", "reapply").output, content)

    def _reapply_now(self, item: TunnelId) -> dict[str, object]:
        """On the writer's thread, between commits."""
        datastores = self._attached()
        try:
            outcome, tunnel = self.participant.reapply(item, datastores.store_facts)
        except OutcomeUnknown as fault:
            datastores.desynchronized(self.participant.name, str(fault))
            raise OperationFailed(
                f"whether the re-apply took effect is not known: {fault}; the backend is reconciled with running",
                app_tag="out-of-sync",
            ) from fault
        finally:
            self.observer.forget()
            self.state_changed()
        return {
            "result": outcome.value,
            "applied": [{"transform-set": name, "applied-dscp": dscp} for name, dscp in tunnel.applied],
        }

    def _trace(self, path: Path, given: Node, _origin: Origin) -> Node:
        reader = self._scopes.reader(self._running())
        tracer = Tracer(self.schema, reader, self.intent, self.observer.tunnel_or_none)
        content = tracer.trace(packet_of(str(path[-1][1]), given))
        return build(self._action(CONTEXTS, "trace-packet").output, content)

    def _action(self, path: str, name: str) -> Operation:
        node = self.schema.find(path)
        assert isinstance(node, InnerNode)
        return next(action for action in node.operations.values() if action.name == name)

    # ===== news =====

    def listener(self, notify: Notify) -> Listener:
        """What the datastores tell, on the writer's thread: announces the tunnels that wait for a re-apply."""

        def hear(event: DatastoreEvent) -> None:
            self.observer.forget()
            last = self.participant.last
            if isinstance(event, SyncChanged):
                self._announce_repair(notify)
            if not isinstance(event, Committed):
                return
            if last is not None and last[0] is event.transition:
                self.participant.last = None  # a large change is large: nobody else asks for it
                self._committed(last[1], notify)
            if self._violations:
                self.examine(event.transition.new)

        return hear

    def _announce_repair(self, notify: Notify) -> None:
        how, self.participant.mended = self.participant.mended, None
        if how is not None:
            self.drift.repaired(how, notify)

    def _committed(self, change: Change, notify: Notify) -> None:
        for tunnel in change.deleted:
            self._changed.pop(tunnel.id, None)
        self._totals.forget(tunnel.id for tunnel in change.deleted)
        for notification in self._notifications.of_change(change):
            notify(notification)

    def listen(self, notify: Notify) -> None:
        """Hear the backend's events until :meth:`stop`: announce them, and have what has drifted reconciled. For a
        thread of its own."""
        while not self._stopped.is_set():
            for event in self.backend.events(WAIT):
                self.heard(event, notify)

    def watch(self, notify: Notify, interval: float, *, repairs: bool = True) -> None:
        """Until :meth:`stop`, see every so many seconds whether the backend still holds what running asks for. For a
        thread of its own."""
        while not self._stopped.wait(interval):
            self.look_for_drift(notify, repairs=repairs)

    def look_for_drift(self, notify: Notify, *, repairs: bool = True) -> None:
        """See once. What is known not to follow running is being reconciled already."""
        if self.participant.name in self._attached().out_of_sync:
            return
        self.observer.forget()
        self.drift.look(self._on_writer, self._in_doubt if repairs else None, notify)

    def heard(self, event: Event, notify: Notify) -> None:
        """One event of the backend."""
        about = event.tunnel or event.responder or ""
        log.info("backend %s: %s %s %s", self.backend.name, event.kind, about, event.reason)
        self.observer.forget()
        if event.tunnel is not None and event.kind in STATUS_CHANGES:
            self._changed[event.tunnel] = event.time
        self._count(event)
        if event.kind in RESYNCHRONIZE and self._writer is not None:
            self._surroundings.forget()
            reason = f"the backend was away: {event.reason}"
            self._writer.submit(self._attached().desynchronized, self.participant.name, reason)
        for notification in self._notifications.of_event(event):
            notify(notification)
        self.state_changed()

    def _count(self, event: Event) -> None:
        """Have it written down what a tunnel has carried when its SAs come and go."""
        if event.tunnel is None or event.kind not in SA_CHANGES:
            return
        state = self.observer.tunnel_or_none(event.tunnel)
        if state is not None:
            self._totals.note(state, rekeys=int(event.kind is EventKind.CHILD_REKEYED))

    def stop(self) -> None:
        """End :meth:`listen` soon."""
        self._stopped.set()

    # ===== helpers =====

    def _attached(self) -> Datastores:
        assert self._datastores is not None
        return self._datastores

    def _on_writer(self, function: Callable[[], T], /) -> T:
        assert self._writer is not None
        return self._writer.submit(function).result()

    def _running(self) -> Snapshot:
        return self._attached().running

    def _in_doubt(self, reason: str) -> None:
        """On the writer's thread."""
        self._attached().desynchronized(self.participant.name, reason)

    def _facts(self) -> Mapping[FactKey, str]:
        return self._attached().facts
