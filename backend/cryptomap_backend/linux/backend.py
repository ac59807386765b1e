"""Backend ``linux``: manual crypto maps as states and policies of the kernel, marking by nftables, VLAN and tc."""

from __future__ import annotations

import itertools
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from secrets import token_hex

from immutables import Map

from cryptomap_backend.capabilities import Capabilities
from cryptomap_backend.change import Change, Replacement, between
from cryptomap_backend.contract import (
    ApplyFailed,
    BackendError,
    Lane,
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from cryptomap_backend.intent import Intent, L2Marking, Responder, ResponderId, Tunnel, TunnelId
from cryptomap_backend.judge import judge
from cryptomap_backend.linux import able
from cryptomap_backend.linux.access import open_kernel
from cryptomap_backend.linux.drift import Comparison, Seen, compare
from cryptomap_backend.linux.holdings import Holdings
from cryptomap_backend.linux.kernel import Kernel
from cryptomap_backend.linux.marker import LinuxMarker
from cryptomap_backend.linux.objects import Object, Operation, Remove, SaKey, SeenSa
from cryptomap_backend.linux.observing import state_of
from cryptomap_backend.linux.operations import operations
from cryptomap_backend.linux.settings import Settings
from cryptomap_backend.linux.translate import Place, complaints, domain, sa_keys
from cryptomap_backend.plan import EffectKind, Plan, effect_of, make_plan
from cryptomap_backend.simulator.events import EventQueue
from cryptomap_backend.state import (
    Counters,
    Drift,
    Event,
    EventKind,
    Health,
    Observation,
    TunnelState,
)

__all__ = ["LinuxBackend", "create"]

NO_MARKING = L2Marking()


class LinuxBackend:
    """See :class:`~cryptomap_backend.contract.Backend`. Two kernels, because two lanes ask at the same time."""

    name = "linux"

    def __init__(self, settings: Settings, commands: Kernel, reads: Kernel) -> None:
        self._settings = settings
        self._commands = commands
        self._reads = reads
        self._marker = LinuxMarker(settings, commands)
        self._reader = LinuxMarker(settings, reads)
        self._holdings = Holdings(settings)
        self._events = EventQueue()
        self._tokens = map(f"{token_hex(4)}-{{}}".format, itertools.count(1))
        self._capabilities: Capabilities | None = None
        self._last_error: str | None = None
        self._in_sync = False
        self.messages = 0
        """Netlink messages that commands have taken so far."""

    # ===== what it is =====

    def capabilities(self) -> Capabilities:
        """Tried out once; the kernel does not forget algorithms."""
        return self._able(self._reads)

    def _able(self, kernel: Kernel) -> Capabilities:
        """Asked through the kernel of the lane that wants to know."""
        if self._capabilities is None:
            self._capabilities = able.capabilities(kernel.algorithms(), self._settings, kernel.versions())
        return self._capabilities

    def health(self) -> Health:
        try:
            return Health(True, self._reads.versions(), self._last_error, self._in_sync)
        except BackendError as fault:
            return Health(False, {}, str(fault), self._in_sync)

    # ===== commands =====

    def prepare(self, change: Change) -> Plan:
        warnings = judge(change, self._able(self._commands), complaints)
        self._holdings.refuse_conflicts(change.tunnels)
        return make_plan(change, self._live, next(self._tokens), warnings)

    def apply(self, plan: Plan) -> None:
        self._change(plan.change)

    def revert(self, plan: Plan) -> None:
        self._change(plan.change.inverse())

    def reconcile(self, intent: Intent) -> Drift:
        held = self._holdings.tunnels
        change = between(Intent(held), Intent(intent.tunnels))
        try:
            Holdings(self._settings).refuse_conflicts(between(Intent(), Intent(intent.tunnels)).tunnels)
        except Refused as fault:
            raise ApplyFailed(str(fault)) from fault
        found = self._compare(intent.tunnels)
        drift = _drift(found, change, not self._marker.fits(intent.l2), intent.responders)
        earlier = self._earlier(found.operations, intent.tunnels)
        if drift.l2:
            self._marker.program(intent.l2)
        self._marker.adopt(intent.l2)
        if found.operations:
            self.messages += self._commands.transact(found.operations)
        self._entered(change, earlier)
        self._in_sync, self._last_error = True, None
        return drift

    # ===== reads =====

    def observe(self, only: TunnelId | None = None) -> Observation:
        tunnels = self._holdings.tunnels
        if only is not None:
            tunnel = tunnels.get(only)
            return Observation(time.time(), {only: self._state(tunnel)} if tunnel else {})
        states, complete = self._states(tunnels)
        held = self._marker.held
        l2 = held if held is not None and self._reader.fits(held) else None
        return Observation(time.time(), states, {}, l2, complete)

    def events(self, wait: float = 0.0) -> tuple[Event, ...]:
        return self._events.take(wait)

    def interrupt(self, lane: Lane) -> None:
        (self._commands if lane is Lane.COMMANDS else self._reads).interrupt()

    def close(self) -> None:
        self._commands.close()
        self._reads.close()

    # ===== preparing =====

    def _live(self, item: TunnelId | ResponderId) -> int:
        """A manual map that is held has its pair of SAs. There are no responders here."""
        return 1 if isinstance(item, TunnelId) and item in self._holdings.tunnels else 0

    # ===== applying =====

    def _change(self, change: Change) -> None:
        """QoS maps first, so that no packet of a new tunnel leaves unmarked; put back if the rest fails."""
        self._holdings.check(change.tunnels)
        if change.l2_changed and self._marker.held != change.old.l2:
            raise ApplyFailed("the QoS maps are not what the plan starts from")
        todo = operations(
            self._objects(item.old for item in change.tunnels), self._objects(item.new for item in change.tunnels)
        )
        earlier = self._earlier(todo, change.new.tunnels)
        if change.l2_changed:
            self._marker.program(change.new.l2)
        try:
            self.messages += self._commands.transact(todo) if todo else 0
        except ApplyFailed:
            if change.l2_changed:
                self._marker.program(change.old.l2)
            raise
        except OutcomeUnknown:
            self._in_sync = False
            raise
        self._entered(change, earlier)

    def _objects(self, tunnels: Iterable[Tunnel | None]) -> dict[Place, Object]:
        found: dict[Place, Object] = {}
        for tunnel in tunnels:
            if tunnel:
                found |= self._holdings.objects(tunnel)
        return found

    def _entered(self, change: Change, earlier: Mapping[TunnelId, Counters]) -> None:
        """It is done: remember and tell it."""
        self._holdings.enter(change.tunnels, earlier)
        self._events.publish([event for item in change.tunnels for event in _events(item, time.time())])

    def _earlier(self, todo: Iterable[Operation], staying: Container[TunnelId]) -> dict[TunnelId, Counters]:
        """The counters so far of tunnels that stay but some SA of which goes, to be added to what comes."""
        gone = [(item.namespace, item.key) for item in todo if isinstance(item, Remove)]
        owners = {self._holdings.at(place) for place in gone if isinstance(place[1], SaKey)}
        tunnels = (self._holdings.tunnels.get(owner) for owner in owners if owner and owner in staying)
        return {tunnel.id: self._state(tunnel, self._commands).counters for tunnel in tunnels if tunnel}

    # ===== reconciling =====

    def _compare(self, tunnels: Map[TunnelId, Tunnel]) -> Comparison:
        seen: dict[Place, Seen] = {}
        for namespace in self._settings.all_namespaces:
            seen |= {(namespace, item.key): item for item in self._commands.sas(namespace)}
            seen |= {(namespace, item.key): item for item in self._commands.policies(namespace)}
        wanted = {tunnel.id: self._holdings.objects(tunnel) for tunnel in _sorted(tunnels)}
        return compare(wanted, seen, self._holdings.owner)

    # ===== observing =====

    def _state(self, tunnel: Tunnel, kernel: Kernel | None = None) -> TunnelState:
        namespace = self._namespace(tunnel)
        seen = (kernel or self._reads).find_sas(namespace, sa_keys(tunnel, self._settings))
        return self._state_of(tunnel, {item.key: item for item in seen})

    def _states(self, tunnels: Map[TunnelId, Tunnel]) -> tuple[dict[TunnelId, TunnelState], bool]:
        """Of all tunnels, and whether every namespace could be read."""
        seen: dict[str, dict[SaKey, SeenSa]] = {}
        complete = True
        for namespace in {self._namespace(tunnel) for tunnel in tunnels.values()}:
            try:
                seen[namespace] = {item.key: item for item in self._reads.sas(namespace)}
            except Unavailable as fault:
                complete, self._last_error = False, str(fault)
        states = {
            tunnel.id: self._state_of(tunnel, seen[namespace])
            for tunnel in tunnels.values()
            if (namespace := self._namespace(tunnel)) in seen
        }
        return states, complete

    def _state_of(self, tunnel: Tunnel, seen: Mapping[SaKey, SeenSa]) -> TunnelState:
        earlier = self._holdings.earlier.get(tunnel.id, Counters())
        return state_of(tunnel, seen, self._settings, earlier)

    def _namespace(self, tunnel: Tunnel) -> str:
        return domain(tunnel, self._settings).namespace


def _sorted(tunnels: Map[TunnelId, Tunnel]) -> list[Tunnel]:
    return [tunnels[tunnel] for tunnel in sorted(tunnels)]


def _drift(found: Comparison, change: Change, l2: bool, responders: Mapping[ResponderId, Responder]) -> Drift:
    """What the kernel showed, and what this process held differently without the kernel showing it."""
    different = found.different | {new.id for _, new in change.updated if new.id not in found.missing}
    unexpected = found.unexpected | {tunnel.id for tunnel in change.deleted}
    return Drift(
        missing=tuple(sorted(found.missing)),
        unexpected=tuple(sorted(unexpected)),
        different=tuple(sorted(different - unexpected)),
        responders=tuple(sorted(responders)),
        l2=l2,
    )


def _events(item: Replacement[Tunnel], now: float) -> Iterator[Event]:
    """What a change of one tunnel is to those who listen."""
    old, new = item.old, item.new
    kinds: list[tuple[EventKind, str]] = []
    if new is None:
        kinds.append((EventKind.TUNNEL_DOWN, "the map left the interface"))
    elif old is None:
        kinds.append((EventKind.TUNNEL_UP, "manual keys installed"))
    else:
        kinds += _events_of_update(old, new)
    tunnel = item.some
    for kind, reason in kinds:
        yield Event(kind, now, tunnel.id, None, reason, tunnel.local, tunnel.remote)


def _events_of_update(old: Tunnel, new: Tunnel) -> Iterator[tuple[EventKind, str]]:
    effect, reasons = effect_of(old, new)
    if effect is EffectKind.RE_ESTABLISH:
        yield EventKind.TUNNEL_DOWN, ", ".join(reasons)
        yield EventKind.TUNNEL_UP, "manual keys installed"
    if new.applied != old.applied:
        yield EventKind.REAPPLIED, "the map was put on its interface again"
    elif new.reapply_pending and not old.reapply_pending:
        yield EventKind.REAPPLY_NEEDED, "the configured DSCP differs from the applied one"


def create(settings: Mapping[str, object]) -> LinuxBackend:
    """The factory. Connects to nothing yet. Raises SettingsFault."""
    parsed = Settings.of(settings)
    return LinuxBackend(parsed, open_kernel(parsed), open_kernel(parsed))
