"""From the nodes of one object to its neutral form: one function per noun of the configuration.

What an object lacks to be complete is said in words, for ``incomplete-reason``; a function with a ``missing`` argument
adds to it and answers as well as it can.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network

from cryptomap.data.tree import Node
from cryptomap.ipsec import values
from cryptomap.ipsec.names import Kind
from cryptomap.schema.nodes import Leaf
from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY
from cryptomap_backend.intent import (
    Address,
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
    Secret,
    Selector,
)

__all__ = [
    "Missing",
    "Reveal",
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
]

Reveal = Callable[[str, str], bytes]
"""(schema path of a leaf, sealed value) -> the clear text. Asked for only when a backend computes with the key."""

Missing = list[str]

DEFAULT_INTEGRITY = "sha1-96"
PORT_MAX = 65535
PROTOCOLS = {"tcp": 6, "udp": 17}
ICMP = {4: 1, 6: 58}
DF_BITS = {"copy-bit": DfBit.COPY, "set-bit": DfBit.SET, "clear-bit": DfBit.CLEAR}


# ===== small things =====


def address(text: str | None) -> Address | None:
    return None if text is None else ip_address(text)


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
    protocol = protocol_number(values.required(rule, "protocol"), family)
    icmp = protocol in ICMP.values()
    return Selector(
        source=ip_network(_prefix(rule, "source", family)),
        destination=ip_network(_prefix(rule, "destination", family)),
        protocol=protocol,
        source_ports=_one(rule, "icmp/type") if icmp else _ports(rule, "source"),
        destination_ports=_one(rule, "icmp/code") if icmp else _ports(rule, "destination"),
        action=values.required(rule, "action"),
    )


def _prefix(rule: Node, end: str, family: int) -> str:
    return values.leaf(rule, f"{end}/prefix") or ("::/0" if family == 6 else "0.0.0.0/0")


def _one(rule: Node, path: str) -> tuple[PortRange, ...]:
    value = values.number(rule, path)
    return () if value is None else ((value, value),)


def _ports(rule: Node, end: str) -> tuple[PortRange, ...]:
    lower, upper = values.number(rule, f"{end}/lower-port"), values.number(rule, f"{end}/upper-port")
    if lower is not None:
        return ((lower, lower if upper is None else upper),)
    port = values.number(rule, f"{end}/port")
    return () if port is None else _compared(values.required(rule, f"{end}/operator"), port)


def _compared(operator: str, port: int) -> tuple[PortRange, ...]:
    if operator == "neq":
        ranges = ((0, port - 1), (port + 1, PORT_MAX))
        return tuple([(low, high) for low, high in ranges if low <= high])
    return {"eq": ((port, port),), "lte": ((0, port),), "gte": ((port, PORT_MAX),)}[operator]


# ===== transform sets =====


def ike_proposal(node: Node) -> IkeProposal:
    return IkeProposal(
        name=values.required(node, "name"),
        encryption=values.keyword(values.required(node, "encryption")),
        integrity=values.keyword(values.required(node, "hmac")),
        prf=values.keyword(values.required(node, "prf")),
        dh_group=int(values.required(node, "group")),
        lifetime=int(values.required(node, "lifetime")),
    )


def esp_proposal(node: Node) -> EspProposal:
    group = values.required(node, "group")
    return EspProposal(
        name=values.required(node, "name"),
        protocol=values.required(node, "protocol"),
        encryption=encryption_in_use(node),
        integrity=hmac_in_use(node),
        dh_group=None if group == "none" else int(group),
        mode=Mode(values.required(node, "mode")),
        esn=values.flag(node, "esn"),
        dscp=values.number(node, "dscp"),
    )


def encryption_in_use(node: Node) -> str:
    """The cipher of an ipsec transform set; AH has none."""
    if values.required(node, "protocol") == "ah":
        return "null"
    return values.keyword(values.required(node, "encryption"))


def hmac_in_use(node: Node) -> str:
    """The integrity algorithm in effect. One that is not set is null with a combined-mode cipher, else sha1-96: it has
    no YANG default, because then GCM alone would be at fault."""
    configured = values.explicit(node, "hmac")
    if configured is not None:
        return values.keyword(configured)
    cipher = ENCRYPTION.get(encryption_in_use(node))
    return "null" if cipher and cipher.aead else DEFAULT_INTEGRITY


def _ike_proposals(owner: Node, context: Node) -> Iterator[IkeProposal]:
    for name in values.many(owner, "ikev2/ikev2-ikesa/transform-set"):
        node = values.entry(context, Kind.IKE_SET, name)
        if node is not None:
            yield ike_proposal(node)


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
    return Child(
        name=values.required(payload, "name"),
        proposals=_esp_proposals(values.many(payload, "transform-set"), context),
        family=family_of(values.required(payload, "match")),
        lifetime=values.number(payload, "lifetime"),
        rekey=values.flag(payload, "rekey"),
        rekey_keepalive=values.flag(payload, "rekey-keepalive"),
        ignore_rekey=values.flag(payload, "ignore-rekeying-requests"),
        max_child_sa=int(values.required(payload, "maximum-child-sa")),
        mtu=int(values.required(payload, "mtu")),
    )


# ===== IKE =====


def ike(owner: Node, context: Node, reveal: Reveal, missing: Missing) -> Ike:
    """The IKE policy of a map or template."""
    proposals = tuple(_ike_proposals(owner, context))
    if not proposals:
        missing.append("no ikev2-ikesa transform-set is listed")
    ikesa = "ikev2/ikev2-ikesa"
    return Ike(
        proposals=proposals,
        local=authentication(owner, "local", reveal, missing),
        remote=authentication(owner, "remote", reveal, missing),
        dscp=int(values.required(owner, f"{ikesa}/dscp")),
        allow_empty=values.flag(owner, f"{ikesa}/allow-empty-ikesa"),
        max_retransmissions=int(values.required(owner, f"{ikesa}/max-retransmissions")),
        retransmission_timeout_ms=int(values.required(owner, f"{ikesa}/retransmission-timeout")),
        exponential=values.flag(owner, f"{ikesa}/retransmission-exponential"),
        setup_timer=values.number(owner, f"{ikesa}/setup-timer"),
        rekey=values.flag(owner, f"{ikesa}/rekey"),
        disallow_param_change=values.flag(owner, f"{ikesa}/rekey-disallow-param-change"),
        error_notification=values.flag(owner, f"{ikesa}/policy/error-notification"),
        rfc5996_notification=values.flag(owner, f"{ikesa}/policy/use-rfc5996-notification"),
        dpd=_dead_peer_detection(owner),
        fragmentation=values.flag(owner, f"{ikesa}/fragmentation/enabled"),
        ca_certificates=values.many(owner, "ikev2/ca-certificate"),
        crls=values.many(owner, "ikev2/ca-crl"),
    )


def _dead_peer_detection(owner: Node) -> DeadPeerDetection | None:
    keepalive = values.container(owner, "ikev2/keepalive")
    if keepalive is None:
        return None
    return DeadPeerDetection(
        interval=int(values.required(keepalive, "interval")),
        timeout=int(values.required(keepalive, "timeout")),
        retries=int(values.required(keepalive, "num-retry")),
    )


def authentication(owner: Node, side: str, reveal: Reveal, missing: Missing) -> Authentication:
    """How the local or remote side proves itself."""
    base = f"ikev2/authentication/{side}"
    identity = values.leaf(owner, f"{base}/identity")
    if values.is_set(owner, f"{base}/pre-shared-key"):
        return Authentication("pre-shared-key", _secret(owner, f"{base}/pre-shared-key", reveal, _plain), identity)
    if values.is_set(owner, f"{base}/certificate"):
        return Authentication("certificate", None, identity, _certificate(owner, side, missing))
    if "eap-profile" in _methods(owner, base):
        profile = values.leaf(owner, f"{base}/eap-profile")
        if profile is not None:
            return Authentication("eap", None, identity, profile)
    if values.is_set(owner, f"{base}/encrypted-key"):
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
    node = values.resolve(owner.schema, base)[-1]
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


def manual_keys(owner: Node, proposal: EspProposal | None, reveal: Reveal, missing: Missing) -> ManualKeys | None:
    """The keys of both directions, ``None`` while one lacks something."""
    inbound = _manual_sa(owner, "inbound", proposal, reveal, missing)
    outbound = _manual_sa(owner, "outbound", proposal, reveal, missing)
    return ManualKeys(inbound, outbound) if inbound and outbound else None


def _manual_sa(
    owner: Node, direction: str, proposal: EspProposal | None, reveal: Reveal, missing: Missing
) -> ManualSa | None:
    base = f"manual/session-key/{direction}"
    spi = values.number(owner, f"{base}/spi")
    cipher, auth = (_key(owner, f"{base}/{name}", reveal) for name in ("cipher-key", "authenticator-key"))
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


def _key(owner: Node, path: str, reveal: Reveal) -> Secret | None:
    return _secret(owner, path, reveal, _octets) if values.is_set(owner, path) else None


# ===== secrets =====


def _secret(owner: Node, path: str, reveal: Reveal, convert: Callable[[bytes], bytes]) -> Secret:
    """A handle on a sealed leaf. Sealing is deterministic, so a digest of the sealed text tells keys apart."""
    sealed = values.leaf(owner, path)
    assert sealed is not None
    node = values.resolve(owner.schema, path)[-1]
    assert isinstance(node, Leaf)
    where = node.path
    fingerprint = hashlib.blake2s(f"{where} {sealed}".encode()).hexdigest()
    return Secret(fingerprint, lambda: convert(reveal(where, sealed)))


def _plain(clear: bytes) -> bytes:
    return clear


def _octets(clear: bytes) -> bytes:
    """The octets of a yang:hex-string."""
    return bytes.fromhex(clear.decode().replace(":", ""))
