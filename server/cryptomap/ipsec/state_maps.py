"""The state of a crypto map: what "show crypto map tag" prints beside the configuration (IPSec in CUPS)."""

from __future__ import annotations

from collections.abc import Iterator

from cryptomap.data import values
from cryptomap.data.build import Plain
from cryptomap.data.tree import Node
from cryptomap.ipsec.keywords import identity
from cryptomap.ipsec.names import Config, Kind, Named
from cryptomap.ipsec.read import MapReading
from cryptomap.ipsec.rule_text import rule_text
from cryptomap_backend.intent import Authentication, Child, EspProposal, Ike

__all__ = ["crypto_map"]

ACCELERATOR = "none"
"""No backend reports hardware crypto; the seed's box prints the same."""

CERTIFICATE_SERVER_TIMEOUT = 20  # seconds
MAX_DHOST_CONNECTIONS = 40
OCSP_HTTP_VERSION = "1.0"


def crypto_map(node: Node, found: MapReading, manager: int | None, config: Config, item: Named) -> Plain:
    """All of it but the interfaces. ``manager`` is the backend's task, ``None`` if there is none."""
    content: dict[str, object] = {
        "status": "incomplete" if found.missing else "complete",
        "incomplete-reason": found.missing,
        "manager": manager,
        "rule": list(_rules(config, item, node)),
        "remote-gateway": found.remote,
        "payload": [_payload(position, child) for position, child in enumerate(found.children, 1)],
    }
    if found.ike is not None:
        content |= _ike(found.ike, node)
    return content


def _rules(config: Config, item: Named, node: Node) -> Iterator[str]:
    name = values.leaf(node, "match-address")
    acl = None if name is None else config.find(Kind.ACL, Named(item.context, name))
    for rule in values.entries(acl, "rule") if acl else ():
        yield rule_text(rule)


def _ike(ike: Ike, node: Node) -> dict[str, object]:
    return {
        "ike-transform": [
            {
                "position": position,
                "transform-set": proposal.name,
                "encryption": identity(proposal.encryption),
                "encryption-accelerator": ACCELERATOR,
                "prf": identity(proposal.prf),
                "hmac": identity(proposal.integrity),
                "hmac-accelerator": ACCELERATOR,
                "group": proposal.dh_group,
            }
            for position, proposal in enumerate(ike.proposals, 1)
        ],
        "ike-dscp": ike.dscp,
        "peer-identity-check": ike.remote.identity is not None,
        "authentication": {
            "local-method": _method(node, "local", ike.local),
            "local-key-size": _key_size(ike.local),
            "remote-method": _method(node, "remote", ike.remote),
            "remote-key-size": _key_size(ike.remote),
            "self-certificate-validation": False,
            "certificate-server-timeout": CERTIFICATE_SERVER_TIMEOUT,
            "minimum-certificate-key-size-validation": False,
            "max-dhost-connections": MAX_DHOST_CONNECTIONS,
            "ocsp-http-version": OCSP_HTTP_VERSION,
        },
        "dns-handling": "normal",
    }


def _method(node: Node, side: str, found: Authentication) -> str | None:
    """The method of one side; ``None`` while there is none."""
    if values.is_set(node, f"ikev2/authentication/{side}/encrypted-key"):
        return "encrypted-key"
    return found.method if found.secret or found.method != "pre-shared-key" else None


def _key_size(found: Authentication) -> int | None:
    """The length of the clear key in octets; the key itself is never shown."""
    return len(found.secret.reveal()) if found.secret else None


def _payload(position: int, child: Child) -> Plain:
    return {
        "position": position,
        "name": child.name or None,
        "ipv4-fragment-type": "outer",
        "transform": [_transform(place, proposal) for place, proposal in enumerate(child.proposals, 1)],
    }


def _transform(position: int, proposal: EspProposal) -> Plain:
    return {
        "position": position,
        "transform-set": proposal.name,
        "protocol": proposal.protocol,
        "mode": proposal.mode.value,
        "encryption": None if proposal.protocol == "ah" else identity(proposal.encryption),
        "encryption-accelerator": ACCELERATOR,
        "hmac": identity(proposal.integrity),
        "hmac-accelerator": ACCELERATOR,
        "group": proposal.dh_group or "none",
        "esn": proposal.esn,
        "dscp": proposal.dscp,
    }
