"""The life of a simulated tunnel: negotiated, rekeyed, expired, lost, tried again.

Everything happens in a draft, beside the world, at one moment ``now`` of the world's time; :mod:`.staging` lets it
enter the world. Nothing here sleeps: what is due later is found by its time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptomap_backend.intent import Address, Child, Initiate, Tunnel, TunnelId, TunnelKind
from cryptomap_backend.simulator.peers import Behaviour, NegotiationFault, Peer, setup_budget
from cryptomap_backend.simulator.records import ChildSa, IkeSa, TunnelRecord
from cryptomap_backend.state import Event, EventKind, Role, TunnelStatus

if TYPE_CHECKING:
    from cryptomap_backend.simulator.world import World

__all__ = ["RETIRE_AFTER", "RETRY_AFTER", "Lifecycle"]

RETRY_AFTER = 60.0
"""Seconds after which a tunnel that is kept up by configuration is tried again."""

RETIRE_AFTER = 0.5
"""Seconds a replaced child SA still receives what is on its way (the seed's overlap)."""

ANSWERING = Peer()


class Lifecycle:
    """Drafts of tunnel records and the events they bring."""

    def __init__(self, world: World, now: float) -> None:
        self.world = world
        self.now = now
        self.tunnels: dict[TunnelId, TunnelRecord | None] = {}
        self.events: list[Event] = []

    def tunnel(self, tunnel: TunnelId) -> TunnelRecord | None:
        """The record as drafted, else as it is in the world."""
        return self.tunnels[tunnel] if tunnel in self.tunnels else self.world.tunnels.get(tunnel)

    def put(self, record: TunnelRecord) -> None:
        self.tunnels[record.tunnel.id] = record

    def announce(self, kind: EventKind, record: TunnelRecord, reason: str) -> None:
        tunnel = record.tunnel
        self.events.append(Event(kind, self.now, tunnel.id, None, reason, tunnel.local, record.remote))

    # ===== up and down =====

    def start(self, record: TunnelRecord) -> None:
        """What a bind does: a tunnel that does not wait for traffic or for its peer is negotiated at once."""
        self.put(record)
        tunnel = record.tunnel
        if tunnel.kind is TunnelKind.MANUAL or _stays_up(tunnel):
            self.connect(record)

    def connect(self, record: TunnelRecord, remote: Address | None = None, role: Role = Role.INITIATOR) -> None:
        """Negotiate with the peer, which may be one that dialled in."""
        tunnel = record.tunnel
        record = replace(record, remote=remote or tunnel.remote, deadline=None)
        peer = self._peer(record)
        if tunnel.kind is TunnelKind.MANUAL:
            self._up(record, None, (self.world.negotiator.manual_sa(tunnel, self.now),))
        elif peer.behaviour is Behaviour.DEAD:
            assert tunnel.ike is not None
            deadline = self.now + setup_budget(tunnel.ike)
            self.put(record.without_sas(TunnelStatus.CONNECTING, deadline=deadline))
        else:
            self._negotiate(record, role)

    def close(self, record: TunnelRecord, reason: str) -> TunnelRecord:
        """The record without its SAs, the loss announced if there was one."""
        if record.is_up:
            self.announce(EventKind.TUNNEL_DOWN, record, reason)
        return record.without_sas(TunnelStatus.DOWN)

    def fail(self, record: TunnelRecord, error: str) -> None:
        """The tunnel is in error; tried again later if it is to stay up."""
        deadline = self.now + RETRY_AFTER if _stays_up(record.tunnel) else None
        self.put(record.without_sas(TunnelStatus.ERROR, error, deadline))
        self.announce(EventKind.TUNNEL_ERROR, record, error)

    def miss(self, record: TunnelRecord) -> None:
        """The peer is gone; with a liveness check the tunnel finds out after its silence and retries."""
        dpd = record.tunnel.ike.dpd if record.tunnel.ike else None
        if record.is_up and dpd:
            self.put(replace(record, deadline=self.now + dpd.interval + dpd.timeout * dpd.retries))

    def _negotiate(self, record: TunnelRecord, role: Role) -> None:
        tunnel = record.tunnel
        assert tunnel.ike is not None
        assert record.remote is not None
        try:
            children = tuple([self._child(record, child) for child in tunnel.children])
        except NegotiationFault as fault:
            self.fail(record, str(fault))
            return
        ike = self.world.negotiator.ike_sa(tunnel.ike, tunnel.local, record.remote, role, self.now)
        self._up(record, ike, children)

    def _up(self, record: TunnelRecord, ike: IkeSa | None, children: tuple[ChildSa, ...]) -> None:
        up = replace(record, status=TunnelStatus.UP, last_error=None, ike=ike, children=children, deadline=None)
        self.put(up)
        self.announce(EventKind.TUNNEL_UP, up, "manual keys installed" if ike is None else "negotiated")

    def _child(self, record: TunnelRecord, child: Child) -> ChildSa:
        dscp = record.tunnel.applied_dscp
        negotiator = self.world.negotiator
        return negotiator.child_sa(child, self._peer(record), lambda proposal: dscp(proposal.name), self.now)

    def _peer(self, record: TunnelRecord) -> Peer:
        peers = self.world.peers
        return peers.get(record.remote, ANSWERING) if peers and record.remote else ANSWERING

    # ===== rekey =====

    def renegotiate(self, record: TunnelRecord, payloads: frozenset[str], ike: bool) -> None:
        """New SAs for these payloads, and for the IKE SA if asked, before the old ones go. Payloads that have no SA
        yet get one. A peer that is gone or says no takes the tunnel down."""
        if self._peer(record).behaviour is Behaviour.DEAD:
            self.connect(self.close(record, "the peer did not answer a rekey"))
            return
        kept = {sa.child.name: sa for sa in record.children if sa.child.name not in payloads}
        try:
            children = tuple([kept.get(child.name) or self._child(record, child) for child in record.tunnel.children])
        except NegotiationFault as fault:
            self.fail(self.close(record, "the peer refused a rekey"), str(fault))
            return
        replaced = tuple((sa, self.now + RETIRE_AFTER) for sa in record.children if sa not in children)
        record = replace(record, children=children, retiring=(*record.retiring, *replaced))
        self._announce_rekeys(record, len(replaced))
        self.put(self._with_new_ike(record) if ike else record)

    def _announce_rekeys(self, record: TunnelRecord, replaced: int) -> None:
        for _ in range(replaced):
            self.announce(EventKind.CHILD_REKEYED, record, "child SA rekeyed")

    def _with_new_ike(self, record: TunnelRecord) -> TunnelRecord:
        old, policy = record.ike, record.tunnel.ike
        assert old is not None
        assert policy is not None
        new = self.world.negotiator.ike_sa(policy, old.local, old.remote, old.role, self.now)
        self.announce(EventKind.IKE_REKEYED, record, "IKE SA rekeyed")
        return replace(record, ike=new)

    # ===== time =====

    def due(self, tunnel: TunnelId) -> None:
        """Do what the tunnel's times ask for by now; nothing if a timer was outlived by a change."""
        record = self.tunnel(tunnel)
        if record is None or record.next_due is None or record.next_due > self.now:
            return
        retiring = tuple((sa, until) for sa, until in record.retiring if until > self.now)
        record = replace(record, retiring=retiring)
        self.put(record)
        if record.deadline is not None and record.deadline <= self.now:
            self._deadline(record)
        elif record.is_up:
            self._lifetimes(record)

    def _deadline(self, record: TunnelRecord) -> None:
        if record.status is TunnelStatus.CONNECTING:
            self.fail(record, self._no_answer(record))
        elif record.status is TunnelStatus.ERROR:
            self.connect(record)
        elif self._peer(record).behaviour is Behaviour.DEAD:
            self.fail(self.close(record, "dead peer detected"), f"peer {record.remote} stopped answering")
        else:
            self.put(replace(record, deadline=None))

    def _no_answer(self, record: TunnelRecord) -> str:
        ike = record.tunnel.ike
        assert ike is not None
        return f"peer {record.remote} does not answer: gave up after {setup_budget(ike):g} s"

    def _lifetimes(self, record: TunnelRecord) -> None:
        ike = record.ike
        if ike and ike.next_rekey is None and ike.expires <= self.now:
            self._expired(record, "the lifetime of the IKE SA ended")
            return
        expired = {sa for sa in record.children if sa.expires is not None and sa.expires <= self.now}
        rekeyed = {sa for sa in record.children if _rekey_due(sa, self.now) and _wanted(sa)} - expired
        record = self._without(record, expired)
        if expired and not record.children:
            self._expired(record, "the lifetime of the child SA ended")
            return
        ike_due = ike is not None and ike.next_rekey is not None and ike.next_rekey <= self.now
        if rekeyed or ike_due:
            self.renegotiate(record, frozenset(sa.child.name for sa in rekeyed), ike_due)
        else:
            self.put(record)

    def _without(self, record: TunnelRecord, expired: set[ChildSa]) -> TunnelRecord:
        """Without the expired SAs; what was due for a rekey but idle waits for its end."""
        children = tuple(
            [
                replace(sa, next_rekey=None) if _rekey_due(sa, self.now) and not _wanted(sa) else sa
                for sa in record.children
                if sa not in expired
            ]
        )
        return replace(record, children=children)

    def _expired(self, record: TunnelRecord, reason: str) -> None:
        self.start(self.close(record, reason))


def _stays_up(tunnel: Tunnel) -> bool:
    ours = tunnel.kind is not TunnelKind.DYNAMIC and tunnel.remote is not None
    return ours and tunnel.initiate is Initiate.BIND


def _rekey_due(sa: ChildSa, now: float) -> bool:
    return sa.next_rekey is not None and sa.next_rekey <= now


def _wanted(sa: ChildSa) -> bool:
    """An idle SA is rekeyed only with keepalive."""
    return sa.child.rekey_keepalive or sa.used
