"""What a backend is asked to do: the neutral, frozen form of a committed IPsec configuration.

No XML, no YANG, no StarOS here. Only complete objects reach a backend: a crypto map that lacks its ACL rule, peer or
proposals is not part of the intent. Algorithm names are the keywords of :mod:`cryptomap_backend.algorithms`; times are
seconds unless a name says otherwise; a DSCP is 0..63 and ``None`` means unset, which differs from 0 in everything but
the wire.

Two DSCPs of a tunnel. ``EspProposal.dscp`` is what the configuration says now. ``Tunnel.applied`` is what the crypto
map had when it was last put on its interface (bound, or re-applied): the only value a backend ever writes into an SA.
A commit that changes the former leaves the latter alone, and the two differing is what "re-apply pending" means. Hence
rekey, reconnect and restart keep the applied value by construction, and ``reapply`` is an ordinary change of intent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hmac import compare_digest
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple, TypeAlias

from immutables import Map

__all__ = [
    "NO_PREFERENCE",
    "SEQUENCE_LIFETIME",
    "Address",
    "AddressRange",
    "Applied",
    "Authentication",
    "Child",
    "DeadPeerDetection",
    "DfBit",
    "DscpToCos",
    "EspProposal",
    "Ike",
    "IkeProposal",
    "Initiate",
    "Intent",
    "L2Marking",
    "L2Table",
    "ManualKeys",
    "ManualSa",
    "Mode",
    "PortRange",
    "Prefix",
    "Responder",
    "ResponderId",
    "Secret",
    "Selector",
    "Tunnel",
    "TunnelId",
    "TunnelKind",
    "bound",
    "carried",
    "configured",
]

Address: TypeAlias = IPv4Address | IPv6Address
Prefix: TypeAlias = IPv4Network | IPv6Network
PortRange: TypeAlias = tuple[int, int]
"""Both ends included."""

AddressRange: TypeAlias = tuple[Address, Address]
"""Both ends included, of one family."""

SEQUENCE_LIFETIME = 4293918720
"""The sequence number at which an SA ends unless told otherwise: 2^20 packets before a 32-bit counter wraps."""

NO_PREFERENCE = 1 << 32
"""The preference of maps without one begins here: after all that have one, in the order of binding."""

Applied: TypeAlias = tuple[tuple[str, int | None], ...]
"""(transform set name, its DSCP at the last bind or re-apply), one pair per set the map listed then."""


class TunnelId(NamedTuple):
    """One crypto map on one interface."""

    context: str
    crypto_map: str
    interface: str

    def __str__(self) -> str:
        return f"{self.context}/{self.crypto_map}@{self.interface}"


class ResponderId(NamedTuple):
    """One service that answers by a crypto template."""

    context: str
    service: str

    def __str__(self) -> str:
        return f"{self.context}/{self.service}"


class TunnelKind(StrEnum):
    IKEV2 = "ikev2"
    MANUAL = "manual"
    DYNAMIC = "dynamic"


class Initiate(StrEnum):
    """When a bound tunnel is negotiated: at the first packet that matches its selector, or at once."""

    TRAFFIC = "traffic"
    BIND = "bind"


class Mode(StrEnum):
    TUNNEL = "tunnel"
    TRANSPORT = "transport"


class DfBit(StrEnum):
    """The don't-fragment bit of an IPv4 outer header (RFC 4301 section 8.1)."""

    COPY = "copy"
    SET = "set"
    CLEAR = "clear"


class Secret:
    """A handle on a key: prints redacted, compares by a keyed fingerprint, gives the bytes only to :meth:`reveal`."""

    __slots__ = ("_fingerprint", "_reveal")

    def __init__(self, fingerprint: str, reveal: Callable[[], bytes]) -> None:
        self._fingerprint = fingerprint
        self._reveal = reveal

    @property
    def fingerprint(self) -> str:
        """What tells keys apart, and tells nothing about them."""
        return self._fingerprint

    def reveal(self) -> bytes:
        """The clear key. Only for the moment it is handed to what computes with it; never store or print it."""
        return self._reveal()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self.fingerprint.encode(), other.fingerprint.encode())

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return "Secret(redacted)"


@dataclass(frozen=True, slots=True)
class Selector:
    """The single rule of a crypto ACL: source is our side, destination the peer's (RFC 7296 section 2.9: TSi, TSr).

    ``protocol`` is the IP protocol number, ``None`` for any. Empty port tuples mean any port.
    """

    source: Prefix
    destination: Prefix
    protocol: int | None = None
    source_ports: tuple[PortRange, ...] = ()
    destination_ports: tuple[PortRange, ...] = ()
    action: str = "permit"


@dataclass(frozen=True, slots=True)
class IkeProposal:
    """One ikev2-ikesa transform set; preference is the position in ``Ike.proposals``. Lifetime in seconds."""

    name: str
    encryption: str = "aes-cbc-128"
    integrity: str = "sha1-96"
    prf: str = "sha1"
    dh_group: int = 2
    lifetime: int = 86400


@dataclass(frozen=True, slots=True)
class EspProposal:
    """One ipsec transform set; preference is the position in ``Child.proposals``.

    For ``protocol`` "ah" the encryption is "null". ``dh_group`` is the PFS group, ``None`` for none. ``integrity`` is
    the effective one: "null" with an AEAD cipher.
    """

    name: str
    protocol: str = "esp"
    encryption: str = "aes-cbc-128"
    integrity: str = "sha1-96"
    dh_group: int | None = None
    mode: Mode = Mode.TUNNEL
    esn: bool = False
    dscp: int | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """One payload: the child SA policy of a map or template. ``lifetime`` in seconds, ``None`` = never expires;
    ``lifetime_kilobytes`` in units of 1024 bytes, ``None`` = no limit. ``tsi`` and ``tsr`` are addresses that the
    traffic selectors of a template's initiators and of the template itself keep within, ``None`` for any.
    """

    name: str
    proposals: tuple[EspProposal, ...]
    family: int = 4
    lifetime: int | None = 86400
    rekey: bool = False
    rekey_keepalive: bool = False
    ignore_rekey: bool = False
    max_child_sa: int = 1
    mtu: int = 1438
    lifetime_kilobytes: int | None = None
    lifetime_sequence: int = SEQUENCE_LIFETIME
    tsi: AddressRange | None = None
    tsr: AddressRange | None = None


@dataclass(frozen=True, slots=True)
class Authentication:
    """How one side proves itself: ``method`` is "pre-shared-key", "certificate" or "eap"; identity ``None`` = address.

    ``reference`` names the certificate or EAP profile where the method has one.
    """

    method: str = "pre-shared-key"
    secret: Secret | None = None
    identity: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class DeadPeerDetection:
    """Liveness check (RFC 7296 section 2.4): after ``interval`` s of silence, ``retries`` more ``timeout`` s apart."""

    interval: int = 3600
    timeout: int = 10
    retries: int = 2


@dataclass(frozen=True, slots=True)
class Ike:
    """The IKE SA policy of a map or template. ``dscp`` marks IKE packets only, never ESP."""

    proposals: tuple[IkeProposal, ...]
    local: Authentication = Authentication()
    remote: Authentication = Authentication()
    dscp: int = 0
    allow_empty: bool = False
    max_retransmissions: int = 5
    retransmission_timeout_ms: int = 500
    exponential: bool = False
    setup_timer: int | None = None
    rekey: bool = False
    disallow_param_change: bool = False
    error_notification: bool = False
    rfc5996_notification: bool = False
    dpd: DeadPeerDetection | None = None
    fragmentation: bool = True
    ca_certificates: tuple[str, ...] = ()
    crls: tuple[str, ...] = ()
    max_child_sa: int | None = None


@dataclass(frozen=True, slots=True)
class ManualSa:
    """One direction of a manual map. For AH ``cipher_key`` is ``None``; sizes must fit the proposal's algorithms."""

    spi: int
    protocol: str = "esp"
    cipher_key: Secret | None = None
    auth_key: Secret | None = None


@dataclass(frozen=True, slots=True)
class ManualKeys:
    inbound: ManualSa
    outbound: ManualSa


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A complete crypto map bound to an interface.

    ``family`` (4 or 6), ``local`` and ``remote`` are those of the outer header; ``remote`` and ``selector`` may be
    ``None`` for kind dynamic only. ``ike`` is ``None`` for kind manual only, whose single child has a single proposal.
    ``vrf`` is the egress VRF of the interface. Of two tunnels of a context that select the same packet, the smaller
    ``preference`` wins, then the smaller id.
    """

    id: TunnelId
    kind: TunnelKind
    family: int
    local: Address
    remote: Address | None
    selector: Selector | None
    children: tuple[Child, ...]
    ike: Ike | None = None
    manual: ManualKeys | None = None
    initiate: Initiate = Initiate.TRAFFIC
    df_bit: DfBit = DfBit.COPY
    natt: bool = False
    vrf: str | None = None
    preference: int = 0
    applied: Applied = ()

    @property
    def proposals(self) -> Iterator[EspProposal]:
        return (proposal for child in self.children for proposal in child.proposals)

    @property
    def configured(self) -> Applied:
        """The DSCPs the configuration asks for now, in the shape of ``applied``, each transform set once."""
        return configured(self.children)

    def applied_dscp(self, transform_set: str) -> int | None:
        """What an SA negotiated with that transform set is marked with; a set unknown at the last bind has none."""
        return dict(self.applied).get(transform_set)

    @property
    def reapply_pending(self) -> bool:
        """True if some configured DSCP differs from the one applied at the last bind or re-apply."""
        configured = self.configured
        if self.applied == configured:
            return False
        applied = dict(self.applied)
        return any(applied.get(name) != dscp for name, dscp in configured)


def configured(children: Iterable[Child]) -> Applied:
    """What the configuration asks for now, each transform set once."""
    return tuple({proposal.name: proposal.dscp for child in children for proposal in child.proposals}.items())


def bound(tunnel: Tunnel) -> Tunnel:
    """The tunnel as it is right after a bind or a re-apply: the configured DSCPs are the applied ones."""
    return replace(tunnel, applied=tunnel.configured)


def carried(old: Tunnel, new: Tunnel) -> Tunnel:
    """``new`` as it is after a commit that changed a bound map: what was applied stays applied."""
    return replace(new, applied=old.applied)


@dataclass(frozen=True, slots=True)
class Responder:
    """A service with a crypto template: answers any peer on ``local``. Sessions are born with the applied DSCPs."""

    id: ResponderId
    template: str
    local: Address
    ike: Ike
    children: tuple[Child, ...]
    df_bit: DfBit = DfBit.COPY
    natt: bool = False
    vrf: str | None = None


DscpToCos: TypeAlias = tuple[int, ...]
"""64 internal priorities 0..7, indexed by DSCP."""

Cell: TypeAlias = tuple[int, int]
"""(802.1p nibble = PCP << 1 | DEI, MPLS TC)."""


def _default_cells() -> tuple[Cell, ...]:
    return tuple((2 * cos, cos) for cos in range(8) for _color in range(4))


@dataclass(frozen=True, slots=True)
class L2Table:
    """(cos 0..7, color 0..3) -> (802.1p nibble, MPLS TC): 32 cells, cos-major. Default: 2 * cos, cos."""

    cells: tuple[Cell, ...] = field(default_factory=_default_cells)

    @classmethod
    def of(cls, rows: Mapping[tuple[int, int], tuple[int | None, int | None]]) -> L2Table:
        """From the configured rows only: {(cos, color): (802.1p or None, TC or None)}; the rest keeps the default."""
        cells = list(_default_cells())
        for (cos, color), (dot1p, mpls_tc) in rows.items():
            default = cells[4 * cos + color]
            cells[4 * cos + color] = (
                default[0] if dot1p is None else dot1p,
                default[1] if mpls_tc is None else mpls_tc,
            )
        return cls(tuple(cells))

    def cell(self, cos: int, color: int = 0) -> Cell:
        return self.cells[4 * cos + color]


@dataclass(frozen=True, slots=True)
class L2Marking:
    """The global QoS maps and who uses which: VRF before context before system-default.

    ``contexts`` and ``vrfs`` hold a table name, or ``None`` for an explicit association with system-default, which at
    VRF level overrides the context's table; an absent key means "not associated".
    """

    dscp_to_cos: DscpToCos = (0,) * 64
    system_default: L2Table = field(default_factory=L2Table)
    tables: Mapping[str, L2Table] = field(default_factory=dict)
    contexts: Mapping[str, str | None] = field(default_factory=dict)
    vrfs: Mapping[tuple[str, str], str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intent:
    """Everything committed. ``tunnels`` is a persistent map, so that the next intent costs what changed."""

    tunnels: Map[TunnelId, Tunnel] = field(default_factory=Map)
    responders: Map[ResponderId, Responder] = field(default_factory=Map)
    l2: L2Marking = field(default_factory=L2Marking)

    @classmethod
    def of(
        cls, tunnels: Iterable[Tunnel] = (), responders: Iterable[Responder] = (), l2: L2Marking | None = None
    ) -> Intent:
        return cls(
            Map({tunnel.id: tunnel for tunnel in tunnels}),
            Map({responder.id: responder for responder in responders}),
            l2 or L2Marking(),
        )
