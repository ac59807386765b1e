"""A change to the world, staged: the steps of a plan and what follows from them are worked out beside the world and
enter it all at once in :meth:`Staging.commit`, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptomap_backend.contract import ApplyFailed
from cryptomap_backend.intent import Address, Child, L2Marking, Responder, ResponderId, Tunnel, TunnelId
from cryptomap_backend.plan import EffectKind, Step, effect_of, negotiated, responder_effect_of
from cryptomap_backend.simulator.lifecycle import ANSWERING, Lifecycle
from cryptomap_backend.simulator.negotiation import rekey_time
from cryptomap_backend.simulator.records import ChildSa, ResponderRecord, Session, TunnelRecord
from cryptomap_backend.state import Event, EventKind, Role

if TYPE_CHECKING:
    from cryptomap_backend.simulator.world import World

__all__ = ["Staging", "Undo"]


@dataclass(frozen=True, slots=True)
class Undo:
    """What a commit replaced, by the token of its plan."""

    token: str
    tunnels: dict[TunnelId, TunnelRecord | None]
    responders: dict[ResponderId, ResponderRecord | None]
    l2: L2Marking


class Staging(Lifecycle):
    """One staged change at one moment of the world's time."""

    def __init__(self, world: World, now: float) -> None:
        super().__init__(world, now)
        self.responders: dict[ResponderId, ResponderRecord | None] = {}
        self.l2 = world.l2

    def do(self, step: Step) -> None:
        """One step of a plan. Raises ApplyFailed if the world does not hold what the step starts from."""
        item = step.old if step.new is None else step.new
        if isinstance(item, L2Marking):
            self._do_l2(step)
        elif isinstance(item, Responder):
            self._do_responder(item.id, step)
        elif isinstance(item, Tunnel):
            self._do_tunnel(item.id, step)

    def commit(self, token: str = "") -> Undo:
        """Let it all become true; answers what it replaced."""
        world = self.world
        undo = Undo(
            token,
            {tunnel: world.tunnels.get(tunnel) for tunnel in self.tunnels},
            {responder: world.responders.get(responder) for responder in self.responders},
            world.l2,
        )
        world.enter(self)
        return undo

    def restore(self, undo: Undo) -> None:
        """Put back exactly what a commit replaced, live SAs included."""
        self.l2 = undo.l2
        self.responders.update(undo.responders)
        for tunnel, before in undo.tunnels.items():
            record = self.tunnel(tunnel)
            if record and record.is_up and not (before and before.is_up):
                self.announce(EventKind.TUNNEL_DOWN, record, "the change was reverted")
            if before and before.is_up and not (record and record.is_up):
                self.announce(EventKind.TUNNEL_UP, before, "the change was reverted")
            self.tunnels[tunnel] = before

    # ===== tunnels =====

    def _do_tunnel(self, tunnel: TunnelId, step: Step) -> None:
        record, new = self.tunnel(tunnel), step.new
        if step.old != (record.tunnel if record else None):
            raise ApplyFailed(f"tunnel {tunnel} is not what the plan starts from")
        if not isinstance(new, Tunnel):
            assert record is not None
            self.close(record, "the map left the interface")
            self.tunnels[tunnel] = None
        elif record is None:
            self.start(TunnelRecord(new, remote=new.remote))
        else:
            self._update(record, new)

    def _update(self, record: TunnelRecord, new: Tunnel) -> None:
        old = record.tunnel
        kind, reasons = effect_of(old, new)
        current = replace(record, tunnel=new, remote=new.remote or record.remote)
        if kind is EffectKind.RE_ESTABLISH:
            self._re_establish(record, new, ", ".join(reasons))
        elif not record.is_up:
            self.start(current)
        elif kind is EffectKind.REKEY:
            self._rekey(current, old)
        else:
            self.put(_refreshed(current))
        self._announce_marking(current, old)

    def _re_establish(self, record: TunnelRecord, new: Tunnel, reason: str) -> None:
        closed = replace(self.close(record, reason), tunnel=new, remote=new.remote)
        if record.is_up and new.remote is not None:
            self.connect(closed)
        else:
            self.start(closed)

    def _rekey(self, record: TunnelRecord, old: Tunnel) -> None:
        before, new = {child.name: child for child in old.children}, record.tunnel
        payloads = frozenset(
            child.name
            for child in new.children
            if old.selector != new.selector or _renegotiates(before.get(child.name), child)
        )
        ike = old.ike is not None and new.ike is not None and old.ike.proposals != new.ike.proposals
        self.renegotiate(_refreshed(record), payloads, ike)

    def _announce_marking(self, record: TunnelRecord, old: Tunnel) -> None:
        new = record.tunnel
        if new.applied != old.applied:
            self.announce(EventKind.REAPPLIED, record, "the map was put on its interface again")
        elif new.reapply_pending and not old.reapply_pending:
            self.announce(EventKind.REAPPLY_NEEDED, record, "the configured DSCP differs from the applied one")

    # ===== responders and QoS maps =====

    def dial_in(self, responder: ResponderId, remote: Address) -> None:
        """A peer negotiates with a responder. Raises NegotiationFault, KeyError."""
        record = self.responders.get(responder) or self.world.responders[responder]
        policy, negotiator = record.responder, self.world.negotiator
        peer = self.world.peers.get(remote, ANSWERING)
        children = tuple(
            [negotiator.child_sa(child, peer, lambda proposal: proposal.dscp, self.now) for child in policy.children]
        )
        ike = negotiator.ike_sa(policy.ike, policy.local, remote, Role.RESPONDER, self.now)
        others = tuple(session for session in record.sessions if session.remote != remote)
        self.responders[responder] = ResponderRecord(policy, (*others, Session(remote, ike, children)))
        self._session(EventKind.SESSION_UP, policy, remote, "negotiated")

    def _do_responder(self, responder: ResponderId, step: Step) -> None:
        record, new = self.world.responders.get(responder), step.new
        if step.old != (record.responder if record else None):
            raise ApplyFailed(f"responder {responder} is not what the plan starts from")
        if not isinstance(new, Responder):
            new = None
        sessions = record.sessions if record else ()
        if record and not (new and responder_effect_of(record.responder, new)[0] is EffectKind.UPDATE):
            for session in sessions:
                self._session(EventKind.SESSION_DOWN, record.responder, session.remote, "the configuration changed")
            sessions = ()
        self.responders[responder] = ResponderRecord(new, sessions) if new else None

    def _session(self, kind: EventKind, responder: Responder, remote: Address, reason: str) -> None:
        self.events.append(Event(kind, self.now, None, responder.id, reason, responder.local, remote))

    def _do_l2(self, step: Step) -> None:
        if step.old != self.l2:
            raise ApplyFailed("the QoS maps are not what the plan starts from")
        assert isinstance(step.new, L2Marking)
        self.l2 = step.new


def _refreshed(record: TunnelRecord) -> TunnelRecord:
    """The live SAs with the marking, lifetimes and DF handling of the tunnel's new configuration."""
    payloads = {child.name: child for child in record.tunnel.children}
    return replace(record, children=tuple([_with_policy(sa, record.tunnel, payloads) for sa in record.children]))


def _with_policy(sa: ChildSa, tunnel: Tunnel, payloads: dict[str, Child]) -> ChildSa:
    child = payloads[sa.child.name]
    dscp = tunnel.applied_dscp(sa.proposal.name)
    return replace(sa, child=child, dscp=dscp, next_rekey=rekey_time(child, sa.established))


def _renegotiates(old: Child | None, new: Child) -> bool:
    return old is None or old.family != new.family or negotiated(old) != negotiated(new)
