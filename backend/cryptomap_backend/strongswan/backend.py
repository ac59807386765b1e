"""strongSwan as a backend: the contract on top of charon's VICI socket.

Four connections to charon, each for one thread: commands, reads, events (:mod:`.listener`), jobs (:mod:`.keeper`).
What is asked for is loaded at once; what takes a peer is done by the keeper and shows up as state and events, so that a
commit never waits for a peer.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from secrets import token_hex
from typing import Any, TypeVar

from cryptomap_backend.capabilities import Capabilities, Complaint
from cryptomap_backend.change import Change
from cryptomap_backend.contract import ApplyFailed, Lane, OutcomeUnknown, Unavailable
from cryptomap_backend.intent import Intent, L2Marking, Responder, ResponderId, Tunnel, TunnelId
from cryptomap_backend.judge import judge
from cryptomap_backend.plan import Plan, Step, make_plan
from cryptomap_backend.simulator.events import EventQueue
from cryptomap_backend.state import Drift, Event, Health, Observation
from cryptomap_backend.strongswan import effects
from cryptomap_backend.strongswan.certificates import CertificateFault, Certificates
from cryptomap_backend.strongswan.keeper import Keeper
from cryptomap_backend.strongswan.limits import Daemon, capabilities, complaints
from cryptomap_backend.strongswan.listener import Listener
from cryptomap_backend.strongswan.marking import Marking
from cryptomap_backend.strongswan.messages import Connection, Translator
from cryptomap_backend.strongswan.monitor import Monitor
from cryptomap_backend.strongswan.names import ChildName, Item, item_of
from cryptomap_backend.strongswan.programming import Programming
from cryptomap_backend.strongswan.settings import Settings
from cryptomap_backend.strongswan.vici import Lost, Rejected, Vici

__all__ = ["StrongswanBackend"]

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class StrongswanBackend:
    """See :class:`~cryptomap_backend.contract.Backend`. ``marking`` makes the marking of a lane; ``None`` if packets
    are not marked here."""

    name = "strongswan"

    def __init__(self, settings: Settings, marking: Callable[[], Marking] | None = None) -> None:
        self._settings = settings
        self._certificates = Certificates(settings.certificates)
        self._marking = {lane: marking() for lane in Lane} if marking else {}
        self._vici = {lane: Vici(settings.socket, settings.timeout) for lane in Lane}
        self._queue = EventQueue(settings.event_limit)
        self._monitor = Monitor(self._queue, (settings.retry_min, settings.retry_max))
        self._listener = Listener(settings.socket, settings.timeout, self._monitor, self._queue)
        self._keeper = Keeper(settings.socket, settings.timeout, self._monitor)
        self._tokens = map(f"{token_hex(4)}-{{}}".format, itertools.count(1))
        self._daemon: Daemon | None = None
        self._losses = 0
        self._held: dict[Item, Connection] = {}
        self._l2 = L2Marking()
        self._doubt: str | None = "it has not been reconciled yet"

    @property
    def messages(self) -> int:
        """VICI requests that commands have taken so far."""
        return self._vici[Lane.COMMANDS].requests

    # ===== what it can do =====

    def capabilities(self) -> Capabilities:
        return self._capabilities(self._ask(Lane.READS))

    def health(self) -> Health:
        connected = self._listener.connected()
        versions = self._daemon.versions if self._daemon else {}
        return Health(connected, versions, self._listener.last_error, self._in_doubt() is None)

    def _ask(self, lane: Lane) -> Daemon:
        """charon's word on itself; raises Unavailable."""
        vici = self._vici[lane]
        daemon = self._available(
            lambda: Daemon.of(vici.request("version"), vici.request("stats"), vici.request("get-algorithms"))
        )
        self._daemon = daemon
        return daemon

    def _capabilities(self, daemon: Daemon) -> Capabilities:
        return capabilities(daemon, bool(self._marking), certificates=self._certificates.directory is not None)

    def _translator(self, daemon: Daemon) -> Translator:
        marking = self._marking.get(Lane.COMMANDS)
        marks = marking.marks if marking else None
        settings = self._settings
        return Translator(settings.prefix, marks, not daemon.user_space, self._certificates, settings.policy_priority)

    # ===== commands =====

    def prepare(self, change: Change) -> Plan:
        self._refuse_in_doubt()
        daemon = self._ask(Lane.COMMANDS)
        warnings = judge(change, self._capabilities(daemon), self._complaints)
        plan = make_plan(change, self._monitor.live, next(self._tokens), warnings)
        return effects.named(plan, replace(self._translator(daemon), certificates=None), self._monitor.live)

    def _complaints(self, item: Tunnel | Responder) -> Iterator[Complaint]:
        """What no capability says."""
        yield from complaints(item, bool(self._marking))
        if item.ike is not None:
            yield from self._certificates.complaints(item.ike)

    def apply(self, plan: Plan) -> None:
        self._do(plan.steps)

    def revert(self, plan: Plan) -> None:
        self._do(plan.inverse_steps())

    def reconcile(self, intent: Intent) -> Drift:
        if not self._listener.connected(self._settings.timeout):
            raise Unavailable(self._listener.last_error or f"charon at {self._settings.socket} does not answer")
        losses = self._listener.losses
        translator = self._translator(self._ask(Lane.COMMANDS))
        wanted = {item.id: _translated(translator, item) for item in _items(intent)}
        with self._doubting(), Programming(self._vici[Lane.COMMANDS]) as programming:
            drift = self._mend(programming, wanted, intent.l2)
            if not self._listener.resync(self._settings.timeout):
                raise Lost("charon does not list its SAs")
        self._held, self._l2 = wanted, intent.l2
        self._losses, self._doubt = losses, None
        return drift

    # ===== apply and revert =====

    def _do(self, steps: Iterable[Step]) -> None:
        self._refuse_in_doubt()
        translator = self._translator(self._ask(Lane.COMMANDS))
        steps = tuple(steps)
        for step in steps:
            self._check(step)
        pairs = [pair for step in steps if (pair := self._pair(step, translator)) is not None]
        with self._doubting(), Programming(self._vici[Lane.COMMANDS]) as programming:
            for step in steps:
                if isinstance(step.new, L2Marking):
                    self._program(programming, step.new)
            for old, new in pairs:
                if new is not None:
                    programming.load(new, old)
            for old, new in pairs:
                self._enact(programming, old, new)

    def _check(self, step: Step) -> None:
        """Raises ApplyFailed if charon was not told what the step starts from."""
        item = step.old if step.new is None else step.new
        if isinstance(item, L2Marking):
            if step.old != self._l2:
                raise ApplyFailed("the QoS maps are not what the plan starts from")
            return
        assert item is not None
        held = self._held.get(item.id)
        if step.old != (held.source if held else None):
            raise ApplyFailed(f"{item.id} is not what the plan starts from")

    def _pair(self, step: Step, translator: Translator) -> tuple[Connection | None, Connection | None] | None:
        item = step.old if step.new is None else step.new
        if item is None or isinstance(item, L2Marking):
            return None
        new = None if step.new is None else _translated(translator, item)
        return self._held.get(item.id), new

    def _enact(self, programming: Programming, old: Connection | None, new: Connection | None) -> None:
        """What follows from a loaded change for SAs, and what goes."""
        if new is None:
            assert old is not None
            self._monitor.release(old.name, "the map left the interface")
            programming.unload(old.name, [shared.name for shared in old.shared])
            del self._held[old.item]
            programming.forget_private_keys(self._unused_keys(old))
            return
        renegotiate = False
        if old is not None and effects.closes(old, new):
            renegotiate = self._close(programming, old.name, "the configuration changed")
        self._monitor.hold(new, renegotiate)
        self._held[new.item] = new

    def _unused_keys(self, gone: Connection) -> list[str]:
        """The private keys of a connection that no other has."""
        used = {key.id for connection in self._held.values() for key in connection.credentials.keys}
        return [key.id for key in gone.credentials.keys if key.id not in used]

    def _close(self, programming: Programming, name: str, reason: str) -> bool:
        """Close the SAs of a connection; whether it was up."""
        up = self._monitor.is_up(name)
        self._monitor.closing(name, reason)
        programming.close_sas(name)
        return up

    def _program(self, programming: Programming, l2: L2Marking) -> None:
        before = self._l2
        if marking := self._marking.get(Lane.COMMANDS):
            marking.program(l2)
            programming.undo_by(lambda: marking.program(before))
        programming.undo_by(lambda: setattr(self, "_l2", before))
        self._l2 = l2

    # ===== reconcile =====

    def _mend(self, programming: Programming, wanted: Mapping[Item, Connection], l2: L2Marking) -> Drift:
        vici = self._vici[Lane.COMMANDS]
        found = {name: report for one in vici.stream("list-conns", "list-conn") for name, report in one.items()}
        keys = {key for key in vici.request("get-shared").get("keys", ()) if self._is_ours(key)}
        private = frozenset(vici.request("get-keys").get("keys", ()))
        by_name = {connection.name: connection for connection in wanted.values()}
        strangers = [name for name in found if self._is_ours(name) and name not in by_name]
        wrong = [one for one in wanted.values() if not _fits(one, found.get(one.name), keys | private)]
        l2_differs = self._mend_l2(programming, l2)
        for connection in wrong:
            programming.load(connection, None, unknown=connection.name in found)
        for name in strangers:
            self._monitor.release(name, "not part of the configuration")
            programming.unload(name, [])
        programming.trap({trap for one in wanted.values() for trap in one.traps}, self._traps())
        kept = {shared.name for connection in wanted.values() for shared in connection.shared}
        programming.forget_keys(sorted(keys - kept))
        for connection in wanted.values():
            self._adopt(programming, connection, found.get(connection.name))
        drift = self._drift(wrong, strangers, found, l2_differs)
        for item in [item for item in self._held if item not in wanted]:
            self._monitor.release(self._held[item].name, "not part of the configuration")
        return drift

    def _traps(self) -> set[tuple[str, str]]:
        """Connection and child of each trap of ours in charon."""
        messages = self._vici[Lane.COMMANDS].stream("list-policies", "list-policy", {"trap": "yes"})
        found = {(one.get("ike", ""), one.get("child", "")) for message in messages for one in message.values()}
        return {(connection, child) for connection, child in found if self._is_ours(connection)}

    def _adopt(self, programming: Programming, connection: Connection, report: Mapping[str, Any] | None) -> None:
        """Follow a connection from here on. SAs made by another configuration go as an edit would have them go, or, if
        that is not known any more, at once."""
        held = self._held.get(connection.item)
        names = _children(report)
        if held is not None and held.child_names == names:
            closes = effects.closes(held, connection)
        else:
            generations = {(name.payload, name.generation) for name in map(ChildName.of, names) if name}
            closes = not generations <= {(name.payload, name.generation) for name in connection.children.values()}
        renegotiate = self._close(programming, connection.name, "the configuration changed") if closes else False
        self._monitor.hold(connection, renegotiate, fresh=False)

    def _mend_l2(self, programming: Programming, l2: L2Marking) -> bool:
        marking = self._marking.get(Lane.COMMANDS)
        differs = l2 != self._l2 if marking is None else not marking.fits(l2)
        known = self._l2
        if differs or known != l2:
            self._program(programming, l2)
        return differs and (known != l2 or l2 != L2Marking())

    def _drift(
        self, wrong: Iterable[Connection], strangers: Iterable[str], found: Mapping[str, object], l2: bool
    ) -> Drift:
        wrong = list(wrong)
        items = [item_of(self._settings.prefix, name) for name in strangers]
        missing = [one.item for one in wrong if one.name not in found]
        different = [one.item for one in wrong if one.name in found]
        every = [*missing, *different, *items]
        return Drift(
            missing=tuple(sorted(item for item in missing if isinstance(item, TunnelId))),
            unexpected=tuple(sorted(item for item in items if isinstance(item, TunnelId))),
            different=tuple(sorted(item for item in different if isinstance(item, TunnelId))),
            responders=tuple(sorted(item for item in every if isinstance(item, ResponderId))),
            l2=l2,
        )

    def _is_ours(self, name: str) -> bool:
        return name.startswith(f"{self._settings.prefix}:")

    # ===== reads =====

    def observe(self, only: TunnelId | None = None) -> Observation:
        if not self._listener.connected():
            raise Unavailable(self._listener.last_error or f"charon at {self._settings.socket} does not answer")
        complete = self._refresh(only)
        if only is not None:
            return Observation(time.time(), self._monitor.tunnels(only), complete=complete)
        return Observation(
            time.time(), self._monitor.tunnels(), self._monitor.responders(), self._observed_l2(), complete
        )

    def _refresh(self, only: TunnelId | None) -> bool:
        """Read the counters; False if charon did not tell them in time."""
        filters = None if only is None else {"ike": self._monitor.name(only)}
        if filters is not None and not filters["ike"]:
            return True
        try:
            self._monitor.refresh(self._vici[Lane.READS].stream("list-sas", "list-sa", filters))
        except Rejected as fault:
            log.warning("charon lists no SAs: %s", fault)
            return False
        except Lost as fault:
            if not self._listener.connected():
                raise Unavailable(str(fault)) from fault
            return False
        return True

    def _observed_l2(self) -> L2Marking | None:
        marking = self._marking.get(Lane.READS)
        l2 = self._l2
        return l2 if marking is None or marking.fits(l2) else None

    def events(self, wait: float = 0.0) -> tuple[Event, ...]:
        return self._queue.take(wait)

    # ===== ends =====

    def interrupt(self, lane: Lane) -> None:
        self._vici[lane].interrupt()
        if marking := self._marking.get(lane):
            marking.interrupt()

    def close(self) -> None:
        self._keeper.close()
        self._listener.close()
        for vici in self._vici.values():
            vici.close()
        for marking in self._marking.values():
            marking.close()

    # ===== doubt =====

    def _in_doubt(self) -> str | None:
        if self._doubt is None and self._losses != self._listener.losses:
            return "charon was away"
        return self._doubt

    def _refuse_in_doubt(self) -> None:
        if not self._listener.connected():
            raise Unavailable(self._listener.last_error or f"charon at {self._settings.socket} does not answer")
        if doubt := self._in_doubt():
            raise Unavailable(f"backend strongswan must be reconciled first: {doubt}")

    def _doubting(self) -> _Doubt:
        return _Doubt(self)

    def doubt(self, why: str) -> None:
        """Take no command but reconcile until one has succeeded."""
        self._doubt = why

    def _available(self, call: Callable[[], Answer]) -> Answer:
        """A read, tried twice: a connection that charon has closed since its last use is only noticed by using it."""
        try:
            try:
                return call()
            except Lost:
                return call()
        except (Lost, Rejected) as fault:
            raise Unavailable(str(fault)) from fault


class _Doubt:
    """Around what changes charon: an unknown outcome leaves the backend in doubt."""

    def __init__(self, backend: StrongswanBackend) -> None:
        self._backend = backend

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, OutcomeUnknown):
            self._backend.doubt(str(fault))


def _items(intent: Intent) -> Iterator[Tunnel | Responder]:
    yield from intent.tunnels.values()
    yield from intent.responders.values()


def _children(report: Mapping[str, Any] | None) -> frozenset[str]:
    return frozenset(report.get("children", {})) if report else frozenset()


def _fits(connection: Connection, report: Mapping[str, Any] | None, keys: Set[str]) -> bool:
    """Whether charon has exactly that, keys included."""
    wanted = {shared.name for shared in connection.shared} | {key.id for key in connection.credentials.keys}
    return _children(report) == connection.child_names and wanted <= keys


def _translated(translator: Translator, item: Tunnel | Responder) -> Connection:
    """Raises ApplyFailed."""
    try:
        return translator.connection(item)
    except CertificateFault as fault:
        raise ApplyFailed(f"{item.id}: {fault}") from fault
