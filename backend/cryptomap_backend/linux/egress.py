"""What shows packet priorities on the wire of a network device: PCP by a VLAN device, MPLS TC by tc. Pure.

The packet's priority is a tc handle with a major number of our own. Entries of others in a device's egress map, which
are of other priorities, thereby stay out of our way and we out of theirs.

What a priority means is told to devices one by one, and which priority a packet gets to nftables. No packet may get its
priority by one map and its PCP by another: hence there are two banks of eight priorities, and a change is written for
the bank that is not in use, which one transaction of nftables then puts to use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptomap_backend.intent import L2Table

__all__ = ["BANKS", "COS", "Egress", "Marked", "Priorities"]

COS = range(8)
BANKS = range(2)
FIRST_FILTER = 0xC0D0
"""Preference of our first tc filter on a device; the others follow. All filters from here to +31 are ours."""


@dataclass(frozen=True, slots=True)
class Priorities:
    """A bank of packet priorities (tc class ids), one for each internal priority 0..7."""

    major: int = 0x4351
    bank: int = 0

    def of(self, cos: int) -> int:
        return self.major << 16 | self._minor(cos)

    def text(self, cos: int) -> str:
        """In hexadecimal digits without a prefix, as tc-htb(8) writes class ids."""
        return f"{self.major:x}:{self._minor(cos):x}"

    def filter_preference(self, cos: int) -> int:
        """Of the tc filter for IPv4 packets of that priority; that for IPv6 is the next one."""
        return FIRST_FILTER + 2 * self._minor(cos)

    def _minor(self, cos: int) -> int:
        return len(COS) * self.bank + cos


@dataclass(frozen=True, slots=True)
class Egress:
    """One network device that marks. ``label`` is the MPLS label its IPsec packets are sent with, if any. ``table``
    names the L2 table by what decides: the context and, where the device belongs to one, the egress VRF."""

    device: str
    context: str
    namespace: str = ""
    vrf: str | None = None
    label: int | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """What a device does with the eight internal priorities, indexed by cos. ``traffic_classes`` is empty on a device
    without an MPLS label, ``pcps`` on one that is no VLAN device."""

    pcps: tuple[int, ...]
    traffic_classes: tuple[int, ...] = ()
    label: int | None = None

    @classmethod
    def by(cls, table: L2Table, label: int | None) -> Marked:
        """What the table asks for, colour 0 (nothing on this backend colours packets)."""
        cells = [table.cell(cos) for cos in COS]
        classes = tuple([mpls_tc for _, mpls_tc in cells]) if label is not None else ()
        return cls(tuple([dot1p >> 1 for dot1p, _ in cells]), classes, label)

    @classmethod
    def seen(
        cls, priorities: Priorities, vlan: Iterable[Mapping[str, int]], filters: Mapping[int, tuple[int, int]]
    ) -> Marked:
        """From ``egress_qos`` of ``ip -j -d link`` and {cos: (label, TC)} of the tc filters of that bank."""
        pcps = {entry["from"]: entry["to"] for entry in vlan}
        labels = {label for label, _ in filters.values()}
        return cls(
            tuple([pcps.get(priorities.of(cos), 0) for cos in COS]),
            tuple([filters[cos][1] for cos in COS if cos in filters]),
            labels.pop() if len(labels) == 1 else None,
        )
