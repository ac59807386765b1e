"""The kernel's IPsec messages (NETLINK_XFRM), to bytes and back. Pure; layouts as in the kernel's <linux/xfrm.h>.

Two things are said by flags. ``AF_UNSPEC``: a tunnel SA takes inner packets of both families. ``OSEQ_MAY_WRAP``: manual
keys know no replay check, so the sequence number may start over instead of ending the SA (RFC 4303 section 3.3.3).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY
from cryptomap_backend.intent import Address, Mode, Prefix
from cryptomap_backend.linux.netlink import CREATE, EXCLUSIVE, Frame, Message, attribute, attributes
from cryptomap_backend.linux.objects import (
    NO_VRF,
    Add,
    Direction,
    Object,
    Operation,
    Policy,
    PolicyKey,
    Sa,
    SaKey,
    SeenSa,
    Traffic,
    Update,
    VrfMark,
)

__all__ = [
    "DUMP_POLICIES",
    "DUMP_SAS",
    "PROTOCOL",
    "get",
    "inverse",
    "read_policy",
    "read_sa",
    "reqid_of",
    "request",
]

PROTOCOL = 6
NEW_SA, DEL_SA, GET_SA, NEW_POLICY, DEL_POLICY, GET_POLICY, UPD_POLICY, UPD_SA = (
    0x10,
    0x11,
    0x12,
    0x13,
    0x14,
    0x15,
    0x19,
    0x1A,
)
AUTH, CRYPT, TEMPLATES, AUTH_TRUNCATED, MARK, EXTRA_FLAGS, SET_MARK, SET_MARK_MASK = 1, 2, 5, 20, 21, 24, 29, 30
NO_PATH_MTU_DISCOVERY, AF_UNSPEC, ALIGN4 = 4, 32, 64
OSEQ_MAY_WRAP = 2

SELECTOR = struct.Struct("!16s16sHHHH")
SELECTOR_REST = struct.Struct("=HBBB3xiI")
SA_ID = struct.Struct("!16sIB3x")
SA_REST = struct.Struct("=III IIHBBB7x")
LIMITS = struct.pack("=8Q", *[2**64 - 1] * 4, 0, 0, 0, 0)
"""No soft or hard limit by bytes or packets; 0 is no limit by time."""
CURRENT = bytes(32)
SA_SIZE, POLICY_SIZE = 224, 168

NUMBERS = {"esp": socket.IPPROTO_ESP, "ah": socket.IPPROTO_AH}
PROTOCOLS = {number: name for name, number in NUMBERS.items()}
MODES = (Mode.TRANSPORT, Mode.TUNNEL)
DIRECTIONS = tuple(Direction)

CIPHERS = {"null": "ecb(cipher_null)", "des-cbc": "cbc(des)", "3des-cbc": "cbc(des3_ede)"} | {
    f"aes-cbc-{bits}": "cbc(aes)" for bits in (128, 192, 256)
}
HASHES = {
    "md5-96": "hmac(md5)",
    "sha1-96": "hmac(sha1)",
    "aes-xcbc-96": "xcbc(aes)",
    "sha2-256-128": "hmac(sha256)",
    "sha2-384-192": "hmac(sha384)",
    "sha2-512-256": "hmac(sha512)",
}
CIPHER_KEYWORDS = {(name, ENCRYPTION[keyword].key): keyword for keyword, name in CIPHERS.items()}
HASH_KEYWORDS = {(name, INTEGRITY[keyword].icv): keyword for keyword, name in HASHES.items()}

DUMP_SAS = Message(GET_SA, b"")
DUMP_POLICIES = Message(GET_POLICY, b"")


# ===== requests =====


def request(operation: Operation) -> Message:
    """The message that does it."""
    if isinstance(operation, Add):
        kind = NEW_SA if isinstance(operation.item, Sa) else NEW_POLICY
        return Message(kind, body(operation.item), CREATE | EXCLUSIVE)
    if isinstance(operation, Update):
        return Message(UPD_SA if isinstance(operation.item, Sa) else UPD_POLICY, body(operation.item))
    return Message(DEL_SA if isinstance(operation.key, SaKey) else DEL_POLICY, key_body(operation.key))


def get(key: SaKey | PolicyKey) -> Message:
    """The question for one object."""
    return Message(GET_SA if isinstance(key, SaKey) else GET_POLICY, key_body(key))


def inverse(operation: Operation, before: Frame | None) -> Message:
    """The message that undoes it, given the object as the kernel showed it before. Restores even sequence numbers."""
    if isinstance(operation, Add):
        key = operation.item.key
        return Message(DEL_SA if isinstance(key, SaKey) else DEL_POLICY, key_body(key))
    assert before is not None
    if isinstance(operation, Update):
        return Message(UPD_SA if isinstance(operation.item, Sa) else UPD_POLICY, before.body)
    kind = NEW_SA if isinstance(operation.key, SaKey) else NEW_POLICY
    return Message(kind, before.body, CREATE | EXCLUSIVE)


def body(item: Object) -> bytes:
    return _sa_body(item) if isinstance(item, Sa) else _policy_body(item)


def key_body(key: SaKey | PolicyKey) -> bytes:
    if isinstance(key, SaKey):
        fixed = struct.pack("!16sI", _packed(key.destination), key.spi)
        fixed += struct.pack("=HBx", _family(key.destination), NUMBERS[key.protocol])
    else:
        fixed = _selector(key) + struct.pack("=IB3x", 0, DIRECTIONS.index(key.direction))
    return fixed + _mark(key.vrf_mark)


def _mark(mark: VrfMark) -> bytes:
    return attribute(MARK, struct.pack("=II", *mark)) if mark != NO_VRF else b""


def _seen_mark(found: Mapping[int, bytes]) -> VrfMark:
    value, mask = struct.unpack("=II", found.get(MARK, bytes(8)))
    return value, mask


def _sa_body(item: Sa) -> bytes:
    fixed = (
        _any(0 if item.mode is Mode.TUNNEL else _family(item.destination))
        + SA_ID.pack(_packed(item.destination), item.spi, NUMBERS[item.protocol])
        + _packed(item.source)
        + LIMITS
        + CURRENT
        + SA_REST.pack(0, 0, 0, 0, item.reqid, _family(item.destination), MODES.index(item.mode), 0, _flags(item))
    )
    return fixed + b"".join([attribute(kind, value) for kind, value in _sa_attributes(item)]) + _mark(item.vrf_mark)


def _flags(item: Sa) -> int:
    """AH over IPv4 is padded to four bytes only (RFC 4302 section 3.3.3.2.1)."""
    flags = AF_UNSPEC if item.mode is Mode.TUNNEL else 0
    flags |= NO_PATH_MTU_DISCOVERY if item.clear_df else 0
    return flags | (ALIGN4 if item.protocol == "ah" and item.destination.version == 4 else 0)


def _sa_attributes(item: Sa) -> list[tuple[int, bytes]]:
    found = [(EXTRA_FLAGS, struct.pack("=I", OSEQ_MAY_WRAP))]
    if item.protocol == "esp":
        found.append((CRYPT, _algorithm(CIPHERS[item.encryption], item.cipher_key)))
    if item.integrity != "null":
        icv = struct.pack("=I", INTEGRITY[item.integrity].icv * 8)
        header = _algorithm(HASHES[item.integrity], b"", len(item.auth_key))
        found.append((AUTH_TRUNCATED, header + icv + item.auth_key))
    if item.mask:
        found += [(SET_MARK, struct.pack("=I", item.mark)), (SET_MARK_MASK, struct.pack("=I", item.mask))]
    return found


def _algorithm(name: str, key: bytes, size: int | None = None) -> bytes:
    return struct.pack("=64sI", name.encode(), 8 * (len(key) if size is None else size)) + key


def _policy_body(item: Policy) -> bytes:
    fixed = _selector(item.key) + LIMITS + CURRENT
    fixed += struct.pack("=IIBBBB4x", item.priority, 0, DIRECTIONS.index(item.key.direction), 0, 0, 0)
    template = SA_ID.pack(_packed(item.destination), 0, NUMBERS[item.protocol])
    template += struct.pack("=H2x", _family(item.source)) + _packed(item.source)
    template += struct.pack("=IBBBxIII", item.reqid, MODES.index(item.mode), 0, 0, *[2**32 - 1] * 3)
    return fixed + attribute(TEMPLATES, template) + _mark(item.key.vrf_mark)


def _selector(key: PolicyKey) -> bytes:
    addresses = _packed(key.destination.network_address), _packed(key.source.network_address)
    family = _family(key.source.network_address)
    return SELECTOR.pack(*addresses, *key.destination_port, *key.source_port) + SELECTOR_REST.pack(
        family, key.destination.prefixlen, key.source.prefixlen, key.protocol, 0, 0
    )


def _any(family: int) -> bytes:
    return SELECTOR.pack(b"", b"", 0, 0, 0, 0) + SELECTOR_REST.pack(family, 0, 0, 0, 0, 0)


def _packed(address: Address) -> bytes:
    return address.packed.ljust(16, b"\0")


def _family(address: Address) -> int:
    return int(socket.AF_INET if address.version == 4 else socket.AF_INET6)


# ===== answers =====


def reqid_of(frame: Frame) -> int:
    """The request id of an SA or of a policy's only template; 0, which is nobody's, for what cannot be ours."""
    if frame.kind in (NEW_SA, UPD_SA):
        return int(struct.unpack_from("=I", frame.body, 208)[0])
    template = attributes(frame.body[POLICY_SIZE:]).get(TEMPLATES, b"")
    return int(struct.unpack_from("=I", template, 44)[0]) if len(template) == 64 else 0


def read_sa(frame: Frame) -> SeenSa | None:
    """An SA as shown; ``None`` if it has something that no SA of ours has."""
    data = frame.body
    destination, spi, number = SA_ID.unpack_from(data, 56)
    _, replays, failures, _, reqid, family, mode, _, flags = SA_REST.unpack_from(data, 192)
    octets, packets, added = struct.unpack_from("=QQQ", data, 160)
    found = attributes(data[SA_SIZE:])
    algorithms = _algorithms(found)
    if number not in PROTOCOLS or mode >= len(MODES) or algorithms is None:
        return None
    encryption, cipher_key, integrity, auth_key = algorithms
    shown = Sa(
        _unpacked(data[80:96], family),
        _unpacked(destination, family),
        spi,
        PROTOCOLS[number],
        MODES[mode],
        reqid,
        encryption,
        integrity,
        cipher_key,
        auth_key,
        clear_df=bool(flags & NO_PATH_MTU_DISCOVERY),
        vrf_mark=_seen_mark(found),
    )
    mark = int(struct.unpack("=I", found.get(SET_MARK, bytes(4)))[0])
    traffic = Traffic(packets, octets, replays, failures, float(added))
    return SeenSa(shown.key, reqid, mark, shown.fingerprint, traffic)


def _algorithms(found: Mapping[int, bytes]) -> tuple[str, bytes, str, bytes] | None:
    encryption, cipher_key, integrity, auth_key = "null", b"", "null", b""
    if CRYPT in found:
        name, cipher_key = _name(found[CRYPT]), found[CRYPT][68:]
        encryption = CIPHER_KEYWORDS.get((name, len(cipher_key)), "")
    if AUTH_TRUNCATED in found:
        value = found[AUTH_TRUNCATED]
        auth_key = value[72:]
        integrity = HASH_KEYWORDS.get((_name(value), struct.unpack_from("=I", value, 68)[0] // 8), "")
    return (encryption, cipher_key, integrity, auth_key) if encryption and integrity else None


def _name(value: bytes) -> str:
    return value[:64].rstrip(b"\0").decode(errors="replace")


def read_policy(frame: Frame) -> Policy | None:
    """A policy as shown; ``None`` if it is of a kind that none of ours is."""
    data = frame.body
    priority, _, direction = struct.unpack_from("=IIB", data, 152)
    found = attributes(data[POLICY_SIZE:])
    template = found.get(TEMPLATES, b"")
    if direction >= len(DIRECTIONS) or len(template) != 64:
        return None
    destination, _, number = SA_ID.unpack_from(template, 0)
    family = struct.unpack_from("=H", template, 24)[0]
    reqid, mode = struct.unpack_from("=IB", template, 44)
    if number not in PROTOCOLS or mode >= len(MODES):
        return None
    return Policy(
        _policy_key(data, DIRECTIONS[direction], _seen_mark(found)),
        priority,
        reqid,
        PROTOCOLS[number],
        MODES[mode],
        _unpacked(template[28:44], family),
        _unpacked(destination, family),
    )


def _policy_key(data: bytes, direction: Direction, vrf_mark: VrfMark) -> PolicyKey:
    destination, source, dport, dmask, sport, smask = SELECTOR.unpack_from(data, 0)
    family, dlength, slength, protocol, _, _ = SELECTOR_REST.unpack_from(data, 40)
    return PolicyKey(
        direction,
        _prefix(source, slength, family),
        _prefix(destination, dlength, family),
        protocol,
        (sport, smask),
        (dport, dmask),
        vrf_mark,
    )


def _prefix(packed: bytes, length: int, family: int) -> Prefix:
    return ip_network((_unpacked(packed, family), length))


def _unpacked(packed: bytes, family: int) -> Address:
    return ip_address(packed[: 16 if family == socket.AF_INET6 else 4])
