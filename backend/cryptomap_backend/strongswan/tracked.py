"""What is known of one connection: its SAs, what it lacks, what was tried, what it counted. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptomap_backend.intent import Responder, Tunnel
from cryptomap_backend.state import (
    ChildSaState,
    Counters,
    IkeSaState,
    ResponderState,
    SessionState,
    TunnelState,
    TunnelStatus,
)
from cryptomap_backend.strongswan.messages import Connection
from cryptomap_backend.strongswan.names import ChildName
from cryptomap_backend.strongswan.records import ChildRecord, IkeRecord, children_of, negotiated_set
from cryptomap_backend.strongswan.wording import Cause

__all__ = ["Tracked"]

AT_ONCE = 10.0
"""Seconds within which two IKE SAs count as begun at once by both ends; VICI tells whole seconds, and a lost packet is
sent again within some."""


@dataclass(slots=True)
class Tracked:
    """Mutable; the monitor's lock guards it.

    A live child is current if it was negotiated with what the intent asks for now (equal generations), else stale: it
    still carries traffic, and goes when its successor is up. ``attempts`` holds when each payload's negotiation began.
    ``renegotiate`` asks for one attempt on a connection that otherwise waits for traffic. Not ``known``: charon may
    have SAs of it that have not been read yet.
    """

    connection: Connection
    known: bool = True
    ikes: dict[int, IkeRecord] = field(default_factory=dict)
    children: dict[int, ChildRecord] = field(default_factory=dict)
    gone: Counters = field(default_factory=Counters)
    attempts: dict[str, float] = field(default_factory=dict)
    causes: dict[int, Cause] = field(default_factory=dict)
    last_error: str | None = None
    refused: bool = False
    renegotiate: bool = False
    failures: int = 0
    next_try: float = 0.0
    announced: frozenset[int] = frozenset()
    closing: str | None = None

    # ===== SAs =====

    @property
    def live(self) -> list[ChildRecord]:
        return [child for child in self.children.values() if child.live]

    @property
    def current(self) -> list[ChildRecord]:
        """Live and as the intent asks, in the order in which they came up."""
        return [child for child in self.live if self._is_current(child)]

    @property
    def stale(self) -> list[ChildRecord]:
        return [child for child in self.live if not self._is_current(child)]

    @property
    def missing(self) -> list[str]:
        """Payloads without a current child."""
        have = {child.name.payload for child in self.current}
        return [payload for payload in self.connection.children if payload not in have]

    @property
    def shown(self) -> list[ChildRecord]:
        """The current children without those that another, rightly marked one is about to replace."""
        right = {child.name.payload for child in self.current if self.better(child) is None}
        return [child for child in self.current if child.name.payload not in right or self.better(child) is None]

    def better(self, child: ChildRecord) -> ChildName | None:
        """The child configuration that marks as the transform set which that child was negotiated with says; ``None``
        if the child does so itself."""
        if not self.connection.variants:
            return None
        tunnel, payload = self.connection.source, child.name.payload
        proposals = {one.name: one.proposals for one in tunnel.children}.get(payload, ())
        used = negotiated_set(child, proposals)
        if used is None or not isinstance(tunnel, Tunnel) or tunnel.applied_dscp(used.name) == child.name.dscp:
            return None
        dscp = tunnel.applied_dscp(used.name)
        first = self.connection.children[payload]
        return first if first.dscp == dscp else self.connection.variants.get((payload, dscp))

    @property
    def duplicates(self) -> list[ChildRecord]:
        """Children that another IKE SA of the same connection has as well: both ends began at once, or the peer came
        back and has forgotten the older. Of two begun at once both ends keep the one with the smaller SPI."""
        best: dict[str, ChildRecord] = {}
        for child in self.shown:
            other = best.setdefault(child.name.payload, child)
            if other.ike != child.ike and self._beats(child, other):
                best[child.name.payload] = child
        return [child for child in self.shown if child.ike != best[child.name.payload].ike]

    def _beats(self, child: ChildRecord, other: ChildRecord) -> bool:
        mine, theirs = self.ikes.get(child.ike), self.ikes.get(other.ike)
        if mine is None or theirs is None:
            return mine is not None
        if abs(mine.established - theirs.established) > AT_ONCE:
            return mine.established > theirs.established
        return mine.initiator_spi < theirs.initiator_spi

    @property
    def sessions(self) -> frozenset[int]:
        """The IKE SAs that have a live child."""
        return frozenset(child.ike for child in self.live)

    def put_ike(self, record: IkeRecord) -> None:
        known = self.ikes.get(record.uid)
        if known is not None and known.same_sa(record):
            record = replace(record, established=known.established, next_rekey=known.next_rekey)
        self.ikes[record.uid] = record

    def put_child(self, record: ChildRecord) -> None:
        known = self.children.get(record.uid)
        if known is not None and known.same_sa(record):
            record = replace(record, established=known.established, next_rekey=known.next_rekey)
            record = replace(record, counters=_greater(known.counters, record.counters))
        elif known is not None:
            self.gone += known.counters
        self.children[record.uid] = record

    def drop_child(self, uid: int) -> None:
        """It is gone; what it counted stays."""
        if known := self.children.pop(uid, None):
            self.gone += known.counters

    def drop_ike(self, uid: int) -> None:
        self.ikes.pop(uid, None)
        for child in [child for child in self.children.values() if child.ike == uid]:
            self.drop_child(child.uid)

    def move_children(self, old: int, new: int) -> None:
        """After an IKE rekey the new IKE SA has the children of the old (RFC 7296 section 2.8)."""
        for child in list(self.children.values()):
            if child.ike == old:
                self.children[child.uid] = replace(child, ike=new)

    def change(self, connection: Connection) -> None:
        """Something else is asked for. What was tried for it counts no more; what is still to be the same goes on."""
        old = {payload: name.generation for payload, name in self.connection.children.items()}
        new = {payload: name.generation for payload, name in connection.children.items()}
        self.connection = connection
        if old != new:
            self.attempts = {
                payload: begun for payload, begun in self.attempts.items() if old[payload] == new.get(payload)
            }
            self.refused, self.failures, self.next_try, self.last_error = False, 0, 0.0, None

    def replace(self, reports: Iterable[Mapping[str, Any]], now: float) -> None:
        """All the SAs there are: others are gone, and no attempt is known to be under way."""
        reports = list(reports)
        children = {child.uid: child for report in reports for child in children_of(report, now) if child.live}
        ikes = [IkeRecord.of(report, now) for report in reports]
        for uid in self.children.keys() - children.keys():
            self.drop_child(uid)
        for uid in self.ikes.keys() - {ike.uid for ike in ikes}:
            self.drop_ike(uid)
        for ike in ikes:
            self.put_ike(ike)
        for child in children.values():
            self.put_child(child)
        self.attempts.clear()
        self.known = True

    # ===== for the contract =====

    @property
    def counters(self) -> Counters:
        return sum((child.counters for child in self.children.values()), self.gone)

    @property
    def status(self) -> TunnelStatus:
        if self.current:
            return TunnelStatus.UP
        if self.attempts or self.stale or any(not ike.live for ike in self.ikes.values()):
            return TunnelStatus.CONNECTING
        return TunnelStatus.ERROR if self.last_error else TunnelStatus.DOWN

    def tunnel_state(self) -> TunnelState:
        tunnel = self.connection.source
        assert isinstance(tunnel, Tunnel)
        return TunnelState(
            id=tunnel.id,
            status=self.status,
            last_error=self.last_error,
            ike=self._ike_state(tunnel),
            children=tuple(self._child_states(self.shown)),
            counters=self.counters,
            applied=tunnel.applied,
        )

    def responder_state(self) -> ResponderState:
        responder = self.connection.source
        assert isinstance(responder, Responder)
        return ResponderState(responder.id, True, self.last_error, tuple(self._session_states(responder)))

    def _is_current(self, child: ChildRecord) -> bool:
        wanted = self.connection.children.get(child.name.payload)
        return wanted is not None and wanted.generation == child.name.generation

    def _ike_state(self, tunnel: Tunnel) -> IkeSaState | None:
        uids = [child.ike for child in self.current] or [uid for uid, ike in self.ikes.items() if ike.live]
        record = self.ikes.get(uids[-1]) if uids else None
        return record.state_of(tunnel.ike) if record and tunnel.ike else None

    def _session_states(self, responder: Responder) -> Iterator[SessionState]:
        for uid, ike in self.ikes.items():
            if ike.live:
                children = [child for child in self.live if child.ike == uid]
                state = ike.state_of(responder.ike)
                yield SessionState(ike.remote, state, tuple(self._child_states(children)))

    def _child_states(self, children: list[ChildRecord]) -> Iterator[ChildSaState]:
        payloads = {child.name: child.proposals for child in self.connection.source.children}
        return (child.state_of(payloads.get(child.name.payload, ())) for child in children)


def _greater(known: Counters, reported: Counters) -> Counters:
    """A report from before the last one must not turn a counter back."""
    return Counters(
        max(known.packets_in, reported.packets_in),
        max(known.bytes_in, reported.bytes_in),
        max(known.packets_out, reported.packets_out),
        max(known.bytes_out, reported.bytes_out),
    )
