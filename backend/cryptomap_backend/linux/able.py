"""What backend ``linux`` can do with a given kernel and settings, and its declared limits in words."""

from __future__ import annotations

from collections.abc import Mapping

from cryptomap_backend.capabilities import Capabilities, DscpPolicy, Feature
from cryptomap_backend.intent import TunnelKind
from cryptomap_backend.linux.objects import Algorithms
from cryptomap_backend.linux.settings import Settings
from cryptomap_backend.state import Platform

__all__ = ["KERNEL_LIMITS", "capabilities"]

KERNEL_LIMITS: Mapping[str, str] = {
    Feature.DEI: "no interface of kernel 6.1 sets the drop eligible indicator of a VLAN tag, it is sent as 0",
    Feature.ECN: "the kernel tells a congestion mark of the inner packet outside as ECT(0) (RFC 3168); other values are"
    " copied, and the inner mark survives",
    Feature.SET_DF: "the kernel copies or clears the don't-fragment bit of the outer header, it never sets it",
    "interfaces": "interfaces are not tied to devices: one gives its maps the address and the VRF, and they protect"
    " what their selectors take out of there by whatever device; what a device marks with is said by its own entry"
    " in the settings (context, VRF, MPLS label)",
}
"""What no backend can do whose packets Linux makes."""

MANUAL_ONLY = "it has manual keys only, backend strongswan negotiates"
NEGOTIATED = (
    *(TunnelKind.IKEV2, TunnelKind.DYNAMIC, Feature.RESPONDER, Feature.CERTIFICATE, Feature.EAP, Feature.PSK),
    *(Feature.IKE_DSCP, Feature.IKE_TIMERS, Feature.SETUP_TIMER, Feature.DPD, Feature.DPD_TIMERS, Feature.CRL),
    *(Feature.SAME_PARAMETERS, Feature.LIFETIME_VOLUME, Feature.LIFETIME_SEQUENCE, Feature.IGNORE_REKEY),
    *(Feature.CHILD_LIMIT, Feature.ADDRESS_RANGES),
)
NOTES: Mapping[str, str] = {
    **dict.fromkeys(map(str, NEGOTIATED), MANUAL_ONLY),
    **KERNEL_LIMITS,
    Feature.DOT1P: "no VLAN device is named in its settings",
    Feature.MPLS_TC: "no device with an MPLS label is named in its settings",
    Feature.NATT: "manual keys are not encapsulated in UDP",
    Feature.ESN: "manual keys have no extended sequence numbers",
    Feature.INNER_MTU: "the kernel works out the size of the largest inner packet itself",
}
TOLERATED = frozenset({Feature.DEI, Feature.DOT1P, Feature.MPLS_TC, Feature.INNER_MTU})


def capabilities(found: Algorithms, settings: Settings, versions: Mapping[str, str]) -> Capabilities:
    """By what the kernel was found to take."""
    features = _features(found, settings)
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
        features=features,
        tolerated=TOLERATED,
        dscp_policy=DscpPolicy.COPY_OR_FIXED,
        versions=versions,
        platform=Platform(type="generic", vpp=False, crypto_hardware=False),
        notes={str(name): note for name, note in NOTES.items() if name not in features},
    )


def _features(found: Algorithms, settings: Settings) -> frozenset[Feature]:
    features = {Feature.MIXED_FAMILY, Feature.CLEAR_DF, Feature.INITIATE_BIND, Feature.INITIATE_TRAFFIC}
    features |= {Feature.PREFERENCE}
    features |= {Feature.AH} if found.ah_integrity else set()
    features |= {Feature.DOT1P} if settings.devices else set()
    features |= {Feature.MPLS_TC} if any(device.label is not None for device in settings.devices) else set()
    return frozenset(features)
