"""What backend ``linux`` can do with a given kernel and settings, and its declared limits in words."""

from __future__ import annotations

from collections.abc import Mapping

from cryptomap_backend.capabilities import Capabilities, DscpPolicy, Feature
from cryptomap_backend.intent import TunnelKind
from cryptomap_backend.linux.objects import Algorithms
from cryptomap_backend.linux.settings import Settings
from cryptomap_backend.state import Platform

__all__ = ["capabilities"]

NOTES: Mapping[str, str] = {
    TunnelKind.IKEV2: "it has manual keys only, backend strongswan negotiates",
    TunnelKind.DYNAMIC: "it has manual keys only, backend strongswan negotiates",
    Feature.DEI: "no interface of kernel 6.1 sets the drop eligible indicator of a VLAN tag, it is sent as 0",
    Feature.DOT1P: "no VLAN device is named in its settings",
    Feature.MPLS_TC: "no device with an MPLS label is named in its settings",
    Feature.ECN: "the kernel tells a congestion mark of the inner packet outside as ECT(0) (RFC 3168); other values are"
    " copied, and the inner mark survives",
    Feature.SET_DF: "the kernel copies or clears the don't-fragment bit",
    Feature.NATT: "manual keys are not encapsulated in UDP",
    Feature.ESN: "manual keys have no extended sequence numbers",
    Feature.RESPONDER: "it has manual keys only, backend strongswan negotiates",
}
TOLERATED = frozenset({Feature.DEI, Feature.DOT1P, Feature.MPLS_TC})


def capabilities(found: Algorithms, settings: Settings, versions: Mapping[str, str]) -> Capabilities:
    """By what the kernel was found to take."""
    return Capabilities(
        "linux",
        kinds=frozenset({TunnelKind.MANUAL}),
        modes=found.modes,
        ike_encryption=frozenset(),
        ike_integrity=frozenset(),
        ike_prf=frozenset(),
        dh_groups=frozenset(),
        esp_encryption=found.encryption,
        esp_integrity=found.integrity,
        ah_integrity=found.ah_integrity,
        manual_encryption=found.encryption,
        features=_features(found, settings),
        tolerated=TOLERATED,
        dscp_policy=DscpPolicy.COPY_OR_FIXED,
        versions=versions,
        platform=Platform(type="generic", vpp=False, crypto_hardware=False),
        notes={str(name): note for name, note in NOTES.items()},
    )


def _features(found: Algorithms, settings: Settings) -> frozenset[Feature]:
    features = {Feature.MIXED_FAMILY, Feature.CLEAR_DF, Feature.INITIATE_BIND, Feature.INITIATE_TRAFFIC}
    features |= {Feature.AH} if found.ah_integrity else set()
    features |= {Feature.DOT1P} if settings.devices else set()
    features |= {Feature.MPLS_TC} if any(device.label is not None for device in settings.devices) else set()
    return frozenset(features)
