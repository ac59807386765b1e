"""How an SA's DSCP travels from the kernel's IPsec to nftables: as bits of the packet mark. Pure.

The outer packet of an SA carries ``0x40 | dscp`` in seven bits of the mark, so that "no DSCP" (0) and "DSCP 0" (0x40)
differ; the other 25 bits belong to others and are not touched. Where in the mark the seven bits are is a setting. The
same value goes into the ``output-mark`` of a kernel state and into ``set_mark_out`` of strongSwan.

Where VRF devices are named, the eight bits above say which of them a packet is in: the kernel tells states and policies
of equal addresses apart by the mark of the packet, and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Marks"]

PRESENT = 0x40
BITS = 0x7F
WIDTH = 7
VRF_BITS = 0xFF


@dataclass(frozen=True, slots=True)
class Marks:
    """``shift`` is the position of the lowest of the seven bits, 0..25."""

    shift: int = 0

    @property
    def mask(self) -> int:
        return BITS << self.shift

    def value(self, dscp: int | None) -> int:
        """The mark of a DSCP 0..63; 0 for none."""
        return 0 if dscp is None else (PRESENT | dscp) << self.shift

    def dscp(self, mark: int) -> int | None:
        """The DSCP that a mark carries, whatever its other bits are."""
        bits = (mark & self.mask) >> self.shift
        return bits & ~PRESENT if bits & PRESENT else None

    @property
    def vrf_mask(self) -> int:
        return VRF_BITS << self.shift + WIDTH

    def vrf(self, number: int) -> int:
        """The mark of packets in VRF 1..255 of a namespace; 0 is its main routing table."""
        return number << self.shift + WIDTH

    def text(self, dscp: int | None) -> str:
        """``value/mask`` as strongSwan and iproute2 write it: ``0x68/0x7f``."""
        return f"{self.value(dscp):#x}/{self.mask:#x}"
