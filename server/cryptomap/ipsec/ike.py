"""The IKE policy of a crypto map or template, in neutral form."""

from __future__ import annotations

from cryptomap.data import values
from cryptomap.data.tree import Node
from cryptomap.data.values import Fields, Policy
from cryptomap.ipsec.keys import Secrets, plain, secret
from cryptomap.ipsec.nouns import Missing, ike_proposals, number
from cryptomap_backend.intent import Authentication, DeadPeerDetection, Ike

__all__ = ["authentication", "ike_policy"]

PEER_LISTS = Fields("ca-certificate", "ca-crl")
CREDENTIAL = Fields("identity", "pre-shared-key", "certificate", "encrypted-key")


def ike_policy(owner: Node, context: Node, secrets: Secrets, missing: Missing) -> Ike:
    """The IKE policy of a map or template."""
    proposals = ike_proposals(values.many(owner, "ikev2/ikev2-ikesa/transform-set"), context)
    if not proposals:
        missing.append("no ikev2-ikesa transform-set is listed")
    certificates, crls = PEER_LISTS.below(owner, "ikev2")
    keepalive = values.container(owner, "ikev2/keepalive")
    return Ike(
        proposals,
        authentication(owner, "local", secrets, missing),
        authentication(owner, "remote", secrets, missing),
        *IKE_LIMITS.below(owner, "ikev2/ikev2-ikesa"),
        *IKE_NOTIFICATIONS.below(owner, "ikev2/ikev2-ikesa/policy"),
        None if keepalive is None else KEEPALIVE.of(keepalive),
        values.flag(owner, "ikev2/ikev2-ikesa/fragmentation/enabled"),
        certificates or (),
        crls or (),
    )


def _limits(
    dscp: str,
    allow_empty: str,
    retransmissions: str,
    timeout: str,
    exponential: str,
    setup_timer: str | None,
    rekey: str,
    no_change: str,
) -> tuple[int, bool, int, int, bool, int | None, bool, bool]:
    """From ``Ike.dscp`` to ``disallow_param_change``."""
    return (
        int(dscp),
        allow_empty == "true",
        int(retransmissions),
        int(timeout),
        exponential == "true",
        number(setup_timer),
        rekey == "true",
        no_change == "true",
    )


IKE_LIMITS = Policy(
    _limits,
    "dscp",
    "allow-empty-ikesa",
    "max-retransmissions",
    "retransmission-timeout",
    "retransmission-exponential",
    "setup-timer",
    "rekey",
    "rekey-disallow-param-change",
)


def _notifications(error: str, rfc5996: str) -> tuple[bool, bool]:
    return error == "true", rfc5996 == "true"


IKE_NOTIFICATIONS = Policy(_notifications, "error-notification", "use-rfc5996-notification")


def _dead_peer_detection(interval: str, timeout: str, retries: str) -> DeadPeerDetection:
    return DeadPeerDetection(int(interval), int(timeout), int(retries))


KEEPALIVE = Policy(_dead_peer_detection, "interval", "timeout", "num-retry")


def authentication(owner: Node, side: str, secrets: Secrets, missing: Missing) -> Authentication:
    """How the local or remote side proves itself."""
    base = f"ikev2/authentication/{side}"
    identity, key, certificate, encrypted_key = CREDENTIAL.below(owner, base)
    if key is not None:
        handle = secret(owner, f"{base}/pre-shared-key", key, secrets, plain)
        return Authentication("pre-shared-key", handle, identity)
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
