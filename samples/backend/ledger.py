"""A backend in a hundred lines: crypto maps with manual keys on a gateway that knows how to set, list and drop tunnels.

``Gateway`` stands for what you drive: a device's API, a daemon's socket, a kernel. Put yours there; the rest says how a
backend talks to cryptomap. docs/backend-authors.md walks through it; tests run the conformance suite on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import count
from queue import Empty, SimpleQueue

from cryptomap_backend.capabilities import Capabilities, Feature
from cryptomap_backend.change import Change, Replacement, between, drift_of
from cryptomap_backend.contract import ApplyFailed, Lane
from cryptomap_backend.intent import Intent, L2Marking, Tunnel, TunnelId, TunnelKind
from cryptomap_backend.judge import judge
from cryptomap_backend.load import SettingsFault
from cryptomap_backend.plan import Plan, make_plan
from cryptomap_backend.state import (
    ChildSaState,
    Drift,
    Event,
    EventKind,
    Health,
    Observation,
    TunnelState,
    TunnelStatus,
)

ABLE = Capabilities(
    backend="ledger",
    kinds=frozenset({TunnelKind.MANUAL}),
    features=frozenset({Feature.AH, Feature.INITIATE_BIND, Feature.INITIATE_TRAFFIC, Feature.MIXED_FAMILY}),
    notes={Feature.DOT1P: "the ledger has no interfaces"},
)


class Gateway:
    """What is driven: it holds tunnels, all changes of one call or none."""

    def __init__(self) -> None:
        self.tunnels: dict[TunnelId, tuple[Tunnel, float]] = {}  # and since when

    def exchange(self, changes: Iterable[Replacement[Tunnel]]) -> None:
        tunnels = dict(self.tunnels)
        for item in changes:
            held = tunnels.pop(item.some.id, (None, time.time()))
            if held[0] != item.old:
                raise ApplyFailed(f"the ledger has another {item.some.id} than the change starts from")
            if item.new:
                tunnels[item.some.id] = (item.new, held[1])
        self.tunnels = tunnels


class LedgerBackend:
    name = "ledger"

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._tokens = map(str, count(1))
        self._events: SimpleQueue[Event] = SimpleQueue()

    def capabilities(self) -> Capabilities:
        return ABLE

    def prepare(self, change: Change) -> Plan:
        warnings = judge(change, ABLE)
        return make_plan(change, lambda tunnel: int(tunnel in self._gateway.tunnels), next(self._tokens), warnings)

    def apply(self, plan: Plan) -> None:
        self._do(plan.change)

    def revert(self, plan: Plan) -> None:
        self._do(plan.change.inverse())

    def reconcile(self, intent: Intent) -> Drift:
        mending = between(Intent.of([tunnel for tunnel, _ in self._gateway.tunnels.values()], l2=intent.l2), intent)
        self._do(mending)
        return drift_of(mending)

    def observe(self, only: TunnelId | None = None) -> Observation:
        held = self._gateway.tunnels
        wanted = held if only is None else {only: held[only]} if only in held else {}
        states = {tunnel: _state(*found) for tunnel, found in wanted.items()}
        return Observation(time.time(), states, l2=None if only else L2Marking())

    def events(self, wait: float = 0.0) -> tuple[Event, ...]:
        try:
            return (self._events.get(timeout=wait) if wait else self._events.get_nowait(),)
        except Empty:
            return ()

    def health(self) -> Health:
        return Health(True, {"ledger": "1"})

    def interrupt(self, lane: Lane) -> None:
        """Nothing here ever blocks."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def _do(self, change: Change) -> None:
        self._gateway.exchange(change.tunnels)
        for tunnel in change.created:
            self._events.put(Event(EventKind.TUNNEL_UP, time.time(), tunnel.id, reason="in the ledger"))
        for tunnel in change.deleted:
            self._events.put(Event(EventKind.TUNNEL_DOWN, time.time(), tunnel.id, reason="out of the ledger"))


def _state(tunnel: Tunnel, since: float) -> TunnelState:
    """A manual map has one pair of SAs, up as soon as it is there; its SPIs are the configured ones."""
    (child,), (esp,) = tunnel.children, tunnel.proposals
    assert tunnel.manual is not None
    sa = ChildSaState(
        name=child.name,
        spi_in=tunnel.manual.inbound.spi,
        spi_out=tunnel.manual.outbound.spi,
        protocol=esp.protocol,
        mode=esp.mode,
        transform_set=esp.name,
        encryption=esp.encryption,
        integrity=esp.integrity,
        dh_group=None,
        applied_dscp=tunnel.applied_dscp(esp.name),
        established=since,
    )
    return TunnelState(tunnel.id, TunnelStatus.UP, children=(sa,), applied=tunnel.applied)


def create(settings: Mapping[str, object]) -> LedgerBackend:
    """The factory named by the entry point in group ``cryptomap.backends``."""
    if settings:
        raise SettingsFault(f"backend ledger has no setting {min(settings)}")
    return LedgerBackend(Gateway())
