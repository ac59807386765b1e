"""IP headers, as much as encapsulation needs: read the facts of a packet, build and patch headers.

RFC 791 (IPv4) and RFC 8200 (IPv6). A packet is ``bytes`` that begin with the IP header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptomap_backend.intent import Address

__all__ = [
    "AH",
    "ESP",
    "IPV4_IN_IP",
    "IPV6_IN_IP",
    "Facts",
    "PacketFault",
    "build_header",
    "checksum",
    "read",
    "with_protocol",
    "with_tos",
]

ESP, AH = 50, 51
IPV4_IN_IP, IPV6_IN_IP = 4, 41
TCP, UDP, SCTP = 6, 17, 132
EXTENSIONS = frozenset({0, 43, 60})
"""IPv6 headers that stay before ESP and AH in transport mode: hop-by-hop, routing, destination options."""

HOP_LIMIT = 64


class PacketFault(ValueError):
    """The bytes are not an IP packet this code understands."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What selectors and encapsulation ask of a packet. ``offset`` is where the payload of ``protocol`` begins,
    ``protocol_at`` the byte that names it. Ports are ``None`` where the packet has none."""

    version: int
    tos: int
    source: Address
    destination: Address
    protocol: int
    offset: int
    protocol_at: int
    dont_fragment: bool
    source_port: int | None = None
    destination_port: int | None = None


def checksum(header: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def read(packet: bytes) -> Facts:
    """The facts of a packet. Raises PacketFault."""
    version = packet[0] >> 4 if packet else 0
    if version == 4:
        return _read_ipv4(packet)
    if version == 6:
        return _read_ipv6(packet)
    raise PacketFault(f"not an IP packet (version {version})")


def build_header(
    source: Address, destination: Address, protocol: int, length: int, tos: int, *, df: bool = True, ident: int = 0
) -> bytes:
    """An outer header for ``length`` bytes of payload; ``df`` and ``ident`` are for IPv4 only. Raises PacketFault
    if the addresses differ in family or the packet would be too long."""
    if isinstance(source, IPv4Address) and isinstance(destination, IPv4Address):
        if length + 20 > 0xFFFF:
            raise PacketFault(f"an IPv4 packet of {length + 20} bytes is too long")
        fields = (0x45, tos, 20 + length, ident & 0xFFFF, 0x4000 if df else 0, HOP_LIMIT, protocol, 0)
        return _with_checksum(struct.pack("!BBHHHBBH", *fields) + source.packed + destination.packed)
    if isinstance(source, IPv6Address) and isinstance(destination, IPv6Address):
        if length > 0xFFFF:
            raise PacketFault(f"an IPv6 payload of {length} bytes is too long")
        word = 6 << 28 | tos << 20
        return struct.pack("!IHBB", word, length, protocol, HOP_LIMIT) + source.packed + destination.packed
    raise PacketFault(f"{source} and {destination} are not of one address family")


def with_tos(packet: bytes, tos: int) -> bytes:
    """The same packet with another ToS byte or traffic class."""
    if packet[0] >> 4 == 4:
        length = (packet[0] & 0xF) * 4
        return _with_checksum(packet[:1] + bytes((tos,)) + packet[2:length]) + packet[length:]
    word = int.from_bytes(packet[:4], "big") & ~(0xFF << 20) | tos << 20
    return word.to_bytes(4, "big") + packet[4:]


def with_protocol(header: bytes, facts: Facts, protocol: int, length: int) -> bytes:
    """The headers of a packet (all before ``facts.offset``) with another protocol and payload length in bytes."""
    at = facts.protocol_at
    changed = header[:at] + bytes((protocol,)) + header[at + 1 :]
    if facts.version == 4:
        return _with_checksum(changed[:2] + struct.pack("!H", len(header) + length) + changed[4:])
    return changed[:4] + struct.pack("!H", len(header) - 40 + length) + changed[6:]


def _with_checksum(header: bytes) -> bytes:
    zeroed = header[:10] + b"\0\0" + header[12:]
    return zeroed[:10] + struct.pack("!H", checksum(zeroed)) + zeroed[12:]


def _read_ipv4(packet: bytes) -> Facts:
    header = (packet[0] & 0xF) * 4
    if header < 20 or len(packet) < header:
        raise PacketFault("a truncated IPv4 header")
    if int.from_bytes(packet[2:4], "big") != len(packet):
        raise PacketFault("the IPv4 total length is not that of the packet")
    fragment = int.from_bytes(packet[6:8], "big")
    ports = _ports(packet[9], packet[header:]) if not fragment & 0x1FFF else (None, None)
    source, destination = ip_address(packet[12:16]), ip_address(packet[16:20])
    return Facts(4, packet[1], source, destination, packet[9], header, 9, bool(fragment & 0x4000), *ports)


def _read_ipv6(packet: bytes) -> Facts:
    if len(packet) < 40 or int.from_bytes(packet[4:6], "big") != len(packet) - 40:
        raise PacketFault("a truncated IPv6 packet, or its payload length is wrong")
    protocol, at, offset = packet[6], 6, 40
    while protocol in EXTENSIONS:
        if len(packet) < offset + 8:
            raise PacketFault("a truncated IPv6 extension header")
        protocol, at, offset = packet[offset], offset, offset + 8 * (packet[offset + 1] + 1)
    if offset > len(packet):
        raise PacketFault("an IPv6 extension header is longer than the packet")
    tos = int.from_bytes(packet[:2], "big") >> 4 & 0xFF
    source, destination = ip_address(packet[8:24]), ip_address(packet[24:40])
    # Routers never fragment IPv6, which is what the don't-fragment bit says in IPv4.
    return Facts(6, tos, source, destination, protocol, offset, at, True, *_ports(protocol, packet[offset:]))


def _ports(protocol: int, payload: bytes) -> tuple[int | None, int | None]:
    if protocol not in (TCP, UDP, SCTP) or len(payload) < 4:
        return None, None
    return int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big")
