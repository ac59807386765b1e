"""ESP (RFC 4303) on real bytes: encapsulate and decapsulate, tunnel and transport mode, IPv4 and IPv6.

A :class:`Sa` is one direction. Marking follows :mod:`cryptomap_backend.marking`; a transport-mode packet keeps its
header and so its ToS. 32-bit sequence numbers only; a number is never used twice (RFC 4303 section 3.3.3).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest

from cryptomap_backend import marking
from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY, Encryption, Integrity
from cryptomap_backend.intent import Address, DfBit, Mode
from cryptomap_backend.simulator import packet as ip
from cryptomap_backend.simulator.primitives import NotAuthentic, decrypt, encrypt, icv

__all__ = ["DecapsulationFault", "Failure", "ReplayWindow", "Sa", "decapsulate", "encapsulate", "outer_header"]

SEQUENCE_MAX = 0xFFFFFFFF
Random = Callable[[int], bytes]
"""n -> n unpredictable bytes."""


class DecapsulationFault(Exception):
    """A packet was dropped; ``counter`` names the counter of :class:`~cryptomap_backend.state.Counters` it goes to."""

    def __init__(self, counter: str, message: str) -> None:
        super().__init__(message)
        self.counter = counter


class Failure(Exception):
    """A packet cannot be sent on this SA; the text says why."""


class ReplayWindow:
    """Which sequence numbers were seen (RFC 4303 section 3.4.3). ``size`` packets back; 0 accepts everything, as for
    manual keys, where a restarted peer begins at 1 again."""

    __slots__ = ("_mask", "_seen", "_size", "_top")

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._mask = (1 << size) - 1
        self._top = 0
        self._seen = 0

    def accepts(self, sequence: int) -> bool:
        """True if the number is new and not older than the window."""
        if not self._size:
            return True
        if sequence == 0:
            return False
        behind = self._top - sequence
        return behind < 0 or (behind < self._size and not self._seen >> behind & 1)

    def advance(self, sequence: int) -> None:
        """Mark an accepted and authentic number as seen."""
        if not self._size:
            return
        behind = self._top - sequence
        if behind >= 0:
            self._seen |= 1 << behind
        else:
            self._seen = (self._seen << min(-behind, self._size) | 1) & self._mask
            self._top = sequence


@dataclass(slots=True)
class Sa:
    """One direction of a child SA: from ``source`` to ``destination`` (the outer addresses). Keys in clear."""

    spi: int
    source: Address
    destination: Address
    cipher_key: bytes
    auth_key: bytes
    encryption: Encryption = ENCRYPTION["aes-cbc-128"]
    integrity: Integrity = INTEGRITY["sha1-96"]
    protocol: int = ip.ESP
    mode: Mode = Mode.TUNNEL
    sequence: int = 0
    window: ReplayWindow = field(default_factory=ReplayWindow)

    def next_sequence(self) -> int:
        """The next number to send. Raises Failure when all are used: the SA must be rekeyed."""
        if self.sequence >= SEQUENCE_MAX:
            raise Failure(f"SA {self.spi:#010x} has used all sequence numbers: rekey it")
        self.sequence += 1
        return self.sequence


def encapsulate(sa: Sa, inner: bytes, random: Random, dscp: int | None = None, df_bit: DfBit = DfBit.COPY) -> bytes:
    """The ESP packet for ``inner``; ``dscp`` is the SA's applied DSCP. Raises Failure, PacketFault."""
    facts = ip.read(inner)
    if sa.mode is Mode.TRANSPORT:
        head, payload, next_header = inner[: facts.offset], inner[facts.offset :], facts.protocol
        body = _seal(sa, payload, next_header, random)
        return ip.with_protocol(head, facts, ip.ESP, len(body)) + body
    body = _seal(sa, inner, ip.IPV4_IN_IP if facts.version == 4 else ip.IPV6_IN_IP, random)
    return outer_header(sa, facts, len(body), dscp, df_bit) + body


def decapsulate(sa: Sa, outer: bytes) -> bytes:
    """The inner packet, with the ECN of RFC 6040 in tunnel mode. Raises DecapsulationFault, PacketFault."""
    facts = ip.read(outer)
    plain, next_header = _open(sa, outer[facts.offset :])
    if sa.mode is Mode.TRANSPORT:
        return ip.with_protocol(outer[: facts.offset], facts, next_header, len(plain)) + plain
    return inner_packet(plain, facts.tos)


def outer_header(sa: Sa, inner: ip.Facts, length: int, dscp: int | None, df_bit: DfBit) -> bytes:
    """The tunnel-mode outer header over ``length`` bytes: marking, don't-fragment bit, identification."""
    df = inner.dont_fragment if df_bit is DfBit.COPY else df_bit is DfBit.SET
    tos = marking.decide_dscp(inner.tos, dscp).tos
    return ip.build_header(sa.source, sa.destination, sa.protocol, length, tos, df=df, ident=sa.sequence)


def inner_packet(packet: bytes, outer_tos: int) -> bytes:
    """What leaves the tunnel: the inner packet with the combined ECN. Raises DecapsulationFault."""
    try:
        facts = ip.read(packet)
    except ip.PacketFault as fault:
        raise DecapsulationFault("decapsulation_failures", f"what the SA carried is no packet: {fault}") from fault
    tos = marking.decapsulated_tos(facts.tos, outer_tos)
    if tos is None:
        raise DecapsulationFault("decapsulation_failures", "congestion was signalled on a packet that cannot carry it")
    return packet if tos == facts.tos else ip.with_tos(packet, tos)


def _seal(sa: Sa, payload: bytes, next_header: int, random: Random) -> bytes:
    sequence = sa.next_sequence()
    cipher = sa.encryption
    header = struct.pack("!II", sa.spi, sequence)
    # GCM wants a nonce that never repeats, CBC one that cannot be foreseen (RFC 4106 section 3.1, RFC 3602 section 3).
    iv = sequence.to_bytes(8, "big") if cipher.aead else random(cipher.iv)
    pad = -(len(payload) + 2) % max(cipher.block, 4)
    plain = payload + bytes(range(1, pad + 1)) + bytes((pad, next_header))
    body = header + iv + encrypt(cipher, sa.cipher_key, iv, header, plain)
    return body + icv(sa.integrity.name, sa.integrity.icv, sa.auth_key, body)


def _open(sa: Sa, body: bytes) -> tuple[bytes, int]:
    cipher, tail = sa.encryption, sa.integrity.icv
    if len(body) < 8 + cipher.iv + tail + cipher.icv + 2:
        raise DecapsulationFault("decapsulation_failures", "the ESP packet is too short")
    sequence = int.from_bytes(body[4:8], "big")
    if not sa.window.accepts(sequence):
        raise DecapsulationFault("replay_failures", f"sequence number {sequence} was seen or is too old")
    plain = _authentic(sa, body)
    sa.window.advance(sequence)
    pad, next_header = plain[-2], plain[-1]
    if pad + 2 > len(plain):
        raise DecapsulationFault("decapsulation_failures", "the ESP padding is longer than the packet")
    return plain[: len(plain) - pad - 2], next_header


def _authentic(sa: Sa, body: bytes) -> bytes:
    cipher, tail = sa.encryption, sa.integrity.icv
    text, check = (body[:-tail], body[-tail:]) if tail else (body, b"")
    if not compare_digest(icv(sa.integrity.name, tail, sa.auth_key, text), check):
        raise DecapsulationFault("integrity_failures", "the integrity check value is wrong")
    header, iv, ciphertext = text[:8], text[8 : 8 + cipher.iv], text[8 + cipher.iv :]
    if not cipher.aead and len(ciphertext) % cipher.block:
        raise DecapsulationFault("decapsulation_failures", "the ciphertext is not in whole blocks")
    try:
        return decrypt(cipher, sa.cipher_key, iv, header, ciphertext)
    except NotAuthentic as fault:
        raise DecapsulationFault("integrity_failures", "the AEAD tag is wrong") from fault
