"""Captured frames, read by hand: Ethernet, 802.1Q, MPLS, IPv4 and IPv6. An independent witness: no code of ours."""

from __future__ import annotations

import struct
from dataclasses import dataclass

VLAN, MPLS, IPV4, IPV6 = 0x8100, 0x8847, 0x0800, 0x86DD


@dataclass(frozen=True, slots=True)
class Frame:
    """What a test looks at. ``pcp``, ``dei``, ``label``, ``traffic_class`` are ``None`` without such a header.
    ``packet`` begins with the IP header."""

    protocol: int
    tos: int
    packet: bytes
    pcp: int | None = None
    dei: int | None = None
    vlan: int | None = None
    label: int | None = None
    traffic_class: int | None = None

    @property
    def dont_fragment(self) -> bool:
        return bool(self.packet[6] & 0x40)


def parse(data: bytes) -> Frame | None:
    """``None`` for anything but IP."""
    tags: dict[str, int] = {}
    (kind,), at = struct.unpack_from("!H", data, 12), 14
    if kind == VLAN:
        tag, kind = struct.unpack_from("!HH", data, at)
        tags |= {"pcp": tag >> 13, "dei": tag >> 12 & 1, "vlan": tag & 0xFFF}
        at += 4
    if kind == MPLS:
        (entry,) = struct.unpack_from("!I", data, at)
        tags |= {"label": entry >> 12, "traffic_class": entry >> 9 & 7}
        at += 4
        kind = IPV4 if data[at] >> 4 == 4 else IPV6
    packet = data[at:]
    if kind == IPV4:
        return Frame(packet[9], packet[1], packet, **tags)
    if kind == IPV6:
        return Frame(packet[6], packet[0] << 4 & 0xF0 | packet[1] >> 4, packet, **tags)
    return None
