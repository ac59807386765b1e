"""What a backend says about the world: SAs, counters, events, health, drift. Neutral and frozen like the intent.

Times are seconds since the epoch (float, UTC). Addresses, algorithms and transform sets are named as in the intent.
Texts (``last_error``, ``reason``) are sentences for an operator; none ever holds a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cryptomap_backend.intent import Address, Applied, L2Marking, Mode, ResponderId, TunnelId

__all__ = [
    "ChildSaState",
    "Counters",
    "Drift",
    "Event",
    "EventKind",
    "Health",
    "IkeSaState",
    "Observation",
    "Platform",
    "ResponderState",
    "Role",
    "SessionState",
    "TunnelState",
    "TunnelStatus",
]


class TunnelStatus(StrEnum):
    """UNBOUND is for a map without an interface: a backend never reports it, because it never hears of such a map."""

    UNBOUND = "unbound"
    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"
    ERROR = "error"


class Role(StrEnum):
    INITIATOR = "initiator"
    RESPONDER = "responder"


@dataclass(frozen=True, slots=True)
class Counters:
    """Traffic of one SA pair or of a tunnel since its bind. Bytes are those of the inner packets (RFC 9061).

    Of a tunnel they never go backwards: rekey and re-establishment add to them.
    """

    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    replay_failures: int = 0
    integrity_failures: int = 0
    decapsulation_failures: int = 0
    dropped_out: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            self.packets_in + other.packets_in,
            self.bytes_in + other.bytes_in,
            self.packets_out + other.packets_out,
            self.bytes_out + other.bytes_out,
            self.replay_failures + other.replay_failures,
            self.integrity_failures + other.integrity_failures,
            self.decapsulation_failures + other.decapsulation_failures,
            self.dropped_out + other.dropped_out,
        )


@dataclass(frozen=True, slots=True)
class IkeSaState:
    """An established IKE SA (RFC 7296). SPIs are 64-bit integers."""

    initiator_spi: int
    responder_spi: int
    role: Role
    local: Address
    remote: Address
    transform_set: str
    encryption: str
    integrity: str
    prf: str
    dh_group: int
    established: float
    next_rekey: float | None = None
    nat_local: bool = False
    nat_remote: bool = False


@dataclass(frozen=True, slots=True)
class ChildSaState:
    """A pair of SAs. ``spi_in`` is ours, ``spi_out`` the peer's choice; ``applied_dscp`` is what the SA marks with."""

    name: str
    spi_in: int
    spi_out: int
    protocol: str
    mode: Mode
    transform_set: str
    encryption: str
    integrity: str
    dh_group: int | None
    applied_dscp: int | None
    established: float
    counters: Counters = Counters()
    next_rekey: float | None = None
    esn: bool = False


@dataclass(frozen=True, slots=True)
class TunnelState:
    """The state of one tunnel. ``applied`` is what the backend has programmed, to be compared with the intent's."""

    id: TunnelId
    status: TunnelStatus
    last_error: str | None = None
    ike: IkeSaState | None = None
    children: tuple[ChildSaState, ...] = ()
    counters: Counters = Counters()
    applied: Applied = ()
    manager: int | None = None


@dataclass(frozen=True, slots=True)
class SessionState:
    """One peer of a responder."""

    remote: Address
    ike: IkeSaState
    children: tuple[ChildSaState, ...]


@dataclass(frozen=True, slots=True)
class ResponderState:
    """``listening`` is False while the backend cannot answer for it; ``last_error`` then says why."""

    id: ResponderId
    listening: bool
    last_error: str | None = None
    sessions: tuple[SessionState, ...] = ()


@dataclass(frozen=True, slots=True)
class Platform:
    """Facts the algorithm tables depend on; ``None`` where the backend does not know.

    ``role`` is "user-plane" or "control-plane"; ``type`` is "asr5500", "vpc-di", "vpc-si" or "generic".
    """

    role: str | None = None
    type: str | None = None
    vpp: bool | None = None
    crypto_hardware: bool | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """A snapshot at ``time``. ``complete`` is False if parts could not be read in time; what is there is then true.

    ``l2`` is ``None`` unless the whole was asked for.
    """

    time: float
    tunnels: Mapping[TunnelId, TunnelState] = field(default_factory=dict)
    responders: Mapping[ResponderId, ResponderState] = field(default_factory=dict)
    l2: L2Marking | None = None
    complete: bool = True


class EventKind(StrEnum):
    TUNNEL_UP = "tunnel-up"
    TUNNEL_DOWN = "tunnel-down"
    TUNNEL_ERROR = "tunnel-error"
    CHILD_REKEYED = "child-rekeyed"
    IKE_REKEYED = "ike-rekeyed"
    REAPPLY_NEEDED = "reapply-needed"
    REAPPLIED = "reapplied"
    SESSION_UP = "session-up"
    SESSION_DOWN = "session-down"
    BACKEND_LOST = "backend-lost"
    BACKEND_BACK = "backend-back"
    EVENTS_LOST = "events-lost"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at ``time``; ``reason`` says why in operator's words.

    BACKEND_LOST, BACKEND_BACK and EVENTS_LOST name no tunnel; after the latter two a full observe() is due.
    """

    kind: EventKind
    time: float
    tunnel: TunnelId | None = None
    responder: ResponderId | None = None
    reason: str = ""
    local: Address | None = None
    remote: Address | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """``versions`` maps a part (daemon, kernel, plugin) to its version. ``in_sync`` is False while an outcome is
    unknown, that is until the next successful reconcile."""

    connected: bool
    versions: Mapping[str, str] = field(default_factory=dict)
    last_error: str | None = None
    in_sync: bool = True


@dataclass(frozen=True, slots=True)
class Drift:
    """How the world differed from the intent before a reconcile mended it."""

    missing: tuple[TunnelId, ...] = ()
    unexpected: tuple[TunnelId, ...] = ()
    different: tuple[TunnelId, ...] = ()
    responders: tuple[ResponderId, ...] = ()
    l2: bool = False

    @property
    def is_empty(self) -> bool:
        return self == Drift()
