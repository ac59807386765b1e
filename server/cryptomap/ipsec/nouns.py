"""From the nodes of one object to its neutral form: one function per noun of the configuration.

What an object lacks to be complete is said in words, for ``incomplete-reason``; a function with a ``missing`` argument
adds to it and answers as well as it can.
"""

from __future__ import annotations

import socket
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

from cryptomap.data import values
from cryptomap.data.tree import Node
from cryptomap.data.values import Fields, Policy
from cryptomap.ipsec.keys import Secrets, octets, secret
from cryptomap.ipsec.keywords import keyword
from cryptomap.ipsec.names import Kind
from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY
from cryptomap_backend.intent import (
    Address,
    AddressRange,
    Child,
    DfBit,
    EspProposal,
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
    "address",
    "child",
    "children",
    "df_bit",
    "esp_proposal",
    "family_of",
    "hmac_in_use",
    "ike_proposal",
    "ike_proposals",
    "interface_address",
    "manual_child",
    "manual_keys",
    "number",
    "protocol_number",
    "selector",
    "template_children",
]


Missing = list[str]

DEFAULT_INTEGRITY = "sha1-96"
PORT_MAX = 65535
PROTOCOLS = {"tcp": 6, "udp": 17}
ICMP = {4: 1, 6: 58}
ICMP_NUMBERS = frozenset(ICMP.values())
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
DF_BITS = {"copy-bit": DfBit.COPY, "set-bit": DfBit.SET, "clear-bit": DfBit.CLEAR}
MODES = {str(mode): mode for mode in Mode}

# What is read of each kind of object.
ACL_RULE = Fields("protocol", "action")
ACL_END = Fields("prefix", "lower-port", "upper-port", "port")
ESP_SET = Fields("name", "dscp")
PAYLOAD = Fields("name", "transform-set")
ADDRESS_RANGE = Fields("start-address", "end-address")
ENDPOINT = "endpoint"


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


def number(text: str | None) -> int | None:
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
    icmp = protocol in ICMP_NUMBERS
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
    return IKE_SET.of(node)


def _ike_proposal(name: str, encryption: str, hmac: str, prf: str, group: str, lifetime: str) -> IkeProposal:
    return IkeProposal(name, keyword(encryption), keyword(hmac), keyword(prf), int(group), int(lifetime))


IKE_SET = Policy(_ike_proposal, "name", "encryption", "hmac", "prf", "group", "lifetime")


def esp_proposal(node: Node) -> EspProposal:
    name, dscp = ESP_SET.of(node)
    return EspProposal(name, *ESP_POLICY.of(node), number(dscp))


def _esp_policy(
    protocol: str, encryption: str, hmac: str | None, group: str, mode: str, esn: str
) -> tuple[str, str, str, int | None, Mode, bool]:
    """From ``EspProposal.protocol`` to ``esn``."""
    cipher = _cipher(protocol, encryption)
    dh_group = None if group == "none" else int(group)
    return protocol, cipher, _integrity(cipher, hmac), dh_group, MODES[mode], esn == "true"


ESP_POLICY = Policy(_esp_policy, "protocol", "encryption", "hmac", "group", "mode", "esn")


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


def ike_proposals(names: tuple[str, ...], context: Node) -> tuple[IkeProposal, ...]:
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
    name, sets = PAYLOAD.of(payload)
    return Child(name, _esp_proposals(sets or (), context), *CHILD_POLICY.of(payload))


def _child_policy(
    match: str,
    lifetime: str | None,
    rekey: str,
    keepalive: str,
    ignore_rekey: str,
    max_child_sa: str,
    mtu: str,
    volume: str | None,
    sequence: str,
) -> tuple[int, int | None, bool, bool, bool, int, int, int | None, int]:
    """From ``Child.family`` to ``lifetime_sequence``."""
    flags = rekey == "true", keepalive == "true", ignore_rekey == "true"
    return family_of(match), number(lifetime), *flags, int(max_child_sa), int(mtu), number(volume), int(sequence)


CHILD_POLICY = Policy(
    _child_policy,
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
    return None if sealed is None else secret(owner, path, sealed, secrets, octets)
