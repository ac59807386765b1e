"""Facts about the box: its role, its hardware, what its backend can do. From the settings or from the backend."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from cryptomap_backend.capabilities import Capabilities
from cryptomap_backend.contract import Backend, BackendError
from cryptomap_backend.state import Platform

__all__ = ["CONTROL_PLANE", "USER_PLANE", "Facts", "Surroundings", "facts_of"]

log = logging.getLogger(__name__)

USER_PLANE = "user-plane"
CONTROL_PLANE = "control-plane"


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules go by. The default is the stricter reading of the seed: a user plane without VPP or crypto hardware.

    ``role`` is user-plane or control-plane, ``type`` asr5500, vpc-di, vpc-si or generic."""

    role: str = USER_PLANE
    type: str = "generic"
    vpp: bool = False
    crypto_hardware: bool = False

    @property
    def is_user_plane(self) -> bool:
        return self.role == USER_PLANE


def facts_of(backend: Platform | None, settings: Facts) -> Facts:
    """The facts in force: what the backend knows itself wins over the settings."""
    if backend is None:
        return settings
    return Facts(
        role=backend.role or settings.role,
        type=backend.type or settings.type,
        vpp=settings.vpp if backend.vpp is None else backend.vpp,
        crypto_hardware=settings.crypto_hardware if backend.crypto_hardware is None else backend.crypto_hardware,
    )


class Surroundings:
    """The facts in force and the backend's capabilities, asked for once and again after :meth:`forget`."""

    def __init__(self, backend: Backend, settings: Facts) -> None:
        self._backend = backend
        self._settings = settings
        self._capabilities: Capabilities | None = None

    @property
    def capabilities(self) -> Capabilities | None:
        """``None`` while the backend cannot be asked."""
        if self._capabilities is None:
            try:
                self._capabilities = self._backend.capabilities()
            except BackendError as fault:
                log.warning("capabilities of backend %s are not known: %s", self._backend.name, fault)
        return self._capabilities

    @property
    def facts(self) -> Facts:
        known = self.capabilities
        return facts_of(known.platform if known else None, self._settings)

    def forget(self) -> None:
        """The backend was away: it may be another one now."""
        self._capabilities = None
