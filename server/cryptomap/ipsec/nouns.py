"""From the nodes of one object to its neutral form: one function per noun of the configuration.

What an object lacks to be complete is said in words, for ``incomplete-reason``; a function with a ``missing`` argument
adds to it and answers as well as it can.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from typing import Protocol

from cryptomap.data import values
from cryptomap.data.tree import Node
from cryptomap.data.values import Fields
from cryptomap.ipsec.keywords import keyword
from cryptomap.ipsec.names import Kind
from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY
from cryptomap_backend.intent import (
    Address,
    AddressRange,
    Authentication,
    Child,
    DeadPeerDetection,
    DfBit,
    EspProposal,
    Ike,
    IkeProposal,
    ManualKeys,
    ManualSa,
    Mode,
    PortRange,
    Prefix,
    Secret,
    Selector,
)

__all__ = [
    "Missing",
    "Secrets",
    "address",
    "authentication",
    "child",
    "children",
    "df_bit",
    "esp_proposal",
    "family_of",
    "hmac_in_use",
    "ike",
    "ike_proposal",
    "interface_address",
    "manual_child",
    "manual_keys",
    "protocol_number",
    "selector",
    "template_children",
]


class Secrets(Protocol):
    """What can be learnt of a sealed leaf, given its schema path; the vault."""

    def reveal(self, path: str, sealed: str) -> bytes:
        """The clear text. Asked for only when a backend computes with the key."""
        ...

    def fingerprint(self, path: str, sealed: str) -> str:
        """What tells keys apart, whichever master key sealed them."""
        ...


Missing = list[str]

DEFAULT_INTEGRITY = "sha1-96"
PORT_MAX = 65535
PROTOCOLS = {"tcp": 6, "udp": 17}
ICMP = {4: 1, 6: 58}
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
DF_BITS = {"copy-bit": DfBit.COPY, "set-bit": DfBit.SET, "clear-bit": DfBit.CLEAR}
MODES = {str(mode): mode for mode in Mode}

# What is read of each kind of object.
ACL_RULE = Fields("protocol", "action")
ACL_END = Fields("prefix", "lower-port", "upper-port", "port")
IKE_SET = Fields("name", "encryption", "hmac", "prf", "group", "lifetime")
ESP_SET = Fields("name", "protocol", "encryption", "hmac", "group", "mode", "esn", "dscp")
PAYLOAD = Fields(
    "name",
    "transform-set",
    "match",
    "lifetime",
    "rekey",
    "rekey-keepalive",
    "ignore-rekeying-requests",
    "maximum-child-sa",
    "mtu",
    "lifetime-kilobytes",
    "lifetime-sequence-number",
)
ADDRESS_RANGE = Fields("start-address", "end-address")
ENDPOINT = "endpoint"
IKE = Fields(
    "transform-set",
    "dscp",
    "allow-empty-ikesa",
    "max-retransmissions",
    "retransmission-timeout",
    "retransmission-exponential",
    "setup-timer",
    "rekey",
    "rekey-disallow-param-change",
)
IKE_NOTIFICATIONS = Fields("error-notification", "use-rfc5996-notification")
PEER_LISTS = Fields("ca-certificate", "ca-crl")
KEEPALIVE = Fields("interval", "timeout", "num-retry")
CREDENTIAL = Fields("identity", "pre-shared-key", "certificate", "encrypted-key")


# ===== small things =====


def address(text: str | None) -> Address | None:
    """The address of a canonical text. ``ip_address`` does the same at four times the cost."""
    if text is None:
        return None
    if ":" not in text:
        return IPv4Address(socket.inet_pton(socket.AF_INET, text))
    return ip_address(text) if "%" in text else IPv6Address(socket.inet_pton(socket.AF_INET6, text))


def network(text: str) -> Prefix:
    """The prefix of a canonical text. ``ip_network`` does the same at twice the cost."""
    if ":" in text:
        return ip_network(text, strict=False)
    first, _, length = text.partition("/")
    return IPv4Network((socket.inet_pton(socket.AF_INET, first), int(length)), strict=False)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def family_of(text: str) -> int:
    """4 for "ipv4", 6 for "ipv6"."""
    return 6 if text == "ipv6" else 4


def interface_address(interface: Node, family: int) -> Address | None:
    """The address of an interface in a family."""
    return address(values.leaf(interface, f"ipv{family}/address"))


def df_bit(node: Node) -> DfBit:
    return DF_BITS[values.required(node, "control-dont-fragment")]


def protocol_number(text: str, family: int) -> int | None:
    """The number of a protocol keyword or number; ``None`` for any."""
    if text == "ip":
        return None
    if text == "icmp":
        return ICMP[family]
    return PROTOCOLS[text] if text in PROTOCOLS else int(text)


# ===== access list =====


def selector(rule: Node, family: int) -> Selector:
    """The rule of a crypto ACL. ICMP has its type where ports have their source, its code where they have their
    destination."""
    name, action = ACL_RULE.of(rule)
    protocol = protocol_number(name, family)
    icmp = protocol in ICMP.values()
    source, source_ports = _end(rule, "source", family)
    destination, destination_ports = _end(rule, "destination", family)
    return Selector(
        source,
        destination,
        protocol,
        _one(rule, "icmp/type") if icmp else source_ports,
        _one(rule, "icmp/code") if icmp else destination_ports,
        action,
    )


def _end(rule: Node, end: str, family: int) -> tuple[Prefix, tuple[PortRange, ...]]:
    """The prefix and the ports of the source or destination."""
    prefix, lower, upper, port = ACL_END.below(rule, end)
    ports: tuple[PortRange, ...] = ()
    if lower is not None:
        ports = ((int(lower), int(lower if upper is None else upper)),)
    elif port is not None:
        ports = _compared(values.required(rule, f"{end}/operator"), int(port))
    return network(prefix or EVERYWHERE[family]), ports


def _one(rule: Node, path: str) -> tuple[PortRange, ...]:
    value = values.number(rule, path)
    return () if value is None else ((value, value),)


def _compared(operator: str, port: int) -> tuple[PortRange, ...]:
    if operator == "neq":
        ranges = ((0, port - 1), (port + 1, PORT_MAX))
        return tuple([(low, high) for low, high in ranges if low <= high])
    return {"eq": ((port, port),), "lte": ((0, port),), "gte": ((port, PORT_MAX),)}[operator]


# ===== transform sets =====


def ike_proposal(node: Node) -> IkeProposal:
    return _ike_proposal(IKE_SET.of(node))


@lru_cache(maxsize=256)
def _ike_proposal(fields: tuple[str, ...]) -> IkeProposal:
    """Remembered, because a few IKE transform sets serve all maps."""
    name, encryption, hmac, prf, group, lifetime = fields
    return IkeProposal(name, keyword(encryption), keyword(hmac), keyword(prf), int(group), int(lifetime))


def esp_proposal(node: Node) -> EspProposal:
    name, protocol, encryption, hmac, group, mode, esn, dscp = ESP_SET.of(node)
    cipher = _cipher(protocol, encryption)
    return EspProposal(
        name,
        protocol,
        cipher,
        _integrity(cipher, hmac),
        None if group == "none" else int(group),
        MODES[mode],
        esn == "true",
        _number(dscp),
    )


def encryption_in_use(node: Node) -> str:
    """The cipher of an ipsec transform set; AH has none."""
    return _cipher(values.required(node, "protocol"), values.required(node, "encryption"))


def hmac_in_use(node: Node) -> str:
    """The integrity algorithm in effect. One that is not set is null with a combined-mode cipher, else sha1-96: it has
    no YANG default, because then GCM alone would be at fault."""
    return _integrity(encryption_in_use(node), values.explicit(node, "hmac"))


def _cipher(protocol: str, encryption: str) -> str:
    return "null" if protocol == "ah" else keyword(encryption)


def _integrity(cipher: str, hmac: str | None) -> str:
    if hmac is not None:
        return keyword(hmac)
    known = ENCRYPTION.get(cipher)
    return "null" if known and known.aead else DEFAULT_INTEGRITY


def _ike_proposals(names: tuple[str, ...], context: Node) -> tuple[IkeProposal, ...]:
    nodes = [values.entry(context, Kind.IKE_SET, name) for name in names]
    return tuple([ike_proposal(node) for node in nodes if node is not None])


def _esp_proposals(names: tuple[str, ...], context: Node) -> tuple[EspProposal, ...]:
    nodes = [values.entry(context, Kind.IPSEC_SET, name) for name in names]
    return tuple([esp_proposal(node) for node in nodes if node is not None])


# ===== payloads =====


def children(owner: Node, context: Node, missing: Missing) -> tuple[Child, ...]:
    """The payloads of a map or template, by name."""
    found = tuple([child(payload, context) for payload in values.entries(owner, "ikev2/payload")])
    if not found:
        missing.append("there is no payload")
    missing += [f"payload {item.name} lists no transform set" for item in found if not item.proposals]
    return found


def child(payload: Node, context: Node) -> Child:
    name, sets, match, lifetime, rekey, keepalive, ignore_rekey, max_child_sa, mtu, volume, sequence = PAYLOAD.of(
        payload
    )
    return Child(
        name,
        _esp_proposals(sets or (), context),
        family_of(match),
        _number(lifetime),
        rekey == "true",
        keepalive == "true",
        ignore_rekey == "true",
        int(max_child_sa),
        int(mtu),
        _number(volume),
        int(sequence),
    )


def template_children(template: Node, context: Node, missing: Missing) -> tuple[Child, ...]:
    """The payloads of a template, whose traffic selectors keep within ranges; those of a map are its access list's."""
    found = children(template, context, missing)
    payloads = values.entries(template, "ikev2/payload")
    return tuple([_within(child, payload, missing) for child, payload in zip(found, payloads, strict=True)])


def _within(child: Child, payload: Node, missing: Missing) -> Child:
    tsi, tsr = (_address_range(payload, side, child, missing) for side in ("tsi", "tsr"))
    return child if tsi is tsr is None else replace(child, tsi=tsi, tsr=tsr)


def _address_range(payload: Node, side: str, child: Child, missing: Missing) -> AddressRange | None:
    first, last = (None if text == ENDPOINT else address(text) for text in ADDRESS_RANGE.below(payload, side))
    if first is None or last is None:
        return None
    if not first.version == last.version == child.family or first.packed > last.packed:
        missing.append(f"{side} of payload {child.name} is no range of IPv{child.family} addresses: {first} to {last}")
        return None
    return first, last


# ===== IKE =====


def ike(owner: Node, context: Node, secrets: Secrets, missing: Missing) -> Ike:
    """The IKE policy of a map or template."""
    sets, dscp, allow_empty, retransmissions, timeout, exponential, setup_timer, rekey, no_change = IKE.below(
        owner, "ikev2/ikev2-ikesa"
    )
    proposals = _ike_proposals(sets or (), context)
    if not proposals:
        missing.append("no ikev2-ikesa transform-set is listed")
    error, rfc5996 = IKE_NOTIFICATIONS.below(owner, "ikev2/ikev2-ikesa/policy")
    certificates, crls = PEER_LISTS.below(owner, "ikev2")
    return Ike(
        proposals=proposals,
        local=authentication(owner, "local", secrets, missing),
        remote=authentication(owner, "remote", secrets, missing),
        dscp=int(dscp),
        allow_empty=allow_empty == "true",
        max_retransmissions=int(retransmissions),
        retransmission_timeout_ms=int(timeout),
        exponential=exponential == "true",
        setup_timer=_number(setup_timer),
        rekey=rekey == "true",
        disallow_param_change=no_change == "true",
        error_notification=error == "true",
        rfc5996_notification=rfc5996 == "true",
        dpd=_dead_peer_detection(owner),
        fragmentation=values.flag(owner, "ikev2/ikev2-ikesa/fragmentation/enabled"),
        ca_certificates=certificates or (),
        crls=crls or (),
    )


def _dead_peer_detection(owner: Node) -> DeadPeerDetection | None:
    keepalive = values.container(owner, "ikev2/keepalive")
    if keepalive is None:
        return None
    interval, timeout, retries = KEEPALIVE.of(keepalive)
    return DeadPeerDetection(int(interval), int(timeout), int(retries))


def authentication(owner: Node, side: str, secrets: Secrets, missing: Missing) -> Authentication:
    """How the local or remote side proves itself."""
    base = f"ikev2/authentication/{side}"
    identity, key, certificate, encrypted_key = CREDENTIAL.below(owner, base)
    if key is not None:
        secret = _secret(owner, f"{base}/pre-shared-key", key, secrets, _plain)
        return Authentication("pre-shared-key", secret, identity)
    if certificate is not None:
        return Authentication("certificate", None, identity, _certificate(owner, side, missing))
    if "eap-profile" in _methods(owner, base):
        profile = values.leaf(owner, f"{base}/eap-profile")
        if profile is not None:
            return Authentication("eap", None, identity, profile)
    if encrypted_key is not None:
        missing.append(f"the {side} key is in the vendor's encrypted form, which only the vendor's platform can use")
    else:
        missing.append(f"authentication {side} is not set")
    return Authentication(identity=identity)


def _certificate(owner: Node, side: str, missing: Missing) -> str | None:
    if side == "remote":
        return None
    name = values.leaf(owner, "ikev2/certificate")
    if name is None:
        missing.append("authentication local is by certificate, but certificate is not set")
    return name


def _methods(owner: Node, base: str) -> frozenset[str]:
    """The names below one side of authentication: templates know more methods than maps."""
    node = values.route(owner.schema, base).child
    return frozenset(child.name for child in getattr(node, "children", ()))


# ===== manual keys =====


def manual_child(owner: Node, context: Node, family: int, missing: Missing) -> Child:
    """The single child of a manual map: one transform set, and SAs that never expire."""
    proposals = _esp_proposals(values.many(owner, "manual/transform-set"), context)
    if not proposals:
        missing.append("no transform-set is listed")
    mtu = values.number(owner, "manual/mtu")
    plain = Child(name="", proposals=proposals, family=family, lifetime=None)
    return plain if mtu is None else Child(name="", proposals=proposals, family=family, lifetime=None, mtu=mtu)


def manual_keys(owner: Node, proposal: EspProposal | None, secrets: Secrets, missing: Missing) -> ManualKeys | None:
    """The keys of both directions, ``None`` while one lacks something."""
    inbound = _manual_sa(owner, "inbound", proposal, secrets, missing)
    outbound = _manual_sa(owner, "outbound", proposal, secrets, missing)
    return ManualKeys(inbound, outbound) if inbound and outbound else None


def _manual_sa(
    owner: Node, direction: str, proposal: EspProposal | None, secrets: Secrets, missing: Missing
) -> ManualSa | None:
    base = f"manual/session-key/{direction}"
    spi = values.number(owner, f"{base}/spi")
    cipher, auth = (_key(owner, f"{base}/{name}", secrets) for name in ("cipher-key", "authenticator-key"))
    lacking = [] if spi is not None else ["spi"]
    if proposal is not None:
        lacking += ["cipher-key"] if cipher is None and _takes_key(ENCRYPTION.get(proposal.encryption)) else []
        lacking += ["authenticator-key"] if auth is None and _takes_key(INTEGRITY.get(proposal.integrity)) else []
    missing += [f"session-key {direction} has no {name}" for name in lacking]
    if lacking or spi is None or proposal is None:
        return None
    return ManualSa(spi, proposal.protocol, cipher, auth)


def _takes_key(algorithm: object) -> bool:
    return getattr(algorithm, "key", 0) > 0


def _key(owner: Node, path: str, secrets: Secrets) -> Secret | None:
    sealed = values.leaf(owner, path)
    return None if sealed is None else _secret(owner, path, sealed, secrets, _octets)


# ===== secrets =====


def _secret(owner: Node, path: str, sealed: str, secrets: Secrets, convert: Callable[[bytes], bytes]) -> Secret:
    """A handle on the sealed leaf at a path."""
    where = values.route(owner.schema, path).child.path
    return Secret(secrets.fingerprint(where, sealed), _Opening(where, sealed, secrets, convert))


class _Opening:
    """Reveals one sealed leaf. A closure would do, at three times the memory; there are two a tunnel."""

    __slots__ = ("_convert", "_sealed", "_secrets", "_where")

    def __init__(self, where: str, sealed: str, secrets: Secrets, convert: Callable[[bytes], bytes]) -> None:
        self._where = where
        self._sealed = sealed
        self._secrets = secrets
        self._convert = convert

    def __call__(self) -> bytes:
        return self._convert(self._secrets.reveal(self._where, self._sealed))


def _plain(clear: bytes) -> bytes:
    return clear


def _octets(clear: bytes) -> bytes:
    """The octets of a yang:hex-string."""
    return bytes.fromhex(clear.decode().replace(":", ""))
