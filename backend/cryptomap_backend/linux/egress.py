"""What shows packet priorities on the wire of a network device: PCP by a VLAN device, MPLS TC by tc. Pure.

The packet's priority is ``major << 16 | cos``, a tc handle with a major number of our own. Entries of others in a
device's egress map, which are of other priorities, thereby stay out of our way and we out of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptomap_backend.intent import L2Table

__all__ = ["COS", "FILTER_PREFERENCE", "Egress", "Marked", "priority"]

COS = range(8)
FILTER_PREFERENCE = 0xC0D0
"""Preference of our first tc filter on a device; the others follow. All filters from here to +15 are ours."""


def priority(major: int, cos: int) -> int:
    """The packet priority (tc class id) of an internal priority 0..7."""
    return major << 16 | cos


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
    def seen(cls, major: int, vlan: Iterable[Mapping[str, int]], filters: Mapping[int, tuple[int, int]]) -> Marked:
        """From ``egress_qos`` of ``ip -j -d link`` and {cos: (label, TC)} of our tc filters."""
        pcps = {entry["from"] & 0xFFFF: entry["to"] for entry in vlan if entry["from"] >> 16 == major}
        labels = {label for label, _ in filters.values()}
        return cls(
            tuple([pcps.get(cos, 0) for cos in COS]),
            tuple([filters[cos][1] for cos in COS if cos in filters]),
            labels.pop() if len(labels) == 1 else None,
        )
