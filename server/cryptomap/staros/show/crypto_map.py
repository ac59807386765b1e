"""``show crypto map``, field by field as the seed prints it.

What is configured is shown as configured (oddities O-1, O-11), the DSCP of IKE is a leaf of its own (O-9), and of a key
nothing is shown but its size. Most of it comes from the state of the map, where the values in use stand.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptomap.data.tree import Node
from cryptomap.staros.paths import entries_at, explicit, flag_at, text_at, values_at
from cryptomap.staros.rule_lines import rule_text
from cryptomap.staros.show.fields import DEFAULT, UNKNOWN, accelerator, capital, dscp, enabled, marked, option, value
from cryptomap.staros.show.fields import number_or_disabled as limit

__all__ = ["show_crypto_map"]

TYPES = {
    "ikev2-ipv4": "IPSEC IKEv2 over IPv4",
    "ikev2-ipv6": "IPSEC IKEv2 over IPv6",
    "manual": "IPSEC Manual",
    "dynamic": "IPSEC Dynamic",
}
DF_BIT = {
    "copy-bit": "Copy bit from inner header",
    "clear-bit": "Clear bit",
    "set-bit": "Set bit",
}
METHODS = {
    "pre-shared-key": "Phase 1 - Pre-Shared Key",
    "encrypted-key": "Phase 1 - Pre-Shared Key (encrypted)",
    "certificate": "Phase 1 - Certificate",
    "eap": "Phase 1 - EAP",
}
DDOS = (
    ("Half Open Timer: ", "half-open-timer"),
    ("Decrypt Fail Count: ", "decrypt-fail-count"),
    ("Max IKEv2 requests Allowed : ", "max-ikev2-requests"),
    ("Message Queue Size: ", "message-queue-size"),
    ("Rekey Rate: ", "rekey-rate"),
    ("Max Certificate Size: ", "max-certificate-size"),
)
ERROR_TYPES = (
    ("UE: ", "ue"),
    ("Network Transient Minor: ", "network-transient-minor"),
    ("Network Transient Major: ", "network-transient-major"),
    ("Network Permanent: ", "network-permanent"),
)
"""A page break of the seed has taken the indentation of all but the first."""

IKE_SA = "ikev2/ikev2-ikesa"


def show_crypto_map(crypto_map: Node, context: Node) -> str:
    """A crypto map with its state, as text that ends with a line end. ``context`` is the context it is of."""
    lines = [*_head(crypto_map, context)]
    if text_at(crypto_map, "type") != "manual":
        lines += [*_ike_transforms(crypto_map), *_ike(crypto_map), *_authentication(crypto_map)]
    lines += _payloads(crypto_map)
    if text_at(crypto_map, "type") != "manual":
        lines += _tail(crypto_map)
    lines += _interfaces(crypto_map)
    return "\n".join(lines) + "\n"


def _head(node: Node, context: Node) -> Iterator[str]:
    yield f"Map Name: {value(node, 'name')}"
    yield "====="
    yield ""
    yield f"IPSec Manager: {value(node, 'state/manager')}"
    yield f"Map status: {capital(value(node, 'state/status'))}"
    yield "Payload:"
    yield "ACLs:"
    yield f"  {value(node, 'match-address', 'None')}"
    yield "Rules:"
    yield from [f"  {rule}" for rule in _rules(node, context)]
    yield f"Crypto Map Type: {TYPES.get(value(node, 'type'), UNKNOWN)}"


def _rules(node: Node, context: Node) -> Iterator[str]:
    """The rules of the crypto ACL as configured; what StarOS has no words for is at least counted."""
    name = text_at(node, "match-address")
    access_list = None if name is None else entries_at(context, "cryptomap-acl:access-list").get(name)
    if access_list is None:
        yield from values_at(node, "state/rule")
        return
    family = text_at(access_list, "family") or "ipv4"
    for rule in entries_at(access_list, "rule").nodes():
        yield rule_text(rule, family) or f"(rule {value(rule, 'name')} has no form in StarOS)"


def _ike_transforms(node: Node) -> Iterator[str]:
    transforms = list(entries_at(node, "state/ike-transform").nodes())
    for position, transform in enumerate(transforms, 1):
        yield f"IKE SA Transform {position}/{len(transforms)}"
        yield "  Transform Set:"
        yield f"    Encryption Cipher: {value(transform, 'encryption')}"
        yield f"    Encryption Accel: {accelerator(transform, 'encryption-accelerator')}"
        yield f"    Pseudo Random Function: {value(transform, 'prf')}"
        yield f"    Hashed Message Authentication Code: {value(transform, 'hmac')}"
        yield f"    HMAC Accel: {accelerator(transform, 'hmac-accelerator')}"
        yield f"    Diffie-Hellman Group: {value(transform, 'group')}"


def _ike(node: Node) -> Iterator[str]:
    yield f"IKE SA DSCP Value: {dscp(node, 'state/ike-dscp', dscp(node, f'{IKE_SA}/dscp'))}"
    yield ""
    yield f"IKE SA IDi [Peer]: {enabled(node, 'state/peer-identity-check')}"
    yield ""
    groups = values_at(node, f"{IKE_SA}/dh-exponential-reuse-group")
    yield f"IKE SA DH Exponentials reuse groups : {', '.join(groups) or 'None'}"
    yield ""
    yield "IKEv2 IKESA DDOS Mitigation Params:"
    yield from [f"  {label}{limit(node, f'{IKE_SA}/ddos/{leaf}')}" for label, leaf in DDOS]
    yield ""
    yield "IKEv2 Notify Payload:"
    by_default = explicit(node, "ikev2/notify-payload/device-id") is None
    yield f"  Device Identity: {enabled(node, 'ikev2/notify-payload/device-id')}{DEFAULT if by_default else ''}"
    yield "Notify Payload Error Message Type:"
    for label, leaf in ERROR_TYPES:
        yield f"  {label}{value(node, f'ikev2/notify-payload/error-message-type/{leaf}')}"
    yield ""
    lists = [name for name in ("blacklist", "whitelist") if explicit(node, f"ikev2/{name}") is not None]
    yield f"Blacklist/Whitelist : {capital(''.join(lists)) or 'None'}"
    yield ""
    yield f"OCSP Status          : {enabled(node, 'ikev2/ocsp/enabled')}"
    yield f"OCSP Nonce Status   : {enabled(node, 'ikev2/ocsp/nonce')}"
    yield f"OCSP Responder Address :{_responder(node)}"
    yield f"OCSP HTTP version   : {value(node, 'state/authentication/ocsp-http-version')}"
    yield ""
    yield f"Remote-secret-list: {value(node, 'ikev2/remote-secret-list', '<not-configured>')}"
    yield ""


def _responder(node: Node) -> str:
    address, port = option(node, "ikev2/ocsp/responder-address"), option(node, "ikev2/ocsp/responder-port")
    if address is None:
        return "None"
    return address if port is None else f"{address} port {port}"


def _authentication(node: Node) -> Iterator[str]:
    for side in ("local", "remote"):
        yield f"Authentication {capital(side)}:"
        yield f"  {_method(node, side)}"
        yield ""
    at = "state/authentication"
    timeout = option(node, f"{at}/certificate-server-timeout")
    yield f"Self-Certificate Validation: {enabled(node, f'{at}/self-certificate-validation')}"
    yield f"Certificate Server Timeout: {UNKNOWN if timeout is None else f'{timeout} Sec'}"
    checked = enabled(node, f"{at}/minimum-certificate-key-size-validation")
    yield f"Minimum Certificate Key Size Validation: {checked}"
    yield ""
    yield f"Max Dhost Connections: {value(node, f'{at}/max-dhost-connections')}"
    yield ""


def _method(node: Node, side: str) -> str:
    method = METHODS.get(value(node, f"state/authentication/{side}-method"), "None")
    size = option(node, f"state/authentication/{side}-key-size")
    return method if size is None else f"{method} (Size = {size})"


# ===== payloads =====


def _payloads(node: Node) -> Iterator[str]:
    payloads = _paired(node)
    for position, (payload, state) in enumerate(payloads, 1):
        if payload is not None:
            yield f"IPSec SA Payload {position}/{len(payloads)}"
            yield from _payload(payload)
            yield ""
        yield from _transforms(state)
        yield f"  Dont Fragment: {DF_BIT.get(value(node, 'control-dont-fragment'), UNKNOWN)}"
        yield f"  IPv4 Payload fragment type: {value(state, 'ipv4-fragment-type')}"
        yield f"  MTU: {value(node, 'manual/mtu') if payload is None else marked(payload, 'mtu')}"
        yield ""


def _paired(node: Node) -> list[tuple[Node | None, Node | None]]:
    """Every payload: what is configured, and its state. That of a manual map has state only."""
    states = list(entries_at(node, "state/payload").nodes())
    if text_at(node, "type") == "manual":
        return [(None, state) for state in states] or [(None, None)]
    by_name = {text_at(state, "name"): state for state in states}
    configured = entries_at(node, "ikev2/payload").nodes()
    return [(payload, by_name.get(text_at(payload, "name"))) for payload in configured]


def _payload(payload: Node) -> Iterator[str]:
    yield f"  Name : {value(payload, 'name')}"
    yield f"  Payload Maximum Child SA: {marked(payload, 'maximum-child-sa')}"
    yield f"  Payload Ignore Ikesa Rekey: {enabled(payload, 'ignore-rekeying-requests')}"
    yield "  Payload Lifetime Params:"
    yield f"    Seconds: {marked(payload, 'lifetime')}"
    kilobytes = option(payload, "lifetime-kilobytes")
    if kilobytes is not None:
        yield f"    Kilobytes: {kilobytes}"
    yield f"    Sequence Number: {marked(payload, 'lifetime-sequence-number')}"
    yield f"  Payload TSI Start Address: {_selector(payload, 'tsi/start-address')}"
    yield f"  Payload TSI End Address: {_selector(payload, 'tsi/end-address')}"


def _selector(payload: Node, path: str) -> str:
    address = value(payload, path)
    return "Address Endpoint" if address == "endpoint" else address


def _transforms(state: Node | None) -> Iterator[str]:
    transforms = [] if state is None else list(entries_at(state, "transform").nodes())
    for position, transform in enumerate(transforms, 1):
        yield f"IPSec SA Transform {position}/{len(transforms)}"
        yield "  Transform Set:"
        yield f"    Protocol: {value(transform, 'protocol')}"
        if text_at(transform, "protocol") != "ah":
            yield f"    Encryption Cipher: {value(transform, 'encryption')}"
            yield f"    Encryption Accel: {accelerator(transform, 'encryption-accelerator')}"
        yield f"    Hashed Message Authentication Code: {value(transform, 'hmac')}"
        yield f"    HMAC Accel: {accelerator(transform, 'hmac-accelerator')}"
        yield f"    Diffie-Hellman Group: {value(transform, 'group')}"
        yield f"    ESN: {enabled(transform, 'esn')}"
        yield f"    Dscp: {dscp(transform, 'dscp')}"


# ===== the rest =====


def _tail(node: Node) -> Iterator[str]:
    fragmentation = f"{IKE_SA}/fragmentation"
    yield f"NATT: {enabled(node, 'ikev2/natt')}"
    yield ""
    yield f"IKEv2 Fragmentation: {enabled(node, f'{fragmentation}/enabled')}"
    mtus = f"{value(node, f'{fragmentation}/ipv4-mtu')}/{value(node, f'{fragmentation}/ipv6-mtu')}"
    yield f"IKEv2 MTU Size IPv4/IPv6: {mtus}"
    yield ""
    yield f"CERT Enc Type URL Allowed: {enabled(node, 'ikev2/allow-cert-enc-cert-hash-url')}"
    yield f"Custom FQDN Allowed: {enabled(node, 'ikev2/allow-custom-fqdn-idr')}"
    handling = value(node, "state/dns-handling")
    yield f"DNS Handling: {'Normal [Default]' if handling == 'normal' else capital(handling)}"
    yield ""


def _interfaces(node: Node) -> Iterator[str]:
    """Where the map is bound. What is bound no longer has the DSCP that is configured says so; the seed has no such
    line, because its map is as configured."""
    remote = value(node, "state/remote-gateway", value(node, "peer", "None"))
    interfaces = list(entries_at(node, "state/interface").nodes())
    if not interfaces:
        yield "interface using this crypto-map: None"
        yield f"  Remote Gateway: {remote}"
    for interface in interfaces:
        yield f"interface using this crypto-map: {value(interface, 'name')}"
        yield f"  Local Gateway: {value(interface, 'local-gateway')}"
        yield f"  Remote Gateway: {remote}"
        if flag_at(interface, "reapply-pending"):
            yield "  Reapply Pending: Yes"
