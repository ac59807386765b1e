"""The marking that backend linux does, for SAs that charon puts into the kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from cryptomap_backend.intent import L2Marking
from cryptomap_backend.linux.access import open_kernel
from cryptomap_backend.linux.kernel import Kernel
from cryptomap_backend.linux.marker import LinuxMarker
from cryptomap_backend.linux.settings import Settings
from cryptomap_backend.load import SettingsFault
from cryptomap_backend.strongswan.messages import Marks

__all__ = ["KernelMarking", "Marking", "kernel_marking"]


class Marking(Protocol):
    """What turns the marks of SAs into DSCP, PCP and TC. One of its own for each lane."""

    @property
    def marks(self) -> Marks: ...

    def program(self, marking: L2Marking) -> None:
        """Replace all QoS maps, all or nothing. Raises ApplyFailed, Unavailable, OutcomeUnknown."""

    def fits(self, marking: L2Marking) -> bool:
        """True if these are what is programmed. Raises Unavailable."""

    def interrupt(self) -> None:
        """Break off the call in progress, from another thread."""

    def close(self) -> None:
        """Let go, changing nothing."""


class KernelMarking:
    """A :class:`LinuxMarker` with the kernel it works on."""

    def __init__(self, settings: Settings, kernel: Kernel) -> None:
        self._marker = LinuxMarker(settings, kernel)
        self._kernel = kernel

    @property
    def marks(self) -> Marks:
        return self._marker.marks

    def program(self, marking: L2Marking) -> None:
        self._marker.program(marking)

    def fits(self, marking: L2Marking) -> bool:
        return self._marker.fits(marking)

    def interrupt(self) -> None:
        self._kernel.interrupt()

    def close(self) -> None:
        self._kernel.close()


def kernel_marking(settings: Mapping[str, object]) -> Callable[[], Marking]:
    """Makes the marking of a lane, by settings of backend linux. Raises SettingsFault."""
    parsed = Settings.of(settings)
    if parsed.vrf_devices:
        raise SettingsFault("backend strongswan does not tell VRF devices apart: give each a charon in a namespace")
    return lambda: KernelMarking(parsed, open_kernel(parsed))
