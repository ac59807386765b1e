"""The state ``platform``: facts of the box, the backend's health and what it can do."""

from __future__ import annotations

from collections.abc import Iterable

from cryptomap.data.build import Plain, date_and_time
from cryptomap.ipsec.keywords import identity
from cryptomap.ipsec.platform import Facts
from cryptomap_backend.capabilities import Capabilities, Feature
from cryptomap_backend.intent import TunnelKind
from cryptomap_backend.state import Health

__all__ = ["HealthRecord", "platform", "status_of"]

MAP_TYPES = {
    TunnelKind.IKEV2: ("ikev2-ipv4", "ikev2-ipv6"),
    TunnelKind.MANUAL: ("manual",),
    TunnelKind.DYNAMIC: ("dynamic",),
}
MAX_TUNNELS = "tunnels"


class HealthRecord:
    """Remembers when the backend's status last changed."""

    def __init__(self) -> None:
        self._status: str | None = None
        self._since: float | None = None

    def seen(self, status: str, now: float) -> float | None:
        """When the status became this one, seconds since the epoch."""
        if status != self._status:
            self._status, self._since = status, now
        return self._since


def status_of(health: Health) -> str:
    if not health.connected:
        return "unavailable"
    return "connected" if health.in_sync else "out-of-sync"


def platform(
    facts: Facts,
    name: str,
    health: Health,
    since: float | None,
    able: Capabilities | None,
    violations: Iterable[str],
    drift: Plain,
) -> Plain:
    """The content of the container."""
    versions = ", ".join(f"{part} {version}" for part, version in sorted(health.versions.items()))
    return {
        "role": facts.role,
        "type": facts.type,
        "vpp": facts.vpp,
        "crypto-hardware": facts.crypto_hardware,
        "violation": list(dict.fromkeys(violations)),
        "backend": {
            "name": name,
            "version": versions or None,
            "health": status_of(health),
            "last-error": health.last_error,
            "last-change": date_and_time(since),
            "drift": drift,
            "capabilities": _capabilities(able) if able else None,
        },
    }


def _capabilities(able: Capabilities) -> Plain:
    return {
        "map-type": [name for kind in TunnelKind if kind in able.kinds for name in MAP_TYPES[kind]],
        "protocol": ["esp", *(("ah",) if Feature.AH in able.features else ())],
        "mode": sorted(mode.value for mode in able.modes),
        "ike-encryption": _identities(able.ike_encryption),
        "ike-integrity": _identities(able.ike_integrity),
        "prf": _identities(able.ike_prf),
        "dh-group": sorted(able.dh_groups),
        "esp-encryption": _identities(able.esp_encryption),
        "esp-integrity": _identities(able.esp_integrity),
        "dscp-policy": able.dscp_policy.value,
        "l2-marking": {Feature.DOT1P, Feature.MPLS_TC} <= able.features,
        "max-tunnels": able.limits.get(MAX_TUNNELS),
        "limit": [{"name": feature, "text": text} for feature, text in sorted(_limits(able).items())],
    }


def _identities(words: Iterable[str]) -> list[str]:
    return sorted(identity(word) for word in words)


def _limits(able: Capabilities) -> dict[str, str]:
    """What is missing, with the backend's own words where it has some."""
    missing = {str(feature): f"{feature} is not available" for feature in set(Feature) - able.features}
    return {**missing, **{str(name): text for name, text in able.notes.items()}}
