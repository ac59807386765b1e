"""IKEv2 crypto maps, templates and dynamic maps as connections of strongSwan's charon, over VICI."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptomap_backend.strongswan.backend import Marking, StrongswanBackend
from cryptomap_backend.strongswan.settings import Settings

__all__ = ["Marking", "Settings", "StrongswanBackend", "create"]


def create(settings: Mapping[str, object]) -> StrongswanBackend:
    """The factory. Raises SettingsFault; a charon that is not there yet is waited for."""
    parsed = Settings.of(settings)
    return StrongswanBackend(parsed, _marking(parsed.marking) if parsed.marking is not None else None)


def _marking(settings: Mapping[str, object]) -> Callable[[], Marking]:
    from cryptomap_backend.linux.access import open_kernel
    from cryptomap_backend.linux.marker import LinuxMarker
    from cryptomap_backend.linux.settings import Settings as KernelSettings

    kernel = KernelSettings.of(settings)
    return lambda: LinuxMarker(kernel, open_kernel(kernel))
