"""What of the models no backend is asked for, and why. A test holds this against the schema and against what is read,
so that no leaf is forgotten in silence; the commit rule ``no-effect`` warns who sets one of
:data:`NO_EFFECT` or :data:`NO_EFFECT_IN_MAP`. What one backend does and another does not is in their capabilities.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["NOT_FOR_BACKENDS", "NO_EFFECT", "NO_EFFECT_IN_MAP"]

CERTIFICATES = "backends check certificates by the CAs and the revocation lists that are listed"
VENDOR = "it belongs to the vendor's platform"

NO_EFFECT: Mapping[str, str] = {
    "ikev2/ocsp": CERTIFICATES,
    "ikev2/allow-cert-enc-cert-hash-url": CERTIFICATES,
    "ikev2/allow-custom-fqdn-idr": VENDOR,
    "ikev2/remote-secret-list": VENDOR,
    "ikev2/whitelist": VENDOR,
    "ikev2/blacklist": VENDOR,
    "ikev2/ikev2-ikesa/policy/error-notification-cause": "backends notify all causes or none",
    "ikev2/ikev2-ikesa/dh-exponential-reuse-group": "backends never use an exponential twice",
    "ikev2/ikev2-ikesa/ddos": "backends protect themselves by their own settings",
    "ikev2/ikev2-ikesa/fragmentation/ipv4-mtu": "backends choose the size of IKE fragments",
    "ikev2/ikev2-ikesa/fragmentation/ipv6-mtu": "backends choose the size of IKE fragments",
    "ikev2/notify-payload": VENDOR,
    "max-childsa/overload-action": "backends refuse further child SAs",
}
"""Below a crypto map or template: what is kept and shown, but carried out by no backend."""

NO_EFFECT_IN_MAP: Mapping[str, str] = {
    "tsi": "the traffic selectors of a map are those of its access list",
    "tsr": "the traffic selectors of a map are those of its access list",
}
"""The same below a payload of a crypto map."""

NOT_FOR_BACKENDS: Mapping[str, str] = {
    "cryptomap-context:contexts/day1-complete": "commit rules",
    "cryptomap-context:contexts/context/description": "for people",
    "cryptomap-context:contexts/context/interface/description": "for people",
    "cryptomap-context:contexts/context/interface/loopback": "shown only; the address is what counts",
    "cryptomap-context:contexts/context/interface/ipv4/prefix-length": "addresses are set by the platform",
    "cryptomap-context:contexts/context/interface/ipv6/prefix-length": "addresses are set by the platform",
    "cryptomap-context:contexts/context/cryptomap-acl:access-list/rule/name": "for editing only",
    "cryptomap-context:contexts/context/cryptomap-acl:access-list/rule/log": "of ordinary access lists",
    "cryptomap-context:contexts/context/cryptomap-ipsec:isakmp-policy": "IKEv1 is configured, never negotiated",
    "cryptomap-context:contexts/context/cryptomap-application:application": "commit rules, traces and state",
}
"""Everywhere else: the node, with all below it, and whose it is."""
