"""The normative marking decision, from an inner ToS byte to the bits on the wire. Pure functions, no state.

A ToS byte (IPv4 type of service, IPv6 traffic class) is DSCP << 2 | ECN (RFC 2474, RFC 3168). The DSCP part:
application DSCP if non-zero, else the SA's DSCP if present, else 0. The ECN part is apart (RFC 6040), so an
ECN-capable packet with DSCP 0 still takes the SA's value. The inner header is never changed by marking.

Then DSCP -> cos (global map) -> (cos, color) in the L2 table of the egress VRF, else of the context, else
system-default -> 802.1p nibble (PCP << 1 | DEI) and MPLS TC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cryptomap_backend.intent import L2Marking, L2Table

__all__ = [
    "SYSTEM_DEFAULT",
    "DscpDecision",
    "DscpSource",
    "L2Decision",
    "TableLevel",
    "decapsulated_tos",
    "decide_dscp",
    "decide_l2",
    "l2_table",
]

SYSTEM_DEFAULT = "system-default"

NOT_ECT, ECT1, ECT0, CE = 0b00, 0b01, 0b10, 0b11


class DscpSource(StrEnum):
    """Whose DSCP the outer header carries."""

    APPLICATION = "application"
    CRYPTO_MAP = "crypto-map"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class DscpDecision:
    """The outer DSCP 0..63, ECN 0..3, and whose DSCP it is."""

    dscp: int
    ecn: int
    source: DscpSource

    @property
    def tos(self) -> int:
        """The whole outer byte."""
        return self.dscp << 2 | self.ecn


def decide_dscp(inner_tos: int, sa_dscp: int | None) -> DscpDecision:
    """The outer marking of a packet encapsulated in tunnel mode.

    ECN is copied, which is the normal mode of RFC 6040 section 4.1.
    """
    application, ecn = inner_tos >> 2, inner_tos & 0b11
    if application:
        return DscpDecision(application, ecn, DscpSource.APPLICATION)
    if sa_dscp is not None:
        return DscpDecision(sa_dscp, ecn, DscpSource.CRYPTO_MAP)
    return DscpDecision(0, ecn, DscpSource.NONE)


_ECN_OUT: dict[tuple[int, int], int | None] = {
    (NOT_ECT, NOT_ECT): NOT_ECT,
    (NOT_ECT, ECT0): NOT_ECT,
    (NOT_ECT, ECT1): NOT_ECT,
    (NOT_ECT, CE): None,
    (ECT0, NOT_ECT): ECT0,
    (ECT0, ECT0): ECT0,
    (ECT0, ECT1): ECT1,
    (ECT0, CE): CE,
    (ECT1, NOT_ECT): ECT1,
    (ECT1, ECT0): ECT1,
    (ECT1, ECT1): ECT1,
    (ECT1, CE): CE,
    (CE, NOT_ECT): CE,
    (CE, ECT0): CE,
    (CE, ECT1): CE,
    (CE, CE): CE,
}
"""RFC 6040 figure 4: (inner, outer) -> the ECN of the packet that leaves the tunnel, ``None`` = drop it."""


def decapsulated_tos(inner_tos: int, outer_tos: int) -> int | None:
    """The ToS byte after decapsulation: the inner DSCP with the combined ECN, or ``None`` if the packet must be
    dropped (RFC 6040 section 4.2)."""
    ecn = _ECN_OUT[inner_tos & 0b11, outer_tos & 0b11]
    return None if ecn is None else inner_tos & ~0b11 | ecn


class TableLevel(StrEnum):
    """Which association chose the L2 table."""

    VRF = "vrf"
    CONTEXT = "context"
    SYSTEM_DEFAULT = "system-default"


@dataclass(frozen=True, slots=True)
class L2Decision:
    """The L2 marking of a packet and how it came about. ``dot1p`` is the nibble PCP << 1 | DEI."""

    cos: int
    color: int
    table: str
    level: TableLevel
    dot1p: int
    mpls_tc: int

    @property
    def pcp(self) -> int:
        return self.dot1p >> 1

    @property
    def dei(self) -> int:
        return self.dot1p & 1


def decide_l2(marking: L2Marking, dscp: int, context: str, vrf: str | None = None, color: int = 0) -> L2Decision:
    """The L2 marking of a packet with that outer DSCP leaving from a context and VRF. The DSCP look-up yields no
    colour: 0 unless something else marked the packet."""
    cos = marking.dscp_to_cos[dscp]
    name, level, table = l2_table(marking, context, vrf)
    dot1p, mpls_tc = table.cell(cos, color)
    return L2Decision(cos, color, name, level, dot1p, mpls_tc)


def l2_table(marking: L2Marking, context: str, vrf: str | None) -> tuple[str, TableLevel, L2Table]:
    """The L2 table that counts for packets leaving from a context and VRF: its name, who chose it, itself."""
    if vrf is not None and (context, vrf) in marking.vrfs:
        name, level = marking.vrfs[context, vrf], TableLevel.VRF
    elif context in marking.contexts:
        name, level = marking.contexts[context], TableLevel.CONTEXT
    else:
        name, level = None, TableLevel.SYSTEM_DEFAULT
    if name is None:
        return SYSTEM_DEFAULT, level, marking.system_default
    return name, level, marking.tables[name]
