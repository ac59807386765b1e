"""AH (RFC 4302) on real bytes. The ICV covers the whole packet with its mutable fields zeroed, so the outer DSCP and
ECN, which are mutable, may be marked on the way. Headers with IPv4 options or IPv6 extensions are not done."""

from __future__ import annotations

import struct
from hmac import compare_digest

from cryptomap_backend.intent import DfBit, Mode
from cryptomap_backend.simulator import packet as ip
from cryptomap_backend.simulator.esp import DecapsulationFault, Failure, Sa, inner_packet, outer_header
from cryptomap_backend.simulator.primitives import icv

__all__ = ["decapsulate", "encapsulate"]

FIXED = 12


def encapsulate(sa: Sa, inner: bytes, dscp: int | None = None, df_bit: DfBit = DfBit.COPY) -> bytes:
    """The AH packet for ``inner``. Raises Failure, PacketFault."""
    facts = ip.read(inner)
    sequence = sa.next_sequence()
    if sa.mode is Mode.TRANSPORT:
        if facts.offset != _plain_header(facts):
            raise Failure("AH in transport mode does not take packets with options or extension headers")
        payload, next_header = inner[facts.offset :], facts.protocol
        length = _size(sa, facts.version) + len(payload)
        head = ip.with_protocol(inner[: facts.offset], facts, ip.AH, length)
    else:
        payload, next_header = inner, ip.IPV4_IN_IP if facts.version == 4 else ip.IPV6_IN_IP
        length = _size(sa, sa.source.version) + len(payload)
        head = outer_header(sa, facts, length, dscp, df_bit)
    header = _ah_header(sa, head[0] >> 4, next_header, sequence)
    check = _check(sa, head, header, payload)
    return head + header[:FIXED] + check + header[FIXED + len(check) :] + payload


def decapsulate(sa: Sa, outer: bytes) -> bytes:
    """The inner packet. Raises DecapsulationFault, PacketFault."""
    facts = ip.read(outer)
    at, size = facts.offset, _size(sa, facts.version)
    if at != _plain_header(facts) or len(outer) < at + size:
        raise DecapsulationFault("decapsulation_failures", "the AH packet is too short or has other headers before AH")
    head, header, payload = outer[:at], outer[at : at + size], outer[at + size :]
    sequence = int.from_bytes(header[8:12], "big")
    if not sa.window.accepts(sequence):
        raise DecapsulationFault("replay_failures", f"sequence number {sequence} was seen or is too old")
    tail = sa.integrity.icv
    zeroed = header[:FIXED] + bytes(tail) + header[FIXED + tail :]
    if not compare_digest(_check(sa, head, zeroed, payload), header[FIXED : FIXED + tail]):
        raise DecapsulationFault("integrity_failures", "the integrity check value is wrong")
    sa.window.advance(sequence)
    if sa.mode is Mode.TRANSPORT:
        return ip.with_protocol(head, facts, header[0], len(payload)) + payload
    return inner_packet(payload, facts.tos)


def _plain_header(facts: ip.Facts) -> int:
    return 20 if facts.version == 4 else 40


def _size(sa: Sa, version: int) -> int:
    """The header is padded to 4 bytes in IPv4, to 8 in IPv6 (RFC 4302 section 3.3.3.2.1)."""
    size = FIXED + sa.integrity.icv
    return size + (-size % (4 if version == 4 else 8))


def _ah_header(sa: Sa, version: int, next_header: int, sequence: int) -> bytes:
    size = _size(sa, version)
    return struct.pack("!BBHII", next_header, size // 4 - 2, 0, sa.spi, sequence).ljust(size, b"\0")


def _check(sa: Sa, head: bytes, header: bytes, payload: bytes) -> bytes:
    return icv(sa.integrity.name, sa.integrity.icv, sa.auth_key, _immutable(head) + header + payload)


def _immutable(head: bytes) -> bytes:
    """The IP header with its mutable fields zeroed (RFC 4302 section 3.3.3.1): ToS, fragment flags and offset, TTL and
    checksum of IPv4; traffic class, flow label and hop limit of IPv6."""
    if head[0] >> 4 == 4:
        return head[:1] + b"\0" + head[2:6] + b"\0\0\0" + head[9:10] + b"\0\0" + head[12:]
    return b"\x60\0\0\0" + head[4:7] + b"\0" + head[8:]
