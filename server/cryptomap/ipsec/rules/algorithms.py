"""Algorithms the platform does not have, or that nobody should use any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from cryptomap.errors import InvalidValue, OperationFailed, RpcError
from cryptomap.ipsec import nouns
from cryptomap.ipsec.names import Kind, Named
from cryptomap.ipsec.scope import Scope
from cryptomap_backend.algorithms import ENCRYPTION

__all__ = ["algorithm_deprecated", "algorithm_platform", "esp_without_integrity"]

ONLY_WITH_VPP = frozenset({"aes-cbc-192", "aes-192-gcm"})
NOT_WITH_VPP = frozenset({"aes-xcbc-96"})
NEEDS_HARDWARE = frozenset({"sha2-384-192", "sha2-512-256"})
Algorithm = TypeVar("Algorithm")
VIRTUAL = frozenset({"vpc-di", "vpc-si"})

ESP_DEPRECATED: Mapping[str, str] = {
    "des-cbc": "MUST NOT be used (RFC 8221)",
    "3des-cbc": "SHOULD NOT be used (RFC 8221)",
    "md5-96": "MUST NOT be used (RFC 8221)",
}
IKE_DEPRECATED: Mapping[str, str] = {
    "des-cbc": "MUST NOT be used (RFC 8247)",
    "md5-96": "MUST NOT be used (RFC 8247)",
    "md5": "MUST NOT be used (RFC 8247)",
}
GROUP_DEPRECATED: Mapping[int | None, str] = {
    1: "MUST NOT be used (RFC 8247)",
    2: "SHOULD NOT be used (RFC 8247)",
    5: "SHOULD NOT be used (RFC 8247)",
}


def algorithm_platform(scope: Scope) -> Iterator[RpcError]:
    """The table of supported algorithms, with and without VPP, and on VPC without crypto hardware (IPSec in CUPS,
    Supported Algorithms). It is the ESP part that differs; IKE runs outside VPP."""
    facts = scope.facts
    for item, esp in scope.touched_sets:
        cipher, hmac = esp.encryption, esp.integrity
        if cipher in ONLY_WITH_VPP and not facts.vpp:
            yield _not_here(scope, item, "encryption", cipher, "needs VPP, which this platform does not have")
        if hmac in NOT_WITH_VPP and facts.vpp:
            yield _not_here(scope, item, "hmac", hmac, "is not available for ESP with VPP")
        if hmac in NEEDS_HARDWARE and facts.type in VIRTUAL and not facts.crypto_hardware:
            reason = f"needs crypto hardware on {facts.type.upper()}, and this one has none"
            yield _not_here(scope, item, "hmac", hmac, reason)


def _not_here(scope: Scope, item: Named, leaf: str, algorithm: str, reason: str) -> RpcError:
    return InvalidValue(
        f"{algorithm} {reason}: choose another {leaf} for transform set {item.name}",
        app_tag="algorithm-platform",
        path=scope.at(f"{Kind.IPSEC_SET}/{leaf}", *item),
    )


def algorithm_deprecated(scope: Scope) -> Iterator[RpcError]:
    """Algorithms that RFC 8221 (ESP) and RFC 8247 (IKE) say must or should not be used: a warning."""
    for item, node in scope.nodes(Kind.IKE_SET, scope.touched.ike_sets):
        ike = nouns.ike_proposal(node)
        for leaf, algorithm in (("encryption", ike.encryption), ("hmac", ike.integrity), ("prf", ike.prf)):
            if algorithm in IKE_DEPRECATED:
                yield _deprecated(scope, Kind.IKE_SET, item, leaf, algorithm, IKE_DEPRECATED)
        if ike.dh_group in GROUP_DEPRECATED:
            yield _deprecated(scope, Kind.IKE_SET, item, "group", ike.dh_group, GROUP_DEPRECATED)
    for item, esp in scope.touched_sets:
        if esp.encryption in ESP_DEPRECATED:
            yield _deprecated(scope, Kind.IPSEC_SET, item, "encryption", esp.encryption, ESP_DEPRECATED)
        if esp.integrity in ESP_DEPRECATED:
            yield _deprecated(scope, Kind.IPSEC_SET, item, "hmac", esp.integrity, ESP_DEPRECATED)
        if esp.dh_group in GROUP_DEPRECATED:
            yield _deprecated(scope, Kind.IPSEC_SET, item, "group", esp.dh_group, GROUP_DEPRECATED)


def _deprecated(
    scope: Scope, kind: Kind, item: Named, leaf: str, algorithm: Algorithm, table: Mapping[Algorithm, str]
) -> RpcError:
    name = f"Diffie-Hellman group {algorithm}" if leaf == "group" else algorithm
    return OperationFailed(
        f"{name} {table[algorithm]}: choose another {leaf} for transform set {item.name} if the peer can do it",
        app_tag="algorithm-deprecated",
        path=scope.at(f"{kind}/{leaf}", *item),
        severity="warning",
    )


def esp_without_integrity(scope: Scope) -> Iterator[RpcError]:
    """Encryption without authentication can be undone by who sits on the way (RFC 8221 section 4): a warning."""
    for item, esp in scope.touched_sets:
        cipher = ENCRYPTION.get(esp.encryption)
        if esp.integrity == "null" and cipher is not None and cipher.key and not cipher.aead:
            yield OperationFailed(
                f"transform set {item.name} encrypts but does not authenticate, which RFC 8221 says MUST NOT be done: "
                "set hmac, or use a combined-mode cipher (GCM)",
                app_tag="esp-without-integrity",
                path=scope.at(f"{Kind.IPSEC_SET}/hmac", *item),
                severity="warning",
            )
