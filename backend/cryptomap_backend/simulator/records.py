"""What the simulated gateway remembers: SAs, tunnels and sessions.

Records are frozen and replaced, so that a change can be staged beside the world and dropped without a trace. Only
counters and cipher states (:class:`Traffic`, ``ChildSa.sas``) are shared between the versions of a record: they belong
to the SA, not to a version.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from zlib import crc32

from cryptomap_backend.intent import Address, Child, EspProposal, IkeProposal, Responder, Tunnel
from cryptomap_backend.simulator.esp import Sa
from cryptomap_backend.state import (
    ChildSaState,
    Counters,
    IkeSaState,
    ResponderState,
    Role,
    SessionState,
    TunnelState,
    TunnelStatus,
)

__all__ = ["ChildSa", "IkeSa", "ResponderRecord", "Session", "Traffic", "TunnelRecord"]

MANAGERS = 64


@dataclass(slots=True, eq=False)
class Traffic:
    """Counters that count."""

    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    replay_failures: int = 0
    integrity_failures: int = 0
    decapsulation_failures: int = 0
    dropped_out: int = 0

    def snapshot(self) -> Counters:
        return Counters(*(getattr(self, name) for name in _COUNTERS))

    def count(self, counter: str, amount: int = 1) -> None:
        setattr(self, counter, getattr(self, counter) + amount)


_COUNTERS = tuple(field.name for field in fields(Counters))


@dataclass(frozen=True, slots=True, eq=False)
class IkeSa:
    """An established IKE SA; ``next_rekey`` is ``None`` where the policy does not rekey."""

    initiator_spi: int
    responder_spi: int
    role: Role
    local: Address
    remote: Address
    proposal: IkeProposal
    established: float
    next_rekey: float | None

    @property
    def expires(self) -> float:
        return self.established + self.proposal.lifetime

    def state(self) -> IkeSaState:
        return IkeSaState(
            initiator_spi=self.initiator_spi,
            responder_spi=self.responder_spi,
            role=self.role,
            local=self.local,
            remote=self.remote,
            transform_set=self.proposal.name,
            encryption=self.proposal.encryption,
            integrity=self.proposal.integrity,
            prf=self.proposal.prf,
            dh_group=self.proposal.dh_group,
            established=self.established,
            next_rekey=self.next_rekey,
        )


@dataclass(frozen=True, slots=True, eq=False)
class ChildSa:
    """A pair of SAs made by one payload's policy. ``sas`` holds the cipher states, made when the first packet comes;
    the key is "out", "in", or for the simulated peer's own end "peer-out", "peer-in"."""

    child: Child
    proposal: EspProposal
    spi_in: int
    spi_out: int
    dscp: int | None
    established: float
    next_rekey: float | None = None
    traffic: Traffic = field(default_factory=Traffic)
    sas: dict[str, Sa] = field(default_factory=dict)

    @property
    def expires(self) -> float | None:
        return None if self.child.lifetime is None else self.established + self.child.lifetime

    @property
    def used(self) -> bool:
        return bool(self.traffic.packets_in or self.traffic.packets_out)

    def state(self) -> ChildSaState:
        return ChildSaState(
            name=self.child.name,
            spi_in=self.spi_in,
            spi_out=self.spi_out,
            protocol=self.proposal.protocol,
            mode=self.proposal.mode,
            transform_set=self.proposal.name,
            encryption=self.proposal.encryption,
            integrity=self.proposal.integrity,
            dh_group=self.proposal.dh_group,
            applied_dscp=self.dscp,
            established=self.established,
            counters=self.traffic.snapshot(),
            next_rekey=self.next_rekey,
            esn=self.proposal.esn,
        )


@dataclass(frozen=True, slots=True, eq=False)
class TunnelRecord:
    """A tunnel as the gateway holds it. ``remote`` is the peer in use: the configured one, or whoever dialled in.

    ``retiring`` are SAs a rekey has replaced: they still receive what was on its way, until the time given.
    ``deadline`` is when the status ends by itself: CONNECTING in giving up, ERROR in another try, UP in finding the
    peer dead.
    """

    tunnel: Tunnel
    status: TunnelStatus = TunnelStatus.DOWN
    last_error: str | None = None
    remote: Address | None = None
    ike: IkeSa | None = None
    children: tuple[ChildSa, ...] = ()
    retiring: tuple[tuple[ChildSa, float], ...] = ()
    traffic: Traffic = field(default_factory=Traffic)
    deadline: float | None = None

    @property
    def is_up(self) -> bool:
        return self.status is TunnelStatus.UP

    @property
    def next_due(self) -> float | None:
        """When something happens to it without anybody asking, ``None`` if never."""
        times = [self.deadline, *(until for _, until in self.retiring)]
        for sa in (*self.children, *((self.ike,) if self.ike else ())):
            times += [sa.next_rekey, sa.expires]
        return min((time for time in times if time is not None), default=None)

    @property
    def receiving(self) -> tuple[ChildSa, ...]:
        """The child SAs that still take packets."""
        return (*self.children, *(sa for sa, _ in self.retiring))

    def without_sas(
        self, status: TunnelStatus, error: str | None = None, deadline: float | None = None
    ) -> TunnelRecord:
        return replace(self, status=status, last_error=error, ike=None, children=(), retiring=(), deadline=deadline)

    def state(self) -> TunnelState:
        return TunnelState(
            id=self.tunnel.id,
            status=self.status,
            last_error=self.last_error,
            ike=self.ike.state() if self.ike else None,
            children=tuple([child.state() for child in self.children]),
            counters=self.traffic.snapshot(),
            applied=self.tunnel.applied,
            manager=crc32(str(self.tunnel.id).encode()) % MANAGERS + 1,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One peer of a responder."""

    remote: Address
    ike: IkeSa
    children: tuple[ChildSa, ...]

    def state(self) -> SessionState:
        return SessionState(self.remote, self.ike.state(), tuple([child.state() for child in self.children]))


@dataclass(frozen=True, slots=True, eq=False)
class ResponderRecord:
    responder: Responder
    sessions: tuple[Session, ...] = ()

    def state(self) -> ResponderState:
        return ResponderState(self.responder.id, True, None, tuple([session.state() for session in self.sessions]))
