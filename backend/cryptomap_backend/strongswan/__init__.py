"""IKEv2 crypto maps, templates and dynamic maps as connections of strongSwan's charon, over VICI."""

from __future__ import annotations

from collections.abc import Mapping

from cryptomap_backend.strongswan.backend import StrongswanBackend
from cryptomap_backend.strongswan.marking import Marking, kernel_marking
from cryptomap_backend.strongswan.settings import Settings

__all__ = ["Marking", "Settings", "StrongswanBackend", "create"]


def create(settings: Mapping[str, object]) -> StrongswanBackend:
    """The factory. Raises SettingsFault; a charon that is not there yet is waited for."""
    parsed = Settings.of(settings)
    return StrongswanBackend(parsed, kernel_marking(parsed.marking) if parsed.marking is not None else None)
